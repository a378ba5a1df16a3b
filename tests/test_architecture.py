"""Allowed imports between packages, read from the import statements; see docs/architecture.md."""

import ast
import importlib.util
from pathlib import Path

import pytest

PACKAGES = ("driving", "learning", "perception", "simulation", "planning", "distill", "scripts")

MAY_IMPORT = {
    "driving": set(),
    "learning": set(),
    "perception": {"driving", "learning"},
    "simulation": {"driving", "learning"},
    "planning": {"driving", "learning", "simulation", "perception"},
    "distill": {"driving", "learning", "simulation", "perception", "planning"},
    "scripts": {"driving", "learning", "simulation", "perception", "planning", "distill"},
}

SIMULATION_IN_PERCEPTION = {"samples.py", "signal_targets.py", "targets.py"}
"""Modules of `perception` that render training data and may import `simulation`."""

ONLY_WITHIN = {
    "torch": (
        "learning",
        "perception",
        "planning/neural",
        "distill",
        "simulation/generation/learned",
        "simulation/traffic/learned",
        "simulation/rendering/pytorch3d.py",
    ),
    "ray": ("simulation/benchmark", "distill"),
    "gymnasium": ("simulation/environment",),
    "starlette": ("simulation/viewer",),
    "uvicorn": ("simulation/viewer", "scripts"),
    "nuplan": ("planning/devkit",),
    "tyro": ("scripts",),
}


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def sources(repository: Path, package: str) -> list[Path]:
    return sorted((repository / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_downwards_only(repository, package):
    wrong = [
        f"{path.relative_to(repository)} imports {name}"
        for path in sources(repository, package)
        for name in sorted(imports_of(path) & set(PACKAGES) - {package})
        if name not in MAY_IMPORT[package]
        and not (package == "perception" and name == "simulation" and path.name in SIMULATION_IN_PERCEPTION)
    ]
    assert wrong == []


@pytest.mark.parametrize("library", ONLY_WITHIN)
def test_heavy_libraries_are_imported_in_their_folders_only(repository, library):
    folders = tuple(repository / folder for folder in ONLY_WITHIN[library])
    wrong = [
        str(path.relative_to(repository))
        for package in PACKAGES
        for path in sources(repository, package)
        if library in imports_of(path) and not any(folder == path or folder in path.parents for folder in folders)
    ]
    assert wrong == []


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "scripts"])
def test_our_package_names_resolve_into_this_repository(repository, package):
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert Path(spec.origin).is_relative_to(repository)


def test_no_file_exceeds_the_line_limit(repository):
    """Files above 400 lines are reviewed; none may have more than 700."""
    too_long = {
        str(path.relative_to(repository)): lines
        for package in PACKAGES
        for path in sources(repository, package)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 700
    }
    assert too_long == {}
