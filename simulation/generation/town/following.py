"""Car following of one driver: acceleration from gaps, desired speeds and stopping points. Compiled."""

import numpy as np
from jaxtyping import Shaped

from simulation.generation.town.tables import ALONG, LaneNetwork, LaneOrder, Traffic
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import IdmParameters

LOOK_AHEAD_M = 90.0
STEEP_BRAKE_MPS2 = 7.0
LANE_CHANGE_SHARE = 0.62
"""Share of a lane change up to which the vehicle occupies the old lane too."""


@njit(cache=True)
def beside(net: LaneNetwork, lane: int, s: float, other: int) -> float:
    """Position on a neighbouring lane beside a position on a lane. Both have their vertices at the same stations."""
    low, high = net.lanes[lane].point_begin, net.lanes[lane].point_end - 1
    while high - low > 1:
        middle = (low + high) // 2
        if net.points[middle, ALONG] <= s:
            low = middle
        else:
            high = middle
    share = (s - net.points[low, ALONG]) / (net.points[low + 1, ALONG] - net.points[low, ALONG])
    there = net.lanes[other].point_begin + low - net.lanes[lane].point_begin
    return net.points[there, ALONG] + share * (net.points[there + 1, ALONG] - net.points[there, ALONG])


@njit(cache=True)
def sort_by_lane(net: LaneNetwork, now: Shaped[np.ndarray, "vehicles"]) -> LaneOrder:
    """Sort `VEHICLE` records by lane and position."""
    num_lanes, num_vehicles = len(net.lanes), len(now)
    offsets = np.zeros(num_lanes + 1, dtype=np.int64)
    for i in range(num_vehicles):
        offsets[now[i].lane + 1] += 1
        if now[i].old_lane >= 0 and now[i].shift < LANE_CHANGE_SHARE:
            offsets[now[i].old_lane + 1] += 1
    for lane in range(num_lanes):
        offsets[lane + 1] += offsets[lane]
    fill = offsets[:-1].copy()
    vehicle = np.zeros(offsets[-1], dtype=np.int64)
    place = np.zeros(offsets[-1])
    for i in range(num_vehicles):
        for copy in range(2):
            lane, s = now[i].lane, now[i].s
            if copy == 1:
                if now[i].old_lane < 0 or now[i].shift >= LANE_CHANGE_SHARE:
                    continue
                lane = now[i].old_lane
                s = beside(net, now[i].lane, now[i].s, lane)
            k = fill[lane]
            while k > offsets[lane] and place[k - 1] > s:
                place[k], vehicle[k] = place[k - 1], vehicle[k - 1]
                k -= 1
            place[k], vehicle[k] = s, i
            fill[lane] += 1
    return LaneOrder(offsets, vehicle, place)


@njit(cache=True)
def free_acceleration(v: float, desired: float, accel: float) -> float:
    """Acceleration towards a desired speed on a free road [m/s^2]."""
    if v <= desired:
        return accel * (1.0 - (v / max(desired, 0.1)) ** 4)
    return max(-3.0, -(v - desired) / 0.7)


@njit(cache=True)
def idm_parameters(drivers: Shaped[np.ndarray, "vehicles"], i: int) -> IdmParameters:
    """Parameters of driver i for `improved_idm_acceleration`."""
    return IdmParameters(drivers[i].min_gap, drivers[i].headway, drivers[i].accel, drivers[i].brake, 4)


@njit(cache=True)
def speed_on(traffic: Traffic, i: int, lane: int) -> float:
    """Desired speed of driver i on a lane [m/s], from speed limit, driver and curvature."""
    driver, row = traffic.drivers[i], traffic.net.lanes[lane]
    speed = min(row.limit * driver.speed_factor, driver.top_speed)
    return min(speed, np.sqrt(driver.lateral / max(row.bend, 1e-4)))


@njit(cache=True)
def lane_after(traffic: Traffic, i: int, lane: int) -> int:
    """The lane or connector that vehicle i takes after `lane`; -1 while it is undecided."""
    net, vehicle = traffic.net, traffic.now[i]
    if lane >= net.num_lanes:
        return net.lanes[lane].to_lane
    if vehicle.next >= 0 and net.lanes[vehicle.next].from_lane == lane:
        return vehicle.next
    return -1


@njit(cache=True)
def desired_speed(traffic: Traffic, i: int) -> float:
    """Speed from which vehicle i slows down comfortably for slower lanes ahead [m/s]."""
    lanes, lane = traffic.net.lanes, traffic.now[i].lane
    desired = speed_on(traffic, i, lane)
    ahead = lanes[lane].length - traffic.now[i].s
    soft = 0.6 * traffic.drivers[i].brake
    while ahead < LOOK_AHEAD_M + 20.0:
        lane = lane_after(traffic, i, lane)
        if lane < 0:
            break
        there = speed_on(traffic, i, lane)
        desired = min(desired, np.sqrt(there * there + 2.0 * soft * max(ahead - 1.0, 0.0)))
        ahead += lanes[lane].length
    return desired


@njit(cache=True)
def leader_on(order: LaneOrder, lane: int, s: float, i: int) -> tuple[int, float]:
    """First vehicle other than i on a lane beyond s, and its position; -1 for none."""
    for k in range(order.offsets[lane], order.offsets[lane + 1]):
        j = order.vehicle[k]
        if j != i and (order.s[k] > s or (order.s[k] == s and j > i)):
            return j, order.s[k]
    return -1, 0.0


@njit(cache=True)
def follower_on(order: LaneOrder, lane: int, s: float, i: int) -> tuple[int, float]:
    """Last vehicle other than i on a lane up to s, and its position; -1 for none."""
    found, place = -1, 0.0
    for k in range(order.offsets[lane], order.offsets[lane + 1]):
        if order.vehicle[k] != i and order.s[k] <= s:
            found, place = order.vehicle[k], order.s[k]
    return found, place


@njit(cache=True)
def leader_of(traffic: Traffic, i: int) -> tuple[int, float]:
    """Vehicle ahead on the way of vehicle i, and the gap to it [m]; -1 for none within `LOOK_AHEAD_M`."""
    now, drivers, lanes = traffic.now, traffic.drivers, traffic.net.lanes
    lane = now[i].lane
    j, place = leader_on(traffic.order, lane, now[i].s, i)
    if j >= 0:
        return j, place - now[i].s - (drivers[i].length + drivers[j].length) / 2
    ahead = lanes[lane].length - now[i].s
    while ahead < LOOK_AHEAD_M:
        lane = lane_after(traffic, i, lane)
        if lane < 0:
            break
        j, place = leader_on(traffic.order, lane, -1e9, i)
        if j >= 0:
            return j, ahead + place - (drivers[i].length + drivers[j].length) / 2
        ahead += lanes[lane].length
    return -1, 0.0


@njit(cache=True)
def stopping_acceleration(gap: float, v: float, free: float, brake: float) -> float:
    """Acceleration that stops the vehicle at a point `gap` ahead [m/s^2]; far from it the free acceleration."""
    if gap <= 0.05 or (gap < 1.0 and v < 0.25):
        return -min(STEEP_BRAKE_MPS2, max(1.0, v / 0.3))
    needed = v * v / (2.0 * gap)
    if needed < 0.55 * brake:
        return free
    return min(free, -min(STEEP_BRAKE_MPS2, needed * needed / (0.8 * brake) if needed > 0.8 * brake else needed))


@njit(cache=True)
def next_acceleration(a: float, desired: float, jerk: float, step_s: float) -> float:
    """Acceleration of the next step [m/s^2]: limited in jerk, less so in an emergency."""
    if desired > a:
        return min(desired, a + jerk * step_s * (1.5 if a < -0.5 else 1.0))
    limit = 1.5 * jerk if desired > -3.2 else 12.0
    return max(desired, a - limit * step_s)
