"""How one driver follows: acceleration from gaps, speeds and places to stop. Compiled, one vehicle at a time."""

from typing import NamedTuple

import numpy as np

from simulation.generation.town.network import Network
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import IdmParameters

LOOK_AHEAD_M = 90.0
STEEP_BRAKE_MPS2 = 7.0
LANE_CHANGE_BODY = 0.62
"""Share of a lane change after which the old lane counts as left."""


TRAFFIC = np.dtype(
    [
        ("lane", np.int64),
        ("s", np.float64),  # Box centre along the lane [m].
        ("v", np.float64),
        ("a", np.float64),
        ("next", np.int64),  # Connector behind the present lane; on a connector the one behind the lane to come.
        ("prev", np.int64),  # Connector that one came from.
        ("grant", np.int64),  # Number of the permission for the next or present connector, 0 for none.
        ("waited", np.float64),  # Time at a standstill before the junction [s].
        ("stopped", np.bool_),  # Whether one came to a halt at the line.
        ("old_lane", np.int64),  # Lane that is being left.
        ("shift", np.float64),  # Share of the lane change that is done.
        ("shift_m", np.float64),  # Distance over which it goes.
        ("side", np.float64),  # From the present centerline to that of the old lane, left positive [m].
        ("last_change", np.float64),  # Time since the last lane change [s].
    ]
)
"""A vehicle now. One array of such records holds the traffic and is changed in place; −1 stands for none.

Records, as a kernel that is handed dozens of arrays takes numba minutes to compile.
"""


class Order(NamedTuple):
    """Who stands where on each lane, from its start to its end. Vehicles between lanes stand on both."""

    offsets: np.ndarray
    vehicle: np.ndarray
    s: np.ndarray


@njit(cache=True)
def beside(net: Network, lane: int, s: float, other: int) -> float:
    """Place on a neighbouring lane beside a place on a lane: both have their vertices at the same stations."""
    low, high = net.lanes[lane].point_begin, net.lanes[lane].point_end - 1
    while high - low > 1:
        middle = (low + high) // 2
        if net.points[middle, 2] <= s:
            low = middle
        else:
            high = middle
    share = (s - net.points[low, 2]) / (net.points[low + 1, 2] - net.points[low, 2])
    there = net.lanes[other].point_begin + low - net.lanes[lane].point_begin
    return net.points[there, 2] + share * (net.points[there + 1, 2] - net.points[there, 2])


@njit(cache=True)
def sort_by_lane(net: Network, now: np.ndarray) -> Order:
    """Order all vehicles by lane and place."""
    num_lanes, num_vehicles = len(net.lanes), len(now)
    offsets = np.zeros(num_lanes + 1, dtype=np.int64)
    for i in range(num_vehicles):
        offsets[now[i].lane + 1] += 1
        if now[i].old_lane >= 0 and now[i].shift < LANE_CHANGE_BODY:
            offsets[now[i].old_lane + 1] += 1
    for lane in range(num_lanes):
        offsets[lane + 1] += offsets[lane]
    fill = offsets[:-1].copy()
    vehicle = np.zeros(offsets[-1], dtype=np.int64)
    place = np.zeros(offsets[-1])
    for i in range(num_vehicles):
        for ghost in range(2):
            lane, s = now[i].lane, now[i].s
            if ghost == 1:
                if now[i].old_lane < 0 or now[i].shift >= LANE_CHANGE_BODY:
                    continue
                lane = now[i].old_lane
                s = beside(net, now[i].lane, now[i].s, lane)
            k = fill[lane]
            while k > offsets[lane] and place[k - 1] > s:
                place[k], vehicle[k] = place[k - 1], vehicle[k - 1]
                k -= 1
            place[k], vehicle[k] = s, i
            fill[lane] += 1
    return Order(offsets, vehicle, place)


@njit(cache=True)
def free_acceleration(v: float, wished: float, accel: float) -> float:
    """Acceleration [m/s^2] towards a wished speed on a free road."""
    if v <= wished:
        return accel * (1.0 - (v / max(wished, 0.1)) ** 4)
    return max(-3.0, -(v - wished) / 0.7)


@njit(cache=True)
def speed_on(net: Network, drv: np.ndarray, i: int, lane: int) -> float:
    """Speed [m/s] that a driver wishes on a lane: limit, temper and bends."""
    speed = min(net.lanes[lane].limit * drv[i].speed_factor, drv[i].top_speed)
    return min(speed, np.sqrt(drv[i].lateral / max(net.lanes[lane].bend, 1e-4)))


@njit(cache=True)
def after(net: Network, now: np.ndarray, i: int, lane: int) -> int:
    """The lane or connector that vehicle i drives after `lane`; −1 where that is not decided."""
    if lane >= net.num_lanes:
        return net.lanes[lane].to_lane
    if now[i].next >= 0 and net.lanes[now[i].next].from_lane == lane:
        return now[i].next
    return -1


@njit(cache=True)
def wished_speed(net: Network, drv: np.ndarray, now: np.ndarray, i: int) -> float:
    """Speed [m/s] to aim at, so that slower pieces ahead are reached in time."""
    lane = now[i].lane
    wished = speed_on(net, drv, i, lane)
    ahead = net.lanes[lane].length - now[i].s
    soft = 0.6 * drv[i].brake
    while ahead < LOOK_AHEAD_M + 20.0:
        lane = after(net, now, i, lane)
        if lane < 0:
            break
        there = speed_on(net, drv, i, lane)
        wished = min(wished, np.sqrt(there * there + 2.0 * soft * max(ahead - 1.0, 0.0)))
        ahead += net.lanes[lane].length
    return wished


@njit(cache=True)
def leader_on(order: Order, lane: int, s: float, i: int) -> tuple[int, float]:
    """First vehicle on a lane beyond s, and its place; −1 for none. Vehicle i itself is passed over."""
    for k in range(order.offsets[lane], order.offsets[lane + 1]):
        j = order.vehicle[k]
        if j != i and (order.s[k] > s or (order.s[k] == s and j > i)):
            return j, order.s[k]
    return -1, 0.0


@njit(cache=True)
def follower_on(order: Order, lane: int, s: float, i: int) -> tuple[int, float]:
    """Last vehicle on a lane before s, and its place; −1 for none."""
    found, place = -1, 0.0
    for k in range(order.offsets[lane], order.offsets[lane + 1]):
        if order.vehicle[k] != i and order.s[k] <= s:
            found, place = order.vehicle[k], order.s[k]
    return found, place


@njit(cache=True)
def leader_of(net: Network, drv: np.ndarray, now: np.ndarray, order: Order, i: int) -> tuple[int, float]:
    """Vehicle ahead on the own way, and the gap to it [m]; −1 for none in sight."""
    lane = now[i].lane
    j, place = leader_on(order, lane, now[i].s, i)
    if j >= 0:
        return j, place - now[i].s - (drv[i].length + drv[j].length) / 2
    ahead = net.lanes[lane].length - now[i].s
    while ahead < LOOK_AHEAD_M:
        lane = after(net, now, i, lane)
        if lane < 0:
            break
        j, place = leader_on(order, lane, -1e9, i)
        if j >= 0:
            return j, ahead + place - (drv[i].length + drv[j].length) / 2
        ahead += net.lanes[lane].length
    return -1, 0.0


@njit(cache=True)
def idm_parameters(drv: np.ndarray, i: int) -> IdmParameters:
    """Parameters of a driver for `improved_idm_acceleration`."""
    return IdmParameters(drv[i].min_gap, drv[i].headway, drv[i].accel, drv[i].brake, 4)


@njit(cache=True)
def halt(gap: float, v: float, free: float, brake: float) -> float:
    """Acceleration [m/s^2] to come to a stand at a fixed place `gap` ahead, without hurry until it is near."""
    if gap <= 0.05 or (gap < 1.0 and v < 0.25):
        return -min(STEEP_BRAKE_MPS2, max(1.0, v / 0.3))
    needed = v * v / (2.0 * gap)
    if needed < 0.55 * brake:
        return free
    return min(free, -min(STEEP_BRAKE_MPS2, needed * needed / (0.8 * brake) if needed > 0.8 * brake else needed))


@njit(cache=True)
def driven(a: float, wanted: float, jerk: float, step_s: float) -> float:
    """Acceleration [m/s^2] of the next step: it changes gradually, unless there is danger."""
    if wanted > a:
        return min(wanted, a + jerk * step_s * (1.5 if a < -0.5 else 1.0))
    limit = 1.5 * jerk if wanted > -3.2 else 12.0
    return max(wanted, a - limit * step_s)
