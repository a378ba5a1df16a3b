"""The traffic of a town over time: everybody drives by the same rules, each in a temper of their own."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from driving.agents import LightStatus
from driving.timing import STEP_S
from simulation.generation.town.following import (
    STEEP_BRAKE_MPS2,
    TRAFFIC,
    Order,
    beside,
    driven,
    follower_on,
    free_acceleration,
    halt,
    idm_parameters,
    leader_of,
    leader_on,
    sort_by_lane,
    speed_on,
    wished_speed,
)
from simulation.generation.town.network import Network
from simulation.generation.town.pedestrians import FootNetwork, gather_walkers, people_poses, walk
from simulation.generation.town.rules import MAX_WALKERS, hold_inside, may_enter, wall_for_walkers
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import improved_idm_acceleration

GREEN, YELLOW, RED = int(LightStatus.GREEN), int(LightStatus.YELLOW), int(LightStatus.RED)
LOOK_EVERY = 6
"""Steps between two looks for a better lane."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrafficHistory:
    """What was seen: N vehicles and P people over T steps."""

    lane: np.ndarray
    """(T, N) row of the lane or connector."""
    s: np.ndarray
    """(T, N) box centre along it [m]."""
    aside: np.ndarray
    """(T, N) distance from its centerline, left positive [m]."""
    v: np.ndarray
    """(T, N) [m/s]."""
    a: np.ndarray
    """(T, N) [m/s^2]."""
    people: np.ndarray
    """(T, P, 4) x, y, heading, speed."""
    is_waiting: np.ndarray
    """(T, P) whether the person waits at a kerb."""

    def since(self, step: int) -> "TrafficHistory":
        """Without the steps before `step`."""
        return TrafficHistory(**{field.name: getattr(self, field.name)[step:] for field in fields(self)})


class Log(NamedTuple):
    """Arrays of a `TrafficHistory`, filled by the kernel."""

    lane: np.ndarray
    s: np.ndarray
    aside: np.ndarray
    v: np.ndarray
    a: np.ndarray
    people: np.ndarray
    is_waiting: np.ndarray


def run_traffic(
    rng: np.random.Generator,
    net: Network,
    foot: FootNetwork,
    drivers: np.ndarray,
    people: np.ndarray,
    lights: np.ndarray,
    watched_steps: int,
) -> TrafficHistory:
    """Let traffic run over all steps of `lights` (connectors, steps), and keep the last `watched_steps`."""
    steps, num_vehicles, num_people = lights.shape[1], len(drivers), len(people)
    now = _placed(rng, net, drivers)
    shape = (watched_steps, num_vehicles)
    log = Log(
        lane=np.zeros(shape, dtype=np.int32),
        s=np.zeros(shape),
        aside=np.zeros(shape),
        v=np.zeros(shape),
        a=np.zeros(shape),
        people=np.zeros((watched_steps, num_people, 4)),
        is_waiting=np.zeros((watched_steps, num_people), dtype=np.bool_),
    )
    random = rng.integers(1, 2**63 - 1, num_vehicles, dtype=np.uint64)
    walkers = rng.integers(1, 2**63 - 1, num_people, dtype=np.uint64)
    _run(net, foot, drivers, people, now, np.ascontiguousarray(lights.T), log, random, walkers, steps - watched_steps)
    return TrafficHistory(**log._asdict())


def _placed(rng: np.random.Generator, net: Network, drivers: np.ndarray) -> np.ndarray:
    """Put the vehicles on the lanes, evenly but for chance. Bicycles keep to the kerb lanes."""
    total = len(drivers)
    length = net.lanes["length"]
    slots = [(lane, at) for lane in range(net.num_lanes) for at in np.arange(9.0, length[lane] - 16.0, 15.0).tolist()]
    if total > 0.8 * len(slots):
        raise ValueError(f"{total} vehicles do not fit on lanes with {len(slots)} places. Ask for fewer.")
    is_kerb = np.array([net.lanes["right"][lane] < 0 for lane, _ in slots])
    order = rng.permutation(len(slots))
    bicycles = drivers["top_speed"] < 7.0
    kerbs = order[is_kerb[order]][: int(bicycles.sum())]
    others = order[~np.isin(order, kerbs)][: int((~bicycles).sum())]
    chosen = np.zeros(total, dtype=np.int64)
    chosen[bicycles], chosen[~bicycles] = kerbs, others
    now = np.zeros(total, dtype=TRAFFIC)
    now["lane"] = [slots[k][0] for k in chosen]
    now["s"] = np.array([slots[k][1] for k in chosen]) + rng.uniform(-1.0, 1.0, total)
    now["v"] = np.minimum(0.5 * net.lanes["limit"][now["lane"]], drivers["top_speed"])
    for name in ("next", "prev", "old_lane"):
        now[name] = -1
    now["shift"] = now["shift_m"] = 1.0
    now["last_change"] = rng.uniform(0.0, 20.0, total)
    return now


@njit(cache=True)
def _draw(random: np.ndarray, i: int) -> float:
    """A uniform random number of the i-th stream (xorshift)."""
    x = random[i]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    random[i] = x
    return float(x >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True)
def _choose(net: Network, drv: np.ndarray, lane: int, i: int, draw: float) -> int:
    """A connector to go on with: large streets attract, and long vehicles avoid sharp bends."""
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
                if drv[i].length > 7.0:
                    weight *= 0.1
            total += weight
            if attempt == 1 and total >= mark:
                return connector
    return net.successors[last - 1]


@njit(cache=True)
def _straightest(net: Network, lane: int) -> int:
    """The connector that bends least: who changes lanes to get ahead does not turn off next."""
    best = net.successors[net.lanes[lane].successor_begin]
    for k in range(net.lanes[lane].successor_begin, net.lanes[lane].successor_end):
        if net.lanes[net.successors[k]].bend < net.lanes[best].bend:
            best = net.successors[k]
    return best


@njit(cache=True)
def _wish(
    net: Network,
    drv: np.ndarray,
    now: np.ndarray,
    order: Order,
    walkers: tuple[np.ndarray, np.ndarray, np.ndarray],
    lights: np.ndarray,
    counter: np.ndarray,
    i: int,
) -> float:
    """The acceleration that vehicle i wants now; permissions are asked for on the way."""
    v = now[i].v
    free = free_acceleration(v, wished_speed(net, drv, now, i), drv[i].accel)
    wanted = free
    j, gap = leader_of(net, drv, now, order, i)
    if j >= 0:
        wanted = min(wanted, improved_idm_acceleration(v, gap, now[j].v, free, idm_parameters(drv, i)))
    if now[i].old_lane >= 0 and now[i].shift < 0.55:
        # Still halfway on the lane that is being left.
        s = beside(net, now[i].lane, now[i].s, now[i].old_lane)
        j, place = leader_on(order, now[i].old_lane, s, i)
        if j >= 0:
            gap = place - s - (drv[i].length + drv[j].length) / 2
            wanted = min(wanted, improved_idm_acceleration(v, gap, now[j].v, free, idm_parameters(drv, i)))
    lane = now[i].lane
    wall = np.inf
    if lane < net.num_lanes:
        to_line = net.lanes[lane].length - now[i].s - drv[i].length / 2
        _ask(net, drv, now, order, lights, counter, i, to_line)
        connector = now[i].next
        if now[i].grant == 0 and to_line < 0.5 * v * v + 30.0:
            wall = to_line - 0.7
    else:
        connector = lane
    if lane >= net.num_lanes or now[i].grant > 0:
        following, stop = hold_inside(net, drv, now, order, i, free)
        wanted = min(wanted, following)
        wall = min(wall, stop)
    if lane >= net.num_lanes or net.lanes[lane].length - now[i].s < 70.0:
        wall = min(wall, wall_for_walkers(net, drv, now, walkers, i, connector))
    if wall < 1e8:
        wanted = min(wanted, halt(wall, v, free, drv[i].brake))
    return max(wanted, -STEEP_BRAKE_MPS2)


@njit(cache=True)
def _ask(
    net: Network,
    drv: np.ndarray,
    now: np.ndarray,
    order: Order,
    lights: np.ndarray,
    counter: np.ndarray,
    i: int,
    to_line: float,
) -> None:
    """Ask for the permission to enter the junction, or give it back when the light changes in time."""
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
    ahead, _ = leader_on(order, now[i].lane, now[i].s, i)
    if ahead >= 0 and (now[ahead].lane != now[i].lane or now[ahead].grant == 0):
        return
    if may_enter(net, drv, now, order, lights, i):
        counter[0] += 1
        now[i].grant = counter[0]


@njit(cache=True)
def _move(net: Network, drv: np.ndarray, now: np.ndarray, random: np.ndarray, wanted: np.ndarray) -> None:
    for i in range(len(now)):
        v = now[i].v
        if v < 0.05 and wanted[i] < 0.25:
            now[i].v, now[i].a = 0.0, 0.0
            now[i].last_change += STEP_S
            continue
        a = driven(now[i].a, wanted[i], drv[i].jerk, STEP_S)
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
            now[i].next = _choose(net, drv, net.lanes[now[i].lane].to_lane, i, _draw(random, i))
        else:
            now[i].lane = net.lanes[lane].to_lane
            now[i].grant, now[i].waited, now[i].stopped = 0, 0.0, False


@njit(cache=True)
def _change_lanes(
    net: Network, drv: np.ndarray, now: np.ndarray, order: Order, random: np.ndarray, step: int, taken: np.ndarray
) -> None:
    """Lane changes by the rule MOBIL: for an advantage that outweighs the loss of others, or on a whim.

    Source:
        Kesting, Treiber, Helbing, General lane-changing model MOBIL for car-following models, 2007.
    """
    for i in range(len(now)):
        lane = now[i].lane
        if (step + i) % LOOK_EVERY or drv[i].eagerness < 0.0 or lane >= net.num_lanes:
            continue
        rest = net.lanes[lane].length - now[i].s
        v = now[i].v
        shift_m = min(max(24.0, 4.2 * v), 75.0)
        if now[i].shift < 1.0 or now[i].last_change < 6.0 or v < 3.0 or now[i].s < 8.0 or rest < shift_m + 22.0:
            continue
        if now[i].grant > 0:
            continue
        whim = 0.5 if _draw(random, i) < drv[i].eagerness else 0.0
        first_left = _draw(random, i) < 0.5
        for attempt in range(2):
            goes_left = first_left == (attempt == 0)
            target = net.lanes[lane].left if goes_left else net.lanes[lane].right
            if target < 0 or taken[target] == step:
                continue
            if _gain(net, drv, now, order, i, target) + whim > 0.35:
                now[i].old_lane = lane
                now[i].side = -net.lanes[lane].width if goes_left else net.lanes[lane].width
                now[i].s = beside(net, lane, now[i].s, target)
                now[i].lane, now[i].shift, now[i].shift_m, now[i].last_change = target, 0.0, shift_m, 0.0
                now[i].next = _straightest(net, target)
                taken[target] = step
                break


@njit(cache=True)
def _gain(net: Network, drv: np.ndarray, now: np.ndarray, order: Order, i: int, target: int) -> float:
    """Advantage [m/s^2] of a lane change; −inf where it is not safe."""
    v, lane = now[i].v, now[i].lane
    free = free_acceleration(v, speed_on(net, drv, i, lane), drv[i].accel)
    here = free
    j, place = leader_on(order, lane, now[i].s, i)
    if j >= 0:
        gap = place - now[i].s - (drv[i].length + drv[j].length) / 2
        here = min(here, improved_idm_acceleration(v, gap, now[j].v, free, idm_parameters(drv, i)))
    s = beside(net, lane, now[i].s, target)
    there = free
    j, place = leader_on(order, target, s, i)
    if j >= 0:
        gap = place - s - (drv[i].length + drv[j].length) / 2
        if gap < 4.0 + 0.5 * v:
            return -np.inf
        there = min(there, improved_idm_acceleration(v, gap, now[j].v, free, idm_parameters(drv, i)))
    j, place = follower_on(order, target, s, i)
    loss = 0.0
    if j >= 0:
        gap = s - place - (drv[i].length + drv[j].length) / 2
        theirs = free_acceleration(now[j].v, speed_on(net, drv, j, target), drv[j].accel)
        forced = improved_idm_acceleration(now[j].v, gap, v, theirs, idm_parameters(drv, j))
        if gap < 4.0 + 0.5 * now[j].v or forced < -1.6:
            return -np.inf
        loss = max(0.0, now[j].a - forced)
    if there < -0.8:
        return -np.inf
    return there - here - drv[i].polite * loss


@njit(cache=True)
def _run(
    net: Network,
    foot: FootNetwork,
    drv: np.ndarray,
    people: np.ndarray,
    now: np.ndarray,
    lights: np.ndarray,
    log: Log,
    random: np.ndarray,
    walker_random: np.ndarray,
    warm_up: int,
) -> None:
    """Step through `lights` (steps, connectors), logging from step `warm_up` on."""
    num_vehicles, num_people = len(now), len(people)
    count = np.zeros(len(foot.paths), dtype=np.int64)
    places = np.zeros((len(foot.paths), MAX_WALKERS))
    speeds = np.zeros((len(foot.paths), MAX_WALKERS))
    counter = np.zeros(1, dtype=np.int64)
    taken = np.full(len(net.lanes), -1)
    wanted = np.zeros(num_vehicles)
    draws = np.zeros(num_people)
    poses = np.zeros((num_people, 4))
    for i in range(num_vehicles):
        now[i].next = _choose(net, drv, now[i].lane, i, _draw(random, i))
    for step in range(len(lights)):
        order = sort_by_lane(net, now)
        gather_walkers(foot, people, count, places, speeds)
        people_poses(foot, people, poses)
        if step >= warm_up:
            k = step - warm_up
            for i in range(num_vehicles):
                p = now[i].shift
                log.lane[k, i], log.s[k, i], log.v[k, i], log.a[k, i] = now[i].lane, now[i].s, now[i].v, now[i].a
                log.aside[k, i] = now[i].side * (1.0 - p**3 * (10.0 - 15.0 * p + 6.0 * p * p)) if p < 1.0 else 0.0
            log.people[k] = poses
            for q in range(num_people):
                log.is_waiting[k, q] = people[q].state == 1
        for i in range(num_vehicles):
            wanted[i] = _wish(net, drv, now, order, (count, places, speeds), lights[step], counter, i)
        for q in range(num_people):
            draws[q] = _draw(walker_random, q)
        walk(foot, net, drv, now, order, people, poses, lights[step:].T, draws, STEP_S)
        _change_lanes(net, drv, now, order, random, step, taken)
        _move(net, drv, now, random, wanted)
