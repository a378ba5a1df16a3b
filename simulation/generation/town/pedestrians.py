"""Pedestrians: they walk along walkways at random and cross at crosswalks, on green or when vehicles let them."""

import numpy as np
from jaxtyping import Float64, Int8, Shaped

from driving.agents import LightStatus
from driving.timing import STEP_S
from simulation.generation.town.layout import TownSettings
from simulation.generation.town.right_of_way import BEFORE, BEHIND, ON_CONNECTOR, lane_of_part, position_on
from simulation.generation.town.tables import (
    PAUSES,
    PERSON,
    WAITS,
    WALKS,
    FootNetwork,
    Traffic,
    Walkers,
    X,
    Y,
)
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

RED = int(LightStatus.RED)
MAX_WALKERS = 16
"""Pedestrians that are tracked on one crosswalk."""
MAX_HELD_STEPS, OVERTAKING_STEPS = 15, 20
"""Steps behind a slower pedestrian before one overtakes, and steps of overtaking."""


def draw_people(
    rng: np.random.Generator, settings: TownSettings, foot: FootNetwork
) -> Shaped[np.ndarray, "pedestrians"]:
    """Draw `PERSON` records on the walkways; the density is higher near junctions than along streets."""
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
def no_walkers(num_paths: int) -> Walkers:
    """Empty tables for `gather_walkers`."""
    return Walkers(
        np.zeros(num_paths, dtype=np.int64),
        np.zeros((num_paths, MAX_WALKERS)),
        np.zeros((num_paths, MAX_WALKERS)),
    )


@njit(cache=True)
def gather_walkers(foot: FootNetwork, people: Shaped[np.ndarray, "people"], walkers: Walkers) -> None:
    """Fill `walkers` with the pedestrians on or before each crosswalk."""
    walkers.counts[:] = 0
    for p in range(len(people)):
        path = people[p].path
        if foot.paths[path].is_crosswalk and walkers.counts[path] < MAX_WALKERS:
            row = walkers.counts[path]
            walkers.places[path, row] = people[p].place
            # A pedestrian that pauses behind one vehicle must not stop another: its speed is not 0.
            pace = people[p].speed
            if people[p].state != WALKS:
                pace = 0.0 if people[p].state == WAITS else 1e-3
            walkers.speeds[path, row] = pace * people[p].forward
            walkers.counts[path] += 1


@njit(cache=True)
def may_cross(
    foot: FootNetwork, traffic: Traffic, lights: Int8[np.ndarray, "lights time"], path: int, speed: float
) -> bool:
    """Whether a pedestrian may enter a crosswalk now. The light table starts at the present step."""
    net, drivers, now, order = traffic.net, traffic.drivers, traffic.now, traffic.order
    horizon = min(int((foot.paths[path].length / speed + 0.5) / STEP_S), lights.shape[1])
    for k in range(foot.paths[path].light_begin, foot.paths[path].light_end):
        for step in range(0, horizon, 5):
            if lights[foot.lights[k], step] != RED:
                return False
    for k in range(foot.paths[path].crossed_begin, foot.paths[path].crossed_end):
        connector = foot.crossed_by[k]
        begin, end, _ = net.walk_zones[foot.crossed_zone[k]]
        is_red = net.lanes[connector].light >= 0 and lights[net.lanes[connector].light, 0] == RED
        for part in range(3):
            if part == BEFORE and is_red:
                continue
            lane = lane_of_part(traffic, connector, part)
            for e in range(order.offsets[lane], order.offsets[lane + 1]):
                j = order.vehicle[e]
                there = position_on(traffic, j, connector)
                if np.isnan(there) or there - drivers[j].length / 2 > end:
                    continue
                distance = begin - there - drivers[j].length / 2
                if distance < 0.0:
                    return False
                if distance < now[j].v ** 2 / (2.0 * 2.0) + 0.8 * now[j].v and now[j].v > 0.3:
                    return False
    return True


@njit(cache=True)
def is_blocked(foot: FootNetwork, traffic: Traffic, people: Shaped[np.ndarray, "people"], p: int) -> bool:
    """Whether a vehicle stands on the crosswalk within 2.6 m ahead of pedestrian p."""
    net, order, path = traffic.net, traffic.order, people[p].path
    for k in range(foot.paths[path].crossed_begin, foot.paths[path].crossed_end):
        begin, end, at = net.walk_zones[foot.crossed_zone[k]]
        ahead = (at - people[p].place) * people[p].forward
        if ahead < 0.0 or ahead > 2.6:
            continue
        connector = foot.crossed_by[k]
        for part in (ON_CONNECTOR, BEHIND):
            lane = lane_of_part(traffic, connector, part)
            for e in range(order.offsets[lane], order.offsets[lane + 1]):
                j = order.vehicle[e]
                there = position_on(traffic, j, connector)
                half = traffic.drivers[j].length / 2
                if not np.isnan(there) and there - half < end - 0.2 and there + half > begin + 0.3:
                    return True
    return False


@njit(cache=True)
def is_behind_another(poses: Float64[np.ndarray, "people 4"], p: int) -> bool:
    """Whether another pedestrian is less than a step ahead of pedestrian p."""
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
    traffic: Traffic,
    crowd: tuple[Shaped[np.ndarray, "people"], Float64[np.ndarray, "people 4"]],
    lights: Int8[np.ndarray, "lights time"],
    draws: Float64[np.ndarray, "people"],
) -> None:
    """Move all pedestrians by one step.

    Args:
        foot: The foot paths.
        traffic: All vehicles.
        crowd: `PERSON` records, which are changed, and their poses (x, y, heading, speed).
        lights: From the present step on.
        draws: Uniform random numbers of this step.
    """
    people, poses = crowd
    for p in range(len(people)):
        path = people[p].path
        people[p].pace = 0.0
        if people[p].state == WAITS:
            if may_cross(foot, traffic, lights, path, people[p].speed):
                people[p].state = WALKS
            continue
        if foot.paths[path].is_crosswalk:
            people[p].state = PAUSES if is_blocked(foot, traffic, people, p) else WALKS
            if people[p].state == PAUSES:
                continue
        if people[p].held >= 0 and is_behind_another(poses, p):
            people[p].held += 1
            if people[p].held > MAX_HELD_STEPS:
                people[p].held = -OVERTAKING_STEPS
            continue
        people[p].held = min(people[p].held + 1, 0)
        people[p].pace = people[p].speed
        people[p].place += people[p].forward * people[p].speed * STEP_S
        if not 0.0 <= people[p].place <= foot.paths[path].length:
            _turn_at_corner(foot, people, p, draws[p])


@njit(cache=True)
def _turn_at_corner(foot: FootNetwork, people: Shaped[np.ndarray, "people"], p: int, draw: float) -> None:
    """Put pedestrian p on a random other path at the end of its path."""
    path = people[p].path
    corner = foot.ends[path, 1] if people[p].forward > 0 else foot.ends[path, 0]
    first, last = foot.corner_offsets[corner], foot.corner_offsets[corner + 1]
    pick = first + min(int(draw * (last - first)), last - first - 1)
    if foot.corner_paths[pick] == path:
        pick = first + (pick - first + 1) % (last - first)
    chosen = foot.corner_paths[pick]
    people[p].path = chosen
    people[p].forward = 1 if foot.ends[chosen, 0] == corner else -1
    people[p].place = 0.0 if people[p].forward > 0 else foot.paths[chosen].length
    people[p].state = WAITS if foot.paths[chosen].is_crosswalk else WALKS


@njit(cache=True)
def write_poses(
    foot: FootNetwork, people: Shaped[np.ndarray, "people"], poses: Float64[np.ndarray, "people 4"]
) -> None:
    """Write x, y, heading and speed of all pedestrians into `poses`."""
    for p in range(len(people)):
        path = people[p].path
        k = foot.paths[path].point_begin
        while k < foot.paths[path].point_end - 2 and foot.points[k + 1, 2] < people[p].place:
            k += 1
        a, b = foot.points[k], foot.points[k + 1]
        share = (people[p].place - a[2]) / max(b[2] - a[2], 1e-9)
        heading = np.arctan2(b[Y] - a[Y], b[X] - a[X])
        if people[p].forward < 0:
            heading += np.pi
        poses[p, 0] = a[X] + share * (b[X] - a[X]) + people[p].aside * np.sin(heading)
        poses[p, 1] = a[Y] + share * (b[Y] - a[Y]) - people[p].aside * np.cos(heading)
        poses[p, 2] = wrap(heading)
        poses[p, 3] = people[p].pace
