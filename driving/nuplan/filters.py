"""Filters of a data set's scenarios, with the fields of the devkit's filter files."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from driving.scenario_types import KNOWN_SCENARIO_TYPES

_DEVKIT_CLASS = "ScenarioFilter"
_HYDRA_KEYS = ("_target_", "_convert_", "_recursive_", "defaults")


@dataclass(frozen=True, kw_only=True)
class ScenarioFilter:
    """Conditions that are applied one after the other, in this order. None means: no such condition.

    Source:
        nuPlan devkit, `ScenarioFilter` and `NuPlanScenarioBuilder.get_scenarios`.
    """

    log_names: tuple[str, ...] | None = None
    map_names: tuple[str, ...] | None = None
    scenario_types: tuple[str, ...] | None = None
    """None also lets in frames without a tag, as type `unknown`."""
    scenario_tokens: tuple[str, ...] | None = None
    """16 hex digits each."""
    remove_invalid_goals: bool = True
    """Leave out scenarios in scenes without a mission goal."""
    expand_scenarios: bool = False
    """Each scenario is its tagged frame alone."""
    num_scenarios_per_type: int | None = None
    limit_total_scenarios: int | float | None = None
    """A number, or a fraction below 1. `unknown` scenarios are dropped first."""
    timestamp_threshold_s: float | None = None
    """Scenarios of one type keep at least this distance in time."""
    ego_displacement_minimum_m: float | None = None
    """The ego centre drives at least this far."""
    ego_start_speed_threshold: float | None = None
    """[m/s] The ego gets faster than this, from below."""
    ego_stop_speed_threshold: float | None = None
    """[m/s] The ego gets down to this or below, from above."""
    speed_noise_tolerance: float | None = None
    """[m/s] Smaller changes do not count as starting or stopping; None means 0.1."""
    token_set_path: str | None = None
    """JSON file with a list of frame tokens."""
    fraction_in_token_set_threshold: float | None = None
    """More than this fraction of a scenario's frames is in the token set; 1 means: exactly the set."""
    ego_route_radius: float | None = None
    """[m] A lane of the route is within this distance of the ego's first pose."""
    shuffle: bool = False
    seed: int = 0
    """Seed of the shuffling and of random choices, which are made only with `shuffle`."""

    def __post_init__(self) -> None:
        if self.num_scenarios_per_type is not None and self.num_scenarios_per_type < 1:
            raise ValueError(f"num_scenarios_per_type must be at least 1, got {self.num_scenarios_per_type}.")
        limit = self.limit_total_scenarios
        if limit is not None and (limit <= 0 or (isinstance(limit, float) and limit > 1)):
            raise ValueError(f"limit_total_scenarios must be a number from 1, or a fraction up to 1.0, got {limit}.")
        fraction = self.fraction_in_token_set_threshold
        if fraction is not None and not 0 <= fraction <= 1:
            raise ValueError(f"fraction_in_token_set_threshold must be in [0, 1], got {fraction}.")
        for token in self.scenario_tokens or ():
            if len(token) != 16 or set(token) - set("0123456789abcdef"):
                raise ValueError(f"Scenario tokens are 16 lower-case hex digits, got {token!r}.")

    @classmethod
    def tagged(cls) -> "ScenarioFilter":
        """All tagged scenarios of nuPlan's known types that have a goal."""
        return cls(scenario_types=tuple(sorted(KNOWN_SCENARIO_TYPES)))

    @classmethod
    def from_yaml(cls, path: Path | str, splitter: Path | str | None = None) -> "ScenarioFilter":
        """Read one of the devkit's filter files as it is.

        Args:
            path: For example `scenario_filter/val14_split.yaml`.
            splitter: The devkit's `splitter/nuplan.yaml`, for `log_names: ${splitter.log_splits.val}`. Without it
                the file is looked for in `splitter/` beside the filter's folder; where tokens name the scenarios,
                the reference is not needed.

        Raises:
            FileNotFoundError: When there is no such file.
            ValueError: When it is no filter, or has a value of the wrong kind.
        """
        path = Path(path).expanduser()
        entries = _entries(path)
        known = {field.name for field in fields(cls)}
        unknown = sorted(entries.keys() - known)
        if unknown:
            raise ValueError(f"{path}: unknown filter settings {unknown}. Known: {sorted(known)}.")
        values = {name: _value(path, name, entry) for name, entry in entries.items()}
        reference = values.get("log_names")
        if isinstance(reference, str):
            values["log_names"] = _split_log_names(path, reference, splitter, values.get("scenario_tokens"))
        return cls(**{name: value for name, value in values.items() if value is not None})


def _entries(path: Path, including: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The settings of a filter file, all scalars as text, with those that it is based on."""
    content = _content(path)
    target = str(content.get("_target_", _DEVKIT_CLASS))
    if target.rpartition(".")[2] != _DEVKIT_CLASS:
        raise ValueError(f"{path} configures {target}, expected a {_DEVKIT_CLASS}.")
    entries: dict[str, Any] = {}
    for base in _bases(path, content.get("defaults")):
        if base in (path, *including):
            raise ValueError(f"{path} is based on {base}, which is based on it. Remove one from `defaults`.")
        entries |= _entries(base, (*including, path))
    return entries | {name: entry for name, entry in content.items() if name not in _HYDRA_KEYS}


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"No filter file {path}.")
    try:
        # BaseLoader leaves text as it is: a token such as 0123456789012345 is no number.
        content = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not readable YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold settings as `name: value`, got {type(content).__name__}.")
    return content


def _bases(path: Path, defaults: Any) -> list[Path]:
    """Files of Hydra's defaults list; those of a config group, `- group: name`, are in the folder `group`.

    As in Hydra, a missing file of a group marked `optional` is skipped.

    Raises:
        ValueError: When an entry is neither a name nor one `group: name`.
    """
    bases = []
    for entry in defaults if isinstance(defaults, list) else [defaults] if defaults else []:
        if entry == "_self_":
            continue
        is_optional = False
        if isinstance(entry, dict) and len(entry) == 1:
            ((key, name),) = entry.items()
            *keywords, group = key.partition("@")[0].split() or [""]
            is_optional, group = "optional" in keywords, group.strip("/")
            # A group lies beside the file, or the file lies in the group itself.
            folder = path.parent if path.parent.name == group else path.parent / group
        else:
            name, folder = entry, path.parent
        if not isinstance(name, str):
            raise ValueError(
                f"{path}: `defaults` must list names of files or one `group: name` each, got {entry!r}."
                " Write the settings into the filter file."
            )
        base = folder / f"{name.removesuffix('.yaml')}.yaml"
        if name not in ("null", "~", "") and not (is_optional and not base.is_file()):
            bases.append(base)
    return bases


def _value(path: Path, name: str, entry: Any) -> Any:
    if isinstance(entry, str) and entry in ("null", "Null", "NULL", "~", ""):
        return None
    if name in ("scenario_types", "log_names", "map_names", "scenario_tokens"):
        return _names(path, name, entry)
    try:
        return _scalar(name, entry)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: {name} has the unusable value {entry!r}.") from error


def _names(path: Path, name: str, entry: Any) -> tuple[str, ...] | str:
    if isinstance(entry, str) and entry.startswith("${"):
        if name == "log_names":
            return entry
        raise ValueError(f"{path}: {name} refers to {entry}, which is in another file. Write the names out.")
    if not isinstance(entry, list):
        raise ValueError(f"{path}: {name} must be a list, got {entry!r}.")
    # Tokens may come as [log name, token].
    names = [item[-1] if isinstance(item, list) and item else item for item in entry]
    if not all(isinstance(item, str) for item in names):
        raise ValueError(f"{path}: {name} must be a list of names.")
    return tuple(item.lower() for item in names) if name == "scenario_tokens" else tuple(names)


def _scalar(name: str, entry: Any) -> Any:
    if name in ("expand_scenarios", "remove_invalid_goals", "shuffle"):
        return {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}[entry.lower()]
    if name in ("num_scenarios_per_type", "seed"):
        return int(entry)
    if name == "token_set_path":
        return str(entry)
    if name == "limit_total_scenarios":
        return int(entry) if entry.strip().lstrip("+").isdigit() else float(entry)
    return float(entry)


def _split_log_names(
    path: Path, reference: str, splitter: Path | str | None, tokens: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    split = reference.strip("${} ").split(".")[-1]
    places = [Path(splitter)] if splitter else sorted((path.resolve().parent.parent / "splitter").glob("*.yaml"))
    for place in places:
        splits = _content(place).get("log_splits")
        names = splits.get(split) if isinstance(splits, dict) else None
        if isinstance(names, list) and names:
            return tuple(names)
    if tokens:
        return None
    raise ValueError(
        f"{path}: log_names refers to {reference}, which is in the devkit's splitter file."
        " Put it at ../splitter/nuplan.yaml from the filter, or write the log names out."
    )
