"""A dense search for the way out of a corner case: ways aside times speeds, driven, and judged by nuPlan's metrics.

Each candidate is a path and a speed over time. All are driven through tracker and bicycle; those that touch nobody
and get farthest are judged by the full metrics. The best becomes the logged ego, so that scores are relative to a
drive that was possible.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from driving.agents import AgentTracks
from driving.ego import EgoMotion
from driving.geometry import shifted_along_heading
from driving.scenario import Scenario
from driving.synthetic.motion import SmoothPath, SpeedProfile
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.ego.dynamics import HEADING, STATE_SIZE, STEERING, VELOCITY_X, YAW_RATE, X, motion_of
from simulation.ego.tracking import track_proposals
from simulation.generation.corner_cases.overlaps import untouched
from simulation.generation.corner_cases.staging import Approach, Staged, changed, sample_times, speed_caps, steady
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.score import compute_metrics

MARGIN_M = (1.4, 0.5)
"""Added to length and width of the ego's box in the quick look."""
JUDGED = 48
"""Candidates that the full metrics judge."""
MULTIPLIERS = (
    "no_ego_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
)
"""Those that can fail; progress is relative to the drive that is looked for."""
TIME_LEFT = "time_to_collision_within_bound"
WEIGHTS = {TIME_LEFT: 5.0, "speed_limit_compliance": 4.0, "ego_is_comfortable": 2.0}
PROGRESS_WEIGHT = 5.0
CALM_S, CALM_BONUS = 2.5, 0.05
"""Of equal scores the one with more time to collisions is taken: it bears being driven again, if not quite alike."""
MIN_DRIVEN_M = 12.0
"""A way out leads somewhere: less than this within the scenario is none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """The way out."""

    ego: EgoMotion
    """Over all frames of the corner case, M = 1."""
    score: float
    """By nuPlan's weights, progress relative to the best that was found, and a bonus for calm."""
    lateral: int
    """Which way aside it took, 0 for none."""
    candidates: int
    """How many motions were looked at ..."""
    clear: int
    """... of which so many touched nobody ..."""
    passing: int
    """... and so many, of those judged, passed all multipliers."""


def speed_profiles(speed_mps: float, *, may_speed_up: bool) -> list[SpeedProfile]:
    """Keep on, slow down for a while or for good, speed up where that is allowed: the first keeps on."""
    made = [steady(speed_mps)]
    for begin_s in (0.0, 1.0, 2.5) if may_speed_up else ():
        for faster in (1.15, 1.35):
            made.append(changed(speed_mps, (begin_s, 1.2, speed_mps * faster)))
    for begin_s in (0.0, 0.7, 1.5, 2.4, 3.4, 4.8, 6.4):
        for share in (0.8, 0.6, 0.4, 0.2, 0.0):
            for brake_mps2 in (1.3, 2.3):
                slow_mps = speed_mps * share
                slow_from_s = begin_s + (speed_mps - slow_mps) / brake_mps2
                made.append(changed(speed_mps, (begin_s, brake_mps2, slow_mps)))
                for hold_s in (0.3, 1.5, 3.0, 5.0, 7.5):
                    again = (slow_from_s + hold_s, 1.2, speed_mps)
                    made.append(changed(speed_mps, (begin_s, brake_mps2, slow_mps), again))
    return made


def solve(staged: Staged, draft: Scenario) -> list[Solution]:
    """Find motions of the ego that get through, the best first; none when one gets through without minding.

    Args:
        staged: The situation.
        draft: It as a scenario, with the nominal ego as its log.
    """
    frames = draft.num_frames
    seen = draft.agents.steps(draft.frames.start, draft.frames.stop)
    paths = [staged.approach.chain.shifted(shifts, staged.approach.start_left_m) for shifts in staged.laterals]
    start = _start_state(staged.approach)
    if not staged.nominal_may_pass:
        careless = track_proposals(start, _plans(staged.approach, paths[0], _careless_profiles(staged.approach)))
        if _clear(careless[:, :frames], seen, margin_m=(0.0, 0.0)).any():
            return []
    profiles = speed_profiles(staged.approach.speed_mps, may_speed_up=staged.may_speed_up)
    plans = np.concatenate([_plans(staged.approach, path, profiles) for path in paths])
    driven = track_proposals(start, plans)
    clear = _clear(driven[:, :frames], seen, margin_m=MARGIN_M)
    gone_m = driven[:, :frames, VELOCITY_X].sum(axis=1) * STEP_S
    goal_m = max(MIN_DRIVEN_M, staged.goal_m - float(staged.approach.at(0.0)[0]))
    found = np.flatnonzero(clear & (gone_m >= goal_m))
    if not len(found):
        return []
    chosen = _most_promising(found, gone_m, len(profiles))
    scores, passes = _judged(driven[chosen, :frames], draft, seen, gone_m[chosen])
    order = np.argsort(-np.where(passes, scores, -1.0), kind="stable")[: int(passes.sum())]
    return [
        Solution(
            ego=_whole(staged.approach, driven[chosen[place]], draft),
            score=float(scores[place]),
            lateral=int(chosen[place]) // len(profiles),
            candidates=len(plans),
            clear=int(clear.sum()),
            passing=len(order),
        )
        for place in order.tolist()
    ]


def _careless_profiles(approach: Approach) -> list[SpeedProfile]:
    """Keep on, or speed up to the limit as planners do on a free road: who minds nobody shall not get through."""
    limit_mps = float(approach.chain.speed_limits_mps.min())
    if not approach.speed_mps < limit_mps < np.inf:
        return [steady(approach.speed_mps)]
    return [steady(approach.speed_mps), changed(approach.speed_mps, (0.0, 1.0, limit_mps))]


def nominal_ego(approach: Approach) -> EgoMotion:
    """The drive of an ego that minds nobody, over all frames, M = 1, global."""
    time_s = sample_times()
    path = approach.chain.shifted((), approach.start_left_m)
    along = _on_path(approach, path, approach.at(time_s))
    poses = path.poses(along) + np.array([*approach.chain.origin, 0.0])
    speed = np.gradient(along, STEP_S)
    return EgoMotion.from_log(
        time_us=np.round((time_s - time_s[0]) * 1e6).astype(np.int64),
        rear_axle_poses=poses,
        velocities_mps=np.stack([speed, np.zeros_like(speed)], axis=-1),
        accelerations_mps2=np.stack([np.gradient(speed, STEP_S), speed**2 * path.curvature(along)], axis=-1),
    )


def _on_path(
    approach: Approach, path: SmoothPath, along_m: Float64[np.ndarray, "time"]
) -> Float64[np.ndarray, "time"]:
    """Arc lengths on a path beside the chain: in bends it is longer or shorter."""
    return along_m * (path.length_m / approach.chain.length_m)


def _plans(
    approach: Approach, path: SmoothPath, profiles: list[SpeedProfile]
) -> Float64[np.ndarray, "profiles time 3"]:
    """Poses from time 0 on for each speed profile, slowed where the path does not allow the speed."""
    times = sample_times()
    times = times[times > -STEP_S / 2]
    limits = approach.chain.speed_limits_mps
    along, caps = speed_caps(path, limits)
    wanted = np.array([profile.speed_mps(times) for profile in profiles])
    here = np.full(len(profiles), _on_path(approach, path, approach.at(0.0))[0])
    places = np.empty(wanted.shape)
    spacing = along[1]
    for step in range(len(times)):
        places[:, step] = here
        nearest = np.clip(np.rint(here / spacing).astype(np.int64), 0, len(along) - 1)
        here = here + np.minimum(wanted[:, step], caps[nearest]) * STEP_S
    poses = path.poses(places.reshape(-1)).reshape(*places.shape, 3)
    return poses + np.array([*approach.chain.origin, 0.0])


def _start_state(approach: Approach) -> Float64[np.ndarray, "10"]:
    path = approach.chain.shifted((), approach.start_left_m)
    along = _on_path(approach, path, approach.at(np.array([0.0, STEP_S])))
    state = np.zeros(STATE_SIZE)
    state[X : HEADING + 1] = path.poses(along[:1])[0] + np.array([*approach.chain.origin, 0.0])
    state[VELOCITY_X] = (along[1] - along[0]) / STEP_S
    bend = float(path.curvature(along[:1])[0])
    state[STEERING] = np.arctan(bend * PACIFICA.wheelbase_m)
    state[YAW_RATE] = bend * state[VELOCITY_X]
    return state


def _clear(
    driven: Float64[np.ndarray, "motions time 10"], agents: AgentTracks, margin_m: tuple[float, float]
) -> Bool[np.ndarray, "motions"]:
    centers = shifted_along_heading(driven[..., X : HEADING + 1], PACIFICA.rear_axle_to_center_m)
    return untouched(
        centers,
        PACIFICA.length_m + margin_m[0],
        PACIFICA.width_m + margin_m[1],
        agents.poses,
        agents.sizes,
        agents.valid,
    )


def _most_promising(found: np.ndarray, gone_m: np.ndarray, num_profiles: int) -> np.ndarray:
    """The farthest of each way aside in turn, and others evenly from all the rest."""
    ordered = found[np.argsort(-gone_m[found], kind="stable")]
    if len(ordered) <= JUDGED:
        return ordered
    laterals = ordered // num_profiles
    rank = np.zeros(len(ordered), dtype=np.int64)
    for lateral in np.unique(laterals):
        rank[laterals == lateral] = np.arange((laterals == lateral).sum())
    ordered = ordered[np.argsort(rank, kind="stable")]
    first, rest = ordered[: JUDGED // 2], ordered[JUDGED // 2 :]
    return np.concatenate([first, rest[np.linspace(0, len(rest) - 1, JUDGED // 2).astype(np.int64)]])


def _judged(
    driven: Float64[np.ndarray, "motions time 10"], draft: Scenario, seen: AgentTracks, gone_m: np.ndarray
) -> tuple[Float64[np.ndarray, "motions"], Bool[np.ndarray, "motions"]]:
    time_us = draft.time_us[draft.frames]
    drive = Drive(motion=motion_of(time_us, driven), agents=seen, map=draft.map)
    results = compute_metrics(drive, (*MULTIPLIERS, *WEIGHTS))
    values = {name: np.array([float(row[name].score or 0.0) for row in results]) for name in (*MULTIPLIERS, *WEIGHTS)}
    passes = np.all([values[name] == 1.0 for name in MULTIPLIERS], axis=0)
    best_m = max(float(gone_m[passes].max()), 1.0) if passes.any() else 1.0
    total = PROGRESS_WEIGHT * np.clip(gone_m / best_m, 0.0, 1.0)
    for name, weight in WEIGHTS.items():
        total = total + weight * values[name]
    total = total / (PROGRESS_WEIGHT + sum(WEIGHTS.values()))
    ahead_s = np.array([row[TIME_LEFT].statistics["min_time_to_collision"] for row in results])
    return total + CALM_BONUS * np.clip(ahead_s / CALM_S, 0.0, 1.0), passes


def _whole(approach: Approach, driven: Float64[np.ndarray, "time 10"], draft: Scenario) -> EgoMotion:
    """The nominal history and, from time 0 on, the driven motion."""
    history = nominal_ego(approach)
    start = int(np.argmin(np.abs(sample_times())))
    motion = motion_of(history.time_us[start:], driven[np.newaxis])
    speed = np.maximum(motion.velocities_mps[..., 0], 0.0)
    sideways = speed * motion.yaw_rate_radps
    forward = np.stack([speed, np.zeros_like(speed)], axis=-1)
    return replace(
        history,
        rear_axle_poses=np.concatenate([history.rear_axle_poses[:, :start], motion.rear_axle_poses], axis=1),
        velocities_mps=np.concatenate([history.velocities_mps[:, :start], forward], axis=1),
        accelerations_mps2=np.concatenate(
            [
                history.accelerations_mps2[:, :start],
                np.stack([motion.accelerations_mps2[..., 0], sideways], axis=-1),
            ],
            axis=1,
        ),
    )
