"""Corner cases from a kind, a seed and a map: drawn, solved, checked, and drawn again where there is no way out."""

import re
from dataclasses import replace

import numpy as np

from driving.checks import scenario_findings
from driving.map import MapGraph
from driving.nuplan.stored_map import as_stored
from driving.recording import ANCHOR_OFFSET_S, Mission, Recording, Tag
from driving.scenario import Scenario
from driving.synthetic.scene_script import SceneScript, standing_track, track_id
from driving.timing import STEP_S
from simulation.generation.corner_cases.grounds import ground
from simulation.generation.corner_cases.kinds import CORNER_KINDS, corner_kind
from simulation.generation.corner_cases.kinds_junction import green_for
from simulation.generation.corner_cases.places import NoPlaceError, Scout
from simulation.generation.corner_cases.proof import proved_score
from simulation.generation.corner_cases.search import Solution, nominal_ego, solve
from simulation.generation.corner_cases.staging import BEGIN_S, Staged, sample_times

MAX_ATTEMPTS = 60
"""Draws until one has a place and a way out."""
PROVED = 12
"""Ways out that are driven again before a draw is given up; once one can be driven, all others are tried as well."""
GOOD_SCORE = 0.95
"""Score of a way out from which on no better one is looked for."""
DEFAULT_SPEEDS_MPS = (8.0, 13.0)
START_US = 1_640_995_200_000_000
"""2022-01-01 00:00:00 UTC."""
_LOG_NAME = re.compile(r"corner-(?P<kind>[a-z_]+)-s(?P<seed>\d+)-n(?P<number>\d+)-")


def make_corner_case(
    kind: str,
    seed: int,
    *,
    number: int = 0,
    map_graph: MapGraph | None = None,
    speeds_mps: tuple[float, float] = DEFAULT_SPEEDS_MPS,
) -> Recording:
    """One corner case with one tagged scenario, whose logged ego is a way out.

    Args:
        kind: A name of `CORNER_KINDS`.
        seed: The same seed, number, map and speeds give the same recording.
        number: Tells apart the corner cases of one seed.
        map_graph: Where it happens; a ground of its own where left out.
        speeds_mps: Range that the speed of the ego is drawn from.

    Raises:
        KeyError: When there is no such kind.
        NoPlaceError: When the map has no place for it.
        ValueError: When none of `MAX_ATTEMPTS` draws has a way out, or the speeds are no range.
    """
    template = corner_kind(kind)
    low, high = speeds_mps
    if not 0.0 < low <= high:
        raise ValueError(f"The speeds are a range above 0 m/s, got {low} to {high}.")
    if seed < 0 or number < 0:
        raise ValueError(f"Seed and number are 0 or more, got {seed} and {number}.")
    map_graph = ground(seed) if map_graph is None else map_graph
    name = f"corner-{kind}-s{seed:04d}-n{number:03d}-{map_graph.name}"
    no_place: NoPlaceError | None = None
    for attempt in range(MAX_ATTEMPTS):
        rng = np.random.default_rng([seed, number, list(CORNER_KINDS).index(kind), attempt])
        scout = Scout(map=map_graph, rng=rng, speed_mps=float(rng.uniform(low, high)))
        try:
            staged = template.stage(scout)
        except NoPlaceError as error:
            no_place = error
            continue
        draft = _recording(staged, name, template.scenario_type, number)
        best: Recording | None = None
        for place, solution in enumerate(solve(staged, draft.scenario(draft.tags[0]))):
            if best is None and place == PROVED:
                break
            recording = _proved(draft, staged, solution, kind, attempt)
            if recording is not None and (best is None or _score(recording) > _score(best)):
                best = recording
            if best is not None and _score(best) >= GOOD_SCORE:
                break
        if best is not None:
            return best
    if no_place is not None:
        raise NoPlaceError(f"Corner case {kind}: {no_place}")
    raise ValueError(
        f"Corner case {kind} of seed {seed}, number {number}: none of {MAX_ATTEMPTS} draws on map {map_graph.name}"
        " has a way out. Take another seed, other speeds or another map."
    )


def corner_kind_of(log_name: str) -> str | None:
    """The kind that a log's name tells; None for other logs."""
    found = _LOG_NAME.match(log_name)
    return None if found is None else found["kind"]


def _recording(staged: Staged, name: str, scenario_type: str, number: int) -> Recording:
    """The situation over time, with the nominal ego."""
    time_s = sample_times()
    chain = staged.approach.chain
    ego = nominal_ego(staged.approach)
    script = SceneScript(
        name=name,
        number=0,
        scenario_type=scenario_type,
        map=chain.map,
        origin=chain.origin,
        ego=standing_track(0.0, 0.0),
        agents=staged.cast,
        roadblock_ids=chain.roadblock_ids,
        lights=staged.lights or green_for(chain.map, chain),
    )
    start_us = START_US + number * 60_000_000
    time_us = start_us + np.round((time_s - time_s[0]) * 1e6).astype(np.int64)
    roadblocks = _route(staged, ego.rear_axle_poses[0])
    about = None if staged.about is None else track_id(staged.about + 1)
    goal = chain.path.poses(np.array([chain.length_m]))[0] + np.array([*chain.origin, 0.0])
    return Recording(
        log_name=name,
        map=as_stored(chain.map),
        time_us=time_us,
        ego=replace(ego, time_us=time_us),
        agents=script.agent_tracks(time_s),
        traffic_lights=script.traffic_lights(time_s),
        missions=(Mission(first_frame=0, roadblock_ids=roadblocks, goal_pose=goal),),
        tags=(Tag(frame=round((ANCHOR_OFFSET_S - BEGIN_S) / STEP_S), scenario_type=scenario_type, track_id=about),),
    )


def _route(staged: Staged, poses: np.ndarray) -> tuple[int, ...]:
    """Roadblocks from where the ego is at iteration 0 to the end of the chain.

    Where the chain ends in the roadblock of the ego, the route begins one roadblock earlier: nuPlan's IDM
    planner refuses a route of one.
    """
    chain = staged.approach.chain
    here = staged.approach.at(0.0)[0]
    ends = [chain.project(chain.map.lanes.centerlines[row][-1] - np.array(chain.origin))[0] for row in chain.rows]
    rows = [row for row, end_m in zip(chain.rows, ends, strict=True) if end_m > here]
    ahead = tuple(dict.fromkeys(int(chain.map.lanes.roadblock_ids[row]) for row in rows))
    return ahead if len(ahead) > 1 else chain.roadblock_ids[-2:]


def _score(recording: Recording) -> float:
    return float(recording.metadata["logged_score"])


def _proved(draft: Recording, staged: Staged, solution: Solution, kind: str, attempt: int) -> Recording | None:
    """The recording with the way out as its logged ego; None when it is not sound or cannot be driven again."""
    recording = replace(draft, ego=replace(solution.ego, time_us=draft.time_us))
    scenario = recording.scenario(recording.tags[0])
    if any(finding.is_error for finding in scenario_findings(scenario)):
        return None
    score = proved_score(scenario)
    if score is None:
        return None
    notes = {
        "origin": f"generated: corner case {kind}",
        "corner_kind": kind,
        "reactive_traffic": corner_kind(kind).reactive,
        "attempt": str(attempt),
        "speed_mps": f"{staged.approach.speed_mps:.3f}",
        "logged_score": f"{score:.4f}",
        "candidates": f"{solution.candidates} driven, {solution.clear} clear, {solution.passing} passing",
        **{name: f"{value:.3f}" for name, value in staged.drawn.items()},
    }
    return replace(recording, metadata=notes)


class CornerCaseGenerator:
    """One scenario at a time, the condition being the kind."""

    def __init__(self, *, speeds_mps: tuple[float, float] = DEFAULT_SPEEDS_MPS) -> None:
        self.speeds_mps = speeds_mps

    def generate(self, seed: int, condition: str | None = None) -> Scenario:
        """One scenario of the kind that `condition` names; None for the kind that the seed names.

        Raises:
            ValueError: When there is no such kind, or no way out is found.
        """
        kind = list(CORNER_KINDS)[seed % len(CORNER_KINDS)] if condition is None else condition
        if kind not in CORNER_KINDS:
            raise ValueError(f"No kind of corner case named {kind!r}. Known: {sorted(CORNER_KINDS)}.")
        recording = make_corner_case(kind, seed, speeds_mps=self.speeds_mps)
        return recording.scenario(recording.tags[0])
