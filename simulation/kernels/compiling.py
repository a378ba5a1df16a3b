"""How kernels are compiled: once for each version of their sources, then loaded from the user's cache folder.

numba looks only at the file of a kernel when it decides whether compiled code is still good. A kernel that calls one
of another file would go on with the old code of that file after an update. So the compiled code of each state of all
sources has a folder of its own.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from driving.nuplan.cache import cache_folder

PACKAGES = ("simulation", "planning", "distill")
"""Where kernels live."""


def sources_digest() -> str:
    """A name for the present state of all files that may hold kernels."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.blake2b(digest_size=8)
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if b"njit" in (content := path.read_bytes()):
                digest.update(path.relative_to(root).as_posix().encode() + b"\0" + content + b"\0")
    return digest.hexdigest()


# numba reads the variable when it is first imported, and hands it on to worker processes.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder() / "kernels" / sources_digest()))

from numba import njit  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

__all__ = ["lesser", "njit"]


def _lesser(typing_context: Any, first: Any, second: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        flags = ("nnan", "nsz")
        is_less = builder.fcmp_ordered("<", *values, flags=flags)
        return builder.select(is_less, *values, flags=flags)

    return (first(first, second), lower) if first == second else None


lesser: Any = intrinsic(_lesser)
"""The smaller of two floats of one type, neither of them NaN, inside of kernels.

Unlike `min`, it lets a loop that looks for the least of many numbers be compiled to vector instructions.
"""
