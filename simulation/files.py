"""Files that are there in whole or not at all."""

from pathlib import Path

from driving.nuplan.cache import replacing


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside its place, then rename it.

    Raises:
        PermissionError: When the folder is not writable.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)
