"""Rollout of nuPlan's IDM planner along a path, among obstacles that stand still."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from simulation.ego.box import EgoBox, corners_around, half_diagonal
from simulation.geometry.angles import wrap
from simulation.geometry.boxes import box_corners, convex_distance, convex_overlap
from simulation.geometry.compiling import njit
from simulation.geometry.corridors import (
    Corridor,
    box_area_distance,
    corridor_between,
    corridor_overlaps_area,
    corridor_overlaps_box,
)
from simulation.geometry.polygons import FlatPolygons, overlaps_convex
from simulation.geometry.polylines import ChunkedLine, project
from simulation.traffic.idm_law import IdmParameters, idm_acceleration

X, Y, HEADING, SPEED, LENGTH, WIDTH = range(6)
"""Columns of an agent: box centre and heading [m, rad, global], speed [m/s], size [m]."""
NUM_COLUMNS = 6
_REACH = WIDTH
"""Half diagonal of a nearby agent [m], in the column of its width."""


class IdmPath(NamedTuple):
    """Path of the IDM planner."""

    line: ChunkedLine
    """Without doubled vertices."""
    headings: Float64[np.ndarray, "points"]
    """Unwrapped [rad]."""
    num_points: int
    """Vertices that the ego may drive to: nuPlan drops the last one, but projects onto it."""


class IdmObstacles(NamedTuple):
    """Obstacles at one instant."""

    agents: Float64[np.ndarray, "agents 6"]
    """Agents and static objects; these have speed 0."""
    areas: FlatPolygons
    red_rows: Int64[np.ndarray, "lights_on_path"]
    """Areas behind red lights that a vehicle on the path can overlap."""
    red_rows_beside: Int64[np.ndarray, "lights_beside_path"]
    """Areas behind other red lights; they count under the ego box only, whose centre may be off the path."""


class IdmPlanSettings(NamedTuple):
    """Settings of a plan."""

    target_speed_mps: float
    parameters: IdmParameters
    radius_m: float
    """Range in which agents are observed."""
    step_s: float
    num_steps: int


class _Nearby(NamedTuple):
    """Agents in range, with their half diagonal, and the corners of their boxes."""

    agents: np.ndarray
    corners: np.ndarray


@njit(cache=True)
def pose_at(
    points: Float64[np.ndarray, "points 2"],
    arc: Float64[np.ndarray, "points"],
    headings: Float64[np.ndarray, "points"],
    along: float,
    num_points: int,
) -> tuple[float, float, float]:
    """Interpolated pose on the first `num_points` vertices of a path; arc lengths are clamped, headings unwrapped."""
    along = min(max(along, arc[0]), arc[num_points - 1])
    # Like scipy's interp1d: the segment that ends at the first vertex not before the arc length.
    high = int(np.searchsorted(arc[:num_points], along))
    high = min(max(high, 1), num_points - 1)
    low = high - 1
    t = (along - arc[low]) / (arc[high] - arc[low])
    heading = headings[low] + t * (headings[high] - headings[low])
    return (
        points[low, 0] + t * (points[high, 0] - points[low, 0]),
        points[low, 1] + t * (points[high, 1] - points[low, 1]),
        wrap(heading),
    )


@njit(cache=True)
def _leader(
    corridor: Corridor, center: tuple[float, float, float], box: EgoBox, nearby: _Nearby
) -> tuple[float, float]:
    """Distance to the nearest agent in the corridor or under the ego box [m], and its speed along the ego."""
    ego, ego_reach = corners_around(center[0], center[1], center[2], box), half_diagonal(box)
    agents, corners = nearby.agents, nearby.corners
    nearest, lead_speed = np.inf, 0.0
    for i in range(len(agents)):
        away = math.hypot(agents[i, X] - center[0], agents[i, Y] - center[1]) - ego_reach - agents[i, _REACH]
        if away >= nearest:
            continue
        overlaps = away <= 0.0 and convex_overlap(ego, corners[i])
        if overlaps or corridor_overlaps_box(corridor, corners[i]):
            gap = 0.0 if overlaps else convex_distance(ego, corners[i])
            if gap < nearest:
                nearest = gap
                lead_speed = agents[i, SPEED] * math.cos(agents[i, HEADING] - center[2])
    return nearest, lead_speed


@njit(cache=True)
def overlaps_path(path: IdmPath, half_width_m: float, areas: FlatPolygons, row: int) -> bool:
    """Whether any corridor along the path can overlap an area: one of its segments does, with caps at both ends."""
    line = path.line
    for k in range(len(line.arc) - 1):
        length = line.arc[k + 1] - line.arc[k]
        if corridor_overlaps_area(Corridor(line, k, k, 0.0, length, half_width_m, half_width_m), areas, row):
            return True
    return False


@njit(cache=True)
def _red_area_gap(corridor: Corridor, ego: np.ndarray, obstacles: IdmObstacles, nearest: float) -> float:
    """Distance to the nearest area behind a red light [m]; infinite when none is below `nearest`.

    An area counts in the corridor or under the ego box. Not part of `_leader`: to pass the areas to a function costs
    more than a step without red lights.
    """
    areas, best = obstacles.areas, nearest
    for row in obstacles.red_rows:
        gap = box_area_distance(areas, row, ego, best)
        if gap < best and (gap == 0.0 or corridor_overlaps_area(corridor, areas, row)):
            best = gap
    for row in obstacles.red_rows_beside:
        if best > 0.0 and overlaps_convex(areas, row, ego):
            best = 0.0
    return best if best < nearest else np.inf


@njit(cache=True)
def _nearby(ego: np.ndarray, agents: np.ndarray, radius: float) -> _Nearby:
    near = np.empty((len(agents), NUM_COLUMNS))
    corners = np.empty((len(agents), 4, 2))
    count = 0
    for i in range(len(agents)):
        x, y, length, width = agents[i, X], agents[i, Y], agents[i, LENGTH], agents[i, WIDTH]
        if math.hypot(x - ego[X], y - ego[Y]) < radius:
            near[count] = agents[i]
            near[count, _REACH] = 0.5 * math.hypot(length, width)
            corners[count] = box_corners(x, y, agents[i, HEADING], length, width)
            count += 1
    return _Nearby(near[:count], corners[:count])


@njit(cache=True)
def plan_idm(
    path: IdmPath, ego: Float64[np.ndarray, "4"], box: EgoBox, obstacles: IdmObstacles, settings: IdmPlanSettings
) -> Float64[np.ndarray, "poses 3"]:
    """Roll the ego along its path by forward Euler; return poses of the rear axle, the present one first.

    Args:
        path: Path of the ego.
        ego: Box centre x, y, heading, and speed.
        box: Of the ego.
        obstacles: Standing still during the plan.
        settings: Of the planner.
    """
    line, headings, num_points = path.line, path.headings, path.num_points
    points, arc = line.points, line.arc
    end_m = arc[num_points - 1]
    horizon_m = abs(settings.target_speed_mps) * settings.step_s * settings.num_steps
    nearby = _nearby(ego, obstacles.agents, settings.radius_m)
    drivable, half_width = ChunkedLine(points[:num_points], arc[:num_points], line.chunks), 0.5 * box.width

    poses = np.empty((settings.num_steps + 1, 3))
    progress, speed = project(points, arc, ego[X], ego[Y]), ego[SPEED]
    center = (ego[X], ego[Y], ego[HEADING])
    for k in range(settings.num_steps + 1):
        x, y, heading = pose_at(points, arc, headings, progress, num_points)
        poses[k, 0] = x - box.rear_axle_to_center * math.cos(heading)
        poses[k, 1] = y - box.rear_axle_to_center * math.sin(heading)
        poses[k, 2] = heading
        if k == settings.num_steps:
            break
        # The first step starts at the true pose of the ego, not at its projection onto the path.
        if k > 0:
            center = (x, y, heading)
        start_m = min(max(progress, 0.0), end_m)
        stop_m = min(max(progress + horizon_m, 0.0), end_m)
        corridor = corridor_between(drivable, start_m, stop_m, half_width, half_width)
        gap, lead_speed = _leader(corridor, center, box, nearby)
        if len(obstacles.red_rows) + len(obstacles.red_rows_beside):
            corners = corners_around(center[0], center[1], center[2], box)
            red_gap = _red_area_gap(corridor, corners, obstacles, gap)
            if red_gap < gap:
                gap, lead_speed = red_gap, 0.0
        if gap == np.inf:
            gap, lead_speed = end_m - progress - 0.5 * box.length, 0.0
        accel = idm_acceleration(speed, gap, lead_speed, settings.target_speed_mps, settings.parameters)
        progress += speed * settings.step_s
        speed = max(speed + settings.step_s * accel, 0.0)
    return poses
