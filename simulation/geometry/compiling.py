"""Compilation of numba kernels: compiled code is cached per kernel module and state of its sources.

numba checks only the file of a kernel when it decides whether cached code is still valid. A kernel that calls a
kernel of another file, or freezes a constant of it, would keep the old code after that file changed. The cache folder
of a module is therefore named by a digest of its own source and of the sources that it depends on.
"""

import hashlib
import inspect
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import UserProvidedCacheLocator
from numba.core.types import unliteral
from numba.extending import intrinsic

from driving.nuplan.cache import cache_folder
from simulation.geometry.inner_kernels import inner_dispatcher

__all__ = ["InnerCacheLocator", "KernelCacheLocator", "announce_first_use", "lesser", "njit", "source_digest"]

logger = logging.getLogger(__name__)

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

    folder = "."

    def __init__(self, function: Any, file: str) -> None:
        super().__init__(function, file)
        self._cache_path = str(_CACHE_FOLDER / _digest_of_file(file) / self.folder)


class InnerCacheLocator(KernelCacheLocator):
    """Places cached code that only kernels call."""

    folder = "inner"


@cache
def _digest_of_file(file: str) -> str:
    return source_digest(Path(file))


def njit(**options: Any) -> Callable[[Function], Function]:
    """`numba.njit` with the cache folder of the function's module, compiled apart for calls from kernels.

    Args:
        options: Of `numba.njit`.
    """

    def compiled(function: Function) -> Function:
        # The test run wraps every annotated function in a check of its shapes.
        function = inspect.unwrap(function)
        numba_njit: Any = numba.njit
        with _cached_in(KernelCacheLocator):
            outer = numba_njit(no_cfunc_wrapper=True, **options)(function)
        with _cached_in(InnerCacheLocator):
            _use_for_calls_from_kernels(inner_dispatcher(function, **options), outer)
        return cast(Function, outer)

    return compiled


@contextmanager
def _cached_in(locator: type[KernelCacheLocator]) -> Iterator[None]:
    """Set where numba keeps the code of kernels that are declared in the body."""
    config: Any = numba.config
    before = config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES
    config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = str(_CACHE_FOLDER), f"{__name__}.{locator.__name__}"
    try:
        yield
    finally:
        config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = before


def announce_first_use(subject: str, kernel: Any, about_s: float) -> None:
    """Warn, once per process, that kernels which the set-up leaves out are going to be compiled.

    Args:
        subject: What needs the kernels, as the start of a sentence.
        kernel: One that the subject always calls from Python.
        about_s: Expected duration on two idle cores.
    """
    if not _is_cached(kernel) and not kernel.signatures:
        logger.warning("%s: compiling kernels, once for each version (about %.0f s) ...", subject, about_s)


def _is_cached(kernel: Any) -> bool:
    return any(Path(kernel.stats.cache_path).glob(f"*.{kernel.__name__}-*.nbi"))


def _use_for_calls_from_kernels(inner: Any, outer: Any) -> None:
    """Give kernels that call `outer` the code of `inner`, unless Python called `outer` with the same types."""
    methods = type(outer)

    def chosen(types: Iterable[Any]) -> Any:
        return outer if tuple(types) in outer.overloads else inner

    def get_call_template(types: Any, named_types: Any) -> Any:
        _, folded = outer.fold_argument_types(types, named_types)
        # Without this numba compiles once for each constant argument.
        folded = tuple(unliteral(kind) for kind in folded)
        return methods.get_call_template(chosen(folded), folded, {})

    # numba takes the type of a call from the first, then its code from the second.
    outer.get_call_template = get_call_template
    outer.get_overload = lambda types: methods.get_overload(chosen(types), types)


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
