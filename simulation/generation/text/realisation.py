"""A condition becomes a recording: a place, staged events, other traffic, lights, a way out, and the measured facts.

The steps are those of a corner case: draw, stage, search the way out, verify it in closed loop, draw again. A draw is
also repeated when a measuring function finds that a stated fact is not true in it.
"""

import json
import zlib
from collections import Counter
from dataclasses import replace

import numpy as np

from driving.agents import AgentKind
from driving.map import MapGraph
from driving.names import listed
from driving.recording import Recording
from driving.scenario import Scenario
from driving.synthetic.scripted_track import ScriptedTrack
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.kind_parts import Manoeuvre as Shifts
from simulation.generation.corner_cases.kinds_lanes import (
    lane_change_dense,
    lane_change_light,
    lane_change_medium,
    ramp_merge,
)
from simulation.generation.corner_cases.search import find_solutions
from simulation.generation.corner_cases.sites import NoSiteError, SiteSearch
from simulation.generation.corner_cases.staging import StagedCase, object_beside
from simulation.generation.text.appearance import appearance_for
from simulation.generation.text.background import added_background, background, meets_history, touch
from simulation.generation.text.condition import TextCondition
from simulation.generation.text.events import ORDER, stage_event
from simulation.generation.text.facts import wrong_facts
from simulation.generation.text.grammar import parse
from simulation.generation.text.lights import light_phases
from simulation.generation.text.place import Place, find_place
from simulation.generation.text.relative_agents import RelativeAgents
from simulation.generation.text.scenario_types import scenario_type_of
from simulation.generation.text.stage import Staging
from simulation.generation.text.vocabulary import EgoManoeuvre, RoadType
from simulation.rendering.appearance import APPEARANCE_KEY, appearance_to_json

MAX_ATTEMPTS = 40
STRICT_ATTEMPTS = 20
"""Draws of which the ego without reaction must collide, for events that need a reaction; later draws need not."""
SPEEDS_MPS = (8.0, 12.5)
RED_S = (9.5, 11.5)
"""Time at which the ego's red light turns green."""
LANE_CHANGES = {"low": lane_change_light, "medium": lane_change_medium, "high": lane_change_dense}
TEXT_KEY = "text_condition"
"""Key of the metadata that holds the condition as JSON; `APPEARANCE_KEY` holds the appearance."""


class UnmetConditionError(ValueError):
    """No draw meets a condition."""


def realise(
    condition: TextCondition | str,
    seed: int,
    *,
    number: int = 0,
    map_graph: MapGraph | None = None,
    checks_facts: bool = True,
) -> Recording:
    """One recording with one tagged scenario that shows what a condition states.

    Args:
        condition: A condition, or a sentence.
        seed: Equal conditions, seeds, numbers and maps give equal recordings.
        number: Distinguishes the scenarios of one condition and seed.
        map_graph: The map; None takes `corner_map(seed)`.
        checks_facts: Whether a draw in which a stated fact is not measured is drawn again.

    Raises:
        ValueError: For a sentence that cannot be parsed.
        UnmetConditionError: When no draw meets the condition; says what failed and what is possible.
    """
    condition = parse(condition) if isinstance(condition, str) else condition
    map_graph = corner_map(seed) if map_graph is None else map_graph
    text = condition.to_json()
    reasons: Counter[str] = Counter()
    for attempt in range(MAX_ATTEMPTS):
        rng = np.random.default_rng([seed, number, zlib.crc32(text.encode()), attempt])
        low, high = condition.scene.ego_speed_mps or SPEEDS_MPS
        search = SiteSearch(map=map_graph, rng=rng, speed_mps=float(rng.uniform(low, high)))
        try:
            recording = _drawn(search, condition, f"text-s{seed:04d}-n{number:03d}", attempt)
        except NoSiteError as error:
            reasons[str(error)] += 1
            continue
        if isinstance(recording, str):
            reasons[recording] += 1
            continue
        view = RelativeAgents(scenario=recording.scenario(recording.tags[0]))
        wrong = wrong_facts(condition, view, with_appearance=False) if checks_facts else []
        if wrong:
            reasons[f"not measured: {listed(wrong)}"] += 1
            continue
        looks = appearance_to_json(appearance_for(condition.appearance))
        notes = {TEXT_KEY: json.dumps(json.loads(text)), APPEARANCE_KEY: looks}
        return replace(recording, metadata={**recording.metadata, **notes})
    raise UnmetConditionError(_unmet(condition, map_graph, reasons))


def _drawn(search: SiteSearch, condition: TextCondition, name: str, attempt: int) -> Recording | str:
    """The recording of one draw with a way out as its logged ego, or the reason of its failure."""
    # Imported here: chains of imports stay short.
    from simulation.generation.corner_cases.generator import best_verified, staged_recording

    staged, walls = stage(search, condition, is_strict=attempt < STRICT_ATTEMPTS)
    if isinstance(staged, str):
        return staged
    log_name = f"{name}-{zlib.crc32(condition.to_json().encode()):08x}-{search.map.name}"
    draft = staged_recording(staged, log_name, scenario_type_of(condition), 0)
    notes = {"origin": "generated: by words", "attempt": str(attempt), "speed_mps": f"{search.speed_mps:.3f}"}
    draft = replace(draft, metadata=notes)
    walled = replace(staged, agents=[*staged.agents, *walls])
    hindered = staged_recording(walled, log_name, draft.tags[0].scenario_type, 0)
    solutions = find_solutions(staged, hindered.scenario(hindered.tags[0]))
    if not solutions:
        return "no way out, or no reaction needed"
    return best_verified(draft, solutions) or "no way out that is verified in closed loop"


def stage(
    search: SiteSearch, condition: TextCondition, *, is_strict: bool
) -> tuple[StagedCase | str, list[ScriptedTrack]]:
    """The staged case of a draw, or the reason of its failure; and walls at the red light, for the search only.

    Args:
        search: Map, random numbers and the ego's speed.
        condition: What to stage.
        is_strict: Whether an ego without reaction must collide where an event needs a reaction.

    Raises:
        NoSiteError: When the map has no place.
    """
    base = _base_case(search, condition)
    if base is None:
        place = find_place(search, condition, _road(search, condition))
    else:
        place = Place(search=search, ego=base.ego, is_behind_event=condition.ego == EgoManoeuvre.MERGE)
    red_until_s = search.uniform(*RED_S) if condition.scene.signal == "red" else None
    staging = Staging(place=place, red_until_s=red_until_s)
    agents = [] if base is None else list(base.agents)
    manoeuvres: list[Shifts] = [()] if base is None else list(base.manoeuvres)
    needs_reaction = False
    for event in sorted(condition.events, key=lambda one: ORDER.index(one.first)):
        made = stage_event(staging, event)
        for track in made.agents:
            if touch(track, agents) or meets_history(track, place.ego):
                return f"the {event.kind} that does {event.first.replace('_', ' ')!r} touches another agent", []
            agents.append(track)
        manoeuvres += made.manoeuvres
        needs_reaction |= made.needs_reaction
    agents += added_background(background(staging, condition), agents, place.ego)
    walls = [] if red_until_s is None else [_wall(place, red_until_s)]
    may_pass = base.nominal_may_pass if base is not None else not (needs_reaction and is_strict)
    return (
        StagedCase(
            ego=place.ego,
            agents=agents,
            manoeuvres=manoeuvres,
            nominal_may_pass=may_pass,
            may_speed_up=base is not None and base.may_speed_up,
            about=0 if condition.events or base is not None else None,
            lights=light_phases(place, red_until_s) if place.junction is not None else {},
            goal_m=0.0 if base is None else base.goal_m,
        ),
        walls,
    )


def _base_case(search: SiteSearch, condition: TextCondition) -> StagedCase | None:
    """The corner case of an ego that changes lanes or merges; None for other conditions."""
    if condition.ego == EgoManoeuvre.CHANGE_LANE:
        return LANE_CHANGES[condition.scene.density or "medium"](search)
    return ramp_merge(search) if condition.ego == EgoManoeuvre.MERGE else None


def _road(search: SiteSearch, condition: TextCondition) -> RoadType:
    """The road of the condition, otherwise a stretch of lane where that is possible."""
    roads = condition.roads
    if condition.road is None or len(roads) > 1:
        stretches = [one for one in (RoadType.STRAIGHT, RoadType.NARROW, RoadType.MULTI_LANE) if one in roads]
        roads = tuple(stretches) or tuple(one for one in roads if one != RoadType.CROSSWALK)
    return roads[int(search.rng.integers(len(roads)))]


def _wall(place: Place, red_until_s: float) -> ScriptedTrack:
    """An obstacle at the red light, so that ways out stop there."""
    assert place.junction is not None
    wall = object_beside(
        place.chain, place.junction.enter_m + 0.5, 0.0, kind=AgentKind.GENERIC_OBJECT, size_m=(0.4, 4.0)
    )
    return replace(wall, seen_s=(-np.inf, red_until_s))


def _unmet(condition: TextCondition, map_graph: MapGraph, reasons: Counter[str]) -> str:
    (reason, count), *_ = reasons.most_common(1)
    limits = map_graph.lanes.speed_limit_mps
    fastest = float(np.nanmax(limits)) if np.isfinite(limits).any() else np.inf
    hints = [f"the ego drives up to {3.6 * fastest:.0f} km/h on map {map_graph.name}"]
    if any(one.distance_m or one.time_s or one.speed_mps for one in condition.events):
        hints.append("distances, times and speeds that leave the ego room to brake are possible: leave one open")
    if len(condition.events) > 1:
        hints.append("fewer events are possible")
    return (
        f"None of {MAX_ATTEMPTS} draws meets the condition; the most frequent reason, {count} times: {reason}."
        f" What is possible: {'; '.join(hints)}; or another seed or map."
    )


class TextGenerator:
    """One scenario per seed; the condition is a sentence."""

    def generate(self, seed: int, condition: str | None = None) -> Scenario:
        """One scenario that shows what a sentence states; without a sentence, a car ahead that brakes.

        Raises:
            ValueError: For a sentence that cannot be parsed or met.
        """
        recording = realise(condition or "a car ahead brakes", seed)
        return recording.scenario(recording.tags[0])
