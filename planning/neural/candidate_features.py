"""Features of tracked candidates: their position on the route and their distances to agents.

Each query of the decoder holds this geometry, so that a small network learns to score, not to intersect boxes. All of
it is computed from the tokens of `features.py`, whatever produced the agents: labels or a perception network.

B states, A candidates, K = 8 instants every 0.5 s, R route points, N agents; ego frame, on the CPU, float32.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from driving.timing import INSTANT_S, STEP_S
from driving.vehicle import PACIFICA
from planning.lane_sampling import SPACING_M
from planning.neural.agent_forecast import forecast_agents
from planning.neural.tokens import (
    BOX,
    EDGE_M,
    EDGES,
    IS_CONNECTOR,
    IS_RED,
    LIMIT,
    POSITION_M,
    ROUTE_BEHIND,
    SPEED_MPS,
    StackedFeatures,
)
from simulation.ego.box import EgoBox, corners_around, ego_box
from simulation.ego.dynamics import HEADING, VELOCITY_X, X, Y
from simulation.geometry.boxes import boxes_overlapping
from simulation.geometry.compiling import lesser, njit
from simulation.metrics.rules import PDM_TTC_STEPS

MOTION_X, MOTION_Y, MOTION_COS, MOTION_SIN, SPEED = range(5)
"""Columns of a candidate's own motion, without the acceleration, which starts at that of the ego."""
(
    OFFSET,
    ABS_OFFSET,
    TURN_SIN,
    TURN_COS,
    ARC_LENGTH,
    LEFT_EDGE,
    RIGHT_EDGE,
    LEFT_LANE_EDGE,
    RIGHT_LANE_EDGE,
    OVERSPEED,
    ON_CONNECTOR,
    TO_RED_LIGHT,
    BEYOND_ROUTE,
) = range(5, 18)
"""Columns of the position on the route."""
GAP, FREE_PATH, FREE_PATH_LATER, GAP_LATER, CLOSING_TIME, LATERAL_GAP = range(6)
"""Columns of a block about the agents."""
FORECAST_BLOCK, KINEMATIC_BLOCK, NUM_CANDIDATE_FEATURES = 18, 24, 30
"""First columns of the agents as the network forecasts them and as their motion continues; number of columns."""

_POINT_X, _POINT_Y, _POINT_COS, _POINT_SIN, _LEFT, _RIGHT, _LANE_LEFT, _LANE_RIGHT = range(8)
_POINT_LIMIT, _POINT_CONNECTOR, _POINT_RED, _POINT_ARC = range(8, 12)
"""Columns of a route point."""
_NUM_LINE_COLUMNS = 6
"""Those of a route point that the distances of corners to the edges of the road need."""
_BOX_X, _BOX_Y, _BOX_VX, _BOX_VY, _BOX_COS, _BOX_SIN, _HALF_LENGTH, _HALF_WIDTH, _MAX_LATERAL, _MIN_FORWARD = range(
    10
)
"""Rows of a table of agent boxes. The last two bound the boxes near enough to matter."""
_LANES = 16
"""Boxes per vector instruction; the number of columns of a table is filled up to a multiple."""

LOOK_AHEAD_S = PDM_TTC_STEPS[-1] * STEP_S
"""The last tested time below nuPlan's bound on the time to collision."""
_NEAR_M, _FAR_M, _FREE_M, _LATERAL_RANGE_M = 45.0, 12.0, 36.0, 20.0
_SLOW_MPS, _LONGEST_S = 0.1, 4.0
MOVING_MPS = 1.0
"""The box of a faster agent points along its forecast; that of a slower one keeps its present heading."""
_POINTS_BACK, _POINTS_AHEAD = 2, 10
"""Route points that a car passes within half a second, at most."""
_CORNER_POINTS = 3
"""Route points before and after the one nearest to the centre, among which that of a corner is."""
_OFFSET_M = PACIFICA.rear_axle_to_center_m
_HALF_LENGTH_M, _HALF_WIDTH_M = 0.5 * PACIFICA.length_m, 0.5 * PACIFICA.width_m

TRACKED_COLUMNS = (X, Y, HEADING, VELOCITY_X)
"""Columns of a tracked state that the features are computed from."""


class CandidateGeometry(NamedTuple):
    """What candidate features are computed from, all but the network's forecast. Stays on the CPU."""

    tracked: Float32[np.ndarray, "states candidates 8 4"]
    """x, y, heading, speed of the rear axle [m, rad, m/s]."""
    route: Float32[np.ndarray, "states points 12"]
    """x, y [m], cos, sin, distance to the left and right edge of the road and of the lanes of this direction [m],
    limit [m/s], connector, red, arc length from the ego [m]."""
    route_counts: Int64[np.ndarray, "states"]
    """Number of valid route points."""
    now_m: Float32[np.ndarray, "states agents 2"]
    """Box centres of the agents."""
    boxes: Float32[np.ndarray, "states agents 4"]
    """cos, sin, length, width [m]."""
    mask: Bool[np.ndarray, "states agents"]
    """Which agents are valid and do not overlap the ego now: the teacher ignores these."""
    kinematic_m: Float32[np.ndarray, "states agents 8 2"]
    """Agents as their present motion continues."""

    def rows(self, rows: slice) -> "CandidateGeometry":
        """The geometry of some of the states."""
        return CandidateGeometry(*(values[rows] for values in self))


def candidate_geometry(
    features: StackedFeatures, tracked: Float64[np.ndarray, "states candidates 8 10"]
) -> CandidateGeometry:
    """Collect the geometry of the candidates of B states.

    Args:
        features: Of the same states.
        tracked: Candidates as `drive_vocabulary` tracks them, every 0.5 s.
    """
    route, agents = features["route"], features["agents"]
    arc_m = (np.arange(route.shape[1], dtype=np.float32) - ROUTE_BEHIND) * SPACING_M
    points = np.concatenate(
        [
            route[..., :2] * POSITION_M,
            route[..., 2:4],
            route[..., EDGES] * EDGE_M,
            route[..., LIMIT : LIMIT + 1] * SPEED_MPS,
            route[..., IS_CONNECTOR : IS_CONNECTOR + 1],
            route[..., IS_RED : IS_RED + 1],
            np.broadcast_to(arc_m[:, np.newaxis], (*route.shape[:2], 1)),
        ],
        axis=-1,
    )
    now_m = agents[..., :2] * POSITION_M
    boxes = np.concatenate([agents[..., 2:4], agents[..., BOX] * SPEED_MPS], axis=-1)
    return CandidateGeometry(
        tracked=tracked[..., TRACKED_COLUMNS].astype(np.float32),
        route=points,
        route_counts=features["route_mask"].sum(axis=1),
        now_m=now_m,
        boxes=boxes,
        mask=apart_from_ego(now_m, boxes, features["agents_mask"], ego_box()),
        kinematic_m=forecast_agents(agents),
    )


def candidate_features(
    geometry: CandidateGeometry, forecast_m: Float32[np.ndarray, "states agents 8 2"]
) -> Float32[np.ndarray, "states candidates 8 30"]:
    """Features of all candidates at all instants, scaled to about one.

    Args:
        geometry: Candidates, route and agents.
        forecast_m: Agents as the network forecasts them.
    """
    return _candidate_features(geometry, forecast_m)


def apart_from_ego(
    now_m: Float32[np.ndarray, "states agents 2"],
    boxes: Float32[np.ndarray, "states agents 4"],
    mask: Bool[np.ndarray, "states agents"],
    box: EgoBox,
) -> Bool[np.ndarray, "states agents"]:
    """Which of the masked agents do not overlap the ego at the origin; arguments as in `CandidateGeometry`."""
    cos, sin, *_ = np.moveaxis(boxes.astype(np.float64), -1, 0)
    poses = np.concatenate([now_m, np.arctan2(sin, cos)[..., np.newaxis]], axis=-1, dtype=np.float64)
    sizes = boxes[..., 2:].astype(np.float64)
    corners = corners_around(box.rear_axle_to_center, 0.0, 0.0, box)
    overlaps = boxes_overlapping(corners, poses.reshape(-1, 3), sizes.reshape(-1, 2))
    return mask & ~overlaps.reshape(mask.shape)


class _Pose(NamedTuple):
    """Centre of the ego box, its direction, and the speed."""

    x: float
    y: float
    cos: float
    sin: float
    speed: float


@njit(cache=True)
def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@njit(cache=True)
def _candidate_features(geometry: CandidateGeometry, forecast_m: np.ndarray) -> np.ndarray:
    tracked, route, counts, mask = geometry.tracked, geometry.route, geometry.route_counts, geometry.mask
    now, boxes, network, kinematic = geometry.now_m, geometry.boxes, forecast_m, geometry.kinematic_m
    num_states, num_candidates, num_instants = tracked.shape[:3]
    out = np.empty((num_states, num_candidates, num_instants, NUM_CANDIDATE_FEATURES), dtype=np.float32)
    num_columns = -(-mask.shape[1] // _LANES) * _LANES
    forecast_boxes = np.empty((_MIN_FORWARD + 1, num_columns), dtype=np.float32)
    kinematic_boxes = np.empty((_MIN_FORWARD + 1, num_columns), dtype=np.float32)
    nearest = np.zeros(num_candidates, dtype=np.int64)
    poses, edges = np.empty((4, num_candidates)), np.empty((2, num_candidates))
    line = np.empty((_NUM_LINE_COLUMNS, route.shape[1]))
    for b in range(num_states):
        line[:] = route[b, :, :_NUM_LINE_COLUMNS].T
        red_m = 1e3
        for r in range(counts[b]):
            if route[b, r, _POINT_RED] > 0.0 and route[b, r, _POINT_ARC] > 0.0:
                red_m = route[b, r, _POINT_ARC]
                break
        nearest[:] = -1
        for k in range(num_instants):
            before = now[b] if k == 0 else network[b, :, k - 1]
            num = _fill_boxes(before, network[b, :, k], boxes[b], mask[b], forecast_boxes)
            before = now[b] if k == 0 else kinematic[b, :, k - 1]
            _fill_boxes(before, kinematic[b, :, k], boxes[b], mask[b], kinematic_boxes)
            for a in range(num_candidates):
                heading, speed = float(tracked[b, a, k, 2]), float(tracked[b, a, k, 3])
                cos, sin = math.cos(heading), math.sin(heading)
                pose = _Pose(
                    tracked[b, a, k, 0] + _OFFSET_M * cos, tracked[b, a, k, 1] + _OFFSET_M * sin, cos, sin, speed
                )
                poses[0, a], poses[1, a], poses[2, a], poses[3, a] = pose.x, pose.y, cos, sin
                row = out[b, a, k]
                row[MOTION_X], row[MOTION_Y] = tracked[b, a, k, 0] / 20.0, tracked[b, a, k, 1] / 20.0
                row[MOTION_COS], row[MOTION_SIN] = cos, sin
                row[SPEED] = speed / 10.0
                nearest[a] = _nearest_point(route[b], counts[b], nearest[a], pose)
                _fill_route(route[b, nearest[a]], pose, red_m, row)
                _fill_gaps(forecast_boxes, num, pose, row[FORECAST_BLOCK:])
                _fill_gaps(kinematic_boxes, num, pose, row[KINEMATIC_BLOCK:])
            _edge_distances(line, counts[b], nearest, poses, edges)
            for a in range(num_candidates):
                out[b, a, k, LEFT_EDGE] = _clip(edges[0, a], -3.0, 3.0)
                out[b, a, k, RIGHT_EDGE] = _clip(edges[1, a], -3.0, 3.0)
    return out


@njit(cache=True)
def _fill_boxes(before: np.ndarray, ahead: np.ndarray, boxes: np.ndarray, mask: np.ndarray, table: np.ndarray) -> int:
    """Write the valid boxes at an instant into a table, one column each; return their number, filled up.

    Args:
        before: (N, 2) centres one instant earlier.
        ahead: (N, 2) centres at the instant.
        boxes: (N, 4) cos, sin, length, width.
        mask: (N,) which are valid.
        table: (10, columns) receives them.
    """
    num = 0
    for n in range(len(mask)):
        if mask[n]:
            x, y = float(ahead[n, 0]), float(ahead[n, 1])
            velocity_x, velocity_y = (x - before[n, 0]) / INSTANT_S, (y - before[n, 1]) / INSTANT_S
            speed = math.hypot(velocity_x, velocity_y)
            moves = speed > MOVING_MPS
            half_length, half_width = 0.5 * boxes[n, 2], 0.5 * boxes[n, 3]
            reach = half_length + half_width + _HALF_LENGTH_M + _HALF_WIDTH_M + _FAR_M
            table[_BOX_X, num], table[_BOX_Y, num] = x, y
            table[_BOX_VX, num], table[_BOX_VY, num] = velocity_x, velocity_y
            table[_BOX_COS, num] = velocity_x / speed if moves else boxes[n, 0]
            table[_BOX_SIN, num] = velocity_y / speed if moves else boxes[n, 1]
            table[_HALF_LENGTH, num], table[_HALF_WIDTH, num] = half_length, half_width
            table[_MAX_LATERAL, num] = reach + LOOK_AHEAD_S * speed
            table[_MIN_FORWARD, num] = -reach
            num += 1
    filled = -(-num // _LANES) * _LANES
    table[:, num:filled] = 0.0
    table[_MIN_FORWARD, num:filled] = np.inf
    return filled


@njit(cache=True)
def _nearest_point(route: np.ndarray, count: int, before: int, pose: _Pose) -> int:
    """Index of the nearest route point, searched near that of the instant before; -1 searches the whole route."""
    nearest, least = 0, np.inf
    for r in range(max(0, before - _POINTS_BACK), count if before < 0 else min(count, before + _POINTS_AHEAD)):
        dx, dy = pose.x - route[r, _POINT_X], pose.y - route[r, _POINT_Y]
        if dx * dx + dy * dy < least:
            nearest, least = r, dx * dx + dy * dy
    return nearest


@njit(cache=True)
def _fill_route(point: np.ndarray, pose: _Pose, red_m: float, row: np.ndarray) -> None:
    """Write the position on the route, all but the distances of the corners to the edges of the road.

    Args:
        point: (12,) nearest route point.
        pose: Of the ego.
        red_m: Arc length of the next connector at red.
        row: (30,) receives the features.
    """
    dx, dy = pose.x - point[_POINT_X], pose.y - point[_POINT_Y]
    cos, sin = point[_POINT_COS], point[_POINT_SIN]
    along, lateral = dx * cos + dy * sin, dy * cos - dx * sin
    arc = point[_POINT_ARC] + along
    row[OFFSET] = _clip(lateral, -6.0, 6.0) / 2.0
    row[ABS_OFFSET] = min(abs(lateral), 6.0) / 2.0
    row[TURN_SIN], row[TURN_COS] = pose.sin * cos - pose.cos * sin, pose.cos * cos + pose.sin * sin
    row[ARC_LENGTH] = arc / 20.0
    row[LEFT_LANE_EDGE] = _clip(point[_LANE_LEFT] - lateral, -3.0, 3.0)
    row[RIGHT_LANE_EDGE] = _clip(point[_LANE_RIGHT] + lateral, -3.0, 3.0)
    row[OVERSPEED] = (pose.speed - point[_POINT_LIMIT]) * 0.3
    row[ON_CONNECTOR] = point[_POINT_CONNECTOR]
    row[TO_RED_LIGHT] = _clip(red_m - arc - _HALF_LENGTH_M, -_FAR_M, _FAR_M) / 4.0
    row[BEYOND_ROUTE] = min(abs(along), 6.0) / 2.0


@njit(cache=True)
def _edge_distances(line: np.ndarray, count: int, nearest: np.ndarray, poses: np.ndarray, edges: np.ndarray) -> None:
    """Smallest distance of a corner of each ego box to the left and to the right edge of the road.

    Each corner uses its own nearest route point: in a tight turn the road at a rear corner differs from that at the
    centre. The loop over boxes has no branches, so that it is compiled to vector instructions.

    Args:
        line: (6, R) x, y, cos, sin of the route points and their distances to both edges.
        count: Valid route points.
        nearest: (A,) route point nearest to each centre.
        poses: (4, A) x, y, cos, sin of the box centres.
        edges: (2, A) receives the distances.
    """
    last = max(count - 1, 0)
    xs, ys, coses, sines = poses[0], poses[1], poses[2], poses[3]
    left, right = edges[0], edges[1]
    left[:], right[:] = np.inf, np.inf
    for c in range(4):
        ahead = _HALF_LENGTH_M if c < 2 else -_HALF_LENGTH_M
        beside = _HALF_WIDTH_M if c % 2 == 0 else -_HALF_WIDTH_M
        for a in range(len(xs)):
            x, y = xs[a] + ahead * coses[a] - beside * sines[a], ys[a] + ahead * sines[a] + beside * coses[a]
            best, least = 0, np.inf
            for shift in range(-_CORNER_POINTS, _CORNER_POINTS + 1):
                r = min(max(nearest[a] + shift, 0), last)
                gap = (x - line[0, r]) * (x - line[0, r]) + (y - line[1, r]) * (y - line[1, r])
                best = r if gap < least else best
                least = gap if gap < least else least
            dx, dy = x - line[0, best], y - line[1, best]
            along, lateral = dx * line[2, best] + dy * line[3, best], dy * line[2, best] - dx * line[3, best]
            # The edge between two route points is interpolated.
            other = min(max(best + (1 if along > 0.0 else -1), 0), last)
            share = abs(along) / SPACING_M
            share = share if share < 1.0 else 1.0
            on_left = line[4, best] + share * (line[4, other] - line[4, best]) - lateral
            on_right = line[5, best] + share * (line[5, other] - line[5, best]) + lateral
            left[a] = on_left if on_left < left[a] else left[a]
            right[a] = on_right if on_right < right[a] else right[a]


@njit(cache=True)
def _single(value: float) -> Any:
    return np.float32(value)


@njit(cache=True, error_model="numpy")
def _fill_gaps(boxes: np.ndarray, num: int, pose: _Pose, row: np.ndarray) -> None:
    """Write a block about the agents: gap, free path ahead, and both after 0.9 s at the velocities of the instant.

    The loop has no branches and only float32, so that it is compiled to vector instructions.

    Args:
        boxes: (10, columns) table of boxes.
        num: Its columns in use.
        pose: Of the ego.
        row: (6 or more,) receives the block.
    """
    x, y, cos, sin = _single(pose.x), _single(pose.y), _single(pose.cos), _single(pose.sin)
    speed = _single(pose.speed)
    half_length, half_width = _single(_HALF_LENGTH_M), _single(_HALF_WIDTH_M)
    near_m, far_m, free_m, beside_m = _single(_NEAR_M), _single(_FAR_M), _single(_FREE_M), _single(_LATERAL_RANGE_M)
    zero, slow_mps = _single(0.0), _single(_SLOW_MPS)
    longest_s, look_ahead_s = _single(_LONGEST_S), _single(LOOK_AHEAD_S)
    xs, ys, velocities_x, velocities_y = boxes[_BOX_X], boxes[_BOX_Y], boxes[_BOX_VX], boxes[_BOX_VY]
    coses, sines, half_lengths, half_widths = (
        boxes[_BOX_COS],
        boxes[_BOX_SIN],
        boxes[_HALF_LENGTH],
        boxes[_HALF_WIDTH],
    )
    max_lateral, min_forward = boxes[_MAX_LATERAL], boxes[_MIN_FORWARD]
    least_gap, free, later_gap, closing_s, lateral_gap = far_m, free_m, far_m, longest_s, far_m
    for n in range(num):
        dx, dy = xs[n] - x, ys[n] - y
        forward, left = dx * cos + dy * sin, dy * cos - dx * sin
        matters = (abs(left) <= max_lateral[n]) & (forward >= min_forward[n])
        matters &= (abs(dx) <= near_m) & (abs(dy) <= near_m)
        turned_cos = abs(coses[n] * cos + sines[n] * sin)
        turned_sin = abs(sines[n] * cos - coses[n] * sin)
        lengthwise = half_lengths[n] * turned_cos + half_widths[n] * turned_sin + half_length
        widthwise = half_lengths[n] * turned_sin + half_widths[n] * turned_cos + half_width
        crosswise = abs(left) - widthwise
        # Two boxes are apart if they are so along one of their four axes.
        its_length = half_lengths[n] + half_length * turned_cos + half_width * turned_sin
        its_width = half_widths[n] + half_length * turned_sin + half_width * turned_cos
        its_ahead = abs(dx * coses[n] + dy * sines[n]) - its_length
        its_aside = abs(dy * coses[n] - dx * sines[n]) - its_width
        gap = max(max(abs(forward) - lengthwise, crosswise), max(its_ahead, its_aside))
        least_gap = lesser(least_gap, gap if matters else far_m)
        matters &= forward > zero
        closing = speed - (velocities_x[n] * cos + velocities_y[n] * sin)
        gap = forward - lengthwise
        in_way = matters & (crosswise <= zero)
        free = lesser(free, gap if in_way else free_m)
        closing_s = lesser(closing_s, max(gap, zero) / closing if in_way & (closing > slow_mps) else longest_s)
        lateral_gap = lesser(lateral_gap, crosswise if matters & (gap < beside_m) else far_m)
        across = velocities_y[n] * cos - velocities_x[n] * sin
        later_forward, later_left = forward - look_ahead_s * closing, left + look_ahead_s * across
        later = max(abs(later_forward) - lengthwise, abs(later_left) - widthwise)
        later_gap = lesser(later_gap, later if matters else far_m)
    row[GAP] = max(least_gap, -2.0) / 2.0
    row[FREE_PATH] = max(free, -2.0) / 6.0
    row[FREE_PATH_LATER] = _clip(free - LOOK_AHEAD_S * speed, -4.0, _FAR_M) / 2.0
    row[GAP_LATER] = max(later_gap, -2.0) / 2.0
    row[CLOSING_TIME] = closing_s
    row[LATERAL_GAP] = max(lateral_gap, -2.0) / 2.0
