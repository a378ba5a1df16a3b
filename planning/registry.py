"""The planners by name; a new one needs one line here.

Entries are functions that import on call, so that no planner pays for the heavy imports of another.
"""

import importlib
from collections.abc import Callable, Sequence
from inspect import Parameter
from typing import Any

from driving.names import unknown_name
from driving.planner import Planner
from planning.arguments import bind_arguments, parameters_of

MakePlanner = Callable[..., Planner]
"""A constructor: its parameters are the planner's arguments."""


def _log_future() -> MakePlanner:
    from planning.log_future import LogFuturePlanner

    return LogFuturePlanner


def _stand_still() -> MakePlanner:
    from planning.stand_still import StandStillPlanner

    return StandStillPlanner


def _constant_velocity() -> MakePlanner:
    from planning.constant_velocity import ConstantVelocityPlanner

    return ConstantVelocityPlanner


def _ignore_agents() -> MakePlanner:
    from planning.ignore_agents import IgnoreAgentsPlanner

    return IgnoreAgentsPlanner


def _simple() -> MakePlanner:
    from planning.simple import SimplePlanner

    return SimplePlanner


def _idm() -> MakePlanner:
    from planning.idm import IdmPlanner

    return IdmPlanner


def _pdm_closed() -> MakePlanner:
    from planning.rule_based.planner import PdmClosedPlanner

    return PdmClosedPlanner


def _student() -> MakePlanner:
    from planning.neural.planner import StudentPlanner

    return StudentPlanner.load


def _camera_student() -> MakePlanner:
    from planning.neural.camera_planner import CameraStudentPlanner

    return CameraStudentPlanner.load


PLANNERS: dict[str, Callable[[], MakePlanner]] = {
    "log_future": _log_future,
    "stand_still": _stand_still,
    "constant_velocity": _constant_velocity,
    "ignore_agents": _ignore_agents,
    "simple": _simple,
    "idm": _idm,
    "pdm_closed": _pdm_closed,
    "student": _student,
    "camera_student": _camera_student,
}
"""Names for `--planner`; the other forms are in `load_planner`."""


def load_planner(spec: str, *, device: str = "cpu", arguments: Sequence[str] = ()) -> Planner:
    """Make a planner.

    Args:
        spec: A name of `PLANNERS`; `package.module:Class` for a user's class; `recorded:DIR` for plans stored as
            `DIR/<scenario id>.npz`; `devkit:package.module:Class` for a planner written for nuPlan's devkit;
            `student:DIR` and `camera_student:DIR` for a trained student; `perceived:PLANNER` for a planner on agents
            and signals from cameras.
        device: In torch's names; passed to constructors with a parameter `device`.
        arguments: Of the constructor, as `NAME=VALUE`; values are converted by its annotations.

    Raises:
        KeyError: When no planner has that name; the message holds the nearest known one.
        ValueError: When a module or class cannot be found, the class is no planner, or arguments do not fit.
        FileNotFoundError: When there is no folder of recorded plans, or no student in it.
    """
    make, first = _constructor(spec)
    parameters = parameters_of(make, len(first))
    if "device" in parameters and not any(argument.startswith("device=") for argument in arguments):
        arguments = (*arguments, f"device={device}")
    values = bind_arguments(spec, parameters, arguments)
    try:
        planner = make(*first, **values)
    except (OSError, ValueError, LookupError):
        raise
    except Exception as error:
        raise ValueError(f"Planner {spec!r} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(planner, Planner):
        raise ValueError(f"{spec} is no planner: it needs `name`, `reset(map, route)` and `plan(observation)`.")
    return planner


def planner_parameters(spec: str) -> dict[str, Parameter]:
    """The arguments that a planner takes; one that runs on a device of choice has `device` among them.

    Raises:
        KeyError: When no planner has that name; the message holds the nearest known one.
        ValueError: When a module or class cannot be found.
    """
    make, first = _constructor(spec)
    return parameters_of(make, len(first))


def _constructor(spec: str) -> tuple[MakePlanner, tuple[Any, ...]]:
    """The constructor of a planner, and its arguments that the spec itself holds."""
    if spec in PLANNERS:
        return PLANNERS[spec](), ()
    kind, _, rest = spec.partition(":")
    if not rest:
        sentence = unknown_name("planner named", spec, PLANNERS)
        raise KeyError(f"{sentence} A class of your own is written package.module:Class.")
    if kind == "recorded":
        from planning.recorded import RecordedPlanner

        return RecordedPlanner, (rest,)
    if kind in ("student", "camera_student"):
        return PLANNERS[kind](), (rest,)
    if kind == "perceived":
        from planning.perceived import PerceivedPlanner

        return PerceivedPlanner.load, (lambda: load_planner(rest),)
    if kind == "devkit":
        return _devkit(spec), (rest,)
    return named_class(spec), ()


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
    except Exception as error:
        raise ValueError(
            f"Cannot import {module_name!r} for planner {spec!r}: {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        classes = sorted(name for name, value in vars(module).items() if isinstance(value, type))
        raise ValueError(f"Module {module_name!r} has no class {class_name!r}; it has {classes}.")
    return found


def _devkit(spec: str) -> MakePlanner:
    try:
        bridge = importlib.import_module("planning.devkit.planner")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Planner {spec} needs nuPlan's devkit, but there is no module {error.name!r}."
            " Put a checkout of the devkit on the PYTHONPATH."
        ) from error
    make: MakePlanner = bridge.load
    return make
