"""Settings of the test run: shapes and types of every annotated function are checked."""

import os

# Before numba or torch start their threads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

CHECKED = ["driving", "planning", "perception", "distill"]
CHECKED += [f"simulation.{part}" for part in ("ego", "geometry", "metrics", "sensors", "traffic")]
install_import_hook(CHECKED, "beartype.beartype").__enter__()

# Finds the compiled code before the tests get a cache folder of their own.
import simulation.geometry.compiling  # noqa: E402, F401

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """Real recordings; a user's machine has none."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"no real recordings: {folder.name} is not beside the project")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """What the official devkit computed; a user's machine has none."""
    folder = SHARED / "golden"
    if not folder.is_dir():
        pytest.skip(f"no reference results: {folder.name} is not beside the project")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the user's cache folder out of the tests."""
    os.environ["CAMBER_CACHE"] = str(tmp_path_factory.mktemp("cache"))
