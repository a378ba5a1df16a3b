"""Lane changes of drivers in a town. Compiled.

Source:
    Kesting, Treiber, Helbing: General lane-changing model MOBIL for car-following models, 2007.
"""

import numpy as np
from jaxtyping import Int64, UInt64

from simulation.generation.town.following import (
    beside,
    follower_on,
    free_acceleration,
    idm_parameters,
    leader_on,
    speed_on,
)
from simulation.generation.town.tables import LaneNetwork, Traffic
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import improved_idm_acceleration

STEPS_BETWEEN_CHECKS = 6
"""Steps between two decisions of one driver."""
MIN_ADVANTAGE_MPS2 = 0.35
EAGERNESS_BONUS_MPS2 = 0.5
"""Added to the advantage with the probability of the driver's eagerness."""
MIN_ACCEL_MPS2, MIN_FOLLOWER_ACCEL_MPS2 = -0.8, -1.6
"""A lane change must not cause a harder deceleration of the vehicle or of its new follower."""


@njit(cache=True)
def uniform(random: UInt64[np.ndarray, "streams"], i: int) -> float:
    """A uniform random number of the i-th stream (xorshift), whose state is advanced."""
    x = random[i]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    random[i] = x
    return float(x >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True)
def change_lanes(
    traffic: Traffic, random: UInt64[np.ndarray, "vehicles"], step: int, entered: Int64[np.ndarray, "lanes"]
) -> None:
    """Start lane changes: for an advantage that outweighs the follower's loss, or at random.

    Args:
        traffic: All vehicles; `now` is changed.
        random: State of the random numbers, changed.
        step: The present step.
        entered: Last step at which a lane change into each lane started, changed: one per lane and step.
    """
    net, drivers, now = traffic.net, traffic.drivers, traffic.now
    for i in range(len(now)):
        lane = now[i].lane
        if (step + i) % STEPS_BETWEEN_CHECKS or drivers[i].eagerness < 0.0 or lane >= net.num_lanes:
            continue
        rest = net.lanes[lane].length - now[i].s
        v = now[i].v
        shift_m = min(max(24.0, 4.2 * v), 75.0)
        if now[i].shift < 1.0 or now[i].last_change < 6.0 or v < 3.0 or now[i].s < 8.0 or rest < shift_m + 22.0:
            continue
        if now[i].grant > 0:
            continue
        bonus = EAGERNESS_BONUS_MPS2 if uniform(random, i) < drivers[i].eagerness else 0.0
        left_first = uniform(random, i) < 0.5
        for attempt in range(2):
            is_left = left_first == (attempt == 0)
            target = net.lanes[lane].left if is_left else net.lanes[lane].right
            if target < 0 or entered[target] == step:
                continue
            if advantage(traffic, i, target) + bonus > MIN_ADVANTAGE_MPS2:
                now[i].old_lane = lane
                now[i].side = -net.lanes[lane].width if is_left else net.lanes[lane].width
                now[i].s = beside(net, lane, now[i].s, target)
                now[i].lane, now[i].shift, now[i].shift_m, now[i].last_change = target, 0.0, shift_m, 0.0
                now[i].next = _straightest(net, target)
                entered[target] = step
                break


@njit(cache=True)
def _straightest(net: LaneNetwork, lane: int) -> int:
    """The connector of the smallest curvature: a vehicle that overtakes does not turn at the next junction."""
    best = net.successors[net.lanes[lane].successor_begin]
    for k in range(net.lanes[lane].successor_begin, net.lanes[lane].successor_end):
        if net.lanes[net.successors[k]].bend < net.lanes[best].bend:
            best = net.successors[k]
    return best


@njit(cache=True)
def advantage(traffic: Traffic, i: int, target: int) -> float:
    """Gain in acceleration of a lane change of vehicle i, less the weighted loss of its new follower [m/s^2].

    -inf for a change that is not safe.
    """
    net, drivers, now, order = traffic.net, traffic.drivers, traffic.now, traffic.order
    v, lane = now[i].v, now[i].lane
    own = idm_parameters(drivers, i)
    free = free_acceleration(v, speed_on(traffic, i, lane), drivers[i].accel)
    here = free
    j, place = leader_on(order, lane, now[i].s, i)
    if j >= 0:
        gap = place - now[i].s - (drivers[i].length + drivers[j].length) / 2
        here = min(here, improved_idm_acceleration(v, gap, now[j].v, free, own))
    s = beside(net, lane, now[i].s, target)
    there = free
    j, place = leader_on(order, target, s, i)
    if j >= 0:
        gap = place - s - (drivers[i].length + drivers[j].length) / 2
        if gap < 4.0 + 0.5 * v:
            return -np.inf
        there = min(there, improved_idm_acceleration(v, gap, now[j].v, free, own))
    j, place = follower_on(order, target, s, i)
    loss = 0.0
    if j >= 0:
        gap = s - place - (drivers[i].length + drivers[j].length) / 2
        theirs = free_acceleration(now[j].v, speed_on(traffic, j, target), drivers[j].accel)
        forced = improved_idm_acceleration(now[j].v, gap, v, theirs, idm_parameters(drivers, j))
        if gap < 4.0 + 0.5 * now[j].v or forced < MIN_FOLLOWER_ACCEL_MPS2:
            return -np.inf
        loss = max(0.0, now[j].a - forced)
    if there < MIN_ACCEL_MPS2:
        return -np.inf
    return there - here - drivers[i].polite * loss
