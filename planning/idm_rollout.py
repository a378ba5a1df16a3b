"""The inner loop of nuPlan's IDM planner: a path, obstacles as they stand now, and a car that keeps its distance."""

import math

import numpy as np

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
from simulation.geometry.polygons import FlatPolygons
from simulation.geometry.polylines import ChunkedLine, project
from simulation.traffic.idm_law import IdmParameters, idm_acceleration


@njit(cache=True)
def pose_at(
    points: np.ndarray, arc: np.ndarray, headings: np.ndarray, along: float, num_points: int
) -> tuple[float, float, float]:
    """Place on the first `num_points` vertices of a path, clamped; position and unwrapped heading interpolated."""
    along = min(max(along, arc[0]), arc[num_points - 1])
    # The segment whose end is the first vertex not before the place, as scipy's interp1d chooses it.
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
def _lead(
    corridor: Corridor,
    center: tuple[float, float, float],
    size: tuple[float, float],
    corners: np.ndarray,
    agents: np.ndarray,
    areas: FlatPolygons,
    area_rows: np.ndarray,
) -> tuple[float, float]:
    """Distance to the nearest obstacle in the corridor or under the ego box [m], and its speed along the ego."""
    ego = box_corners(center[0], center[1], center[2], size[0], size[1])
    ego_reach = 0.5 * math.hypot(size[0], size[1])
    nearest, lead_speed = np.inf, 0.0
    for i in range(len(agents)):
        away = math.hypot(agents[i, 0] - center[0], agents[i, 1] - center[1]) - ego_reach - agents[i, 5]
        if away >= nearest:
            continue
        is_met = away <= 0.0 and convex_overlap(ego, corners[i])
        if is_met or corridor_overlaps_box(corridor, corners[i]):
            gap = 0.0 if is_met else convex_distance(ego, corners[i])
            if gap < nearest:
                nearest = gap
                lead_speed = agents[i, 3] * math.cos(agents[i, 2] - center[2])
    for row in area_rows:
        gap = box_area_distance(areas, row, ego, nearest)
        if gap < nearest and (gap == 0.0 or corridor_overlaps_area(corridor, areas, row)):
            nearest, lead_speed = gap, 0.0
    return nearest, lead_speed


@njit(cache=True)
def plan_idm(
    points: np.ndarray,
    arc: np.ndarray,
    headings: np.ndarray,
    chunks: np.ndarray,
    num_points: int,
    ego: np.ndarray,
    size: tuple[float, float],
    rear_axle_to_center: float,
    agents: np.ndarray,
    areas: FlatPolygons,
    area_rows: np.ndarray,
    radius: float,
    target_speed: float,
    parameters: IdmParameters,
    step_s: float,
    num_steps: int,
) -> np.ndarray:
    """Roll the car along its path by forward Euler and return rear-axle poses (num_steps + 1, 3).

    Args:
        points: Vertices (P, 2) of the path, doubled ones left out but for the last.
        arc: Arc lengths (P,).
        headings: Unwrapped headings (P,).
        chunks: `chunk_bounds` of the path.
        num_points: Vertices that the car may drive to: nuPlan drops the last, but still projects onto it.
        ego: Centre x, y, heading, speed.
        size: Length and width of the ego box.
        rear_axle_to_center: [m].
        agents: (N, 6) x, y, heading, speed (0 for static objects), length, width.
        areas: Areas of any shape.
        area_rows: Those of them that block the way: connectors at red lights.
        radius: Agents farther away are not seen [m].
        target_speed: [m/s].
        parameters: Of the intelligent driver model.
        step_s: Step of the roll-out.
        num_steps: Steps.
    """
    end_m = arc[num_points - 1]
    horizon_m = abs(target_speed) * step_s * num_steps
    seen = np.empty((len(agents), 6))
    corners = np.empty((len(agents), 4, 2))
    count = 0
    for i in range(len(agents)):
        if math.hypot(agents[i, 0] - ego[0], agents[i, 1] - ego[1]) < radius:
            seen[count] = agents[i]
            seen[count, 5] = 0.5 * math.hypot(agents[i, 4], agents[i, 5])
            corners[count] = box_corners(agents[i, 0], agents[i, 1], agents[i, 2], agents[i, 4], agents[i, 5])
            count += 1
    seen, corners = seen[:count], corners[:count]
    path, half_width = ChunkedLine(points[:num_points], arc[:num_points], chunks), 0.5 * size[1]

    poses = np.empty((num_steps + 1, 3))
    progress, speed = project(points, arc, ego[0], ego[1]), ego[3]
    center = (ego[0], ego[1], ego[2])
    for k in range(num_steps + 1):
        x, y, heading = pose_at(points, arc, headings, progress, num_points)
        poses[k, 0] = x - rear_axle_to_center * math.cos(heading)
        poses[k, 1] = y - rear_axle_to_center * math.sin(heading)
        poses[k, 2] = heading
        if k == num_steps:
            break
        # The first look is from where the ego is, not from its place on the path.
        if k > 0:
            center = (x, y, heading)
        start_m = min(max(progress, 0.0), end_m)
        stop_m = min(max(progress + horizon_m, 0.0), end_m)
        corridor = corridor_between(path, start_m, stop_m, half_width, half_width)
        gap, lead_speed = _lead(corridor, center, size, corners, seen, areas, area_rows)
        if gap == np.inf:
            gap, lead_speed = end_m - progress - 0.5 * size[0], 0.0
        accel = idm_acceleration(speed, gap, lead_speed, target_speed, parameters)
        progress += speed * step_s
        speed = max(speed + step_s * accel, 0.0)
    return poses
