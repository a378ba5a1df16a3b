"""The facts of a condition, and whether a scenario shows them.

A fact is true only by measurement: tracks, map, lights and the appearance of the images. Nothing is read from the
numbers that a generator drew.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from driving.timing import STEP_S
from simulation.generation.text.appearance import time_of_day_in, weather_in
from simulation.generation.text.condition import EventCondition, TextCondition
from simulation.generation.text.measured_scene import (
    DENSITY_BANDS,
    does,
    ego_speed_mps,
    has_signal,
    is_on_road,
    next_signal,
    vehicles_around,
)
from simulation.generation.text.measuring import MEASURES, NEVER, Found
from simulation.generation.text.relative_agents import RelativeAgents
from simulation.generation.text.vocabulary import Manoeuvre
from simulation.rendering.appearance import appearance_in

DISTANCE_TOLERANCE = (1.5, 0.15)
"""Absolute [m] and relative tolerance of distances; the larger one holds."""
SPEED_TOLERANCE = (0.6, 0.1)
TIME_TOLERANCE = (0.7, 0.15)
EGO_SPEED_TOLERANCE_MPS = 0.5
_UNCOUNTED = (Manoeuvre.DRIVE, Manoeuvre.FOLLOW, Manoeuvre.WAIT, Manoeuvre.WALK)
"""Manoeuvres of which other traffic may show more; the number is a lower limit."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One statement about a scenario."""

    text: str
    holds_in: Callable[[RelativeAgents], bool]
    """Whether the statement is measured in a scenario."""


def facts_of(condition: TextCondition, *, with_appearance: bool = True) -> list[Fact]:
    """All facts that a condition states; the ones of events name the agent."""
    facts = [
        *_scene_facts(condition),
        *[fact for event in condition.events for fact in _event_facts(event, condition)],
    ]
    looks = condition.appearance
    if with_appearance and looks.time_of_day is not None:
        facts.append(
            Fact(text=str(looks.time_of_day), holds_in=partial(_looks, "time_of_day", str(looks.time_of_day)))
        )
    if with_appearance and looks.weather is not None:
        facts.append(Fact(text=str(looks.weather), holds_in=partial(_looks, "weather", str(looks.weather))))
    return facts


def wrong_facts(condition: TextCondition, view: RelativeAgents, *, with_appearance: bool = True) -> list[str]:
    """The facts of a condition that a scenario does not show."""
    return [fact.text for fact in facts_of(condition, with_appearance=with_appearance) if not fact.holds_in(view)]


# ---------------------------------------------------------------------- scene


def _scene_facts(condition: TextCondition) -> Iterator[Fact]:
    scene = condition.scene
    if scene.density is not None:
        low, high = DENSITY_BANDS[scene.density]
        yield Fact(text=f"density {scene.density}", holds_in=lambda view: low <= vehicles_around(view) <= high)
    if scene.signal is not None:
        yield Fact(text=f"{scene.signal} light", holds_in=lambda view: next_signal(view) == scene.signal)
    if condition.has_signal is False:
        yield Fact(text="no traffic light", holds_in=lambda view: not has_signal(view))
    if scene.ego_speed_mps is not None:
        slowest, fastest = scene.ego_speed_mps
        yield Fact(
            text=f"ego at {slowest:.1f} m/s",
            holds_in=lambda view: (
                slowest - EGO_SPEED_TOLERANCE_MPS <= ego_speed_mps(view) <= fastest + EGO_SPEED_TOLERANCE_MPS
            ),
        )
    road, ego = condition.road, condition.ego
    if road is not None:
        yield Fact(text=road.replace("_", " "), holds_in=lambda view: is_on_road(view, road))
    if ego is not None:
        yield Fact(text=f"ego: {ego.replace('_', ' ')}", holds_in=lambda view: does(view, ego))


def _looks(part: str, wanted: str, view: RelativeAgents) -> bool:
    looks = appearance_in(view.scenario.metadata)
    if looks is None:
        return False
    return str(time_of_day_in(looks) if part == "time_of_day" else weather_in(looks)) == wanted


# ---------------------------------------------------------------------- events


def _event_facts(event: EventCondition, condition: TextCondition) -> Iterator[Fact]:
    """The facts of one event. All of them hold for the same agents."""
    name = f"{event.count} {event.kind}" if event.count > 1 else str(event.kind)
    manoeuvres = event.manoeuvres or (event.first,)
    alike = [
        one
        for one in condition.events
        if (one.kind, one.first, one.relation) == (event.kind, event.first, event.relation)
    ]
    count = sum(one.count for one in alike)
    for manoeuvre in manoeuvres:
        yield Fact(
            text=f"{name}: {manoeuvre.replace('_', ' ')}",
            holds_in=lambda view, one=manoeuvre: _is_count(len(_rows(view, event, [one], False)), count, one),  # type: ignore[misc]
        )
    if event.relation is not None:
        yield Fact(
            text=f"{name}: {event.relation}",
            holds_in=lambda view: _is_count(len(_rows(view, event, manoeuvres, True)), count, event.first),
        )
    for value, unit, measure in (
        (event.distance_m, "m", _distance_holds),
        (event.speed_mps, "m/s", _speed_holds),
        (event.time_s, "s", _time_holds),
    ):
        if value is not None:
            yield Fact(
                text=f"{name}: {value:.1f} {unit}",
                holds_in=lambda view, one=measure: any(  # type: ignore[misc]
                    one(view, event, row) for row in _rows(view, event, manoeuvres, True)
                ),
            )


def _is_count(found: int, wanted: int, manoeuvre: Manoeuvre) -> bool:
    return found >= wanted if wanted == 1 or manoeuvre in _UNCOUNTED else found == wanted


def _rows(
    view: RelativeAgents,
    event: EventCondition,
    manoeuvres: tuple[Manoeuvre, ...] | list[Manoeuvre],
    with_relation: bool,
) -> list[int]:
    """Agents of the kind that show all manoeuvres, and the relation in the first of them."""
    rows = [row for row, kind in enumerate(view.kinds) if kind == event.kind]
    for number, manoeuvre in enumerate(manoeuvres):
        found = measured(view, manoeuvre)
        rows = [row for row in rows if found.steps[row] != NEVER]
        if number == 0 and with_relation and event.relation is not None:
            rows = [row for row in rows if event.relation in found.relations[row]]
    return rows


def measured(view: RelativeAgents, manoeuvre: Manoeuvre) -> Found:
    """The agents that show a manoeuvre, measured once for each view."""
    if manoeuvre not in view.kept:
        view.kept[manoeuvre] = MEASURES[manoeuvre](view)
    found = view.kept[manoeuvre]
    assert isinstance(found, Found)
    return found


def _within(found: float, wanted: float, tolerance: tuple[float, float]) -> bool:
    return abs(found - wanted) <= max(tolerance[0], tolerance[1] * wanted)


def _distance_holds(view: RelativeAgents, event: EventCondition, row: int) -> bool:
    return bool(view.valid[row, 0]) and _within(
        float(view.gap_m[row, 0]), event.distance_m or 0.0, DISTANCE_TOLERANCE
    )


def _speed_holds(view: RelativeAgents, event: EventCondition, row: int) -> bool:
    """The speed at the start, or when the agent is first observed."""
    first = int(np.argmax(view.valid[row]))
    return _within(float(view.speeds[row, first]), event.speed_mps or 0.0, SPEED_TOLERANCE)


def _time_holds(view: RelativeAgents, event: EventCondition, row: int) -> bool:
    step = int(measured(view, event.first).steps[row])
    return _within(step * STEP_S, event.time_s or 0.0, TIME_TOLERANCE)
