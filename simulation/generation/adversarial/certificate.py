"""Certificates: the proof that another driver would not fail, driven and scored.

The way out is the planner's own failed drive up to its latest start, and a deviation from there on. It starts at
least 0.8 s after the surprise is visible. Driven in closed loop, all multipliers of nuPlan's score are 1. It becomes
the logged ego of the written scenario. After a lack of progress it drives so far that the planner lacks progress
beside it, too.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentTracks
from driving.checks import scenario_findings
from driving.scenario import Scenario
from driving.timing import STEP_S
from simulation.ego.dynamics import VELOCITY_X, states_of
from simulation.generation.adversarial.results import Certificate, Failure, FailureKind
from simulation.generation.adversarial.screening import REACTION_STEPS
from simulation.generation.ways_out.deviations import LateralChoice, ReferenceDrive, SpeedChoice
from simulation.generation.ways_out.scoring import NUM_SCORED, is_clear, joined_motion, scored
from simulation.generation.ways_out.verification import verified_score
from simulation.log import SimulationLog
from simulation.metrics.nuplan.progress import MIN_RATIO, PROGRESS_THRESHOLD_M

MARGIN_M = (0.8, 0.4)
"""Added to length and width of the ego's box in the collision check of ways out."""
NUM_SCORED_AT_ONCE = 8
NUM_VERIFIED = 3
"""Ways out of one start that are driven in closed loop."""
MIN_DRIVEN_M = 12.0
"""Distance that a way out drives from iteration 0 on, at least."""
MIN_WAYS = 2
"""Deviations without a contact that are needed before the planner drives: a single one seldom passes all checks."""
LATEST_DETOUR_STEPS = 40
"""Latest start of a way out after a lack of progress, from the first possible reaction on."""
LONG_S = 99.0
BRAKING = tuple(
    SpeedChoice(accel_mps2, share, hold_s)
    for accel_mps2 in (2.0, 4.0, 6.5)
    for share in (0.0, 0.25, 0.5, 0.75)
    for hold_s in (0.0, 0.8, 2.0, 4.0, LONG_S)
)
KEEPING = SpeedChoice(0.0, 1.0, 0.0)
FASTER = (SpeedChoice(1.5, 1.25, 3.0, 8.0), SpeedChoice(2.4, 1.4, 4.0, 12.0))
SWERVING = (
    KEEPING,
    SpeedChoice(2.0, 0.7, 2.0),
    SpeedChoice(4.0, 0.6, LONG_S),
    SpeedChoice(4.0, 0.4, 2.0),
    SpeedChoice(6.5, 0.0, LONG_S),
    SpeedChoice(6.5, 0.3, 2.0),
)
WAYS: list[tuple[LateralChoice, tuple[SpeedChoice, ...]]] = [
    (LateralChoice(0.0, 1.5), (KEEPING, *FASTER, *BRAKING)),
    *((LateralChoice(left_m, shift_s), SWERVING) for left_m in (-1.2, 1.2) for shift_s in (1.0, 2.0)),
    *((LateralChoice(left_m, 1.8, 1.0), SWERVING) for left_m in (-3.4, -2.2, 2.2, 3.4)),
    *((LateralChoice(left_m, 2.6, 3.0), SWERVING) for left_m in (-3.4, -2.2, 2.2, 3.4)),
]
"""Deviations that are tried: braking and speeding up on the path, small shifts for good, larger ones and back."""
DETOURS = WAYS + [
    (LateralChoice(left_m, shift_s, back_after_s), (*SWERVING[:4], *FASTER))
    for left_m in (-3.4, -2.7, -2.2, -1.7, 1.7, 2.2, 2.7, 3.4)
    for shift_s in (1.3, 2.2)
    for back_after_s in (2.0, 6.0, math.inf)
]
"""Deviations around an agent that stands in the way: also longer shifts, and larger ones for good."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    scenario: Scenario
    states: Float64[np.ndarray, "steps 10"]
    """The drive that ways out leave."""
    reference: ReferenceDrive
    planner_m: float = 0.0
    """Distance of a planner that lacks progress; 0 for other failures."""

    @property
    def ways(self) -> list[tuple[LateralChoice, tuple[SpeedChoice, ...]]]:
        """Deviations to try."""
        return DETOURS if self.planner_m else WAYS

    @property
    def min_driven_m(self) -> float:
        """Distance from which the planner lacks progress beside a way out."""
        return max(MIN_DRIVEN_M, self.planner_m / MIN_RATIO)

    @property
    def num_steps(self) -> int:
        """From iteration 0 to the end of the time axis."""
        return len(self.scenario.time_us) - self.scenario.first_frame

    def agents_from(self, step: int) -> AgentTracks:
        first = self.scenario.first_frame + step
        return self.scenario.agents.steps(first, len(self.scenario.time_us))


def certify(
    scenario: Scenario, log: SimulationLog, failure: Failure, reference: ReferenceDrive, visible_step: int
) -> Certificate | None:
    """The certificate of a failure; None when no way out was found.

    Args:
        scenario: The changed scenario.
        log: Of the failed drive.
        failure: What happened in it.
        reference: The planner's drive of the unchanged scenario.
        visible_step: Step of the scenario's time axis from which the surprise is visible.
    """
    states = states_of(log.ego)[0]
    stuck = failure.kind == FailureKind.NO_PROGRESS
    planner_m = max(float(states[:, VELOCITY_X].sum()) * STEP_S, PROGRESS_THRESHOLD_M) if stuck else 0.0
    case = _Case(scenario=scenario, states=states, reference=reference, planner_m=planner_m)
    visible = max(visible_step - scenario.first_frame, 0)
    low, high = visible + REACTION_STEPS, min(failure.step - 1, len(states) - 1, reference.num_driven - 1)
    if stuck:
        high = min(high, low + LATEST_DETOUR_STEPS)
    if low > high:
        return None
    first = _clear_ways(case, low)
    if not len(first):
        return None
    start, ways = low, first
    while low < high:
        middle = (low + high + 1) // 2
        found = _clear_ways(case, middle)
        if len(found):
            low = start = middle
            ways = found
        else:
            high = middle - 1
    certificate = _verified(case, start, ways, visible)
    begin = visible + REACTION_STEPS
    if certificate is None and start > begin:
        certificate = _verified(case, begin, first, visible)
    return certificate


def may_have_way_out(
    scenario: Scenario,
    states: Float64[np.ndarray, "steps 10"],
    reference: ReferenceDrive,
    visible_step: int,
    blocked_m: float = 0.0,
) -> bool:
    """Whether a deviation from the drive of the unchanged scenario touches no agent and passes all multipliers.

    Args:
        scenario: The changed scenario.
        states: The planner's drive of the unchanged one, from iteration 0 on.
        reference: The same.
        visible_step: Step of the scenario's time axis from which the surprise is visible.
        blocked_m: Distance that a planner drives that waits behind a block; 0 for other attacks.
    """
    step = max(visible_step - scenario.first_frame, 0) + REACTION_STEPS
    case = _Case(scenario=scenario, states=states, reference=reference, planner_m=blocked_m)
    if step >= len(states):
        return False
    ways = _clear_ways(case, step)
    return len(ways) >= MIN_WAYS and bool(len(_passing(case, step, ways)[1]))


def _clear_ways(case: _Case, step: int) -> Float64[np.ndarray, "ways time 10"]:
    """The driven deviations from a step on that touch no agent and drive far enough."""
    driven = case.reference.deviations(case.states[step], step, case.ways, case.num_steps - step)
    clear = is_clear(driven, case.agents_from(step), MARGIN_M)
    before_m = case.states[:step, VELOCITY_X].sum() * STEP_S
    frames = case.scenario.num_frames - step
    far = before_m + driven[:, :frames, VELOCITY_X].sum(axis=1) * STEP_S >= case.min_driven_m
    return driven[clear & far]


def _verified(case: _Case, step: int, ways: Float64[np.ndarray, "ways time 10"], visible: int) -> Certificate | None:
    """The best way out of a start that passes all checks."""
    scenario = case.scenario
    whole, order = _passing(case, step, ways)
    for place in order[:NUM_VERIFIED].tolist():
        ego = joined_motion(scenario.ego, scenario.first_frame, whole[place])
        solved = replace(scenario, ego=ego)
        if any(finding.is_error for finding in scenario_findings(solved)):
            continue
        score = verified_score(solved)
        if score is not None:
            return Certificate(
                scenario=solved,
                visible_s=visible * STEP_S,
                latest_start_s=step * STEP_S,
                score=score,
                ways=len(ways),
            )
    return None


def _passing(
    case: _Case, step: int, ways: Float64[np.ndarray, "ways time 10"]
) -> tuple[Float64[np.ndarray, "ways steps 10"], Int64[np.ndarray, "passing"]]:
    """Whole drives with the ways out, and those of a sample that pass all multipliers, the best first."""
    scenario = case.scenario
    prefix = np.broadcast_to(case.states[:step], (len(ways), step, case.states.shape[1]))
    whole = np.concatenate([prefix, ways], axis=1)
    frames = whole[:, : scenario.num_frames]
    driven_m = frames[..., VELOCITY_X].sum(axis=1) * STEP_S
    chosen = np.argsort(-driven_m, kind="stable")
    if len(chosen) > NUM_SCORED_AT_ONCE:
        chosen = chosen[np.linspace(0, len(chosen) - 1, NUM_SCORED_AT_ONCE).astype(np.int64)]
    assert len(chosen) <= NUM_SCORED
    agents = scenario.agents.steps(scenario.frames.start, scenario.frames.stop)
    scores, passes = scored(np.ascontiguousarray(frames[chosen]), scenario, agents, driven_m[chosen])
    order = np.argsort(-np.where(passes, scores, -1.0), kind="stable")[: int(passes.sum())]
    return whole, chosen[order]
