"""The condition that a sentence expresses: scene, events, road, appearance; the schema of its JSON.

A condition states facts about one scenario. Combinations that no scenario can show are refused with a sentence that
lists what is possible.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from simulation.generation.condition import MAX_SPEED_MPS, SceneCondition
from simulation.generation.text.vocabulary import (
    ActorKind,
    EgoManoeuvre,
    Manoeuvre,
    Relation,
    RoadType,
    TimeOfDay,
    Weather,
)

MAX_COUNT = 6
"""Largest number of agents of one event."""
MAX_EVENTS = 4
DISTANCES_M = (3.0, 60.0)
"""Range of a distance along the ego's lane at the start, between the boxes."""
TIMES_S = (0.5, 9.0)
"""Range of the time from the start to an event."""
_FOUR_WHEELS = (ActorKind.CAR, ActorKind.TRUCK, ActorKind.BUS)
_MOTOR = (*_FOUR_WHEELS, ActorKind.MOTORCYCLE)
_RIDERS = (*_MOTOR, ActorKind.CYCLIST)
_ON_FOOT = (ActorKind.PEDESTRIAN, ActorKind.CYCLIST, ActorKind.MOTORCYCLE)
_SIDES = (Relation.LEFT, Relation.RIGHT)
_STRETCHES = (RoadType.STRAIGHT, RoadType.NARROW, RoadType.MULTI_LANE)
_ANY_ROAD = tuple(RoadType)


@dataclass(frozen=True, kw_only=True)
class ManoeuvreRule:
    """Limits of a manoeuvre: its agents, their places relative to the ego (the first by default), and its roads."""

    kinds: tuple[ActorKind, ...]
    relations: tuple[Relation, ...]
    roads: tuple[RoadType, ...]
    most: int = MAX_COUNT
    """Largest number of agents at once."""


RULES: dict[Manoeuvre, ManoeuvreRule] = {
    Manoeuvre.CROSS: ManoeuvreRule(kinds=(*_ON_FOOT, *_FOUR_WHEELS), relations=_SIDES, roads=_ANY_ROAD),
    Manoeuvre.BRAKE: ManoeuvreRule(kinds=_RIDERS, relations=(Relation.AHEAD,), roads=_ANY_ROAD, most=1),
    Manoeuvre.BRAKE_HARD: ManoeuvreRule(kinds=_MOTOR, relations=(Relation.AHEAD,), roads=_ANY_ROAD, most=1),
    Manoeuvre.STOP: ManoeuvreRule(kinds=_RIDERS, relations=(Relation.AHEAD,), roads=_ANY_ROAD, most=1),
    Manoeuvre.STAND: ManoeuvreRule(
        kinds=(*_MOTOR, ActorKind.CONE, ActorKind.BARRIER), relations=(Relation.AHEAD,), roads=_STRETCHES
    ),
    Manoeuvre.PARK: ManoeuvreRule(
        kinds=_MOTOR, relations=(Relation.RIGHT, Relation.AHEAD), roads=(RoadType.NARROW, RoadType.STRAIGHT)
    ),
    Manoeuvre.CUT_IN: ManoeuvreRule(
        kinds=_MOTOR, relations=_SIDES, roads=(RoadType.MULTI_LANE, RoadType.STRAIGHT, RoadType.RAMP), most=1
    ),
    Manoeuvre.CUT_OUT: ManoeuvreRule(
        kinds=_MOTOR, relations=(Relation.AHEAD,), roads=(RoadType.MULTI_LANE, RoadType.STRAIGHT), most=1
    ),
    Manoeuvre.OVERTAKE: ManoeuvreRule(
        kinds=_MOTOR,
        relations=(Relation.LEFT, Relation.BEHIND, Relation.RIGHT),
        roads=(RoadType.MULTI_LANE, RoadType.STRAIGHT),
        most=3,
    ),
    Manoeuvre.MERGE: ManoeuvreRule(kinds=_MOTOR, relations=(Relation.RIGHT,), roads=(RoadType.RAMP,), most=3),
    Manoeuvre.TURN_LEFT: ManoeuvreRule(
        kinds=_RIDERS, relations=(Relation.ONCOMING, *_SIDES), roads=(RoadType.JUNCTION, RoadType.CROSSWALK), most=2
    ),
    Manoeuvre.TURN_RIGHT: ManoeuvreRule(
        kinds=_RIDERS,
        relations=(Relation.RIGHT, Relation.LEFT, Relation.ONCOMING),
        roads=(RoadType.JUNCTION, RoadType.CROSSWALK),
        most=2,
    ),
    Manoeuvre.RUN_RED: ManoeuvreRule(
        kinds=_RIDERS, relations=_SIDES, roads=(RoadType.JUNCTION, RoadType.CROSSWALK), most=2
    ),
    Manoeuvre.WRONG_LANE: ManoeuvreRule(
        kinds=_MOTOR, relations=(Relation.ONCOMING,), roads=(RoadType.NARROW, RoadType.STRAIGHT), most=1
    ),
    Manoeuvre.FOLLOW: ManoeuvreRule(kinds=_RIDERS, relations=(Relation.BEHIND,), roads=_ANY_ROAD, most=2),
    Manoeuvre.DRIVE: ManoeuvreRule(
        kinds=_RIDERS,
        relations=(Relation.AHEAD, *[one for one in Relation if one != Relation.AHEAD]),
        roads=_ANY_ROAD,
    ),
    Manoeuvre.WAIT: ManoeuvreRule(
        kinds=(ActorKind.PEDESTRIAN, ActorKind.CYCLIST), relations=(Relation.RIGHT, Relation.LEFT), roads=_ANY_ROAD
    ),
    Manoeuvre.WALK: ManoeuvreRule(
        kinds=(ActorKind.PEDESTRIAN,), relations=(Relation.RIGHT, Relation.LEFT), roads=_ANY_ROAD
    ),
}
COMBINATIONS = (
    (Manoeuvre.BRAKE, Manoeuvre.STOP),
    (Manoeuvre.BRAKE_HARD, Manoeuvre.STOP),
    (Manoeuvre.CUT_IN, Manoeuvre.BRAKE),
    (Manoeuvre.CUT_IN, Manoeuvre.BRAKE_HARD),
)
"""Pairs of manoeuvres that one agent does one after the other."""
EGO_ROADS: dict[EgoManoeuvre, tuple[RoadType, ...]] = {
    EgoManoeuvre.STRAIGHT: _ANY_ROAD,
    EgoManoeuvre.TURN_LEFT: (RoadType.JUNCTION, RoadType.CROSSWALK),
    EgoManoeuvre.TURN_RIGHT: (RoadType.JUNCTION, RoadType.CROSSWALK),
    EgoManoeuvre.CHANGE_LANE: (RoadType.MULTI_LANE, RoadType.JUNCTION),
    EgoManoeuvre.MERGE: (RoadType.RAMP,),
}
_DEFAULTS = {
    ActorKind.PEDESTRIAN: Manoeuvre.WALK,
    ActorKind.CONE: Manoeuvre.STAND,
    ActorKind.BARRIER: Manoeuvre.STAND,
}


@dataclass(frozen=True, kw_only=True)
class EventCondition:
    """One agent, or several alike, and what they do."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: ActorKind = ActorKind.CAR
    manoeuvres: tuple[Manoeuvre, ...] = ()
    """In order of time; empty for an agent that is only present."""
    relation: Relation | None = None
    count: int = 1
    distance_m: float | None = None
    """Along the ego's lane at the start, between the boxes."""
    speed_mps: float | None = None
    time_s: float | None = None
    """From the start to the beginning of the manoeuvre."""

    def __post_init__(self) -> None:
        rule = RULES[self.first]
        if self.kind not in rule.kinds:
            able = [str(one) for one, other in RULES.items() if self.kind in other.kinds]
            raise ValueError(f"A {self.kind} cannot {_plain(self.first)}. It can: {_listed(able)}.")
        if self.relation is not None and self.relation not in rule.relations:
            raise ValueError(
                f"A {self.kind} that does {_plain(self.first)!r} is not {self.relation}. Possible:"
                f" {_listed(rule.relations)}."
            )
        if len(self.manoeuvres) > 1 and self.manoeuvres not in COMBINATIONS:
            pairs = _listed(" then ".join(pair) for pair in COMBINATIONS)
            raise ValueError(
                f"One agent cannot do {' then '.join(map(_plain, self.manoeuvres))}. Possible: {pairs}; or name two"
                " agents."
            )
        if not 1 <= self.count <= rule.most:
            raise ValueError(
                f"From 1 to {rule.most} agents can {_plain(self.first)} at once, got {self.count} ({self.kind})."
            )
        _require_within("distance", self.distance_m, DISTANCES_M, "m")
        _require_within("time of an event", self.time_s, TIMES_S, "s")
        _require_within("speed", self.speed_mps, (0.3, MAX_SPEED_MPS), "m/s")

    @property
    def first(self) -> Manoeuvre:
        """The first manoeuvre, or what an agent of the kind does that is only present."""
        return self.manoeuvres[0] if self.manoeuvres else _DEFAULTS.get(self.kind, Manoeuvre.DRIVE)

    def does(self, manoeuvre: Manoeuvre) -> bool:
        """Whether the manoeuvre is among those of the agent."""
        return manoeuvre in self.manoeuvres

    @property
    def roads(self) -> tuple[RoadType, ...]:
        """Roads on which the event is possible."""
        if self.first == Manoeuvre.CROSS and self.kind in _FOUR_WHEELS:
            return (RoadType.JUNCTION, RoadType.CROSSWALK)
        if self.first == Manoeuvre.DRIVE and self.relation in (*_SIDES, Relation.BESIDE):
            return (RoadType.MULTI_LANE, RoadType.STRAIGHT, RoadType.RAMP)
        if self.relation == Relation.ONCOMING:
            return tuple(road for road in RULES[self.first].roads if road != RoadType.RAMP)
        return RULES[self.first].roads


@dataclass(frozen=True, kw_only=True)
class AppearanceCondition:
    """Light and weather of camera images."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    time_of_day: TimeOfDay | None = None
    weather: Weather | None = None


@dataclass(frozen=True, kw_only=True)
class TextCondition:
    """All that a sentence states about a scenario; None and empty parts are left open."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    scene: SceneCondition = field(default_factory=SceneCondition)
    """Numbers of the scene; a sentence gives density, signal and the ego's speed."""
    events: tuple[EventCondition, ...] = ()
    ego: EgoManoeuvre | None = None
    road: RoadType | None = None
    has_signal: bool | None = None
    """False for a junction without traffic lights."""
    appearance: AppearanceCondition = field(default_factory=AppearanceCondition)

    def __post_init__(self) -> None:
        if len(self.events) > MAX_EVENTS:
            raise ValueError(
                f"A scenario shows up to {MAX_EVENTS} events, got {len(self.events)}. Split the sentence."
            )
        if self.has_signal is False and self.scene.signal is not None:
            raise ValueError(f"A junction without signals has no {self.scene.signal} light. Choose one of the two.")
        if not self.roads:
            raise ValueError(self._road_conflict())
        self._require_lights()

    @property
    def needs_signal(self) -> bool:
        """Whether the junction has traffic lights."""
        return self.scene.signal is not None or any(one.first == Manoeuvre.RUN_RED for one in self.events)

    @property
    def roads(self) -> tuple[RoadType, ...]:
        """Roads on which everything is possible."""
        parts = [roads for _, roads in self._limits()]
        return tuple(road for road in RoadType if all(road in part for part in parts))

    def _limits(self) -> list[tuple[str, tuple[RoadType, ...]]]:
        limits = [(f"{one.kind} that does {_plain(one.first)!r}", one.roads) for one in self.events]
        if self.road is not None:
            same = (RoadType.JUNCTION, RoadType.CROSSWALK) if self.road == RoadType.JUNCTION else (self.road,)
            limits.append((f"road {_plain(self.road)!r}", same))
        if self.ego is not None:
            limits.append((f"ego that does {_plain(self.ego)!r}", EGO_ROADS[self.ego]))
        if self.needs_signal or self.has_signal is False:
            limits.append(("traffic light", (RoadType.JUNCTION, RoadType.CROSSWALK)))
        return limits

    def _road_conflict(self) -> str:
        parts = "; ".join(f"{name}: {_listed(roads)}" for name, roads in self._limits())
        return f"No road shows everything in the sentence. Possible roads: {parts}. Leave one part out."

    def _require_lights(self) -> None:
        """Refuse events that contradict the ego's light.

        Raises:
            ValueError: Names the event and the lights with which it is possible.
        """
        for one in self.events:
            comes_from_side = one.relation != Relation.ONCOMING and (
                one.first in (Manoeuvre.TURN_LEFT, Manoeuvre.TURN_RIGHT)
                or (one.first == Manoeuvre.CROSS and one.kind in _FOUR_WHEELS)
            )
            if one.first == Manoeuvre.RUN_RED and self.scene.signal == "red":
                raise ValueError(
                    f"A {one.kind} from the side runs a red light while the ego's light is green. Leave the red light"
                    " of the ego out."
                )
            if comes_from_side and self.scene.signal == "green":
                raise ValueError(
                    f"At the ego's green light a {one.kind} from the side that does {_plain(one.first)!r} has red."
                    " Possible: a red light, no traffic light, or 'runs a red light'."
                )

    # ------------------------------------------------------------------ JSON

    def to_json(self) -> str:
        """The condition as JSON, without the parts that are left open."""
        return _ADAPTER.dump_json(self, exclude_defaults=True, indent=1).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "TextCondition":
        """The condition of JSON in the schema of `json_schema`, for example written by a language model.

        Raises:
            ValueError: For other content; names every place that is wrong.
        """
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            places = [
                f"{'.'.join(map(str, one['loc'])) or 'condition'}: {one['msg']} (got {one['input']!r})"
                for one in error.errors(include_url=False)
            ]
            raise ValueError(f"The JSON is no condition: {'; '.join(places)}.") from error


_ADAPTER: TypeAdapter[TextCondition] = TypeAdapter(TextCondition)


def json_schema() -> dict[str, Any]:
    """The JSON schema of `TextCondition`."""
    return _ADAPTER.json_schema()


def _require_within(name: str, value: float | None, limits: tuple[float, float], unit: str) -> None:
    if value is not None and not limits[0] <= value <= limits[1]:
        raise ValueError(f"The {name} is {limits[0]:g} to {limits[1]:g} {unit}, got {value:g} {unit}.")


def _plain(name: str) -> str:
    return str(name).replace("_", " ")


def _listed(names: Any) -> str:
    return ", ".join(_plain(name) for name in Counter(names))
