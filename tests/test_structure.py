"""Structure of the packages: layers, import circles and depth, signatures, array shapes, amount of tests."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("driving", "perception", "simulation", "planning", "distill", "learning")
LAYERS = (
    {"geometry", "log", "files", "process_tasks", "scenario_notes", "drawing", "time_limit"},
    {"ego"},
    {"metrics"},
    {"traffic", "rendering"},
    {"sensors"},
    {"rollout"},
    {"generation", "realism", "benchmark", "environment"},
    {"viewer"},
)
"""Of `simulation`, from the ground; see docs/architecture.md."""
MAX_IMPORT_DEPTH = 12
MAX_POSITIONAL, MAX_LONG_SIGNATURES = 5, 15
MIN_SHAPED = 0.9
MIN_TEST_LINES = 0.5
_BARE_ARRAY = re.compile(r"np\.ndarray|\bTensor\b")
_SHAPED_ARRAY = re.compile(r"\w+\[(np\.ndarray|Tensor), '[^']*'\]")


@cache
def modules() -> dict[str, Path]:
    """Module names and their files."""
    paths = (path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py")))
    return {name_of(path): path for path in paths}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, nodes: list[ast.AST]) -> set[str]:
    """Our modules that these statements import; a submodule imported from its package counts, not the package."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in modules() else node.module)
    return {name for name in found if name in modules()} - {name_of(path)}


@cache
def imports_at_module_level(name: str) -> frozenset[str]:
    path = modules()[name]
    return frozenset(imported(path, list(tree(path).body)))


@cache
def all_imports(name: str) -> frozenset[str]:
    path = modules()[name]
    return frozenset(imported(path, list(ast.walk(tree(path)))))


@cache
def depth(name: str) -> int:
    """Length of the longest chain of imports at module level that starts at a module, which alone has depth 1."""
    return 1 + max((depth(other) for other in imports_at_module_level(name)), default=0)


def layer_of(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


def test_modules_of_simulation_import_from_their_own_folder_or_from_lower_layers():
    wrong = []
    for name in modules():
        if not name.startswith("simulation."):
            continue
        part = name.split(".")[1]
        for other in sorted(all_imports(name)):
            if other.startswith("simulation."):
                target = other.split(".")[1]
                # Modules of the lowest layer may use each other: `log` writes its file with `files`.
                is_below = layer_of(target) < layer_of(part) or (layer_of(part) == 0 == layer_of(target))
                if target != part and not is_below:
                    wrong.append(f"{name} imports {other}")
    assert wrong == []


def test_there_are_no_import_circles_even_through_imports_inside_of_functions():
    state: dict[str, int] = {}
    circles: list[str] = []

    def visit(name: str, chain: tuple[str, ...]) -> None:
        state[name] = 1
        for other in sorted(all_imports(name)):
            if state.get(other) == 1:
                circles.append(
                    " -> ".join([*chain[chain.index(other) :], other] if other in chain else [name, other])
                )
            elif other not in state:
                visit(other, (*chain, other))
        state[name] = 2

    for name in modules():
        if name not in state:
            visit(name, (name,))
    assert circles == []


def test_chains_of_imports_stay_short():
    too_deep = {name: depth(name) for name in modules() if depth(name) > MAX_IMPORT_DEPTH}
    assert too_deep == {}


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)]


def test_few_functions_have_more_than_five_positional_parameters():
    long = []
    for name, path in modules().items():
        for function in functions(path):
            parameters = [item.arg for item in (*function.args.posonlyargs, *function.args.args)]
            if len([item for item in parameters if item not in ("self", "cls")]) > MAX_POSITIONAL:
                long.append(f"{name}.{function.name}")
    assert len(long) <= MAX_LONG_SIGNATURES, long


def public_functions(body: list[ast.stmt]) -> list[ast.FunctionDef]:
    found = []
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found += public_functions(node.body)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found.append(node)
    return found


def has_arrays(function: ast.FunctionDef) -> tuple[bool, bool]:
    """Whether a signature holds arrays, and whether all of them have shapes."""
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    annotations = [item.annotation for item in arguments if item.annotation] + [function.returns]
    text = " ".join(ast.unparse(item) for item in annotations if item)
    return bool(_BARE_ARRAY.search(text)), not _BARE_ARRAY.search(_SHAPED_ARRAY.sub("", text))


@pytest.mark.parametrize("package", PACKAGES)
def test_public_array_functions_carry_shapes_in_their_types(package):
    shaped, bare = 0, []
    for name, path in modules().items():
        if name.split(".")[0] != package:
            continue
        for function in public_functions(tree(path).body):
            holds_arrays, is_shaped = has_arrays(function)
            shaped += holds_arrays and is_shaped
            if holds_arrays and not is_shaped:
                bare.append(f"{name}.{function.name}")
    assert shaped >= MIN_SHAPED * (shaped + len(bare)), bare


def test_every_module_is_imported_by_a_test():
    used: set[str] = set()
    for path in sorted((REPOSITORY / "tests").rglob("*.py")):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                used |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                used |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    missing = [name for name, path in modules().items() if path.name != "__init__.py" and name not in used]
    assert missing == []


def test_simulation_has_half_as_many_lines_of_tests_as_of_source():
    def lines(folder: Path) -> int:
        return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py"))

    assert lines(REPOSITORY / "tests" / "simulation") >= MIN_TEST_LINES * lines(REPOSITORY / "simulation")
