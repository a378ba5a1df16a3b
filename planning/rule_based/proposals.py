"""Rollout of PDM-Closed's proposals: five speeds on each of several parallel paths, all by IDM.

Agents keep their velocity; the corridor of a path is searched for leaders every 0.2 s. Proposals are numbered path by
path: proposal = path * speeds + speed.

Source:
    tuPlan garage, `PDMGenerator`, `BatchIDMPolicy`, `PDMPath`.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.timing import STEP_S
from planning.idm_rollout import pose_at
from planning.rule_based.paths import Paths
from simulation.ego.box import EgoBox, center_at, corners_around, half_diagonal
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
from simulation.metrics.pdm.agents import AgentsNow
from simulation.traffic.idm_law import PDM_PROPOSALS, idm_acceleration

MIN_PROGRESS_M = 1e-5
"""First arc length at which a path is sampled."""
LEAD_PROGRESS, LEAD_SPEED, LEAD_REAR = range(3)
"""Columns of a leader: arc length of its rear end on the path [m], its speed along the ego [m/s], and a length to
subtract from the gap [m]."""


class RedLights(NamedTuple):
    """R areas behind red lights."""

    areas: FlatPolygons
    rows: Int64[np.ndarray, "lights"]
    """Rows of `areas`."""
    centroids: Float64[np.ndarray, "lights 2"]
    is_ignored: Bool[np.ndarray, "lights"]
    """Whether the ego has been completely inside."""


class ProposalScene(NamedTuple):
    """Paths and obstacles of one step."""

    paths: Paths
    agents: AgentsNow
    """N agents and static objects, with velocities along their boxes."""
    lights: RedLights
    targets_mps: Float64[np.ndarray, "speeds"]
    """Target speeds of the proposals on each path."""
    box: EgoBox


class ProposalRollout(NamedTuple):
    """P proposals over T + 1 instants, filled up to the instant of the rollout."""

    progress: Float64[np.ndarray, "proposals time"]
    """Arc length of the rear axle on the path [m]."""
    speed: Float64[np.ndarray, "proposals time"]
    """[m/s]"""
    lead: Float64[np.ndarray, "proposals time 3"]
    """`LEAD_PROGRESS`, `LEAD_SPEED`, `LEAD_REAR`."""
    poses: Float64[np.ndarray, "proposals time 3"]
    """Rear axle."""
    corridors: Float64[np.ndarray, "paths 4"]
    """First and last segment of each path's corridor, and its ends along these [m]."""
    standing: Float64[np.ndarray, "paths obstacles"]
    """Arc length of obstacles without motion in the corridor of a path [m], agents first, then lights; -inf for those
    outside, NaN before they are tested."""


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
    scene: ProposalScene, rollout: ProposalRollout, path: int, proposals: tuple[int, int], step: int
) -> None:
    """Find the leader of each proposal of a range, all on one path, at a step."""
    line, box, lights = _line(scene.paths, path), scene.box, scene.lights
    half_width = 0.5 * box.width
    first_segment, last_segment, start_m, end_m = rollout.corridors[path]
    corridor = Corridor(line, int(first_segment), int(last_segment), start_m, end_m, half_width, half_width)
    # The forecast has an instant every 0.2 s.
    time_s = (step // 2) * 2 * STEP_S
    # Arrays by their own names: each access through a tuple costs a reference count.
    poses, sizes, velocities = scene.agents.poses, scene.agents.sizes, scene.agents.velocities
    speeds, ignored, standing = scene.agents.speeds, scene.agents.is_ignored, rollout.standing
    num_agents, num_lights = len(poses), len(lights.rows)
    found = np.empty(num_agents + num_lights, dtype=np.int64)
    places = np.empty((num_agents + num_lights, 3))
    corners = np.empty((num_agents, 4, 2))
    reach = np.zeros(num_agents + num_lights)
    count = 0
    low_x, low_y, high_x, high_y = corridor_bounds(corridor)
    for i in range(num_agents):
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
    num_found_agents = count
    for r in range(num_lights):
        if lights.is_ignored[r]:
            continue
        x, y = lights.centroids[r, 0], lights.centroids[r, 1]
        place = standing[path, num_agents + r]
        if np.isnan(place):
            place = -np.inf
            if corridor_overlaps_area(corridor, lights.areas, lights.rows[r]):
                place = project_chunked(line, x, y)
            standing[path, num_agents + r] = place
        if place > -np.inf:
            found[count] = r
            places[count, 0], places[count, 1], places[count, 2] = x, y, place
            count += 1

    ego_reach = half_diagonal(box)
    # quirk: leading_agent_reused (what one proposal does not set is left over from the proposal before)
    lead_progress, lead_speed, lead_rear = 0.0, 0.0, 0.0
    for p in range(proposals[0], proposals[1]):
        progress = rollout.progress[p, step - 1]
        rear_x, rear_y, heading = rollout.poses[p, step - 1]
        x, y = center_at(rear_x, rear_y, heading, box)
        ego = corners_around(x, y, heading, box)
        nearest, nearest_gap = -1, np.inf
        for i in range(count):
            if not places[i, 2] > progress:
                continue
            if i < num_found_agents:
                if math.hypot(places[i, 0] - x, places[i, 1] - y) - ego_reach - reach[i] >= nearest_gap:
                    continue
                gap = convex_distance(ego, corners[i])
            else:
                gap = box_area_distance(lights.areas, lights.rows[found[i]], ego, nearest_gap)
            if gap < nearest_gap:
                nearest, nearest_gap = i, gap
        if nearest >= 0:
            lead_progress = progress + nearest_gap
            if nearest < num_found_agents:
                i = found[nearest]
                lead_speed = speeds[i] * math.cos(poses[i, 2] - heading)
        else:
            lead_progress, lead_rear = line.arc[-1], 0.5 * box.length
        rollout.lead[p, step, LEAD_PROGRESS] = lead_progress
        rollout.lead[p, step, LEAD_SPEED] = lead_speed
        rollout.lead[p, step, LEAD_REAR] = lead_rear


@njit(cache=True)
def _advance(paths: Paths, rollout: ProposalRollout, target_mps: float, p: int, step: int) -> None:
    speed, lead = rollout.speed[p, step - 1], rollout.lead[p, step]
    gap = lead[LEAD_PROGRESS] - rollout.progress[p, step - 1] - lead[LEAD_REAR]
    accel = idm_acceleration(speed, gap, lead[LEAD_SPEED], target_mps, PDM_PROPOSALS)
    rollout.progress[p, step] = rollout.progress[p, step - 1] + STEP_S * speed
    rollout.speed[p, step] = speed + STEP_S * accel
    _place(paths, rollout, p, step)


@njit(cache=True)
def _place(paths: Paths, rollout: ProposalRollout, p: int, step: int) -> None:
    path = p // (len(rollout.progress) // len(paths.arcs))
    arc = paths.arcs[path]
    along = min(max(rollout.progress[p, step], MIN_PROGRESS_M), arc[-1])
    x, y, heading = pose_at(paths.points[path], arc, paths.headings[path], along, len(arc))
    rollout.poses[p, step, 0] = x
    rollout.poses[p, step, 1] = y
    rollout.poses[p, step, 2] = heading


@njit(cache=True)
def roll_out_proposals(
    scene: ProposalScene,
    rollout: ProposalRollout,
    ego: tuple[float, float, float],
    num_steps: int,
    horizon_s: float,
) -> None:
    """Roll all proposals out.

    Args:
        scene: Paths and obstacles.
        rollout: Receives the proposals.
        ego: Position of the rear axle [m] and speed along the heading [m/s].
        num_steps: Steps of 0.1 s.
        horizon_s: Corridors are as long as the distance that the fastest proposal covers in this time.
    """
    paths, targets = scene.paths, scene.targets_mps
    num_speeds = len(targets)
    reach_m = np.abs(targets).max() * horizon_s
    for path in range(len(paths.points)):
        line = _line(paths, path)
        start_m = project_chunked(line, ego[0], ego[1])
        corridor = _corridor_of_vertices(line, start_m, start_m + reach_m, 0.5 * scene.box.width)
        rollout.corridors[path, 0] = corridor.first
        rollout.corridors[path, 1] = corridor.last
        rollout.corridors[path, 2] = corridor.start_m
        rollout.corridors[path, 3] = corridor.end_m
        first, stop = path * num_speeds, (path + 1) * num_speeds
        for p in range(first, stop):
            rollout.progress[p, 0] = start_m
            rollout.speed[p, 0] = ego[2]
            rollout.lead[p, 0] = 0.0
            _place(paths, rollout, p, 0)
        for step in range(1, num_steps + 1):
            if step % 2 == 0:
                _find_leads(scene, rollout, path, (first, stop), step)
            else:
                # quirk: leading_agent_at_zero (the first step copies an empty entry: a standing car at progress 0)
                rollout.lead[first:stop, step] = rollout.lead[first:stop, step - 1]
            for p in range(first, stop):
                _advance(paths, rollout, targets[p - first], p, step)


@njit(cache=True)
def extend_proposal(
    scene: ProposalScene, rollout: ProposalRollout, proposal: int, first_step: int, last_step: int
) -> None:
    """Continue one proposal from `first_step` to `last_step`."""
    path, speed = divmod(proposal, len(scene.targets_mps))
    for step in range(first_step, last_step + 1):
        if step % 2 == 0:
            _find_leads(scene, rollout, path, (proposal, proposal + 1), step)
        else:
            rollout.lead[proposal, step] = rollout.lead[proposal, step - 1]
        _advance(scene.paths, rollout, scene.targets_mps[speed], proposal, step)


@njit(cache=True)
def overlaps_now(
    agents: AgentsNow, lights: RedLights, ego: Float64[np.ndarray, "4 2"]
) -> tuple[Bool[np.ndarray, "agents"], Bool[np.ndarray, "lights"]]:
    """Agents that overlap the ego box, and red-light areas that contain it completely."""
    inside = np.zeros(len(lights.rows), dtype=np.bool_)
    edge = np.empty((2, 2))
    for r in range(len(inside)):
        inside[r] = _contains_box(lights.areas, lights.rows[r], ego, edge)
    return boxes_overlapping(ego, agents.poses, agents.sizes), inside


@njit(cache=True)
def _contains_box(areas: FlatPolygons, row: int, box: np.ndarray, edge: np.ndarray) -> bool:
    bounds = areas.bounds
    for k in range(4):
        x, y = box[k]
        if x < bounds[row, 0] or x > bounds[row, 2] or y < bounds[row, 1] or y > bounds[row, 3]:
            return False
    if not overlaps_convex(areas, row, box):
        return False
    # The box is inside if no edge of the area crosses it.
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
