"""Kernels that other kernels call: compiled apart, cached, and announced where the set-up leaves them out."""

import importlib.util
import logging
from types import ModuleType

import numpy as np
import pytest
from numba import int64
from numba.core import event

from simulation.geometry import compiling
from simulation.geometry.inner_kernels import inner_dispatcher

SOURCE = """
from simulation.geometry.compiling import njit

@njit(cache=True)
def entry(values, k):
    if k >= len(values):
        raise ValueError("No such entry.")
    return values[k]

@njit(cache=True)
def total(values, count):
    result = 0.0
    for k in range(count):
        result += entry(values, k)
    return result

@njit(cache=True)
def last(values):
    return entry(values, len(values) - 1)
"""
VALUES = np.array([1.0, 2.0, 4.0])


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads the two kernels, each time as a new process would."""
    monkeypatch.setattr(compiling, "_CACHE_FOLDER", tmp_path / "kernels")
    path = tmp_path / "sums.py"
    path.write_text(SOURCE)

    def loaded() -> ModuleType:
        spec = importlib.util.spec_from_file_location("sums", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


def test_a_called_kernel_gets_no_code_for_python_until_python_calls_it(load):
    kernels = load()
    assert kernels.total(VALUES, 3) == 7.0
    assert not kernels.entry.signatures
    assert kernels.entry(VALUES, 2) == 4.0
    assert len(kernels.entry.signatures) == 1
    assert kernels.total(VALUES.astype(np.float32), 3) == 7.0


def test_inner_kernels_have_no_address_to_call():
    def twice(value):
        return 2 * value

    dispatcher = inner_dispatcher(twice)
    dispatcher.compile((int64,))
    (result,) = dispatcher.overloads.values()
    assert result.library.get_pointer_to_function(result.fndesc.llvm_func_name) == 0


def test_errors_of_called_kernels_reach_python(load):
    with pytest.raises(ValueError, match="No such entry"):
        load().total(VALUES, 4)


def test_both_forms_are_loaded_from_the_cache(load):
    kernels = load()
    kernels.total(VALUES, 3)
    kernels = load()
    with event.install_recorder("numba:compile") as recorded:
        assert kernels.total(VALUES, 3) == 7.0
    assert not recorded.buffer
    with event.install_recorder("numba:compile") as recorded:
        assert kernels.last(VALUES) == 4.0
    assert {one.data["dispatcher"].__name__ for _, one in recorded.buffer} == {"last"}


def test_the_first_use_is_announced_until_the_code_is_cached(load, caplog):
    kernels = load()
    with caplog.at_level(logging.WARNING):
        compiling.announce_first_use("Sums", kernels.total, 40.0)
    assert caplog.messages == ["Sums: compiling kernels, once for each version (about 40 s) ..."]
    caplog.clear()
    kernels.total(VALUES, 3)
    for known in (kernels, load()):
        compiling.announce_first_use("Sums", known.total, 40.0)
    assert not caplog.messages
