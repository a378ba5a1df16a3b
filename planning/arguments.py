"""Arguments of planners as written on the command line: `NAME=VALUE`, typed by the constructor's annotations."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Any, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from driving.names import unknown_name

_NONE = ("none", "null", "None")


def parameters_of(make: Callable[..., Any], num_given: int = 0) -> dict[str, Parameter]:
    """The parameters of a constructor that arguments can set.

    Args:
        make: A class or a function.
        num_given: Leading parameters that are set otherwise.
    """
    try:
        signature = inspect.signature(make, eval_str=True)
    except (ValueError, NameError, TypeError):
        try:
            signature = inspect.signature(make)
        except (ValueError, TypeError):  # some classes of compiled modules have none
            return {}
    by_name = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD)
    found = list(signature.parameters.values())[num_given:]
    return {parameter.name: parameter for parameter in found if parameter.kind in by_name}


def takes(parameters: Mapping[str, Parameter], name: str) -> bool:
    """Whether a constructor takes an argument of that name."""
    return _parameter(parameters, name) is not None


def _parameter(parameters: Mapping[str, Parameter], name: str) -> Parameter | None:
    if name in parameters and parameters[name].kind is not Parameter.VAR_KEYWORD:
        return parameters[name]
    return next((one for one in parameters.values() if one.kind is Parameter.VAR_KEYWORD), None)


def bind_arguments(spec: str, parameters: Mapping[str, Parameter], arguments: Sequence[str]) -> dict[str, Any]:
    """Keyword arguments of a constructor.

    Values are converted to the annotation of their parameter, else to the type of its default, else they stay text.
    `none` is None where the annotation allows it. Sequences are separated by commas, or given by repetition.

    Args:
        spec: The planner, for messages.
        parameters: From `parameters_of`.
        arguments: Texts `NAME=VALUE`.

    Raises:
        ValueError: When a name is unknown or repeated, a value has another type, or a required argument is missing.
    """
    texts: dict[str, list[str]] = {}
    for argument in arguments:
        name, _, value = argument.partition("=")
        texts.setdefault(name, []).append(value)
    values = {}
    for name, given in texts.items():
        parameter = _parameter(parameters, name)
        if parameter is None:
            raise ValueError(f"Planner {spec}: {unknown_name('argument named', name, list(parameters))}")
        values[name] = _converted(spec, name, parameter, given)
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is Parameter.empty and parameter.kind is not Parameter.VAR_KEYWORD and name not in values
    ]
    if missing:
        options = " ".join(f"--planner-arg {name}=VALUE" for name in missing)
        raise ValueError(f"Planner {spec} needs {', '.join(missing)}: give {options}.")
    return values


def _converted(spec: str, name: str, parameter: Parameter, given: list[str]) -> Any:
    wanted = parameter.annotation
    if wanted is Parameter.empty or isinstance(wanted, str):
        has_type = parameter.default not in (Parameter.empty, None)
        wanted = type(parameter.default) if has_type else str
    origin = get_origin(wanted) or wanted
    if isinstance(origin, type) and issubclass(origin, (Sequence, set, frozenset)) and origin not in (str, bytes):
        value: Any = [part for text in given for part in text.split(",") if part]
    elif len(given) > 1:
        raise ValueError(f"Planner {spec}: {name} is given {len(given)} times, with {given}.")
    else:
        (value,) = given
    expected = getattr(wanted, "__name__", str(wanted)) if origin is wanted else str(wanted)
    try:
        if value in _NONE and _allows_none(wanted):
            return None
        return TypeAdapter(wanted).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"Planner {spec}: {name} must be of type {expected}, got {value!r}.") from error
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise ValueError(
            f"Planner {spec}: {name} has type {expected}, which cannot be written on the command line."
        ) from error


def _allows_none(wanted: Any) -> bool:
    try:
        return TypeAdapter(wanted).validate_python(None) is None
    except ValidationError:
        return False


def assign_arguments(
    arguments: Sequence[str], parameters: Mapping[str, Mapping[str, Parameter]]
) -> dict[str, tuple[str, ...]]:
    """Which planner gets which argument.

    Args:
        arguments: `NAME=VALUE` for all planners that take it, `PLANNER.NAME=VALUE` for one.
        parameters: From `parameters_of`, by planner.

    Returns:
        `NAME=VALUE` by planner; planners without arguments are missing.

    Raises:
        ValueError: When a text has another form, or no planner takes the argument.
    """
    assigned: dict[str, list[str]] = {}
    for text in arguments:
        addressed = max((planner for planner in parameters if text.startswith(f"{planner}.")), key=len, default=None)
        argument = text if addressed is None else text[len(addressed) + 1 :]
        name, equals, _ = argument.partition("=")
        if not equals or not name:
            raise ValueError(f"--planner-arg takes NAME=VALUE or PLANNER.NAME=VALUE, got {text!r}.")
        planners = [addressed] if addressed else list(parameters)
        takers = [planner for planner in planners if takes(parameters[planner], name)]
        if not takers:
            known = sorted({one for planner in planners for one in parameters[planner]})
            raise ValueError(
                f"--planner-arg {text}: no planner of this run takes it ({', '.join(planners)})."
                f" {unknown_name('argument named', name, known)}"
            )
        for planner in takers:
            assigned.setdefault(planner, []).append(argument)
    return {planner: tuple(found) for planner, found in assigned.items()}
