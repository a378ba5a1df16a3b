"""People on foot: they stroll along the walkways and cross at crosswalks, on green or when cars let them."""

from typing import NamedTuple

import numpy as np

from driving.agents import LightStatus
from driving.geometry import arc_lengths
from simulation.generation.town.following import Order
from simulation.generation.town.junctions import Movement
from simulation.generation.town.layout import JunctionKind, TownSettings
from simulation.generation.town.network import Network
from simulation.generation.town.roads import TownRoads
from simulation.generation.town.rules import MAX_WALKERS, place_on
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

RED = int(LightStatus.RED)


FOOT_PATH = np.dtype(
    [
        ("length", np.float64),
        ("is_crosswalk", np.bool_),
        ("point_begin", np.int64),
        ("point_end", np.int64),
        ("crossed_begin", np.int64),
        ("crossed_end", np.int64),
        ("light_begin", np.int64),
        ("light_end", np.int64),
    ]
)
"""A piece of walkway, or a crosswalk."""

PERSON = np.dtype(
    [
        ("path", np.int64),
        ("place", np.float64),  # Along the path [m].
        ("forward", np.int64),  # 1 along the path, −1 against it.
        ("speed", np.float64),  # When walking [m/s].
        ("aside", np.float64),  # Distance to the right of the path's middle [m].
        ("state", np.int64),  # 0 walks, 1 waits at the kerb, 2 pauses on the crosswalk.
        ("pace", np.float64),  # Speed now [m/s].
        ("held", np.int64),  # Steps behind somebody slower; below 0 while squeezing past.
    ]
)
"""Somebody on foot, now. One array of such records is changed in place."""


class FootNetwork(NamedTuple):
    """Foot paths as flat arrays, global."""

    paths: np.ndarray
    """Records of `FOOT_PATH`."""
    points: np.ndarray
    """(points, 3) x, y, distance along the path."""
    ends: np.ndarray
    """(paths, 2) corners at both ends."""
    corner_offsets: np.ndarray
    corner_paths: np.ndarray
    """Paths that meet at a corner."""
    crossed_by: np.ndarray
    """Connectors that cross a crosswalk."""
    crossed_zone: np.ndarray
    """Their rows in the network's table of crossings."""
    lights: np.ndarray
    """Lights of the arm that a crosswalk lies on: people walk when they are red."""


def build_foot_network(roads: TownRoads, net: Network) -> FootNetwork:
    """Flatten the foot paths for the kernels."""
    paths = roads.foot_paths
    points = [np.column_stack([path.points + roads.origin, arc_lengths(path.points)]) for path in paths]
    meeting: list[list[int]] = [[] for _ in roads.corners]
    for number, path in enumerate(paths):
        meeting[path.start].append(number)
        meeting[path.end].append(number)
    crossed: list[list[tuple[int, int]]] = [[] for _ in paths]
    for connector, (begin, end) in enumerate(zip(net.lanes["walk_begin"], net.lanes["walk_end"], strict=True)):
        for k in range(begin, end):
            crossed[net.walk_path[k]].append((connector, k))
    lights = [_lights_of(roads, net, path.junction, path.arm) for path in paths]
    table = np.zeros(len(paths), dtype=FOOT_PATH)
    table["length"] = [line[-1, 2] for line in points]
    table["is_crosswalk"] = [path.crosswalk_id is not None for path in paths]
    for name, rows in (("point", points), ("crossed", crossed), ("light", lights)):
        offsets = _offsets(rows)
        table[f"{name}_begin"], table[f"{name}_end"] = offsets[:-1], offsets[1:]
    flat = [entry for entries in crossed for entry in entries]
    return FootNetwork(
        paths=table,
        points=np.concatenate(points),
        ends=np.array([[path.start, path.end] for path in paths]),
        corner_offsets=_offsets(meeting),
        corner_paths=np.array([number for numbers in meeting for number in numbers], dtype=np.int64),
        crossed_by=np.array([entry[0] for entry in flat], dtype=np.int64),
        crossed_zone=np.array([entry[1] for entry in flat], dtype=np.int64),
        lights=np.array([row for rows in lights for row in rows], dtype=np.int64),
    )


def _offsets(rows: list) -> np.ndarray:
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)


def _lights_of(roads: TownRoads, net: Network, junction: int, arm: int) -> list[int]:
    if junction < 0 or roads.plan.junctions[junction].kind != JunctionKind.SIGNAL:
        return []

    def is_of_arm(move: Movement) -> bool:
        return move.junction == junction and move.from_arm == arm

    return [
        int(net.lanes["light"][row]) for row, move in enumerate(roads.movements, net.num_lanes) if is_of_arm(move)
    ]


def draw_people(rng: np.random.Generator, settings: TownSettings, foot: FootNetwork) -> np.ndarray:
    """Put people on the walkways, near junctions more often than along long streets."""
    walkways = np.flatnonzero(~foot.paths["is_crosswalk"])
    weight = np.minimum(foot.paths["length"][walkways], 60.0)
    people = np.zeros(settings.pedestrians, dtype=PERSON)
    path = people["path"] = rng.choice(walkways, len(people), p=weight / weight.sum())
    people["place"] = rng.uniform(0.0, 1.0, len(path)) * foot.paths["length"][path]
    people["forward"] = np.where(rng.uniform(size=len(path)) < 0.5, 1, -1)
    people["speed"] = rng.uniform(0.9, 1.7, len(path))
    people["aside"] = rng.uniform(0.36, 0.95, len(path))
    return people


@njit(cache=True)
def gather_walkers(
    foot: FootNetwork, people: np.ndarray, count: np.ndarray, places: np.ndarray, speeds: np.ndarray
) -> None:
    """List who is on or before each crosswalk; see `wall_for_walkers`."""
    count[:] = 0
    for p in range(len(people)):
        path = people[p].path
        if foot.paths[path].is_crosswalk and count[path] < MAX_WALKERS:
            places[path, count[path]] = people[p].place
            # Who pauses for one car is no reason for another to wait.
            pace = people[p].speed
            if people[p].state != 0:
                pace = 0.0 if people[p].state == 1 else 1e-3
            speeds[path, count[path]] = pace * people[p].forward
            count[path] += 1


@njit(cache=True)
def _may_cross(
    foot: FootNetwork,
    net: Network,
    drv: np.ndarray,
    now: np.ndarray,
    order: Order,
    lights: np.ndarray,
    path: int,
    speed: float,
    step_s: float,
) -> bool:
    """Whether the crosswalk can be walked now. `lights` (connectors, steps) starts at the present step."""
    horizon = min(int((foot.paths[path].length / speed + 0.5) / step_s), lights.shape[1])
    for k in range(foot.paths[path].light_begin, foot.paths[path].light_end):
        for step in range(0, horizon, 5):
            if lights[foot.lights[k], step] != RED:
                return False
    for k in range(foot.paths[path].crossed_begin, foot.paths[path].crossed_end):
        connector = foot.crossed_by[k]
        begin, end, _ = net.walk_zones[foot.crossed_zone[k]]
        is_red = net.lanes[connector].light >= 0 and lights[net.lanes[connector].light, 0] == RED
        for part in range(3):
            lane = connector
            if part == 1:
                if is_red:
                    continue
                lane = net.lanes[connector].from_lane
            elif part == 2:
                lane = net.lanes[connector].to_lane
            for e in range(order.offsets[lane], order.offsets[lane + 1]):
                j = order.vehicle[e]
                there = place_on(net, now, j, connector)
                if np.isnan(there) or there - drv[j].length / 2 > end:
                    continue
                distance = begin - there - drv[j].length / 2
                if distance < 0.0:
                    return False
                if distance < now[j].v ** 2 / (2.0 * 2.0) + 0.8 * now[j].v and now[j].v > 0.3:
                    return False
    return True


@njit(cache=True)
def _is_blocked(
    foot: FootNetwork, net: Network, drv: np.ndarray, now: np.ndarray, order: Order, people: np.ndarray, p: int
) -> bool:
    """Whether a vehicle stands on the crosswalk just ahead."""
    path = people[p].path
    for k in range(foot.paths[path].crossed_begin, foot.paths[path].crossed_end):
        begin, end, at = net.walk_zones[foot.crossed_zone[k]]
        ahead = (at - people[p].place) * people[p].forward
        if ahead < 0.0 or ahead > 2.6:
            continue
        connector = foot.crossed_by[k]
        for part in range(2):
            lane = connector if part == 0 else net.lanes[connector].to_lane
            for e in range(order.offsets[lane], order.offsets[lane + 1]):
                j = order.vehicle[e]
                there = place_on(net, now, j, connector)
                half = drv[j].length / 2
                if not np.isnan(there) and there - half < end - 0.2 and there + half > begin + 0.3:
                    return True
    return False


@njit(cache=True)
def _is_behind_somebody(poses: np.ndarray, p: int) -> bool:
    """Whether another person is one step ahead."""
    x, y, heading = poses[p, 0], poses[p, 1], poses[p, 2]
    cos, sin = np.cos(heading), np.sin(heading)
    for q in range(len(poses)):
        dx, dy = poses[q, 0] - x, poses[q, 1] - y
        if q != p and abs(dx) < 1.0 and abs(dy) < 1.0:
            ahead, left = cos * dx + sin * dy, cos * dy - sin * dx
            if (ahead > 0.0 or (ahead == 0.0 and q < p)) and ahead < 0.95 and abs(left) < 0.7:
                return True
    return False


@njit(cache=True)
def walk(
    foot: FootNetwork,
    net: Network,
    drv: np.ndarray,
    now: np.ndarray,
    order: Order,
    people: np.ndarray,
    poses: np.ndarray,
    lights: np.ndarray,
    draws: np.ndarray,
    step_s: float,
) -> None:
    """Move everybody on foot by one step.

    Args:
        foot: The foot paths.
        net: The lanes.
        drv: The drivers.
        now: Where all vehicles are.
        order: The same by lane.
        people: Where everybody on foot is; changed.
        poses: The same as poses (people, 4).
        lights: (connectors, steps) from the present step on.
        draws: (people,) uniform random numbers of this step.
        step_s: Length of the step.
    """
    for p in range(len(people)):
        path = people[p].path
        people[p].pace = 0.0
        if people[p].state == 1:
            if _may_cross(foot, net, drv, now, order, lights, path, people[p].speed, step_s):
                people[p].state = 0
            continue
        if foot.paths[path].is_crosswalk:
            people[p].state = 2 if _is_blocked(foot, net, drv, now, order, people, p) else 0
            if people[p].state == 2:
                continue
        if people[p].held >= 0 and _is_behind_somebody(poses, p):
            people[p].held += 1
            if people[p].held > 15:
                people[p].held = -20
            continue
        people[p].held = min(people[p].held + 1, 0)
        people[p].pace = people[p].speed
        people[p].place += people[p].forward * people[p].speed * step_s
        if 0.0 <= people[p].place <= foot.paths[path].length:
            continue
        corner = foot.ends[path, 1] if people[p].forward > 0 else foot.ends[path, 0]
        first, last = foot.corner_offsets[corner], foot.corner_offsets[corner + 1]
        pick = first + min(int(draws[p] * (last - first)), last - first - 1)
        if foot.corner_paths[pick] == path:
            pick = first + (pick - first + 1) % (last - first)
        chosen = foot.corner_paths[pick]
        people[p].path = chosen
        people[p].forward = 1 if foot.ends[chosen, 0] == corner else -1
        people[p].place = 0.0 if people[p].forward > 0 else foot.paths[chosen].length
        people[p].state = 1 if foot.paths[chosen].is_crosswalk else 0


@njit(cache=True)
def people_poses(foot: FootNetwork, people: np.ndarray, out: np.ndarray) -> None:
    """Write x, y, heading and speed of everybody into `out` (people, 4)."""
    for p in range(len(people)):
        path = people[p].path
        k = foot.paths[path].point_begin
        while k < foot.paths[path].point_end - 2 and foot.points[k + 1, 2] < people[p].place:
            k += 1
        a, b = foot.points[k], foot.points[k + 1]
        share = (people[p].place - a[2]) / max(b[2] - a[2], 1e-9)
        heading = np.arctan2(b[1] - a[1], b[0] - a[0])
        if people[p].forward < 0:
            heading += np.pi
        out[p, 0] = a[0] + share * (b[0] - a[0]) + people[p].aside * np.sin(heading)
        out[p, 1] = a[1] + share * (b[1] - a[1]) - people[p].aside * np.cos(heading)
        out[p, 2] = wrap(heading)
        out[p, 3] = people[p].pace
