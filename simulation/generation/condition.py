"""The wanted scene, in numbers and names: what a learned generator draws towards and measures afterwards.

A condition is written as `key=value` entries, for example `density=high vehicles=12 rarity=0.9..0.99`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from driving.agents import LightStatus
from driving.names import unknown_name

Range = tuple[float, float]
"""Lowest and highest value, both included."""

LEVELS = ("low", "medium", "high")
"""Thirds of the values of the scenes that a generator was trained on."""
SIGNALS = {"green": LightStatus.GREEN, "yellow": LightStatus.YELLOW, "red": LightStatus.RED}
"""Phase of the next traffic light on the ego's route at iteration 0."""
SCENARIO_TYPES = (
    "behind_long_vehicle",
    "following_lane_with_lead",
    "high_lateral_acceleration",
    "high_magnitude_speed",
    "low_magnitude_speed",
    "medium_magnitude_speed",
    "starting_left_turn",
    "starting_right_turn",
    "stationary",
    "stationary_in_traffic",
    "stopping_with_lead",
)
"""nuPlan's types that can follow from a generated scene, as `driving.importers.tagging` measures them."""
COUNTS = ("vehicles", "parked", "bicycles", "pedestrians")
"""Fields of `SceneCondition` that count agents."""
MAX_COUNT = 256
"""Largest number of agents of a kind that a condition may name."""
MAX_SPEED_MPS = 40.0


@dataclass(frozen=True, kw_only=True)
class SceneCondition:
    """The wanted properties of a scene at iteration 0; None leaves a property to the generator."""

    vehicles: int | None = None
    """Vehicles in lanes, moving or standing, the ego excluded."""
    parked: int | None = None
    """Parked vehicles off the lanes."""
    bicycles: int | None = None
    pedestrians: int | None = None
    density: str | None = None
    """Vehicles per length of lane, one of `LEVELS`."""
    speed: str | None = None
    """Mean speed of the vehicles in lanes relative to the speed limit, one of `LEVELS`."""
    ego_speed_mps: Range | None = None
    """Speed of the ego at iteration 0."""
    scenario_type: str | None = None
    """One of `SCENARIO_TYPES`."""
    signal: str | None = None
    """A key of `SIGNALS`."""
    rarity: Range | None = None
    """Band of quantiles of the likelihood: 0 is the most common of the scenes drawn alike, 1 the rarest."""

    def __post_init__(self) -> None:
        for name in COUNTS:
            count = getattr(self, name)
            if count is not None and not 0 <= count <= MAX_COUNT:
                raise ValueError(f"The number of {name} is 0 to {MAX_COUNT}, got {count}.")
        for name, known in (("density", LEVELS), ("speed", LEVELS), ("signal", tuple(SIGNALS))):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise ValueError(f"The {name} of a scene is one of {', '.join(known)}, got {value!r}.")
        if self.scenario_type is not None and self.scenario_type not in SCENARIO_TYPES:
            raise ValueError(
                unknown_name("scenario type of generated scenes named", self.scenario_type, SCENARIO_TYPES)
            )
        _require_range("rarity", self.rarity, 1.0, "quantiles")
        _require_range("ego_speed_mps", self.ego_speed_mps, MAX_SPEED_MPS, "m/s")

    @classmethod
    def parse(cls, entries: str | Iterable[str]) -> "SceneCondition":
        """The condition of `key=value` entries; a text holds several, separated by spaces or commas.

        Args:
            entries: For example `["density=high", "rarity=0.9..0.99"]` or `"density=high,pedestrians=4"`.

        Raises:
            ValueError: For an unknown key or value, or a key that occurs twice; says what is possible.
        """
        texts = [entries] if isinstance(entries, str) else list(entries)
        found: dict[str, Any] = {}
        for entry in [one for text in texts for one in text.replace(",", " ").split()]:
            name, equals, value = entry.partition("=")
            if name not in _PARSERS:
                raise ValueError(unknown_name("property of a scene named", name, _PARSERS))
            if not equals or not value:
                raise ValueError(f"A condition is written {name}=VALUE, for example {_PARSERS[name].example}.")
            if name in found:
                raise ValueError(f"The condition {name} occurs twice; give it once.")
            found[name] = _PARSERS[name].read(name, value)
        return cls(**found)

    def text(self) -> str:
        """The entries that `parse` reads, separated by spaces."""
        return " ".join(f"{name}={_written(value)}" for name, value in self.given.items())

    @property
    def given(self) -> dict[str, Any]:
        """The properties that are not left to the generator, by name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def merged(self, other: "SceneCondition") -> "SceneCondition":
        """This condition with the properties that `other` gives."""
        return replace(self, **other.given)


def parse_range(name: str, text: str) -> Range:
    """The range of `0.9..0.99`, or of one number.

    Raises:
        ValueError: For another text.
    """
    low, dots, high = text.partition("..")
    try:
        return float(low), float(high if dots else low)
    except ValueError:
        raise ValueError(f"{name} is a number or a range such as 0.9..0.99, got {text!r}.") from None


def _require_range(name: str, found: Range | None, highest: float, unit: str) -> None:
    if found is None:
        return
    low, high = found
    if not (math.isfinite(low) and math.isfinite(high) and 0.0 <= low <= high <= highest):
        raise ValueError(f"{name} is an ascending range within 0..{highest:g} {unit}, got {_written(found)}.")


def _count(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"The number of {name} is a whole number, got {text!r}.") from None


def _name(name: str, text: str) -> str:
    return text


def _written(value: object) -> str:
    return f"{value[0]:g}..{value[1]:g}" if isinstance(value, tuple) else str(value)


class _Parser(NamedTuple):
    read: Any
    example: str


_PARSERS = {
    **{name: _Parser(_count, f"{name}=4") for name in COUNTS},
    "density": _Parser(_name, "density=high"),
    "speed": _Parser(_name, "speed=low"),
    "ego_speed_mps": _Parser(parse_range, "ego_speed_mps=8..13"),
    "scenario_type": _Parser(_name, "scenario_type=stopping_with_lead"),
    "signal": _Parser(_name, "signal=red"),
    "rarity": _Parser(parse_range, "rarity=0.9..0.99"),
}
