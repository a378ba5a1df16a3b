"""NAVSIM's scores of one plan in one recorded situation: PDMS (v1.1) and EPDMS (v2, single stage).

Tracker and bicycle model drive the plan for 4 s. It is scored together with a reference plan, PDM-Closed's. Agents
follow the log, sampled twice a second as in NAVSIM's data. Scores of the two versions, and closed-loop scores, do not
compare. `planning.rule_based.navsim` combines situation and reference.

Source:
    NAVSIM, branch v1.1 and commit 0a380a9: `pdm_score.py`, `pdm_scorer.py`, `metric_cache_processor.py`,
    `pdm_comfort_metrics.py`, `LogReplayTrafficAgents`. Both versions replay the log; the v2 leaderboards' reactive
    traffic and second stage are not implemented.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import static_mask
from driving.ego import EgoState
from driving.geometry import box_corners
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA
from simulation.ego.dynamics import ACCEL_X, ACCEL_Y, HEADING, state_array, states_of
from simulation.ego.tracking import track_proposals
from simulation.geometry.boxes import boxes_overlapping
from simulation.metrics.nuplan.comfort import comfortable_motions
from simulation.metrics.pdm.agents import ScoredAgents
from simulation.metrics.pdm.areas import red_rows_by_step
from simulation.metrics.rules import ACCELERATION_WINDOW, JERK_WINDOW, YAW_WINDOW
from simulation.metrics.smoothing import savitzky_golay, unwrapped_phase

HORIZON_S = 4.0
NUM_STEPS = 40
SAMPLE_STEPS = 5
"""NAVSIM's data has two frames a second."""
PAST_STEPS = 15
MAX_TWO_FRAME_DIFFERENCES = (0.7, 0.5, 0.1, 0.1)
"""Root mean square differences of acceleration [m/s^2], jerk [m/s^3], yaw rate [rad/s], yaw acceleration."""
MAX_FRAME_GAP_S = 0.55
EXTENDED_COMFORT_WEIGHT = 2.0


@dataclass(frozen=True, kw_only=True)
class NavsimScore:
    """Score of one plan, with its sub-scores."""

    version: str
    """The definition, for example `navsim v1.1`: scores of different ones do not compare."""
    score: float
    parts: dict[str, float]
    """Sub-scores under NAVSIM's names."""
    states: Float64[np.ndarray, "time 10"]
    """The simulated motion; the two-frame comfort of the next frame needs it."""


def simulate_plan(ego: EgoState, plan: Trajectory) -> Float64[np.ndarray, "time 10"]:
    """Drive 4 s of a plan from the present state, by tracker and bicycle model.

    Only the poses every 0.5 s count, as NAVSIM's planners return them; between them the path is straight.

    Raises:
        ValueError: When the plan is shorter than 4 s.
    """
    if plan.horizon_s < HORIZON_S - 1e-6:
        raise ValueError(f"NAVSIM scores plans of {HORIZON_S} s, this one ends after {plan.horizon_s:.2f} s.")
    wanted_s = np.minimum(np.arange(1, NUM_STEPS // SAMPLE_STEPS + 1) * SAMPLE_STEPS * STEP_S, plan.horizon_s)
    poses = np.concatenate([ego.rear_axle_pose[np.newaxis], plan.at(wanted_s)])
    sparse = Trajectory(time_s=np.arange(len(poses)) * SAMPLE_STEPS * STEP_S, poses=poses)
    return simulate_poses(ego, sparse)


def simulate_poses(ego: EgoState, plan: Trajectory) -> Float64[np.ndarray, "time 10"]:
    """Drive the first 4 s of a plan with a pose every 0.1 s."""
    times_s = np.minimum(np.arange(NUM_STEPS + 1) * STEP_S, plan.horizon_s)
    return track_proposals(state_array(ego), plan.at(times_s)[np.newaxis])[0]


def human_plan(scenario: Scenario, iteration: int) -> Trajectory:
    """The logged ego's path of the next 4 s, every 0.5 s.

    Raises:
        ValueError: When the log ends before.
    """
    now = scenario.first_frame + iteration
    _require_log(scenario, now + NUM_STEPS)
    poses = scenario.ego.rear_axle_poses[0, now : now + NUM_STEPS + 1 : SAMPLE_STEPS]
    return Trajectory(time_s=np.arange(len(poses)) * SAMPLE_STEPS * STEP_S, poses=poses)


def _require_log(scenario: Scenario, last: int) -> None:
    if last >= len(scenario.time_us):
        raise ValueError(
            f"Scenario {scenario.scenario_id} ends {(last + 1 - len(scenario.time_us)) * STEP_S:.1f} s too early"
            " to score a plan at this iteration; use an earlier one."
        )


def replayed_agents(scenario: Scenario, iteration: int, num_steps: int, ego: EgoState | None = None) -> ScoredAgents:
    """The logged agents from an iteration on, interpolated from two frames a second.

    Size and speed are those of a track's first frame. As in NAVSIM, a track with a single frame stands there all the
    time.

    Args:
        scenario: The recording.
        iteration: Present.
        num_steps: Steps of 0.1 s ahead.
        ego: Agents that overlap this ego now are left out; None keeps all.

    Raises:
        ValueError: When the log ends before.
    """
    now = scenario.first_frame + iteration
    _require_log(scenario, now + num_steps)
    frames = np.arange(now, now + num_steps + 1, SAMPLE_STEPS)
    agents = scenario.agents
    rows = np.flatnonzero(agents.valid[:, frames].any(axis=1))
    shape = (num_steps + 1, len(rows))
    poses, valid = np.zeros((*shape, 3)), np.zeros(shape, dtype=bool)
    sizes, speeds = np.zeros((len(rows), 2)), np.zeros(len(rows))
    is_static = static_mask(agents.kinds[rows])
    steps = np.arange(num_steps + 1)
    for column, row in enumerate(rows.tolist()):
        seen = frames[agents.valid[row, frames]]
        track = agents.poses[row, seen].copy()
        track[:, 2] = np.unwrap(track[:, 2])
        for part in range(3):
            poses[:, column, part] = np.interp(steps, seen - now, track[:, part])
        valid[:, column] = len(seen) == 1 or ((steps >= seen[0] - now) & (steps <= seen[-1] - now))
        sizes[column] = agents.sizes[row, seen[0]]
        if not is_static[column]:
            speeds[column] = np.hypot(*agents.velocities_mps[row, seen[0]])
    if ego is not None and len(rows):
        corners = box_corners(ego.center_pose(), np.array([PACIFICA.length_m, PACIFICA.width_m]))
        valid[:, valid[0] & boxes_overlapping(corners, poses[0], sizes)] = False
    return ScoredAgents(
        poses=poses,
        sizes=np.array(np.broadcast_to(sizes, (*shape, 2)), order="C"),
        valid=valid,
        speeds=speeds,
        is_static=is_static,
        is_ignored=np.zeros(len(rows), dtype=bool),
        stride=1,
    )


def red_connector_rows(scenario: Scenario, iteration: int, route_rows: list[int]) -> Int64[np.ndarray, "41 red"]:
    """Rows of the route's connectors at red lights at each step, -1 for none; held for half a second."""
    now = scenario.first_frame + iteration
    steps = [now + step // SAMPLE_STEPS * SAMPLE_STEPS for step in range(NUM_STEPS + 1)]
    return red_rows_by_step(scenario.traffic_lights, steps, scenario.map.connector_rows(route_rows))


def past_states(scenario: Scenario, iteration: int) -> Float64[np.ndarray, "past 10"] | None:
    """The log's last 1.5 s, every 0.1 s up to 0.2 s ago, from two frames a second; None if the log starts later."""
    now = scenario.first_frame + iteration
    if now < PAST_STEPS:
        return None
    frames = np.arange(now - PAST_STEPS, now + 1, SAMPLE_STEPS)
    states = states_of(scenario.ego)[0, frames]
    states[:, HEADING] = np.unwrap(states[:, HEADING])
    # quirk: past_without_its_end (the last tenth of a second before now is dropped, and the present state follows)
    steps = np.arange(PAST_STEPS - 1)
    columns = [np.interp(steps, frames - frames[0], states[:, column]) for column in range(states.shape[1])]
    return np.stack(columns, axis=-1)


def history_comfort(
    states: Float64[np.ndarray, "motions time 10"], past: Float64[np.ndarray, "past 10"] | None
) -> Float64[np.ndarray, "motions"]:
    """1 for motions that keep nuPlan's six comfort bounds together with the past, else 0; 1 without a past."""
    if past is None:
        return np.ones(len(states))
    joined = np.concatenate([np.broadcast_to(past, (len(states), *past.shape)), states], axis=1)
    return comfortable_motions(joined).astype(np.float64)


def two_frame_comfort(
    states: Float64[np.ndarray, "time 10"], previous: Float64[np.ndarray, "time 10"], gap_s: float
) -> float:
    """1 when two motions planned `gap_s` apart agree in the time that they share, else 0.

    Raises:
        ValueError: When the frames are not 0 to 0.55 s apart.
    """
    if not 0.0 < gap_s < MAX_FRAME_GAP_S:
        raise ValueError(f"Two-frame comfort needs frames up to {MAX_FRAME_GAP_S} s apart, got {gap_s:.2f} s.")
    shift = round(gap_s / STEP_S)
    overlap = np.stack([states[:-shift], previous[shift:]])
    magnitude = np.hypot(overlap[..., ACCEL_X], overlap[..., ACCEL_Y])
    acceleration = savitzky_golay(magnitude, ACCELERATION_WINDOW, 2)
    headings = unwrapped_phase(overlap[..., HEADING])
    quantities = (
        acceleration,
        savitzky_golay(acceleration, JERK_WINDOW, 2, 1, STEP_S),
        savitzky_golay(headings, YAW_WINDOW, 2, 1, STEP_S),
        savitzky_golay(headings, YAW_WINDOW, 2, 2, STEP_S),
    )
    differences = [float(np.sqrt(np.mean((now - before) ** 2))) for now, before in quantities]
    return float(all(d <= limit for d, limit in zip(differences, MAX_TWO_FRAME_DIFFERENCES, strict=True)))
