"""Collision check and score of candidate drives: which of them are ways out, and how good they are."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.agents import AgentTracks
from driving.ego import EgoMotion
from driving.geometry import shifted_along_heading
from driving.scenario import Scenario
from driving.vehicle import PACIFICA
from simulation.ego.dynamics import HEADING, X, motion_of
from simulation.generation.ways_out.overlaps import AgentBoxes, collision_free
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.score import compute_metrics

NUM_SCORED = 48
"""Candidates that the metrics score."""
MULTIPLIERS = (
    "no_ego_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
)
"""Multipliers that can fail; progress is relative to the solution itself."""
TIME_TO_COLLISION = "time_to_collision_within_bound"
WEIGHTS = {TIME_TO_COLLISION: 5.0, "speed_limit_compliance": 4.0, "ego_is_comfortable": 2.0}
PROGRESS_WEIGHT = 5.0
TTC_BONUS, TTC_BONUS_S = 0.05, 2.5
"""Bonus for time to collision, and the time from which it is full: such a solution tolerates tracking errors."""


def is_clear(
    driven: Float64[np.ndarray, "motions time 10"], agents: AgentTracks, margin_m: tuple[float, float]
) -> Bool[np.ndarray, "motions"]:
    """Whether each driven motion is free of overlaps with all agents.

    Args:
        driven: States in the columns of `simulation.ego.dynamics`.
        agents: Over the same instants.
        margin_m: Added to length and width of the ego's box.
    """
    centers = shifted_along_heading(driven[..., X : HEADING + 1], PACIFICA.rear_axle_to_center_m)
    boxes = AgentBoxes(agents.poses, agents.sizes, agents.valid)
    return collision_free(centers, PACIFICA.length_m + margin_m[0], PACIFICA.width_m + margin_m[1], boxes)


def most_promising(
    found: Int64[np.ndarray, "found"], driven_m: Float64[np.ndarray, "motions"], num_profiles: int
) -> Int64[np.ndarray, "chosen"]:
    """The farthest candidates of each manoeuvre in turn, and an even sample of the others."""
    ordered = found[np.argsort(-driven_m[found], kind="stable")]
    if len(ordered) <= NUM_SCORED:
        return ordered
    manoeuvres = ordered // num_profiles
    rank = np.zeros(len(ordered), dtype=np.int64)
    for manoeuvre in np.unique(manoeuvres):
        rank[manoeuvres == manoeuvre] = np.arange((manoeuvres == manoeuvre).sum())
    ordered = ordered[np.argsort(rank, kind="stable")]
    first, rest = ordered[: NUM_SCORED // 2], ordered[NUM_SCORED // 2 :]
    return np.concatenate([first, rest[np.linspace(0, len(rest) - 1, NUM_SCORED // 2).astype(np.int64)]])


def scored(
    driven: Float64[np.ndarray, "motions time 10"],
    draft: Scenario,
    agents: AgentTracks,
    driven_m: Float64[np.ndarray, "motions"],
) -> tuple[Float64[np.ndarray, "motions"], Bool[np.ndarray, "motions"]]:
    """Scores with the bonus for time to collision, and whether all multipliers pass.

    Args:
        driven: States over the frames of the scenario.
        draft: The scenario; its logged ego has no effect.
        agents: Over the frames.
        driven_m: Distance that each motion drives; progress is relative to the farthest passing one.
    """
    names = (*MULTIPLIERS, *WEIGHTS)
    drive = Drive(motion=motion_of(draft.time_us[draft.frames], driven), agents=agents, map=draft.map)
    results = compute_metrics(drive, names)
    values = {name: np.array([float(row[name].score or 0.0) for row in results]) for name in names}
    passes = np.all([values[name] == 1.0 for name in MULTIPLIERS], axis=0)
    best_m = max(float(driven_m[passes].max()), 1.0) if passes.any() else 1.0
    total = PROGRESS_WEIGHT * np.clip(driven_m / best_m, 0.0, 1.0)
    for name, weight in WEIGHTS.items():
        total = total + weight * values[name]
    total = total / (PROGRESS_WEIGHT + sum(WEIGHTS.values()))
    ttc_s = np.array([row[TIME_TO_COLLISION].statistics["min_time_to_collision"] for row in results])
    return total + TTC_BONUS * np.clip(ttc_s / TTC_BONUS_S, 0.0, 1.0), passes


def joined_motion(history: EgoMotion, start: int, driven: Float64[np.ndarray, "time 10"]) -> EgoMotion:
    """A logged ego: the motion of a log before a step, and driven states from it on.

    Args:
        history: M = 1, over all steps.
        start: First step of the driven states, which reach to the last step.
        driven: States in the columns of `simulation.ego.dynamics`. Speeds below 0 become 0.
    """
    motion = motion_of(history.time_us[start:], driven[np.newaxis])
    speed = np.maximum(motion.velocities_mps[..., 0], 0.0)
    velocities = np.stack([speed, np.zeros_like(speed)], axis=-1)
    accelerations = np.stack([motion.accelerations_mps2[..., 0], speed * motion.yaw_rate_radps], axis=-1)

    def joined(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        return np.concatenate([before[:, :start], after], axis=1)

    return replace(
        history,
        rear_axle_poses=joined(history.rear_axle_poses, motion.rear_axle_poses),
        velocities_mps=joined(history.velocities_mps, velocities),
        accelerations_mps2=joined(history.accelerations_mps2, accelerations),
    )
