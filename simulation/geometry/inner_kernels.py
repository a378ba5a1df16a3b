"""Compilation of kernels for calls from other kernels, which needs no machine code of their own.

numba copies the code of a called kernel into the one that calls it and optimises it there again. The copy that only
kernels call can therefore stay unoptimised, without machine code and without the wrapper for calls from Python.
These steps take half of the compilation of a kernel. The classes extend internals of numba, which is why
`pyproject.toml` limits its version.
"""

from functools import cache
from typing import Any

import numba
from llvmlite import binding
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult
from numba.core.targetconfig import TargetConfig

__all__ = ["inner_dispatcher"]

_KIND = "linked"
"""Name of the cached form, beside numba's own `object` and `bitcode`."""


def _option_values(config: Any) -> dict[str, Any]:
    """What `TargetConfig.values` returns, without a call per option: numba compares options for each typed call."""
    return {**_default_options(config.__class__), **config._values}


@cache
def _default_options(kind: Any) -> dict[str, Any]:
    return {name: option.default for name, option in kind.options.items()}


_configuration: Any = TargetConfig
# numba's own method takes a tenth of all compilation time.
_configuration.values = _option_values


class _LinkedLibrary(JITCodeLibrary):
    """Code of a kernel and of all that it calls, which is only linked into other code."""

    def finalize(self) -> None:
        """Link what the kernel calls; no optimisation and no machine code."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()
        self._finalized = True

    @property
    def codegen(self) -> "_LinkedLibrary":
        """Itself: numba sets addresses in machine code through this object, and there is none."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Leave the address of the environment to the code that this library is linked into."""

    def get_pointer_to_function(self, _name: str) -> int:
        """No address."""
        self._ensure_finalized()
        return 0

    def serialize_using_object_code(self) -> tuple[str, str, bytes]:
        """The form for the cache."""
        return self.name, _KIND, self._get_module_for_linking().as_bitcode()

    @classmethod
    def _unserialize(cls, codegen: Any, state: tuple[str, str, bytes]) -> "_LinkedLibrary":
        name, kind, data = state
        assert kind == _KIND
        library = cls(codegen, name)
        library._shared_module = library._final_module = binding.parse_bitcode(data)
        library._finalized = True
        return library


class _LinkedCompiler(Compiler):
    """numba's compiler, with a library that is only linked."""

    def define_pipelines(self) -> list[Any]:
        state = self.state
        state.library = _LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()


class _LinkedCacheImpl(CompileResultCacheImpl):
    def rebuild(self, target_context: Any, payload: tuple[Any, ...]) -> Any:
        """The cached result of a compilation, as `CompileResult._rebuild` makes it for machine code."""
        data, fndesc, environment, signature, objectmode, lifted, annotation, reload_init, environments = payload
        for initialise in reload_init or ():
            initialise()
        library = _LinkedLibrary._unserialize(target_context.codegen(), data)
        result: Any = CompileResult
        return result(
            target_context=target_context,
            typing_context=target_context.typing_context,
            library=library,
            environment=environment,
            entry_point=target_context.get_executable(library, fndesc, environment),
            fndesc=fndesc,
            type_annotation=annotation,
            signature=signature,
            objectmode=objectmode,
            lifted=lifted,
            typing_error=None,
            call_helper=None,
            metadata=None,
            reload_init=reload_init,
            referenced_envs=environments,
        )


class _LinkedCache(FunctionCache):
    _impl_class = _LinkedCacheImpl


def inner_dispatcher(function: Any, *, cache: bool = False, **options: Any) -> Any:
    """`numba.njit` of a function that only kernels call.

    Args:
        function: The function.
        cache: Keep the code; the folder is that of numba's settings.
        options: Of `numba.njit`.
    """
    # Without the wrappers for calls from Python and from C.
    bare = {"no_cfunc_wrapper": True, "no_cpython_wrapper": True, **options}
    njit: Any = numba.njit
    dispatcher = njit(pipeline_class=_LinkedCompiler, **bare)(function)
    if cache:
        dispatcher._cache = _LinkedCache(function)
    return dispatcher
