"""The traffic of a town over time. All vehicles and pedestrians follow the same rules with individual parameters."""

import numpy as np
from jaxtyping import Float64, Int8, Int64, Shaped, UInt64

from driving.agents import LightStatus
from driving.timing import STEP_S
from simulation.generation.town.following import (
    STEEP_BRAKE_MPS2,
    beside,
    desired_speed,
    free_acceleration,
    idm_parameters,
    leader_of,
    leader_on,
    next_acceleration,
    sort_by_lane,
    stopping_acceleration,
)
from simulation.generation.town.lane_changes import change_lanes, uniform
from simulation.generation.town.pedestrians import gather_walkers, no_walkers, walk, write_poses
from simulation.generation.town.right_of_way import crosswalk_wall, junction_limits, may_enter
from simulation.generation.town.tables import (
    VEHICLE,
    WAITS,
    FootNetwork,
    LaneNetwork,
    LightTable,
    Population,
    Traffic,
    TrafficHistory,
    Walkers,
)
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import improved_idm_acceleration

GREEN, YELLOW, RED = int(LightStatus.GREEN), int(LightStatus.YELLOW), int(LightStatus.RED)
MIN_SPACING_M = 15.0
"""Distance between the initial positions of vehicles."""


def populate(
    rng: np.random.Generator,
    net: LaneNetwork,
    drivers: Shaped[np.ndarray, "vehicles"],
    people: Shaped[np.ndarray, "people"],
) -> Population:
    """Put the vehicles on the lanes and draw the seeds of all random numbers.

    Raises:
        ValueError: When the lanes have no room for the vehicles.
    """
    return Population(
        drivers=drivers,
        vehicles=_placed(rng, net, drivers),
        vehicle_random=rng.integers(1, 2**63 - 1, len(drivers), dtype=np.uint64),
        people=people,
        people_random=rng.integers(1, 2**63 - 1, len(people), dtype=np.uint64),
    )


def run_traffic(
    net: LaneNetwork, foot: FootNetwork, population: Population, lights: LightTable, recorded_steps: int
) -> TrafficHistory:
    """Simulate all steps of `lights` and return the last `recorded_steps`. The population is changed."""
    num_people = len(population.people)
    shape = (recorded_steps, len(population.vehicles))
    history = TrafficHistory(
        lane=np.zeros(shape, dtype=np.int32),
        s=np.zeros(shape),
        aside=np.zeros(shape),
        v=np.zeros(shape),
        a=np.zeros(shape),
        people=np.zeros((recorded_steps, num_people, 4)),
        is_waiting=np.zeros((recorded_steps, num_people), dtype=np.bool_),
    )
    _run(net, foot, population, np.ascontiguousarray(lights.T), history)
    return history


def _placed(
    rng: np.random.Generator, net: LaneNetwork, drivers: Shaped[np.ndarray, "vehicles"]
) -> Shaped[np.ndarray, "vehicles"]:
    """`VEHICLE` records at random places on the lanes. Bicycles are on kerb lanes."""
    total = len(drivers)
    length = net.lanes["length"]
    slots = [
        (lane, at)
        for lane in range(net.num_lanes)
        for at in np.arange(9.0, length[lane] - 16.0, MIN_SPACING_M).tolist()
    ]
    if total > 0.8 * len(slots):
        raise ValueError(f"{total} vehicles do not fit on lanes with {len(slots)} places. Ask for fewer.")
    is_kerb = np.array([net.lanes["right"][lane] < 0 for lane, _ in slots])
    order = rng.permutation(len(slots))
    bicycles = drivers["top_speed"] < 7.0
    kerbs = order[is_kerb[order]][: int(bicycles.sum())]
    others = order[~np.isin(order, kerbs)][: int((~bicycles).sum())]
    chosen = np.zeros(total, dtype=np.int64)
    chosen[bicycles], chosen[~bicycles] = kerbs, others
    now = np.zeros(total, dtype=VEHICLE)
    now["lane"] = [slots[k][0] for k in chosen]
    now["s"] = np.array([slots[k][1] for k in chosen]) + rng.uniform(-1.0, 1.0, total)
    now["v"] = np.minimum(0.5 * net.lanes["limit"][now["lane"]], drivers["top_speed"])
    for name in ("next", "prev", "old_lane"):
        now[name] = -1
    now["shift"] = now["shift_m"] = 1.0
    now["last_change"] = rng.uniform(0.0, 20.0, total)
    return now


@njit(cache=True)
def choose_connector(net: LaneNetwork, lane: int, length: float, draw: float) -> int:
    """A random successor of a lane: major streets are preferred, and long vehicles avoid sharp turns."""
    first, last = net.lanes[lane].successor_begin, net.lanes[lane].successor_end
    total = 0.0
    for attempt in range(2):
        mark = draw * total
        total = 0.0
        for k in range(first, last):
            connector = net.successors[k]
            weight = 1.0 + 0.7 * net.lanes[net.lanes[connector].to_lane].rank
            if net.lanes[connector].bend > 0.045:
                weight *= 0.75
                if length > 7.0:
                    weight *= 0.1
            total += weight
            if attempt == 1 and total >= mark:
                return connector
    return net.successors[last - 1]


@njit(cache=True)
def _desired_acceleration(
    traffic: Traffic,
    walkers: Walkers,
    lights: Int8[np.ndarray, "lights"],
    grants: Int64[np.ndarray, "1"],
    i: int,
) -> float:
    """Acceleration that vehicle i aims at [m/s^2]. Permissions are requested on the way; `grants` counts them."""
    net, drivers, now = traffic.net, traffic.drivers, traffic.now
    v = now[i].v
    own = idm_parameters(drivers, i)
    free = free_acceleration(v, desired_speed(traffic, i), drivers[i].accel)
    desired = free
    j, gap = leader_of(traffic, i)
    if j >= 0:
        desired = min(desired, improved_idm_acceleration(v, gap, now[j].v, free, own))
    if now[i].old_lane >= 0 and now[i].shift < 0.55:
        # The vehicle is still partly on the lane that it leaves.
        s = beside(net, now[i].lane, now[i].s, now[i].old_lane)
        j, place = leader_on(traffic.order, now[i].old_lane, s, i)
        if j >= 0:
            gap = place - s - (drivers[i].length + drivers[j].length) / 2
            desired = min(desired, improved_idm_acceleration(v, gap, now[j].v, free, own))
    lane = now[i].lane
    wall = np.inf
    if lane < net.num_lanes:
        to_line = net.lanes[lane].length - now[i].s - drivers[i].length / 2
        _update_permission(traffic, lights, grants, i, to_line)
        connector = now[i].next
        if now[i].grant == 0 and to_line < 0.5 * v * v + 30.0:
            wall = to_line - 0.7
    else:
        connector = lane
    if lane >= net.num_lanes or now[i].grant > 0:
        following, stop = junction_limits(traffic, i, free)
        desired = min(desired, following)
        wall = min(wall, stop)
    if lane >= net.num_lanes or net.lanes[lane].length - now[i].s < 70.0:
        wall = min(wall, crosswalk_wall(traffic, walkers, i, connector))
    if wall < 1e8:
        desired = min(desired, stopping_acceleration(wall, v, free, drivers[i].brake))
    return max(desired, -STEEP_BRAKE_MPS2)


@njit(cache=True)
def _update_permission(
    traffic: Traffic, lights: Int8[np.ndarray, "lights"], grants: Int64[np.ndarray, "1"], i: int, to_line: float
) -> None:
    """Request the permission to enter the junction, or return it when the light changes early enough."""
    net, now = traffic.net, traffic.now
    connector, v = now[i].next, now[i].v
    light = net.lanes[connector].light
    if to_line < 4.0 and v < 0.3:
        now[i].stopped = True
    now[i].waited = now[i].waited + STEP_S if v < 0.5 and to_line < 12.0 else 0.0
    if now[i].grant > 0:
        if light >= 0 and lights[light] != GREEN and to_line > 0.0:
            is_clearing = lights[light] == YELLOW and net.lanes[connector].gives_way
            can_stop = to_line > v * v / (2.0 * 2.6) + 1.0 or (lights[light] == RED and v < 1.5)
            if can_stop and (not is_clearing or to_line > 6.0):
                now[i].grant = 0
        return
    reach = v * v / (2.0 * 1.5) + 1.4 * v + 8.0
    if net.lanes[connector].gives_way and light < 0:
        reach = min(reach, 16.0)
    if net.lanes[connector].must_stop:
        reach = min(reach, 6.0)
    if to_line > reach or now[i].shift < 1.0:
        return
    ahead, _ = leader_on(traffic.order, now[i].lane, now[i].s, i)
    if ahead >= 0 and (now[ahead].lane != now[i].lane or now[ahead].grant == 0):
        return
    if may_enter(traffic, lights, i):
        grants[0] += 1
        now[i].grant = grants[0]


@njit(cache=True)
def _move(traffic: Traffic, random: UInt64[np.ndarray, "vehicles"], desired: Float64[np.ndarray, "vehicles"]) -> None:
    """Move all vehicles by one step, and on to their next lane or connector."""
    net, drivers, now = traffic.net, traffic.drivers, traffic.now
    for i in range(len(now)):
        v = now[i].v
        if v < 0.05 and desired[i] < 0.25:
            now[i].v, now[i].a = 0.0, 0.0
            now[i].last_change += STEP_S
            continue
        a = next_acceleration(now[i].a, desired[i], drivers[i].jerk, STEP_S)
        if v < 0.05 and a < 0.0:
            a = 0.0
        if v + a * STEP_S < 0.0:
            a = -v / STEP_S
        moved = v * STEP_S + 0.5 * a * STEP_S**2
        now[i].a = a
        now[i].v = max(0.0, v + a * STEP_S)
        now[i].s += moved
        now[i].last_change += STEP_S
        if now[i].shift < 1.0:
            now[i].shift = min(1.0, now[i].shift + moved / now[i].shift_m)
            if now[i].shift >= 1.0:
                now[i].old_lane = -1
        lane = now[i].lane
        if now[i].s < net.lanes[lane].length:
            continue
        now[i].s -= net.lanes[lane].length
        if lane < net.num_lanes:
            now[i].lane = now[i].next
            now[i].prev = now[i].next
            draw = uniform(random, i)
            now[i].next = choose_connector(net, net.lanes[now[i].lane].to_lane, drivers[i].length, draw)
        else:
            now[i].lane = net.lanes[lane].to_lane
            now[i].grant, now[i].waited, now[i].stopped = 0, 0.0, False


@njit(cache=True)
def _run(
    net: LaneNetwork,
    foot: FootNetwork,
    population: Population,
    lights: Int8[np.ndarray, "time lights"],
    history: TrafficHistory,
) -> None:
    """Simulate all steps of `lights`; the last ones fill `history`."""
    drivers, now, people = population.drivers, population.vehicles, population.people
    num_vehicles, num_people = len(now), len(people)
    warm_up = len(lights) - len(history.lane)
    walkers = no_walkers(len(foot.paths))
    grants = np.zeros(1, dtype=np.int64)
    for i in range(num_vehicles):
        grants[0] = max(grants[0], now[i].grant)
    entered = np.full(len(net.lanes), -1)
    desired = np.zeros(num_vehicles)
    draws = np.zeros(num_people)
    poses = np.zeros((num_people, 4))
    for i in range(num_vehicles):
        draw = uniform(population.vehicle_random, i)
        if now[i].next < 0:
            now[i].next = choose_connector(net, now[i].lane, drivers[i].length, draw)
    for step in range(len(lights)):
        traffic = Traffic(net, drivers, now, sort_by_lane(net, now))
        gather_walkers(foot, people, walkers)
        write_poses(foot, people, poses)
        if step >= warm_up:
            k = step - warm_up
            for i in range(num_vehicles):
                p = now[i].shift
                history.lane[k, i], history.s[k, i] = now[i].lane, now[i].s
                history.v[k, i], history.a[k, i] = now[i].v, now[i].a
                is_changing = p < 1.0
                history.aside[k, i] = (
                    now[i].side * (1.0 - p**3 * (10.0 - 15.0 * p + 6.0 * p * p)) if is_changing else 0.0
                )
            history.people[k] = poses
            for q in range(num_people):
                history.is_waiting[k, q] = people[q].state == WAITS
        for i in range(num_vehicles):
            desired[i] = _desired_acceleration(traffic, walkers, lights[step], grants, i)
        for q in range(num_people):
            draws[q] = uniform(population.people_random, q)
        walk(foot, traffic, (people, poses), lights[step:].T, draws)
        change_lanes(traffic, population.vehicle_random, step, entered)
        _move(traffic, population.vehicle_random, desired)
