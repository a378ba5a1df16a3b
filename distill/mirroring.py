"""Mirrored states: left and right exchanged, so that a student learns traffic on either side of the road.

Towns have right-hand traffic only. A mirrored town with right-hand traffic is a town with left-hand traffic, and the
teacher's scores of a motion are those of the mirrored motion.
"""

import numpy as np
from jaxtyping import Float64, Shaped

from planning.neural.tokens import (
    AGENT_SIZE,
    CURVATURE,
    EDGES,
    HISTORY_STEPS,
    LANE_EDGES,
    LANE_POINTS,
    LANE_SIZE,
    LIGHT_SIZE,
    ROUTE_SIZE,
    VELOCITY,
    StackedFeatures,
)
from simulation.ego.dynamics import HEADING, Y

_EGO_SIGNS = np.array([1, -1, -1, -1, -1, 1, 1, 1, 1], dtype=np.float32)
"""Steering, yaw rate, offset and heading relative to the route change their sign."""


def _signs(size: int, negative: list[int]) -> Shaped[np.ndarray, "size"]:
    signs = np.ones(size, dtype=np.float32)
    signs[negative] = -1.0
    return signs


_AGENT_SIGNS = _signs(
    AGENT_SIZE, [5 * step + column for step in range(len(HISTORY_STEPS)) for column in (1, 3)] + [VELOCITY.start + 1]
)
_LANE_SIGNS = _signs(LANE_SIZE, list(range(1, 2 * LANE_POINTS, 2)))
_LIGHT_SIGNS = _signs(LIGHT_SIZE, [1, 3])
_ROUTE_SIGNS = _signs(ROUTE_SIZE, [1, 3, CURVATURE])
_LANE_EDGE_COLUMNS = slice(2 * LANE_POINTS + LANE_EDGES.start, 2 * LANE_POINTS + LANE_EDGES.stop)
_LANE_ORDER, _ROUTE_ORDER = np.arange(LANE_SIZE), np.arange(ROUTE_SIZE)
_LANE_ORDER[_LANE_EDGE_COLUMNS] = _LANE_ORDER[_LANE_EDGE_COLUMNS][::-1].copy()
_ROUTE_ORDER[EDGES] = _ROUTE_ORDER[EDGES].reshape(2, 2)[:, ::-1].reshape(4)


def mirrored_features(features: StackedFeatures) -> StackedFeatures:
    """Features of the mirrored states; edges on the left and on the right are exchanged."""
    return {
        **features,
        "ego": features["ego"] * _EGO_SIGNS,
        "agents": features["agents"] * _AGENT_SIGNS,
        "lanes": (features["lanes"] * _LANE_SIGNS)[..., _LANE_ORDER],
        "lights": features["lights"] * _LIGHT_SIGNS,
        "route": (features["route"] * _ROUTE_SIGNS)[..., _ROUTE_ORDER],
    }


def mirrored_motions(tracked: Float64[np.ndarray, "*shape 10"]) -> Float64[np.ndarray, "*shape 10"]:
    """Poses of the mirrored motions; speeds and accelerations along the motion stay as they are.

    Columns across the motion (lateral speed and acceleration, steering) are left as they are: candidate features do
    not use them.
    """
    found = tracked.copy()
    found[..., [Y, HEADING]] *= -1.0
    return found
