"""Layout of the tokens: their numbers, sizes, columns and units.

All are in the ego frame: x forward, y left, origin at the rear axle.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Shaped

from driving.timing import STEP_S

VERSION = "features.2"
"""Changes whenever the arrays do: stored samples of another version are refused."""
POSITION_M, SPEED_MPS, EDGE_M = 20.0, 10.0, 4.0
"""Units of positions, of speeds and box sizes, and of distances to the edges of the road in tokens."""

StackedFeatures = dict[str, Shaped[np.ndarray, "states ..."]]
"""Fields of `Features` by name, stacked over states."""

MAX_AGENTS = 48
"""Nearest agents and static objects; the remaining ones are left out."""
HISTORY_STEPS = (0, 5, 10, 15, 20)
"""Steps back from now at which an agent's history is read."""
HISTORY_INTERVAL_S = HISTORY_STEPS[1] * STEP_S
AGENT_RADIUS_M = 120.0
"""An oncoming vehicle at 14 m/s is seen more than 4 s before it meets an ego of the same speed."""
NUM_KINDS = 7
AGENT_SIZE = 5 * len(HISTORY_STEPS) + 4 + NUM_KINDS
"""Per history step x, y, cos, sin, whether valid; then velocity (2), length, width, kind (one-hot)."""
VELOCITY, BOX, KIND = slice(25, 27), slice(27, 29), slice(29, 36)
"""Columns of an agent."""

MAX_LANES = 48
LANE_POINTS = 6
LANE_SPACING = 2
"""Samples of a lane between two points of a piece: 4 m."""
LANE_RADIUS_M = 60.0
LANE_SIZE = 2 * LANE_POINTS + 8
"""Points, then the flags of a piece."""
ON_ROUTE, CONNECTOR, LANE_LIMIT, LANE_EDGES, LANE_LIGHT = 0, 1, 2, slice(3, 5), 5
"""Flags of a piece; the light is one-hot: green, yellow, red."""

MAX_LIGHTS = 8
LIGHT_SIZE = 8
"""x, y, cos, sin of the stop line, on route, light (one-hot)."""
LIGHT_ON_ROUTE, LIGHT_STATUS = 4, 5

ROUTE_POINTS = 64
ROUTE_BEHIND = 5
"""Route points behind the ego; one every 2 m."""
ROUTE_SIZE = 14
"""x, y, cos, sin, distances to edges (4), limit, connector, light (one-hot), curvature."""
EDGES, LIMIT, IS_CONNECTOR, ROUTE_LIGHT, IS_RED, CURVATURE = slice(4, 8), 8, 9, 10, 12, 13
"""Columns of a route point."""

EGO_SIZE = 9
"""Without lateral velocity and acceleration, which recordings have and simulated drives have not, and without the
longitudinal acceleration: a student that sees its own braking takes it for a reason to brake."""


def route_points(route: Float32[np.ndarray, "states points values"]) -> Float64[np.ndarray, "states points 4"]:
    """x, y [m], cos, sin of the route points of stacked features."""
    points = route[..., :4].astype(np.float64)
    points[..., :2] *= POSITION_M
    return points


class PastPoses(NamedTuple):
    """Where agents were at one step of their history, in the ego frame of now."""

    position_m: Float[np.ndarray, "*agents 2"]
    """Box centres."""
    heading: Float[np.ndarray, "*agents"]
    is_valid: Bool[np.ndarray, "*agents"]


def history_of(agents: Float32[np.ndarray, "*agents values"], step: int) -> PastPoses:
    """Poses of tokens at row `step` of `HISTORY_STEPS`; zero where they are not valid."""
    values = agents[..., 5 * step : 5 * step + 5].astype(np.float64)
    return PastPoses(values[..., :2] * POSITION_M, np.arctan2(values[..., 3], values[..., 2]), values[..., 4] > 0.0)
