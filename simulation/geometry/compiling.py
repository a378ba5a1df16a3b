"""Compilation of numba kernels: compiled code is cached per kernel module and state of its sources.

numba checks only the file of a kernel when it decides whether cached code is still valid. A kernel that calls a
kernel of another file, or freezes a constant of it, would keep the old code after that file changed. The cache folder
of a module is therefore named by a digest of its own source and of the sources that it depends on.
"""

import hashlib
import inspect
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import UserProvidedCacheLocator
from numba.extending import intrinsic

from driving.nuplan.cache import cache_folder

__all__ = ["KernelCacheLocator", "lesser", "njit", "source_digest"]

_ROOT = Path(__file__).resolve().parents[2]
_IMPORT = re.compile(rb"^(?:from|import) ((?:driving|perception|simulation|planning|distill)[\w.]*)", re.MULTILINE)
_FROM_PACKAGE = re.compile(rb"^from ([\w.]+) import (\([^)]*\)|[^\n(]+)", re.MULTILINE)

# Worker processes inherit the folder, also where the one of the user was replaced meanwhile.
_CACHE_FOLDER = Path(os.environ.setdefault("CAMBER_KERNELS", str(cache_folder() / "kernels")))

Function = TypeVar("Function", bound=Callable[..., Any])


def source_digest(path: Path) -> str:
    """Digest of a module's source and of the project's modules that it depends on.

    Followed are all direct imports, and the imports of those that hold kernels or are a package's `__init__`: a
    constant that reaches a kernel through any other chain of imports is not seen.
    """
    digest = hashlib.blake2b(digest_size=8)
    seen: set[Path] = set()
    waiting = [path.resolve()]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if current == path.resolve() or _is_followed(current):
            waiting.extend(_imported(current))
    for current in sorted(seen):
        digest.update(current.name.encode() + b"\0" + _source(current) + b"\0")
    return digest.hexdigest()


@cache
def _source(path: Path) -> bytes:
    return path.read_bytes()


def _is_followed(path: Path) -> bool:
    return path.name == "__init__.py" or b"njit" in _source(path)


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    source = _source(path)
    names = {match.decode() for match in _IMPORT.findall(source)}
    for module, members in _FROM_PACKAGE.findall(source):
        names |= {f"{module.decode()}.{name}" for name in re.findall(r"\w+", members.decode())}
    bases = (_ROOT.joinpath(*name.split(".")) for name in names)
    files = (file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py"))
    return tuple(sorted(file for file in files if file.is_file()))


class KernelCacheLocator(UserProvidedCacheLocator):
    """Places cached code by the content of its sources alone, so that all checkouts share it."""

    def __init__(self, function: Any, file: str) -> None:
        super().__init__(function, file)
        self._cache_path = str(_CACHE_FOLDER / _digest_of_file(file))


@cache
def _digest_of_file(file: str) -> str:
    return source_digest(Path(file))


def njit(**options: Any) -> Callable[[Function], Function]:
    """`numba.njit` with the cache folder of the function's module.

    Args:
        options: Of `numba.njit`.
    """

    def compiled(function: Function) -> Function:
        # The test run wraps every annotated function in a check of its shapes.
        function = inspect.unwrap(function)
        config: Any = numba.config
        before = config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES
        # numba reads both when it makes the cache of the function, which is now.
        config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = (
            str(_CACHE_FOLDER),
            f"{__name__}.{KernelCacheLocator.__name__}",
        )
        try:
            return numba.njit(**options)(function)
        finally:
            config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = before

    return compiled


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
