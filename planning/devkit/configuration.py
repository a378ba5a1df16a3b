"""Construction of devkit planners, from a class with the settings of its package or from a settings file.

Published planners come with a YAML node that names the class as `_target_` and holds its arguments.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import yaml

_HYDRA_KEYS = ("_target_", "_convert_", "_recursive_", "_partial_")


def make_from_class(spec: str) -> Any:
    """Make `package.module:Class` with the arguments of the first planner YAML in its package that names it.

    Raises:
        ValueError: When there is no such class, or it needs arguments that no YAML of its package holds.
    """
    module_name, _, class_name = spec.partition(":")
    planner_class = _named(module_name, class_name)
    node = _node_for(module_name, class_name)
    try:
        return planner_class() if node is None else instantiate(node)
    except TypeError as error:
        hint = "no planner YAML of its package names it" if node is None else "its YAML does not fit"
        raise ValueError(
            f"Cannot make {spec}: {error}; {hint}. Write its arguments into a YAML file with _target_"
            " and use devkit:FILE.yaml."
        ) from error


def make_from_file(path: Path) -> Any:
    """Make the planner that a YAML file describes.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file names no class.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No planner settings at {path}.")
    node = _planner_node(yaml.safe_load(path.read_text(encoding="utf-8")))
    if node is None:
        raise ValueError(f"{path} describes no planner: it needs a _target_ with the class.")
    return instantiate(node)


def instantiate(node: Any) -> Any:
    """Make the object that a node describes, its nested nodes first."""
    if isinstance(node, list):
        return [instantiate(item) for item in node]
    if not isinstance(node, dict):
        return node
    values = {name: instantiate(value) for name, value in node.items() if name not in _HYDRA_KEYS}
    if "_target_" not in node:
        return values
    module_name, _, class_name = str(node["_target_"]).rpartition(".")
    return _named(module_name, class_name)(**values)


def _named(module_name: str, class_name: str) -> Any:
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Cannot import {module_name}: no module {error.name!r}. Put the devkit and the planner's package on the"
            " PYTHONPATH and install what they need; docs/extending.md says how."
        ) from error
    except AttributeError as error:
        raise ValueError(f"Module {module_name} has no class {class_name}.") from error


def _planner_node(content: Any) -> dict[str, Any] | None:
    if not isinstance(content, dict):
        return None
    if "_target_" in content:
        return content
    nodes = [value for value in content.values() if isinstance(value, dict) and "_target_" in value]
    return nodes[0] if len(nodes) == 1 else None


def _node_for(module_name: str, class_name: str) -> dict[str, Any] | None:
    package = importlib.util.find_spec(module_name.split(".")[0])
    folders = [] if package is None else list(package.submodule_search_locations or [])
    for folder in folders:
        for path in sorted(Path(folder).glob("**/config/**/planner/*.yaml")):
            node = _planner_node(yaml.safe_load(path.read_text(encoding="utf-8")))
            if node is not None and node["_target_"] == f"{module_name}.{class_name}":
                return node
    return None
