"""One step of all reactive agents, compiled: each in turn extends its route, finds its lead and moves."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from simulation.geometry.angles import wrap
from simulation.geometry.boxes import box_corners
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import NUPLAN_AGENTS, idm_acceleration
from simulation.traffic.idm_map import LaneArrays
from simulation.traffic.idm_paths import (
    HEADING,
    PROGRESS,
    X,
    Y,
    build_path,
    clamped,
    path_between,
    path_to_go,
    pose_on_path,
)
from simulation.traffic.idm_shapes import (
    CORNERS,
    Shape,
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


class Agents(NamedTuple):
    """The reactive agents; all arrays are written in place."""

    alive: Bool[np.ndarray, "agents"]
    """False once the agent was out of range: it never returns."""
    progress: Float64[np.ndarray, "agents"]
    """Along the path [m]; may exceed its length."""
    speed: Float64[np.ndarray, "agents"]
    target: Float64[np.ndarray, "agents"]
    """Desired speed [m/s]."""
    length: Float64[np.ndarray, "agents"]
    width: Float64[np.ndarray, "agents"]
    pose: Float64[np.ndarray, "agents 3"]
    """Of the box centre at the present frame."""
    route: Int64[np.ndarray, "agents max_route"]
    """Rows of the last lanes of the route, the present one included."""
    route_count: Int64[np.ndarray, "agents"]
    path_count: Int64[np.ndarray, "agents"]
    part_count: Int64[np.ndarray, "agents"]
    bounds: Float64[np.ndarray, "agents 4"]
    """Bounding boxes of the occupied shapes."""


class Storage(NamedTuple):
    """Vertices of paths and parts of occupied shapes: arrays that are replaced when they grow."""

    paths: Float64[np.ndarray, "agents vertices 4"]
    parts: Float64[np.ndarray, "agents parts corners 2"]
    part_bounds: Float64[np.ndarray, "agents parts 4"]


class ObstacleBoxes(NamedTuple):
    """The ego (first) and the tracks that follow the log at a frame."""

    parts: Float64[np.ndarray, "boxes 1 corners 2"]
    bounds: Float64[np.ndarray, "boxes 1 4"]
    speed: Float64[np.ndarray, "boxes"]
    """Along the heading, as the agents perceive it [m/s]."""
    heading: Float64[np.ndarray, "boxes"]


class Lights(NamedTuple):
    """Traffic lights of lanes and connectors at a frame, and the stop lines of connectors that ever turn red."""

    green: Bool[np.ndarray, "lanes"]
    red: Bool[np.ndarray, "lanes"]
    stop_offsets: Int64[np.ndarray, "lanes+1"]
    """First row of each connector in `stop_rows`."""
    stop_rows: Int64[np.ndarray, "stops"]


class World(NamedTuple):
    """Everything that an agent reacts to at a frame."""

    agents: Agents
    lanes: LaneArrays
    lights: Lights
    boxes: ObstacleBoxes


class Lead(NamedTuple):
    """The obstacle that an agent follows."""

    gap_m: float
    speed_mps: float
    """Along the agent's heading."""


@njit(cache=True)
def step_agents(world: World, storage: Storage, ego_center: Float64[np.ndarray, "3"], dt_s: float) -> Storage:
    """Move all agents by one frame; return the storage, with larger arrays where needed."""
    agents = world.agents
    num_agents = len(agents.alive)
    # quirk: range_from_the_second_frame (agents beyond the radius are still present at the first frame)
    for a in range(num_agents):
        if math.hypot(agents.pose[a, X] - ego_center[X], agents.pose[a, Y] - ego_center[Y]) > RADIUS_M:
            agents.alive[a] = False
    line = np.empty((64, 3))
    corners = np.empty((64, CORNERS, 2))
    bounds = np.empty((64, 4))
    for a in range(num_agents):
        if not agents.alive[a]:
            continue
        storage, line = _extend_route(world, storage, a, line)
        path, count = storage.paths[a], agents.path_count[a]
        num_points = path_to_go(path, count, clamped(path, count, agents.progress[a]), line)
        if len(corners) < parts_needed(num_points):
            corners = np.empty((2 * parts_needed(num_points), CORNERS, 2))
            bounds = np.empty((2 * parts_needed(num_points), 4))
        num_parts = corridor_parts(line, num_points, agents.width[a] / 2.0, corners, bounds)
        lead = _find_lead(world, storage, a, Shape(corners, bounds, num_parts))
        _move(agents, world.lanes, a, lead, dt_s)
        storage = _occupy(agents, storage, a, line)
    return storage


@njit(cache=True)
def _extend_route(world: World, storage: Storage, a: int, line: np.ndarray) -> tuple[Storage, np.ndarray]:
    """Append lanes until the path is long enough or no successor is open; return storage and a `line` that fits."""
    agents, lanes = world.agents, world.lanes
    while True:
        path, count = storage.paths[a], agents.path_count[a]
        to_go = path[count - 1, PROGRESS] - agents.progress[a]
        is_short = to_go < MIN_PATH_M + agents.target[a] * NUPLAN_AGENTS.headway_s
        edge = _next_edge(agents, lanes, world.lights, a) if is_short else -1
        start, stop = (lanes.offsets[edge], lanes.offsets[edge + 1]) if edge >= 0 else (0, 0)
        if len(line) < count + 1 + stop - start:
            line = np.empty((2 * (count + 1 + stop - start), 3))
        if edge < 0:
            return storage, line
        num_points = path_to_go(path, count, clamped(path, count, agents.progress[a]), line)
        for k in range(start, stop):
            line[num_points, X], line[num_points, Y] = lanes.points[k, 0], lanes.points[k, 1]
            line[num_points, HEADING] = lanes.headings[k]
            num_points += 1
        if num_points > storage.paths.shape[1]:
            storage = _with_longer_paths(storage, 2 * num_points)
        agents.path_count[a] = build_path(line, num_points, storage.paths[a])
        agents.progress[a] = 0.0
        _append_to_route(agents, a, edge)


@njit(cache=True)
def _append_to_route(agents: Agents, a: int, edge: int) -> None:
    count = agents.route_count[a]
    if count == MAX_ROUTE:
        for k in range(MAX_ROUTE - 1):
            agents.route[a, k] = agents.route[a, k + 1]
        count -= 1
    agents.route[a, count] = edge
    agents.route_count[a] = count + 1


@njit(cache=True)
def _next_edge(agents: Agents, lanes: LaneArrays, lights: Lights, a: int) -> int:
    """The straightest open successor of the route's last lane, -1 when there is none."""
    last = agents.route[a, agents.route_count[a] - 1]
    best, best_curvature = -1, np.inf
    for k in range(lanes.next_offsets[last], lanes.next_offsets[last + 1]):
        row = lanes.next_rows[k]
        # quirk: unknown_light_is_closed (a connector with lights opens on green only: not on unknown or missing)
        is_open = lights.green[row] if lanes.has_lights[row] else not lights.red[row]
        if is_open and lanes.entry_curvature[row] < best_curvature:
            best, best_curvature = row, lanes.entry_curvature[row]
    return best


@njit(cache=True)
def _find_lead(world: World, storage: Storage, a: int, corridor: Shape) -> Lead:
    """The nearest obstacle in the agent's corridor; on a free road the end of its path with speed 0.

    Obstacles are numbered in the order of nuPlan's occupancy map: agents, boxes (ego first), stop lines.
    """
    agents, lanes, boxes = world.agents, world.lanes, world.boxes
    num_agents, num_boxes = len(agents.alive), len(boxes.parts)
    whole = np.empty(4)
    join_bounds(corridor.bounds, corridor.num_parts, whole)
    stops = _red_stop_lines(agents, world.lights, a)
    found = np.empty(num_agents + num_boxes + len(stops), dtype=np.int64)
    num_found = 0
    for b in range(num_agents):
        if (
            b != a
            and agents.alive[b]
            and bounds_gap(whole, agents.bounds[b]) == 0.0
            and shapes_overlap(corridor, _agent_shape(agents, storage, b), agents.bounds[b])
        ):
            found[num_found] = b
            num_found += 1
    for b in range(num_boxes):
        box = boxes.bounds[b, 0]
        if bounds_gap(whole, box) == 0.0 and shapes_overlap(corridor, Shape(boxes.parts[b], boxes.bounds[b], 1), box):
            found[num_found] = num_agents + b
            num_found += 1
    for s in range(len(stops)):
        if bounds_gap(whole, lanes.stop_lines.bounds[stops[s]]) == 0.0 and area_overlaps(
            lanes.stop_lines, stops[s], corridor
        ):
            found[num_found] = num_agents + num_boxes + s
            num_found += 1
    if num_found == 0:
        # quirk: progress_past_the_end (the remaining distance may be negative)
        path_end = storage.paths[a, agents.path_count[a] - 1, PROGRESS]
        return Lead(path_end - agents.progress[a] - agents.length[a] / 2.0, 0.0)
    return _nearest_lead(world, storage, a, stops, found[:num_found])


@njit(cache=True)
def _agent_shape(agents: Agents, storage: Storage, a: int) -> Shape:
    return Shape(storage.parts[a], storage.part_bounds[a], agents.part_count[a])


@njit(cache=True)
def _red_stop_lines(agents: Agents, lights: Lights, a: int) -> np.ndarray:
    """Rows of the stop lines of red connectors on the route, each once."""
    # quirk: passed_stop_lines (the route still holds lanes behind the agent; their stop lines count as well)
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


@njit(cache=True)
def _obstacle_distance(
    world: World, storage: Storage, a: int, stops: np.ndarray, obstacle: int
) -> tuple[float, np.ndarray]:
    """Distance of the agent's shape from an obstacle, and the obstacle's bounding box."""
    agents, stop_lines, boxes = world.agents, world.lanes.stop_lines, world.boxes
    num_agents, num_boxes = len(agents.alive), len(boxes.parts)
    shape = _agent_shape(agents, storage, a)
    if obstacle < num_agents:
        return shapes_distance(shape, _agent_shape(agents, storage, obstacle)), agents.bounds[obstacle]
    if obstacle < num_agents + num_boxes:
        b = obstacle - num_agents
        return shapes_distance(shape, Shape(boxes.parts[b], boxes.bounds[b], 1)), boxes.bounds[b, 0]
    row = stops[obstacle - num_agents - num_boxes]
    return area_distance(stop_lines, row, shape), stop_lines.bounds[row]


@njit(cache=True)
def _nearest_lead(world: World, storage: Storage, a: int, stops: np.ndarray, found: np.ndarray) -> Lead:
    """The nearest of the obstacles `found`."""
    agents, boxes = world.agents, world.boxes
    num_agents = len(agents.alive)
    distances, bounds = np.empty(len(found)), np.empty((len(found), 4))
    for i in range(len(found)):
        distances[i], box = _obstacle_distance(world, storage, a, stops, found[i])
        bounds[i, 0], bounds[i, 1], bounds[i, 2], bounds[i, 3] = box[0], box[1], box[2], box[3]
    # quirk: tree_ties (of several at distance 0, the one that shapely's tree returns first)
    nearest = nearest_in_tree(bounds, distances, agents.bounds[a])
    obstacle = found[nearest]
    speed, heading = 0.0, agents.pose[a, HEADING]
    if obstacle < num_agents:
        speed, heading = agents.speed[obstacle], agents.pose[obstacle, HEADING]
    elif obstacle < num_agents + len(boxes.parts):
        speed, heading = boxes.speed[obstacle - num_agents], boxes.heading[obstacle - num_agents]
    return Lead(distances[nearest], speed * math.cos(wrap(heading - agents.pose[a, HEADING])))


@njit(cache=True)
def _move(agents: Agents, lanes: LaneArrays, a: int, lead: Lead, dt_s: float) -> None:
    """One Euler step of the intelligent driver model, from the old speed.

    Source:
        nuPlan devkit, `IDMPolicy.solve_forward_euler_idm_policy`.
    """
    limit = lanes.speed_limit[agents.route[a, agents.route_count[a] - 1]]
    if limit > 0.0:
        # quirk: limit_of_the_route_end (the limit is that of the last lane of the route, not of the present one)
        agents.target[a] = limit
    speed = agents.speed[a]
    accel = idm_acceleration(speed, lead.gap_m, lead.speed_mps, agents.target[a], NUPLAN_AGENTS)
    agents.progress[a] += dt_s * speed
    agents.speed[a] = max(0.0, speed + dt_s * accel)


@njit(cache=True)
def set_pose(agents: Agents, storage: Storage, a: int) -> None:
    """Set the agent's pose from its progress on the path."""
    path, count = storage.paths[a], agents.path_count[a]
    x, y, heading = pose_on_path(path, count, clamped(path, count, agents.progress[a]))
    agents.pose[a, X], agents.pose[a, Y], agents.pose[a, HEADING] = x, y, wrap(heading)


@njit(cache=True)
def _occupy(agents: Agents, storage: Storage, a: int, line: np.ndarray) -> Storage:
    """Set the agent's pose and the shape that it occupies: its box and the corridor that it covers in its headway."""
    set_pose(agents, storage, a)
    path, count = storage.paths[a], agents.path_count[a]
    half = agents.length[a] / 2.0
    start = clamped(path, count, agents.progress[a] - half)
    end = clamped(path, count, agents.progress[a] + half + agents.speed[a] * NUPLAN_AGENTS.headway_s)
    num_points = path_between(path, count, start, end, line)
    if parts_needed(num_points) > storage.parts.shape[1]:
        storage = _with_more_parts(storage, 2 * parts_needed(num_points))
    parts, bounds = storage.parts[a], storage.part_bounds[a]
    num_parts = corridor_parts(line, num_points, agents.width[a] / 2.0, parts, bounds)
    pose = agents.pose[a]
    set_part(
        parts, bounds, num_parts, box_corners(pose[X], pose[Y], pose[HEADING], agents.length[a], agents.width[a])
    )
    agents.part_count[a] = num_parts + 1
    join_bounds(bounds, num_parts + 1, agents.bounds[a])
    return storage


@njit(cache=True)
def _with_longer_paths(storage: Storage, capacity: int) -> Storage:
    num_agents, old = storage.paths.shape[:2]
    paths = np.empty((num_agents, capacity, 4))
    for a in range(num_agents):
        for k in range(old):
            for column in range(4):
                paths[a, k, column] = storage.paths[a, k, column]
    return Storage(paths, storage.parts, storage.part_bounds)


@njit(cache=True)
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
