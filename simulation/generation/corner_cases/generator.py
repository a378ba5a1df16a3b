"""Corner cases from a kind, a seed and a map: drawn, solved, verified, and drawn again without a solution."""

import re
from dataclasses import replace

import numpy as np

from driving.checks import scenario_findings
from driving.map import MapGraph
from driving.names import unknown_name
from driving.nuplan.stored_map import as_stored
from driving.recording import ANCHOR_OFFSET_S, Mission, Recording, Tag
from driving.scenario import Scenario
from driving.synthetic.scene_script import SceneScript, track_id
from driving.synthetic.scripted_track import standing_track
from driving.timing import STEP_S
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.kinds import CORNER_KINDS, corner_kind
from simulation.generation.corner_cases.kinds_junction import green_for
from simulation.generation.corner_cases.nearby import NearbySearch
from simulation.generation.corner_cases.search import Solution, find_solutions, nominal_motion
from simulation.generation.corner_cases.sites import NoSiteError, SiteSearch
from simulation.generation.corner_cases.staging import BEGIN_S, StagedCase, sample_times
from simulation.generation.corner_cases.suite import SPEEDS_MPS, SuiteMember
from simulation.generation.ways_out.verification import verified_score

MAX_ATTEMPTS = 60
"""Draws until one has a site and a solution."""
NUM_VERIFIED = 12
"""Solutions that are verified before a draw is given up. After a success all others are verified too."""
NEIGHBOUR_ATTEMPTS = 4
"""Draws until a neighbour has a site and a solution."""
SPREAD = 0.15
"""Largest change of a neighbour's parameter, as a share of its range; of the speed, as a share of it."""
GOOD_SCORE = 0.95
"""Score of a solution from which no better one is searched."""
DEFAULT_SPEEDS_MPS = SPEEDS_MPS
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
    """One corner case with one tagged scenario, whose logged ego is a solution.

    Args:
        kind: A name of `CORNER_KINDS`.
        seed: Equal seeds, numbers, maps and speeds give equal recordings.
        number: Distinguishes the corner cases of one seed.
        map_graph: The map; None takes `corner_map(seed)`.
        speeds_mps: Range of the ego's nominal speed.

    Raises:
        KeyError: For an unknown kind.
        NoSiteError: When the map has no site for the kind.
        ValueError: When none of `MAX_ATTEMPTS` draws has a solution, or for invalid numbers.
    """
    template = corner_kind(kind)
    low, high = speeds_mps
    if not 0.0 < low <= high:
        raise ValueError(f"The speeds are a range above 0 m/s, got {low} to {high}.")
    if seed < 0 or number < 0:
        raise ValueError(f"Seed and number are 0 or more, got {seed} and {number}.")
    map_graph = corner_map(seed) if map_graph is None else map_graph
    name = f"corner-{kind}-s{seed:04d}-n{number:03d}-{map_graph.name}"
    no_site: NoSiteError | None = None
    for attempt in range(MAX_ATTEMPTS):
        rng = case_rng(kind, seed, number, attempt)
        search = SiteSearch(map=map_graph, rng=rng, speed_mps=float(rng.uniform(low, high)))
        try:
            staged = template.stage(search)
        except NoSiteError as error:
            no_site = error
            continue
        draft = staged_recording(staged, name, template.scenario_type, number)
        draft = replace(draft, metadata=_notes(staged, kind, attempt))
        best = best_verified(draft, find_solutions(staged, draft.scenario(draft.tags[0])))
        if best is not None:
            return best
    if no_site is not None:
        raise NoSiteError(f"Corner case {kind}: {no_site}")
    raise ValueError(
        f"Corner case {kind} of seed {seed}, number {number}: none of {MAX_ATTEMPTS} draws on map {map_graph.name}"
        " has a solution. Choose another seed, other speeds or another map."
    )


def case_rng(kind: str, seed: int, number: int, attempt: int) -> np.random.Generator:
    """The random numbers of a draw; the first one is the ego's speed."""
    return np.random.default_rng([seed, number, list(CORNER_KINDS).index(kind), attempt])


def make_neighbour(case: Scenario, seed: int, *, spread: float = SPREAD) -> Recording | None:
    """A corner case with parameters near those of another one; None when no draw has a solution.

    A parameter that moves the site to an unsuitable place makes the search choose the next site; the parameters after
    it are then drawn anew.

    Args:
        case: Opened from the data of `make_corner_case`.
        seed: Of the changes, and in the name of the log.
        spread: Largest change of a parameter, as a share of its range.

    Raises:
        ValueError: When the scenario is no corner case, or its metadata lack the parameters.
    """
    found = _LOG_NAME.match(case.log_name)
    if found is None or not has_parameters(case):
        raise ValueError(f"Log {case.log_name} is no corner case of make_corner_case with its metadata.")
    kind, template = found["kind"], corner_kind(found["kind"])
    name = f"corner-{kind}-s{seed:04d}-n000-near-{found['seed']}-{found['number']}-{case.map.name}"
    for attempt in range(NEIGHBOUR_ATTEMPTS):
        noise = np.random.default_rng([seed, attempt])
        rng = case_rng(kind, int(found["seed"]), int(found["number"]), int(case.metadata["attempt"]))
        rng.uniform()  # The speed, which the metadata hold.
        speed_mps = float(case.metadata["speed_mps"]) * (1.0 + spread * noise.uniform(-1.0, 1.0))
        search = NearbySearch(map=case.map, rng=rng, speed_mps=speed_mps, noise=noise, spread=spread)
        try:
            staged = template.stage(search)
        except NoSiteError:
            continue
        draft = staged_recording(staged, name, template.scenario_type, 0)
        # Without `attempt`: a neighbour is not drawn from its own name, so that it has no neighbours.
        notes = {"corner_kind": kind, "origin": f"generated: neighbour of {case.log_name}"}
        drawn = {key: f"{value:.3f}" for key, value in staged.drawn.items()}
        draft = replace(draft, metadata={**notes, "speed_mps": f"{speed_mps:.3f}", **drawn})
        best = best_verified(draft, find_solutions(staged, draft.scenario(draft.tags[0])))
        if best is not None:
            return best
    return None


def has_parameters(scenario: Scenario) -> bool:
    """Whether a scenario is a corner case that `make_neighbour` can draw again."""
    return bool(_LOG_NAME.match(scenario.log_name)) and {"attempt", "speed_mps"} <= set(scenario.metadata)


def make_member(member: SuiteMember) -> Recording:
    """The recording of a member of the corner suite."""
    map_graph = corner_map(member.map_number)
    return make_corner_case(member.kind, member.seed, map_graph=map_graph, speeds_mps=SPEEDS_MPS)


def corner_kind_of(log_name: str) -> str | None:
    """The kind in the name of a corner case's log; None for other logs."""
    found = _LOG_NAME.match(log_name)
    return None if found is None else found["kind"]


def staged_recording(staged: StagedCase, name: str, scenario_type: str, number: int) -> Recording:
    """The situation over time, with the nominal ego."""
    time_s = sample_times()
    chain = staged.ego.chain
    script = SceneScript(
        name=name,
        number=0,
        scenario_type=scenario_type,
        map=chain.map,
        origin=chain.origin,
        ego=standing_track(0.0, 0.0),
        agents=staged.agents,
        roadblock_ids=chain.roadblock_ids,
        lights=staged.lights or green_for(chain.map, chain),
    )
    start_us = START_US + number * 60_000_000
    time_us = start_us + np.round((time_s - time_s[0]) * 1e6).astype(np.int64)
    about = None if staged.about is None else track_id(staged.about + 1)
    goal = chain.path.poses(np.array([chain.length_m]))[0] + np.array([*chain.origin, 0.0])
    return Recording(
        log_name=name,
        map=as_stored(chain.map),
        time_us=time_us,
        ego=replace(nominal_motion(staged.ego), time_us=time_us),
        agents=script.agent_tracks(time_s),
        traffic_lights=script.traffic_lights(time_s),
        missions=(Mission(first_frame=0, roadblock_ids=_route(staged), goal_pose=goal),),
        tags=(Tag(frame=round((ANCHOR_OFFSET_S - BEGIN_S) / STEP_S), scenario_type=scenario_type, track_id=about),),
    )


def _route(staged: StagedCase) -> tuple[int, ...]:
    """Roadblocks from the ego at iteration 0 to the end of the chain.

    A chain that ends in the ego's roadblock gives a route that begins one roadblock earlier, because nuPlan's IDM
    planner refuses a route of one roadblock.
    """
    chain = staged.ego.chain
    here = staged.ego.at(0.0)[0]
    ends = [chain.project_global(chain.map.lanes.centerlines[row][-1])[0] for row in chain.rows]
    rows = [row for row, end_m in zip(chain.rows, ends, strict=True) if end_m > here]
    ahead = tuple(dict.fromkeys(int(chain.map.lanes.roadblock_ids[row]) for row in rows))
    return ahead if len(ahead) > 1 else chain.roadblock_ids[-2:]


def _notes(staged: StagedCase, kind: str, attempt: int) -> dict[str, str]:
    return {
        "origin": f"generated: corner case {kind}",
        "corner_kind": kind,
        "reactive_traffic": corner_kind(kind).reactive,
        "attempt": str(attempt),
        "speed_mps": f"{staged.ego.speed_mps:.3f}",
        **{name: f"{value:.3f}" for name, value in staged.drawn.items()},
    }


def best_verified(draft: Recording, solutions: list[Solution]) -> Recording | None:
    """The recording with the first solution of `GOOD_SCORE`, otherwise with the best one; None without any."""
    best: Recording | None = None
    for place, solution in enumerate(solutions):
        if best is None and place == NUM_VERIFIED:
            break
        recording = _verified(draft, solution)
        if recording is not None and (best is None or _score(recording) > _score(best)):
            best = recording
        if best is not None and _score(best) >= GOOD_SCORE:
            break
    return best


def _verified(draft: Recording, solution: Solution) -> Recording | None:
    """The recording with the solution as its logged ego; None for one with findings or that fails verification."""
    recording = replace(draft, ego=replace(solution.ego, time_us=draft.time_us))
    scenario = recording.scenario(recording.tags[0])
    if any(finding.is_error for finding in scenario_findings(scenario)):
        return None
    score = verified_score(scenario)
    if score is None:
        return None
    notes = {
        "logged_score": f"{score:.4f}",
        "candidates": f"{solution.candidates} driven, {solution.clear} clear, {solution.passing} passing",
    }
    return replace(recording, metadata=draft.metadata | notes)


def _score(recording: Recording) -> float:
    return float(recording.metadata["logged_score"])


class CornerCaseGenerator:
    """One scenario per seed; the condition is the kind."""

    def __init__(self, *, speeds_mps: tuple[float, float] = DEFAULT_SPEEDS_MPS) -> None:
        self.speeds_mps = speeds_mps

    def generate(self, seed: int, condition: str | None = None) -> Scenario:
        """One scenario of a kind; without a condition the seed determines the kind.

        Raises:
            ValueError: For an unknown kind, or when no solution is found.
        """
        kind = list(CORNER_KINDS)[seed % len(CORNER_KINDS)] if condition is None else condition
        if kind not in CORNER_KINDS:
            raise ValueError(unknown_name("kind of corner case named", kind, CORNER_KINDS))
        recording = make_corner_case(kind, seed, speeds_mps=self.speeds_mps)
        return recording.scenario(recording.tags[0])
