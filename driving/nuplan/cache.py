"""The user's cache folder, and files that are complete or absent."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


def cache_folder() -> Path:
    """Folder of derived files, which may be deleted at any time: `$CAMBER_CACHE`, or the platform's cache folder."""
    folder = os.environ.get("CAMBER_CACHE")
    if folder:
        return Path(folder).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "camber"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "camber"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "camber"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name in its folder, and rename it when the block ends without an error.

    Readers see the old file or the new one, never a part of it. With two writers the last one to finish wins.

    Raises:
        PermissionError: When the folder may not be written to.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        temporary.chmod(0o644)
        yield temporary
        temporary.replace(path)
    except PermissionError as error:
        raise PermissionError(
            f"Cannot write {path}: no permission for {path.parent}. Choose another folder or change its permissions."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Whether a file has a name of `replacing`: a process that was killed while it wrote leaves it, incomplete."""
    return path.name.startswith(".")
