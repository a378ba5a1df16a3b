"""One step of all reactive agents, compiled: each in turn plans its route, finds its lead and moves on."""

import math
from typing import Any, NamedTuple

import numpy as np

from simulation.geometry.angles import wrap
from simulation.geometry.boxes import box_corners
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import NUPLAN_AGENTS, idm_acceleration
from simulation.traffic.idm_paths import PROGRESS, build_path, clamped, path_between, path_to_go, place_at
from simulation.traffic.idm_roads import RoadArrays
from simulation.traffic.idm_shapes import (
    CORNERS,
    area_distance,
    area_overlaps,
    bounds_gap,
    corridor_parts,
    join_bounds,
    parts_needed,
    set_part,
    shapes_distance,
    shapes_overlap,
)
from simulation.traffic.nearest import nearest_in_tree

MIN_PATH_M = 20.0
MAX_ROUTE = 5
RADIUS_M = 100.0
INNER: dict[str, Any] = {"cache": True, "no_cpython_wrapper": True}
"""Settings of functions that only compiled code calls: the way in from Python takes half of their compilation."""


class Agents(NamedTuple):
    """A agents; all arrays are written in place."""

    alive: np.ndarray
    """(A,) bool; once out of range, an agent stays away."""
    progress: np.ndarray
    """(A,) along the path [m]; may run past its end."""
    speed: np.ndarray
    target: np.ndarray
    length: np.ndarray
    width: np.ndarray
    pose: np.ndarray
    """(A, 3) of the box centre, as last shown."""
    route: np.ndarray
    """(A, MAX_ROUTE) lane rows, the present and last ones."""
    route_count: np.ndarray
    path_count: np.ndarray
    part_count: np.ndarray
    bounds: np.ndarray
    """(A, 4) bounding boxes of the occupied shapes."""


class Storage(NamedTuple):
    """What grows: vertices of paths and parts of occupied shapes."""

    paths: np.ndarray
    """(A, capacity, 4)."""
    parts: np.ndarray
    """(A, capacity, CORNERS, 2)."""
    part_bounds: np.ndarray
    """(A, capacity, 4)."""


class Others(NamedTuple):
    """The ego (first) and those who follow the log at a frame, B boxes."""

    parts: np.ndarray
    """(B, 1, CORNERS, 2)."""
    bounds: np.ndarray
    """(B, 1, 4)."""
    speed: np.ndarray
    """(B,) along their headings, as the agents take them to be."""
    heading: np.ndarray
    """(B,)."""


class Lights(NamedTuple):
    """What lane connectors show, by lane row, and the stop lines of those that are red."""

    green: np.ndarray
    """(L,) bool."""
    red: np.ndarray
    """(L,) bool."""
    stop_offsets: np.ndarray
    """(L + 1,) rows of `stop_rows`."""
    stop_rows: np.ndarray


@njit(cache=True)
def box_part(pose: np.ndarray, length: float, width: float, parts: np.ndarray, bounds: np.ndarray, at: int) -> None:
    """Store a box as a part."""
    set_part(parts, bounds, at, box_corners(pose[0], pose[1], pose[2], length, width))


@njit(**INNER)
def step_agents(
    agents: Agents,
    storage: Storage,
    road: RoadArrays,
    lights: Lights,
    others: Others,
    ego_center: np.ndarray,
    dt_s: float,
) -> Storage:
    """Move all agents on by one frame; returns the storage, larger where it had to grow."""
    num_agents = len(agents.alive)
    # quirk: range_from_the_second_frame (at the first frame, agents farther away are still shown)
    for a in range(num_agents):
        if math.hypot(agents.pose[a, 0] - ego_center[0], agents.pose[a, 1] - ego_center[1]) > RADIUS_M:
            agents.alive[a] = False
    line = np.empty((64, 3))
    corridor = np.empty((64, CORNERS, 2))
    corridor_bounds = np.empty((64, 4))
    for a in range(num_agents):
        if not agents.alive[a]:
            continue
        storage, line = _plan_route(agents, storage, road, lights, a, line)
        path, count = storage.paths[a], agents.path_count[a]
        num_points = path_to_go(path, count, clamped(path, count, agents.progress[a]), line)
        if len(corridor) < parts_needed(num_points):
            corridor = np.empty((2 * parts_needed(num_points), CORNERS, 2))
            corridor_bounds = np.empty((2 * parts_needed(num_points), 4))
        num_parts = corridor_parts(line, num_points, agents.width[a] / 2.0, corridor, corridor_bounds)
        gap, lead_speed = _lead(agents, storage, road, lights, others, a, corridor, corridor_bounds, num_parts)
        _move(agents, road, a, gap, lead_speed, dt_s)
        storage = _occupy(agents, storage, a, line)
    return storage


@njit(**INNER)
def _plan_route(
    agents: Agents, storage: Storage, road: RoadArrays, lights: Lights, a: int, line: np.ndarray
) -> tuple[Storage, np.ndarray]:
    """Add lanes until the path is long enough or none is open; returns storage and `line`, which may have grown."""
    while True:
        path, count = storage.paths[a], agents.path_count[a]
        to_go = path[count - 1, PROGRESS] - agents.progress[a]
        is_short = to_go < MIN_PATH_M + agents.target[a] * NUPLAN_AGENTS.headway_s
        edge = _next_edge(agents, road, lights, a) if is_short else -1
        start, stop = (road.offsets[edge], road.offsets[edge + 1]) if edge >= 0 else (0, 0)
        if len(line) < count + 1 + stop - start:
            line = np.empty((2 * (count + 1 + stop - start), 3))
        if edge < 0:
            return storage, line
        num_points = path_to_go(path, count, clamped(path, count, agents.progress[a]), line)
        for k in range(start, stop):
            line[num_points, 0], line[num_points, 1] = road.points[k, 0], road.points[k, 1]
            line[num_points, 2] = road.headings[k]
            num_points += 1
        if num_points > storage.paths.shape[1]:
            storage = _with_longer_paths(storage, 2 * num_points)
        agents.path_count[a] = build_path(line, num_points, storage.paths[a])
        agents.progress[a] = 0.0
        _append_to_route(agents, a, edge)


@njit(**INNER)
def _append_to_route(agents: Agents, a: int, edge: int) -> None:
    count = agents.route_count[a]
    if count == MAX_ROUTE:
        for k in range(MAX_ROUTE - 1):
            agents.route[a, k] = agents.route[a, k + 1]
        count -= 1
    agents.route[a, count] = edge
    agents.route_count[a] = count + 1


@njit(**INNER)
def _next_edge(agents: Agents, road: RoadArrays, lights: Lights, a: int) -> int:
    """The straightest open successor of the route's last lane, -1 when there is none."""
    last = agents.route[a, agents.route_count[a] - 1]
    best, best_curvature = -1, np.inf
    for k in range(road.next_offsets[last], road.next_offsets[last + 1]):
        row = road.next_rows[k]
        # quirk: unknown_light_is_closed (a connector with lights opens on green only: not on unknown or missing)
        is_open = lights.green[row] if road.has_lights[row] else not lights.red[row]
        if is_open and road.entry_curvature[row] < best_curvature:
            best, best_curvature = row, road.entry_curvature[row]
    return best


@njit(**INNER)
def _lead(
    agents: Agents,
    storage: Storage,
    road: RoadArrays,
    lights: Lights,
    others: Others,
    a: int,
    corridor: np.ndarray,
    corridor_bounds: np.ndarray,
    num_corridor: int,
) -> tuple[float, float]:
    """Gap to and speed of what the agent follows; on a free road the gap to the end of its path, and 0."""
    num_agents, num_others = len(agents.alive), len(others.parts)
    whole = np.empty(4)
    join_bounds(corridor_bounds, num_corridor, whole)
    stops = _red_stop_lines(agents, lights, a)
    # Candidates in the order of nuPlan's occupancy map: agents, ego, replayed objects, stop lines.
    found = np.empty(num_agents + num_others + len(stops), dtype=np.int64)
    num_found = 0
    for b in range(num_agents):
        if (
            b != a
            and agents.alive[b]
            and bounds_gap(whole, agents.bounds[b]) == 0.0
            and shapes_overlap(
                corridor,
                corridor_bounds,
                num_corridor,
                storage.parts[b],
                storage.part_bounds[b],
                agents.part_count[b],
                agents.bounds[b],
            )
        ):
            found[num_found] = b
            num_found += 1
    for b in range(num_others):
        box = others.bounds[b, 0]
        if bounds_gap(whole, box) == 0.0 and shapes_overlap(
            corridor, corridor_bounds, num_corridor, others.parts[b], others.bounds[b], 1, box
        ):
            found[num_found] = num_agents + b
            num_found += 1
    for s in range(len(stops)):
        if bounds_gap(whole, road.stop_lines.bounds[stops[s]]) == 0.0 and area_overlaps(
            road.stop_lines, stops[s], corridor, corridor_bounds, num_corridor
        ):
            found[num_found] = num_agents + num_others + s
            num_found += 1
    if num_found == 0:
        # quirk: progress_past_the_end (the way left may be negative)
        path_end = storage.paths[a, agents.path_count[a] - 1, PROGRESS]
        return path_end - agents.progress[a] - agents.length[a] / 2.0, 0.0
    return _nearest(agents, storage, road, others, a, stops, found[:num_found])


@njit(**INNER)
def _red_stop_lines(agents: Agents, lights: Lights, a: int) -> np.ndarray:
    """Rows of the stop lines of red connectors on the route, each once."""
    # quirk: passed_stop_lines (the route still holds lanes behind the agent, whose stop lines count as well)
    total = 0
    for k in range(agents.route_count[a]):
        row = agents.route[a, k]
        if lights.red[row]:
            total += lights.stop_offsets[row + 1] - lights.stop_offsets[row]
    stops = np.empty(total, dtype=np.int64)
    count = 0
    for k in range(agents.route_count[a]):
        row = agents.route[a, k]
        if not lights.red[row]:
            continue
        for i in range(lights.stop_offsets[row], lights.stop_offsets[row + 1]):
            is_new = True
            for j in range(count):
                is_new = is_new and stops[j] != lights.stop_rows[i]
            if is_new:
                stops[count] = lights.stop_rows[i]
                count += 1
    return stops[:count]


@njit(**INNER)
def _distance(
    agents: Agents, storage: Storage, road: RoadArrays, others: Others, a: int, stops: np.ndarray, who: int
) -> tuple[float, np.ndarray]:
    """Distance of the agent's shape from a candidate, and the candidate's bounding box."""
    num_agents, num_others = len(agents.alive), len(others.parts)
    parts, bounds, count = storage.parts[a], storage.part_bounds[a], agents.part_count[a]
    if who < num_agents:
        other, other_bounds = storage.parts[who], storage.part_bounds[who]
        gap = shapes_distance(parts, bounds, count, other, other_bounds, agents.part_count[who])
        return gap, agents.bounds[who]
    if who < num_agents + num_others:
        b = who - num_agents
        return shapes_distance(parts, bounds, count, others.parts[b], others.bounds[b], 1), others.bounds[b, 0]
    row = stops[who - num_agents - num_others]
    return area_distance(road.stop_lines, row, parts, bounds, count), road.stop_lines.bounds[row]


@njit(**INNER)
def _nearest(
    agents: Agents,
    storage: Storage,
    road: RoadArrays,
    others: Others,
    a: int,
    stops: np.ndarray,
    found: np.ndarray,
) -> tuple[float, float]:
    """Gap to and speed of the nearest candidate along the agent's heading."""
    num_agents = len(agents.alive)
    distances, bounds = np.empty(len(found)), np.empty((len(found), 4))
    for i in range(len(found)):
        distances[i], box = _distance(agents, storage, road, others, a, stops, found[i])
        bounds[i, 0], bounds[i, 1], bounds[i, 2], bounds[i, 3] = box[0], box[1], box[2], box[3]
    # quirk: tree_ties (of several at distance 0, the one that shapely's tree happens to hand out first)
    nearest = nearest_in_tree(bounds, distances, agents.bounds[a])
    who = found[nearest]
    speed, heading = 0.0, agents.pose[a, 2]
    if who < num_agents:
        speed, heading = agents.speed[who], agents.pose[who, 2]
    elif who < num_agents + len(others.parts):
        speed, heading = others.speed[who - num_agents], others.heading[who - num_agents]
    return distances[nearest], speed * math.cos(wrap(heading - agents.pose[a, 2]))


@njit(**INNER)
def _move(agents: Agents, road: RoadArrays, a: int, gap: float, lead_speed: float, dt_s: float) -> None:
    """The intelligent driver model, one Euler step from the old speed.

    Source:
        Treiber et al. 2000, eq. 3 and 4, as nuPlan's `IDMPolicy.solve_forward_euler_idm_policy`.
    """
    limit = road.speed_limit[agents.route[a, agents.route_count[a] - 1]]
    if limit > 0.0:
        # quirk: limit_of_the_route_end (the limit is that of the last lane of the route, not of the present one)
        agents.target[a] = limit
    speed = agents.speed[a]
    accel = idm_acceleration(speed, gap, lead_speed, agents.target[a], NUPLAN_AGENTS)
    agents.progress[a] += dt_s * speed
    agents.speed[a] = max(0.0, speed + dt_s * accel)


@njit(cache=True)
def place_agent(agents: Agents, storage: Storage, a: int) -> None:
    """Set the pose that is shown to where the progress is on the path."""
    path, count = storage.paths[a], agents.path_count[a]
    place = place_at(path, count, clamped(path, count, agents.progress[a]))
    agents.pose[a, 0], agents.pose[a, 1], agents.pose[a, 2] = place[0], place[1], wrap(place[2])


@njit(**INNER)
def _occupy(agents: Agents, storage: Storage, a: int, line: np.ndarray) -> Storage:
    """Occupy the box and the way that the agent covers in its headway."""
    place_agent(agents, storage, a)
    path, count = storage.paths[a], agents.path_count[a]
    half = agents.length[a] / 2.0
    start = clamped(path, count, agents.progress[a] - half)
    end = clamped(path, count, agents.progress[a] + half + agents.speed[a] * NUPLAN_AGENTS.headway_s)
    num_points = path_between(path, count, start, end, line)
    if parts_needed(num_points) > storage.parts.shape[1]:
        storage = _with_more_parts(storage, 2 * parts_needed(num_points))
    parts, bounds = storage.parts[a], storage.part_bounds[a]
    num_parts = corridor_parts(line, num_points, agents.width[a] / 2.0, parts, bounds)
    box_part(agents.pose[a], agents.length[a], agents.width[a], parts, bounds, num_parts)
    agents.part_count[a] = num_parts + 1
    join_bounds(bounds, num_parts + 1, agents.bounds[a])
    return storage


@njit(**INNER)
def _with_longer_paths(storage: Storage, capacity: int) -> Storage:
    num_agents, old = storage.paths.shape[:2]
    paths = np.empty((num_agents, capacity, 4))
    for a in range(num_agents):
        for k in range(old):
            for column in range(4):
                paths[a, k, column] = storage.paths[a, k, column]
    return Storage(paths, storage.parts, storage.part_bounds)


@njit(**INNER)
def _with_more_parts(storage: Storage, capacity: int) -> Storage:
    # Loops, as numba takes seconds to compile an assignment of slices.
    num_agents, old = storage.parts.shape[:2]
    parts, bounds = np.empty((num_agents, capacity, CORNERS, 2)), np.empty((num_agents, capacity, 4))
    for a in range(num_agents):
        for k in range(old):
            for corner in range(CORNERS):
                parts[a, k, corner, 0] = storage.parts[a, k, corner, 0]
                parts[a, k, corner, 1] = storage.parts[a, k, corner, 1]
            for side in range(4):
                bounds[a, k, side] = storage.part_bounds[a, k, side]
    return Storage(storage.paths, parts, bounds)
