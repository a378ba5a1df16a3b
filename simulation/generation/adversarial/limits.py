"""Kinematic limits of changed agents: no agent moves in a way that its kind cannot.

The total acceleration stays inside the circle of forces that tyres transmit (Kamm's circle), here 0.8 g for vehicles
on a dry road.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from driving.agents import AgentKind
from driving.geometry import wrap_angle
from driving.timing import STEP_S


@dataclass(frozen=True, kw_only=True)
class KinematicLimits:
    """Largest values of a kind of agent."""

    speed_mps: float
    accel_mps2: float
    """Along the motion, speeding up."""
    brake_mps2: float
    """Along the motion, slowing down."""
    total_mps2: float
    """Radius of the circle of longitudinal and lateral acceleration."""
    curvature_per_m: float
    """Inverse of the turning circle's radius; infinite for pedestrians."""


LIMITS = {
    AgentKind.VEHICLE: KinematicLimits(
        speed_mps=30.0, accel_mps2=4.0, brake_mps2=7.85, total_mps2=7.85, curvature_per_m=0.19
    ),
    AgentKind.BICYCLE: KinematicLimits(
        speed_mps=11.0, accel_mps2=2.5, brake_mps2=5.0, total_mps2=5.0, curvature_per_m=0.6
    ),
    AgentKind.PEDESTRIAN: KinematicLimits(
        speed_mps=3.5, accel_mps2=3.0, brake_mps2=4.0, total_mps2=4.5, curvature_per_m=np.inf
    ),
}
"""Kinds that can be changed. Turning circle of a car: 10.5 m; running pedestrian: 3.5 m/s."""
SLOW_MPS = 1.0
"""Below this speed a curvature is not measurable from poses."""
TOLERANCE = 1.02
"""Factor on all limits: accelerations from poses every 0.1 s carry an error of the differences."""


def excess(poses: Float64[np.ndarray, "time 3"], valid: Bool[np.ndarray, "time"], kind: AgentKind) -> float:
    """The largest ratio of a motion to the limits of its kind: at most 1 when the motion is possible.

    Speeds and accelerations are differences of positions, so that nothing but the stored poses counts.

    Args:
        poses: Of the box centre, every 0.1 s.
        valid: Steps with a pose; differences across gaps do not count.
        kind: A kind of `LIMITS`.
    """
    limits = LIMITS[kind]
    if valid.sum() < 3:
        return 0.0
    steps = np.diff(poses[:, :2], axis=0) / STEP_S
    speed = np.hypot(steps[:, 0], steps[:, 1])
    joined = valid[1:] & valid[:-1]
    accel = np.diff(steps, axis=0) / STEP_S
    both = joined[1:] & joined[:-1]
    mean = (steps[1:] + steps[:-1]) / 2
    mean_speed = np.hypot(mean[:, 0], mean[:, 1])
    along = (accel * mean).sum(axis=-1) / np.maximum(mean_speed, 1e-3)
    total = np.hypot(accel[:, 0], accel[:, 1])
    turned = np.abs(np.asarray(wrap_angle(np.diff(poses[:, 2]))))
    bend = np.where(speed > SLOW_MPS, turned / np.maximum(speed * STEP_S, 1e-6), 0.0)
    ratios = (
        _largest(speed, joined) / limits.speed_mps,
        _largest(along, both) / limits.accel_mps2,
        _largest(-along, both) / limits.brake_mps2,
        _largest(total, both) / limits.total_mps2,
        _largest(bend, joined) / limits.curvature_per_m,
    )
    return max(ratios) / TOLERANCE


def _largest(values: Float64[np.ndarray, "steps"], counts: Bool[np.ndarray, "steps"]) -> float:
    return float(values[counts].max()) if counts.any() else 0.0
