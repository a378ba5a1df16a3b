"""Atomic writing of files."""

from pathlib import Path

from driving.nuplan.cache import replacing


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name in the same folder, then rename it: it is complete or absent.

    Raises:
        PermissionError: When the folder is not writable.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)
