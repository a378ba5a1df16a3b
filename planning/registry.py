"""Which planners there are, by name; one line here is all that a new one needs.

Entries are functions, so that the heavy imports of one planner are not paid for by the others.
"""

import importlib
from collections.abc import Callable

from driving.names import unknown_name
from driving.planner import Planner


def _log_future() -> Planner:
    from planning.log_future import LogFuturePlanner

    return LogFuturePlanner()


def _stand_still() -> Planner:
    from planning.stand_still import StandStillPlanner

    return StandStillPlanner()


def _constant_velocity() -> Planner:
    from planning.constant_velocity import ConstantVelocityPlanner

    return ConstantVelocityPlanner()


def _ignore_agents() -> Planner:
    from planning.ignore_agents import IgnoreAgentsPlanner

    return IgnoreAgentsPlanner()


def _simple() -> Planner:
    from planning.simple import SimplePlanner

    return SimplePlanner()


def _idm() -> Planner:
    from planning.idm import IdmPlanner

    return IdmPlanner()


def _pdm_closed() -> Planner:
    from planning.rule_based.planner import PdmClosedPlanner

    return PdmClosedPlanner()


def _student() -> Planner:
    from planning.neural.planner import StudentPlanner

    return StudentPlanner.load()


PLANNERS: dict[str, Callable[[], Planner]] = {
    "log_future": _log_future,
    "stand_still": _stand_still,
    "constant_velocity": _constant_velocity,
    "ignore_agents": _ignore_agents,
    "simple": _simple,
    "idm": _idm,
    "pdm_closed": _pdm_closed,
    "student": _student,
}
"""What `--planner` understands, beside `package.module:Class`, `recorded:DIR` and `devkit:package.module:Class`."""


def load_planner(spec: str) -> Planner:
    """Make a planner from what a user writes after `--planner`.

    Args:
        spec: A name of `PLANNERS`; `package.module:Class` for a class of your own, made without arguments;
            `recorded:DIR` for plans stored as `DIR/<scenario id>.npz`; `devkit:package.module:Class` for a
            planner written for nuPlan's devkit; `student:DIR` for a trained student.

    Raises:
        KeyError: When no planner has that name; the message holds the nearest known one.
        ValueError: When a module or class cannot be found, or the class is no planner.
        FileNotFoundError: When there is no folder of recorded plans, or no student in it.
    """
    if spec in PLANNERS:
        return PLANNERS[spec]()
    kind, _, rest = spec.partition(":")
    if not rest:
        sentence = unknown_name("planner named", spec, PLANNERS)
        raise KeyError(f"{sentence} A class of your own is written package.module:Class.")
    if kind == "recorded":
        from planning.recorded import RecordedPlanner

        return RecordedPlanner(rest)
    if kind == "student":
        from planning.neural.planner import StudentPlanner

        return StudentPlanner.load(rest)
    if kind == "devkit":
        return _devkit(rest)
    planner = named_class(spec)()
    if not isinstance(planner, Planner):
        raise ValueError(f"{spec} is no planner: it needs `name`, `reset(map, route)` and `plan(observation)`.")
    return planner


def named_class(spec: str) -> type:
    """The class that `package.module:Class` names.

    Raises:
        ValueError: When the module cannot be imported or has no such class.
    """
    module_name, _, class_name = spec.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Cannot import {module_name!r} for planner {spec!r}: no module {error.name!r}."
            " Is its folder on the PYTHONPATH, or its package installed?"
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        classes = sorted(name for name, value in vars(module).items() if isinstance(value, type))
        raise ValueError(f"Module {module_name!r} has no class {class_name!r}; it has {classes}.")
    return found


def _devkit(spec: str) -> Planner:
    try:
        bridge = importlib.import_module("planning.devkit.planner")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Planner devkit:{spec} needs nuPlan's devkit, but there is no module {error.name!r}."
            " Put a checkout of the devkit on the PYTHONPATH."
        ) from error
    planner: Planner = bridge.load(spec)
    return planner
