"""Thresholds, pair rules and comfort bounds of nuPlan's metrics and of the PDM score, each defined once.

Where the two definitions differ, both stand here side by side. Without further note they agree.

Source:
    nuPlan devkit e924167, `planning/metrics`; tuPlan garage b51d5d0, `PDMScorer`; NAVSIM v1.1 and 0a380a9.
"""

from enum import IntEnum
from math import cos, radians, sin, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from driving.vehicle import MAX_OFF_ROAD_M as MAX_OFF_ROAD_M
from simulation.geometry.boxes import convex_overlap
from simulation.geometry.compiling import njit

# ---------------------------------------------------------------------- collisions

STOPPED_SPEED_MPS = 0.05
"""Ego and agents up to this speed count as stopped in a collision (nuPlan's and PDM's `stopped_speed_threshold`)."""
AHEAD_RAD = radians(30)
"""A point at less than this angle from the ego's heading, seen from the rear axle, is ahead."""
BEHIND_RAD = radians(150)
"""A point at more than this angle is behind."""
AHEAD, BESIDE, BEHIND = range(3)
"""Values of `relative_position`."""


class CollisionKind(IntEnum):
    """Kind of a collision, numbered as nuPlan's `CollisionType`."""

    STOPPED_EGO = 0
    STOPPED_TRACK = 1
    ACTIVE_FRONT = 2
    ACTIVE_REAR = 3
    ACTIVE_LATERAL = 4


_STOPPED_EGO, _STOPPED_TRACK, _ACTIVE_FRONT, _ACTIVE_REAR, _ACTIVE_LATERAL = (int(kind) for kind in CollisionKind)


class MovingPoint(NamedTuple):
    """A reference point with its motion: the ego's rear axle, or the box centre of an agent."""

    x: float
    y: float
    heading: float
    speed: float
    """[m/s], 0 for static objects."""


@njit(cache=True)
def angle_off_heading(ego: MovingPoint, x: float, y: float) -> float:
    """Unsigned angle between the ego's heading and the direction from its rear axle to a point [rad].

    Quirk: for a point straight ahead, rounding may push the cosine above 1; the angle is then NaN, as it is for a
    point on the axle.
    """
    dx, dy = x - ego.x, y - ego.y
    length = sqrt(dx * dx + dy * dy)
    if length == 0.0:
        return np.nan
    return np.arccos(cos(ego.heading) * (dx / length) + sin(ego.heading) * (dy / length))


@njit(cache=True)
def relative_position(ego: MovingPoint, x: float, y: float) -> int:
    """`AHEAD`, `BESIDE` or `BEHIND`: where a point is, seen from the ego's rear axle. NaN angles are `BESIDE`."""
    angle = angle_off_heading(ego, x, y)
    if angle < AHEAD_RAD:
        return AHEAD
    return BEHIND if angle > BEHIND_RAD else BESIDE


@njit(cache=True)
def collision_kind(
    ego: MovingPoint,
    ego_corners: Float64[np.ndarray, "4 2"],
    agent: MovingPoint,
    agent_corners: Float64[np.ndarray, "4 2"],
) -> int:
    """`CollisionKind` of two boxes that overlap; corners in the order of `box_corners`."""
    if ego.speed <= STOPPED_SPEED_MPS:
        return _STOPPED_EGO
    if agent.speed <= STOPPED_SPEED_MPS:
        return _STOPPED_TRACK
    if relative_position(ego, agent.x, agent.y) == BEHIND:
        return _ACTIVE_REAR
    front = np.empty((2, 2))
    front[0] = ego_corners[0]
    front[1] = ego_corners[3]
    return _ACTIVE_FRONT if convex_overlap(front, agent_corners) else _ACTIVE_LATERAL


@njit(cache=True)
def is_at_fault(kind: int, in_lane: bool) -> bool:
    """Whether a collision is the ego's fault; a lateral one is when the ego is not within one lane."""
    return kind in (_STOPPED_TRACK, _ACTIVE_FRONT) or (kind == _ACTIVE_LATERAL and not in_lane)


# ---------------------------------------------------------------------- time to collision

TTC_BOUND_S = 0.95
"""Times to collision must stay above this value."""
TTC_HORIZON_S = 3.0
"""nuPlan computes times to collision up to this horizon, every 0.1 s."""
PDM_TTC_STEPS = (0, 3, 6, 9)
"""The PDM score tests these steps of 0.1 s ahead: the last one below the bound."""
TTC_STOPPED_SPEED_MPS = 5e-3
"""The time to collision of a slower ego is infinite. At exactly this speed nuPlan's is, too, but not PDM's."""


@njit(cache=True)
def counts_for_ttc(position: int, sides_count: bool) -> bool:
    """Whether an agent at a `relative_position` counts for the time to collision.

    Agents ahead always count. Agents beside the ego count (`sides_count`) when the ego is not within one lane, or its
    rear axle is in an intersection.
    """
    return position == AHEAD or (position == BESIDE and sides_count)


# ---------------------------------------------------------------------- road

AGAINST_TRAFFIC_COMPLIANT_M = 2.0
"""A shorter distance against the traffic within 1 s keeps the full score ..."""
AGAINST_TRAFFIC_VIOLATION_M = 6.0
"""... a shorter one than this half of it."""
MAX_OVERSPEED_MPS = 2.23
"""Mean excess over the speed limit at which the score is 0 (nuPlan's `max_overspeed_value_threshold`)."""


def direction_scores(against_traffic_m: Float64[np.ndarray, "motions"]) -> Float64[np.ndarray, "motions"]:
    """1, 1/2 or 0 by the distance driven against the traffic."""
    is_compliant = against_traffic_m < AGAINST_TRAFFIC_COMPLIANT_M
    return np.select([is_compliant, against_traffic_m < AGAINST_TRAFFIC_VIOLATION_M], [1.0, 0.5], 0.0)


# ---------------------------------------------------------------------- comfort

MIN_LONGITUDINAL_ACCEL_MPS2, MAX_LONGITUDINAL_ACCEL_MPS2 = -4.05, 2.40
"""nuPlan takes accelerations of the box centre, the PDM score those of the rear axle. All bounds are exclusive."""
MAX_LATERAL_ACCEL_MPS2 = 4.89
MAX_JERK_MPS3 = 8.37
"""Of the magnitude of the rear axle's acceleration."""
MAX_LONGITUDINAL_JERK_MPS3 = 4.13
MAX_YAW_RATE_RADPS = 0.95
MAX_YAW_ACCEL_RADPS2 = 1.93
ACCELERATION_WINDOW = 8
"""Samples of the Savitzky-Golay filter (order 2) over accelerations; tuPlan's PDM bounds fits over all samples."""
JERK_WINDOW = 15
"""Samples of the filter that differentiates smoothed accelerations; all samples in tuPlan's PDM."""
YAW_WINDOW = 5
"""Quirk: nuPlan's yaw metrics name 15 and use 5."""
