"""Search for the solutions of a corner case: lateral manoeuvres times speed profiles, driven and scored.

Each candidate is a path and a speed profile. All candidates are driven by tracker and bicycle model. Of those without
a collision the ones that get farthest are scored by nuPlan's metrics. The best one becomes the logged ego, so that
scores of planners are relative to a feasible drive.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from driving.ego import EgoMotion
from driving.scenario import Scenario
from driving.synthetic.motion import SmoothPath, SpeedProfile
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.ego.dynamics import HEADING, STATE_SIZE, STEERING, VELOCITY_X, YAW_RATE, X
from simulation.ego.tracking import track_proposals
from simulation.generation.corner_cases.staging import (
    NominalEgo,
    StagedCase,
    changing_speed,
    constant_speed,
    sample_times,
    speed_caps,
)
from simulation.generation.ways_out.scoring import is_clear, joined_motion, most_promising, scored

MARGIN_M = (1.4, 0.5)
"""Added to length and width of the ego's box in the collision check."""
MIN_DRIVEN_M = 12.0
"""Distance that a solution drives in the scenario, at least."""


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A drive that passes all multipliers."""

    ego: EgoMotion
    """Over all frames of the corner case, M = 1."""
    score: float
    """By nuPlan's weights, with progress relative to the farthest candidate and the bonus for time to collision."""
    candidates: int
    """Candidates that were driven."""
    clear: int
    """Candidates without a collision."""
    passing: int
    """Scored candidates that pass all multipliers."""


def speed_profiles(speed_mps: float, *, may_speed_up: bool) -> list[SpeedProfile]:
    """Speed profiles of the candidates: constant, slower for a while or for good, optionally faster."""
    made = [constant_speed(speed_mps)]
    for begin_s in (0.0, 1.0, 2.5) if may_speed_up else ():
        for faster in (1.15, 1.35):
            made.append(changing_speed(speed_mps, (begin_s, 1.2, speed_mps * faster)))
    for begin_s in (0.0, 0.7, 1.5, 2.4, 3.4, 4.8, 6.4):
        for share in (0.8, 0.6, 0.4, 0.2, 0.0):
            for brake_mps2 in (1.3, 2.3):
                slow_mps = speed_mps * share
                slow_from_s = begin_s + (speed_mps - slow_mps) / brake_mps2
                made.append(changing_speed(speed_mps, (begin_s, brake_mps2, slow_mps)))
                for hold_s in (0.3, 1.5, 3.0, 5.0, 7.5):
                    again = (slow_from_s + hold_s, 1.2, speed_mps)
                    made.append(changing_speed(speed_mps, (begin_s, brake_mps2, slow_mps), again))
    return made


def find_solutions(staged: StagedCase, draft: Scenario) -> list[Solution]:
    """Solutions of a case, the best first; none for a case that an ego without reaction passes.

    Args:
        staged: The case.
        draft: The case as a scenario, with the nominal ego as its log.
    """
    ego, frames = staged.ego, draft.num_frames
    agents = draft.agents.steps(draft.frames.start, draft.frames.stop)
    paths = [ego.chain.shifted(shifts, ego.start_left_m) for shifts in staged.manoeuvres]
    start = _start_state(ego)
    if not staged.nominal_may_pass:
        unreactive = track_proposals(start, _plans(ego, paths[0], _unreactive_profiles(ego)))
        if is_clear(unreactive[:, :frames], agents, margin_m=(0.0, 0.0)).any():
            return []
    profiles = speed_profiles(ego.speed_mps, may_speed_up=staged.may_speed_up)
    plans = np.concatenate([_plans(ego, path, profiles) for path in paths])
    driven = track_proposals(start, plans)
    clear = is_clear(driven[:, :frames], agents, margin_m=MARGIN_M)
    driven_m = driven[:, :frames, VELOCITY_X].sum(axis=1) * STEP_S
    goal_m = max(MIN_DRIVEN_M, staged.goal_m - float(ego.at(0.0)[0]))
    found = np.flatnonzero(clear & (driven_m >= goal_m))
    if not len(found):
        return []
    chosen = most_promising(found, driven_m, len(profiles))
    scores, passes = scored(driven[chosen, :frames], draft, agents, driven_m[chosen])
    order = np.argsort(-np.where(passes, scores, -1.0), kind="stable")[: int(passes.sum())]
    return [
        Solution(
            ego=_whole_motion(ego, driven[chosen[place]]),
            score=float(scores[place]),
            candidates=len(plans),
            clear=int(clear.sum()),
            passing=len(order),
        )
        for place in order.tolist()
    ]


def _unreactive_profiles(ego: NominalEgo) -> list[SpeedProfile]:
    """Profiles without reaction to agents: constant speed, and acceleration to the limit as on a free road."""
    limit_mps = float(ego.chain.speed_limits_mps.min())
    if not ego.speed_mps < limit_mps < np.inf:
        return [constant_speed(ego.speed_mps)]
    return [constant_speed(ego.speed_mps), changing_speed(ego.speed_mps, (0.0, 1.0, limit_mps))]


def nominal_motion(ego: NominalEgo) -> EgoMotion:
    """The drive of the nominal ego over all frames, M = 1, global."""
    time_s = sample_times()
    path = ego.chain.shifted((), ego.start_left_m)
    along = _on_path(ego, path, ego.at(time_s))
    poses = path.poses(along) + np.array([*ego.chain.origin, 0.0])
    speed = np.gradient(along, STEP_S)
    return EgoMotion.from_log(
        time_us=np.round((time_s - time_s[0]) * 1e6).astype(np.int64),
        rear_axle_poses=poses,
        velocities_mps=np.stack([speed, np.zeros_like(speed)], axis=-1),
        accelerations_mps2=np.stack([np.gradient(speed, STEP_S), speed**2 * path.curvature(along)], axis=-1),
    )


def _on_path(ego: NominalEgo, path: SmoothPath, along_m: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time"]:
    """Arc lengths on a path beside the chain, which is longer or shorter in curves."""
    return along_m * (path.length_m / ego.chain.length_m)


def _plans(ego: NominalEgo, path: SmoothPath, profiles: list[SpeedProfile]) -> Float64[np.ndarray, "profiles time 3"]:
    """Global poses from time 0 on for each speed profile, limited to the maximum speed on the path."""
    times = sample_times()
    times = times[times > -STEP_S / 2]
    along, caps = speed_caps(path, ego.chain.speed_limits_mps)
    wanted = np.array([profile.speed_mps(times) for profile in profiles])
    here = np.full(len(profiles), _on_path(ego, path, ego.at(0.0))[0])
    places = np.empty(wanted.shape)
    spacing = along[1]
    for step in range(len(times)):
        places[:, step] = here
        nearest = np.clip(np.rint(here / spacing).astype(np.int64), 0, len(along) - 1)
        here = here + np.minimum(wanted[:, step], caps[nearest]) * STEP_S
    poses = path.poses(places.reshape(-1)).reshape(*places.shape, 3)
    return poses + np.array([*ego.chain.origin, 0.0])


def _start_state(ego: NominalEgo) -> Float64[np.ndarray, "10"]:
    path = ego.chain.shifted((), ego.start_left_m)
    along = _on_path(ego, path, ego.at(np.array([0.0, STEP_S])))
    state = np.zeros(STATE_SIZE)
    state[X : HEADING + 1] = path.poses(along[:1])[0] + np.array([*ego.chain.origin, 0.0])
    state[VELOCITY_X] = (along[1] - along[0]) / STEP_S
    bend = float(path.curvature(along[:1])[0])
    state[STEERING] = np.arctan(bend * PACIFICA.wheelbase_m)
    state[YAW_RATE] = bend * state[VELOCITY_X]
    return state


def _whole_motion(ego: NominalEgo, driven: Float64[np.ndarray, "time 10"]) -> EgoMotion:
    """The nominal history and, from time 0 on, the driven motion."""
    return joined_motion(nominal_motion(ego), int(np.argmin(np.abs(sample_times()))), driven)
