"""The inner loop of PDM-Closed's proposals: five speeds on each of some parallel paths, all by IDM.

Agents move on straight lines; a path's corridor is searched for them every 0.2 s. Proposals are numbered path by
path: proposal = path * speeds + speed.

Source:
    tuPlan garage, `PDMGenerator`, `BatchIDMPolicy`, `PDMPath`.
"""

import math
from typing import NamedTuple

import numpy as np

from driving.timing import STEP_S
from planning.idm_rollout import pose_at
from planning.rule_based.paths import Paths
from simulation.geometry.boxes import box_corners, boxes_overlapping, convex_distance, convex_overlap
from simulation.geometry.compiling import njit
from simulation.geometry.corridors import (
    Corridor,
    box_area_distance,
    corridor_between,
    corridor_bounds,
    corridor_overlaps_area,
    corridor_overlaps_box,
)
from simulation.geometry.polygons import FlatPolygons, overlaps_convex
from simulation.geometry.polylines import ChunkedLine, project_chunked
from simulation.traffic.idm_law import PDM_PROPOSALS, idm_acceleration

MIN_PROGRESS_M = 1e-5
"""Paths are sampled from here on."""


class Obstacles(NamedTuple):
    """N objects with their velocities, and R areas that stand for red lights."""

    poses: np.ndarray
    """(N, 3) box centre and heading now."""
    sizes: np.ndarray
    """(N, 2) length, width."""
    velocities: np.ndarray
    """(N, 2) along the box, 0 for static objects [m/s]."""
    speeds: np.ndarray
    """(N,) 0 for static objects [m/s]."""
    is_static: np.ndarray
    """(N,)"""
    is_ignored: np.ndarray
    """(N,) touched the ego before."""
    areas: FlatPolygons
    light_rows: np.ndarray
    """(R,) areas behind red lights."""
    light_centroids: np.ndarray
    """(R, 2)"""
    is_light_ignored: np.ndarray
    """(R,) the ego was wholly inside before."""


class Rollout(NamedTuple):
    """P proposals over T + 1 instants, filled in as far as they have been rolled out."""

    progress: np.ndarray
    """(P, T + 1) of the rear axle along the path [m]."""
    speed: np.ndarray
    """(P, T + 1) [m/s]."""
    lead: np.ndarray
    """(P, T + 1, 3) progress, speed and rear length of what drives ahead."""
    poses: np.ndarray
    """(P, T + 1, 3) rear axle."""
    pieces: np.ndarray
    """(L, 4) first and last segment of each path's corridor, and the places of its ends on these [m]."""
    standing: np.ndarray
    """(L, N + R) of obstacles that do not move: place along the path where they are in its corridor [m], else
    infinitely far behind; NaN where not yet looked at."""


@njit(cache=True)
def _corridor_of_vertices(line: ChunkedLine, start_m: float, end_m: float, half_width: float) -> Corridor:
    """The corridor between the vertices from `start_m` to `end_m`; with fewer than two of them, between these."""
    arc = line.arc
    start_m, end_m = min(max(start_m, 0.0), arc[-1]), min(max(end_m, 0.0), arc[-1])
    low = int(np.searchsorted(arc, start_m))
    high = int(np.searchsorted(arc, end_m, side="right")) - 1
    if high > low:
        return Corridor(line, low, high - 1, 0.0, arc[high] - arc[high - 1], half_width, half_width)
    return corridor_between(line, start_m, end_m, half_width, half_width)


@njit(cache=True)
def _line(paths: Paths, path: int) -> ChunkedLine:
    return ChunkedLine(paths.points[path], paths.arcs[path], paths.chunks[path])


@njit(cache=True)
def _find_leads(
    paths: Paths,
    obstacles: Obstacles,
    rollout: Rollout,
    size: tuple[float, float],
    rear_to_center: float,
    path: int,
    first: int,
    stop: int,
    step: int,
) -> None:
    """What drives ahead of the proposals `first` to `stop`, all on one path, at a step."""
    line, half_width = _line(paths, path), 0.5 * size[1]
    first_segment, last_segment, start_m, end_m = rollout.pieces[path]
    corridor = Corridor(line, int(first_segment), int(last_segment), start_m, end_m, half_width, half_width)
    # The forecast is sampled every 0.2 s.
    time_s = (step // 2) * 2 * STEP_S
    num_objects, num_lights = len(obstacles.poses), len(obstacles.light_rows)
    found = np.empty(num_objects + num_lights, dtype=np.int64)
    places = np.empty((num_objects + num_lights, 3))
    corners = np.empty((num_objects, 4, 2))
    reach = np.zeros(num_objects + num_lights)
    count = 0
    # Arrays by their own names: each access through a tuple costs a reference count.
    poses, sizes, velocities = obstacles.poses, obstacles.sizes, obstacles.velocities
    ignored, standing = obstacles.is_ignored, rollout.standing
    low_x, low_y, high_x, high_y = corridor_bounds(corridor)
    for i in range(num_objects):
        place = standing[path, i]
        if ignored[i] or place == -np.inf:
            continue
        x, y = poses[i, 0] + time_s * velocities[i, 0], poses[i, 1] + time_s * velocities[i, 1]
        length, width = sizes[i, 0], sizes[i, 1]
        radius = 0.5 * math.hypot(length, width)
        away = radius + math.sqrt(2.0) * half_width
        stands = velocities[i, 0] == 0.0 and velocities[i, 1] == 0.0
        if x < low_x - away or x > high_x + away or y < low_y - away or y > high_y + away:
            if stands:
                standing[path, i] = -np.inf
            continue
        corners[count] = box_corners(x, y, poses[i, 2], length, width)
        if np.isnan(place):
            place = -np.inf
            if corridor_overlaps_box(corridor, corners[count]):
                place = project_chunked(line, x, y)
            if stands:
                standing[path, i] = place
        if place > -np.inf:
            found[count] = i
            places[count, 0], places[count, 1], places[count, 2] = x, y, place
            reach[count] = radius
            count += 1
    num_found_objects = count
    for r in range(num_lights):
        if obstacles.is_light_ignored[r]:
            continue
        x, y = obstacles.light_centroids[r, 0], obstacles.light_centroids[r, 1]
        place = rollout.standing[path, num_objects + r]
        if np.isnan(place):
            place = -np.inf
            row = obstacles.light_rows[r]
            if corridor_overlaps_area(corridor, obstacles.areas, row):
                place = project_chunked(line, x, y)
            rollout.standing[path, num_objects + r] = place
        if place > -np.inf:
            found[count] = r
            places[count, 0], places[count, 1], places[count, 2] = x, y, place
            count += 1

    ego_reach = 0.5 * math.hypot(size[0], size[1])
    # quirk: leading_agent_reused (what one proposal does not set is left over from the proposal before)
    lead_progress, lead_speed, lead_rear = 0.0, 0.0, 0.0
    for p in range(first, stop):
        progress = rollout.progress[p, step - 1]
        rear_x, rear_y, heading = rollout.poses[p, step - 1]
        x, y = rear_x + rear_to_center * math.cos(heading), rear_y + rear_to_center * math.sin(heading)
        ego = box_corners(x, y, heading, size[0], size[1])
        nearest, nearest_gap = -1, np.inf
        for i in range(count):
            if not places[i, 2] > progress:
                continue
            if i < num_found_objects:
                if math.hypot(places[i, 0] - x, places[i, 1] - y) - ego_reach - reach[i] >= nearest_gap:
                    continue
                gap = convex_distance(ego, corners[i])
            else:
                gap = box_area_distance(obstacles.areas, obstacles.light_rows[found[i]], ego, nearest_gap)
            if gap < nearest_gap:
                nearest, nearest_gap = i, gap
        if nearest >= 0:
            lead_progress = progress + nearest_gap
            if nearest < num_found_objects:
                i = found[nearest]
                lead_speed = obstacles.speeds[i] * math.cos(obstacles.poses[i, 2] - heading)
        else:
            lead_progress, lead_rear = line.arc[-1], 0.5 * size[0]
        rollout.lead[p, step, 0] = lead_progress
        rollout.lead[p, step, 1] = lead_speed
        rollout.lead[p, step, 2] = lead_rear


@njit(cache=True)
def _advance(paths: Paths, rollout: Rollout, targets: np.ndarray, path: int, p: int, step: int) -> None:
    speed = rollout.speed[p, step - 1]
    gap = rollout.lead[p, step, 0] - rollout.progress[p, step - 1] - rollout.lead[p, step, 2]
    accel = idm_acceleration(speed, gap, rollout.lead[p, step, 1], targets[p % len(targets)], PDM_PROPOSALS)
    rollout.progress[p, step] = rollout.progress[p, step - 1] + STEP_S * speed
    rollout.speed[p, step] = speed + STEP_S * accel
    _place(paths, rollout, path, p, step)


@njit(cache=True)
def _place(paths: Paths, rollout: Rollout, path: int, p: int, step: int) -> None:
    arc = paths.arcs[path]
    along = min(max(rollout.progress[p, step], MIN_PROGRESS_M), arc[-1])
    x, y, heading = pose_at(paths.points[path], arc, paths.headings[path], along, len(arc))
    rollout.poses[p, step, 0] = x
    rollout.poses[p, step, 1] = y
    rollout.poses[p, step, 2] = heading


@njit(cache=True)
def roll_out_proposals(
    paths: Paths,
    obstacles: Obstacles,
    rollout: Rollout,
    rear_x: float,
    rear_y: float,
    speed: float,
    targets: np.ndarray,
    size: tuple[float, float],
    rear_to_center: float,
    num_steps: int,
    horizon_s: float,
) -> None:
    """Roll all proposals out for `num_steps`, into `rollout`.

    Args:
        paths: Paths to follow.
        obstacles: What is in the way.
        rollout: Receives the proposals.
        rear_x: Rear axle of the ego now.
        rear_y: Rear axle of the ego now.
        speed: Of the ego along its heading [m/s].
        targets: (S,) speeds wanted [m/s].
        size: Length and width of the ego box.
        rear_to_center: [m]
        num_steps: Steps of 0.1 s.
        horizon_s: Corridors reach as far as the fastest proposal would drive in this time.
    """
    num_speeds = len(targets)
    reach_m = np.abs(targets).max() * horizon_s
    for path in range(len(paths.points)):
        line = _line(paths, path)
        start_m = project_chunked(line, rear_x, rear_y)
        corridor = _corridor_of_vertices(line, start_m, start_m + reach_m, 0.5 * size[1])
        rollout.pieces[path, 0] = corridor.first
        rollout.pieces[path, 1] = corridor.last
        rollout.pieces[path, 2] = corridor.start_m
        rollout.pieces[path, 3] = corridor.end_m
        first, stop = path * num_speeds, (path + 1) * num_speeds
        for p in range(first, stop):
            rollout.progress[p, 0] = start_m
            rollout.speed[p, 0] = speed
            rollout.lead[p, 0] = 0.0
            _place(paths, rollout, path, p, 0)
        for step in range(1, num_steps + 1):
            if step % 2 == 0:
                _find_leads(paths, obstacles, rollout, size, rear_to_center, path, first, stop, step)
            else:
                # quirk: leading_agent_at_zero (the first step copies an empty entry: a standing car at progress 0)
                rollout.lead[first:stop, step] = rollout.lead[first:stop, step - 1]
            for p in range(first, stop):
                _advance(paths, rollout, targets, path, p, step)


@njit(cache=True)
def extend_proposal(
    paths: Paths,
    obstacles: Obstacles,
    rollout: Rollout,
    targets: np.ndarray,
    size: tuple[float, float],
    rear_to_center: float,
    proposal: int,
    first_step: int,
    last_step: int,
) -> None:
    """Roll one proposal on from `first_step` to `last_step`, into `rollout`."""
    path = proposal // len(targets)
    for step in range(first_step, last_step + 1):
        if step % 2 == 0:
            _find_leads(paths, obstacles, rollout, size, rear_to_center, path, proposal, proposal + 1, step)
        else:
            rollout.lead[proposal, step] = rollout.lead[proposal, step - 1]
        _advance(paths, rollout, targets, path, proposal, step)


@njit(cache=True)
def touched_now(obstacles: Obstacles, ego: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which objects the ego box (4, 2) overlaps, (N,), and which red-light areas it is wholly inside of, (R,)."""
    objects = boxes_overlapping(ego, obstacles.poses, obstacles.sizes)
    lights = np.zeros(len(obstacles.light_rows), dtype=np.bool_)
    edge = np.empty((2, 2))
    for r in range(len(lights)):
        lights[r] = _holds_box(obstacles.areas, obstacles.light_rows[r], ego, edge)
    return objects, lights


@njit(cache=True)
def _holds_box(areas: FlatPolygons, row: int, box: np.ndarray, edge: np.ndarray) -> bool:
    bounds = areas.bounds
    for k in range(4):
        x, y = box[k]
        if x < bounds[row, 0] or x > bounds[row, 2] or y < bounds[row, 1] or y > bounds[row, 3]:
            return False
    if not overlaps_convex(areas, row, box):
        return False
    # Inside: no border of the area runs through the box.
    points = areas.points
    for ring in range(areas.polygon_offsets[row], areas.polygon_offsets[row + 1]):
        start, stop = areas.ring_offsets[ring], areas.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            edge[0] = points[before]
            edge[1] = points[k]
            before = k
            if convex_overlap(edge, box):
                return False
    return True
