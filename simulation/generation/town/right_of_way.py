"""Right of way at junctions: permission to enter, and limits inside. Compiled, one vehicle at a time.

A vehicle passes the stop line only with a permission for its connector. Permissions are numbered in the order in
which they are granted. Of two crossing vehicles the one with the lower number goes first, so that no deadlock arises.
"""

import numpy as np
from jaxtyping import Int8

from driving.agents import LightStatus
from simulation.generation.town.following import idm_parameters, leader_on
from simulation.generation.town.tables import (
    OTHER_BEGIN,
    OTHER_END,
    OWN_BEGIN,
    OWN_END,
    WALK_BEGIN,
    WALK_END,
    Traffic,
    Walkers,
)
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import improved_idm_acceleration

GREEN, YELLOW = int(LightStatus.GREEN), int(LightStatus.YELLOW)
PATIENCE_S = 12.0
"""Waiting time from which a vehicle on a minor street is admitted before the major street."""
ON_CONNECTOR, BEFORE, BEHIND = 0, 1, 2
"""Where a vehicle of a conflicting movement is: on the connector, on the lane before it, on the lane behind it."""


@njit(cache=True)
def travel_time(distance: float, v: float, top: float, accel: float) -> float:
    """Time for a distance with constant acceleration up to a top speed [s]."""
    if distance <= 0.0:
        return 0.0
    if v >= top:
        return distance / max(v, 0.5)
    speeding_m = (top * top - v * v) / (2.0 * accel)
    if speeding_m >= distance:
        return (np.sqrt(v * v + 2.0 * accel * distance) - v) / accel
    return (top - v) / accel + (distance - speeding_m) / top


@njit(cache=True)
def position_on(traffic: Traffic, j: int, connector: int) -> float:
    """Box centre of vehicle j along a connector: negative before it, above its length behind it, NaN elsewhere."""
    lanes, vehicle = traffic.net.lanes, traffic.now[j]
    lane = vehicle.lane
    if lane == connector:
        return vehicle.s
    if lane == lanes[connector].from_lane and vehicle.next == connector:
        return vehicle.s - lanes[lane].length
    if lane == lanes[connector].to_lane and vehicle.prev == connector:
        return vehicle.s + lanes[connector].length
    return np.nan


@njit(cache=True)
def lane_of_part(traffic: Traffic, connector: int, part: int) -> int:
    """The connector, the lane before it or the lane behind it."""
    if part == ON_CONNECTOR:
        return connector
    return traffic.net.lanes[connector].from_lane if part == BEFORE else traffic.net.lanes[connector].to_lane


@njit(cache=True)
def crossing_speed(traffic: Traffic, i: int, connector: int) -> float:
    """Speed of vehicle i on a connector [m/s]."""
    driver, row = traffic.drivers[i], traffic.net.lanes[connector]
    speed = min(row.limit * driver.speed_factor, driver.top_speed)
    return max(2.0, min(speed, np.sqrt(driver.lateral / max(row.bend, 1e-4))))


@njit(cache=True)
def zone_times(traffic: Traffic, i: int, connector: int, zone: tuple[float, float, float]) -> tuple[float, float]:
    """Times at which vehicle i enters and leaves shared ground [s from now].

    `zone` holds its position along the connector, and the begin and end of the ground [m].
    """
    place, begin, end = zone
    driver, v = traffic.drivers[i], traffic.now[i].v
    half = driver.length / 2
    top = crossing_speed(traffic, i, connector)
    enter = travel_time(begin - place - half, v, top, driver.accel)
    leave = travel_time(end - place + half, v, top, driver.accel)
    return enter, leave


@njit(cache=True)
def has_room(traffic: Traffic, i: int, connector: int) -> bool:
    """Whether the lane behind the junction has room for vehicle i, so that it does not block the junction."""
    net, drivers, now, order = traffic.net, traffic.drivers, traffic.now, traffic.order
    lane = net.lanes[connector].to_lane
    need = drivers[i].length + 3.0
    j, place = leader_on(order, lane, -1e9, i)
    # A lane admits as many vehicles as fit into a queue, and none while its start is occupied.
    room = net.lanes[lane].length
    for e in range(order.offsets[lane], order.offsets[lane + 1]):
        room -= drivers[order.vehicle[e]].length + 2.5
    if j >= 0 and now[j].v < 3.0:
        room = min(room, place - drivers[j].length / 2)
    for k in range(net.lanes[connector].conflict_begin, net.lanes[connector].conflict_end + 1):
        # The conflicting connectors with the same `to_lane`, and last the connector itself.
        other = connector if k == net.lanes[connector].conflict_end else net.conflict_other[k]
        if net.lanes[other].to_lane != lane:
            continue
        for e in range(order.offsets[other], order.offsets[other + 1]):
            need += drivers[order.vehicle[e]].length + 2.0
        before = net.lanes[other].from_lane
        for e in range(order.offsets[before + 1] - 1, order.offsets[before] - 1, -1):
            m = order.vehicle[e]
            if m != i and now[m].lane == before and now[m].next == other and now[m].grant > 0:
                need += drivers[m].length + 2.0
    return room > need and _has_room_inside(traffic, i, connector)


@njit(cache=True)
def _has_room_inside(traffic: Traffic, i: int, connector: int) -> bool:
    """Whether vehicle i can wait between two crosswalks, behind other vehicles on its connector.

    Without this rule a queue before the far crosswalk would stand on the near one, and pedestrians and vehicles could
    block each other.
    """
    net, drivers, now, order = traffic.net, traffic.drivers, traffic.now, traffic.order
    near, far = 0.0, np.inf
    for k in range(net.lanes[connector].walk_begin, net.lanes[connector].walk_end):
        if net.walk_zones[k, WALK_BEGIN] < net.lanes[connector].length / 2:
            near = max(near, net.walk_zones[k, WALK_END])
        else:
            far = min(far, net.walk_zones[k, WALK_BEGIN])
    room = far - near - drivers[i].length - 1.0
    for e in range(order.offsets[connector], order.offsets[connector + 1]):
        if order.s[e] < far:
            room -= drivers[order.vehicle[e]].length + 2.0
    lane = net.lanes[connector].from_lane
    for e in range(order.offsets[lane], order.offsets[lane + 1]):
        j = order.vehicle[e]
        if j != i and now[j].grant > 0 and now[j].lane == lane and now[j].next == connector:
            room -= drivers[j].length + 2.0
    return room > 0.0 or far - near < drivers[i].length + 4.0


@njit(cache=True)
def may_enter(traffic: Traffic, lights: Int8[np.ndarray, "lights"], i: int) -> bool:
    """Whether vehicle i, the first before its junction, gets the permission for its connector now."""
    net, now, order = traffic.net, traffic.now, traffic.order
    connector = now[i].next
    place = now[i].s - net.lanes[now[i].lane].length
    if net.lanes[connector].must_stop and not now[i].stopped:
        return False
    light = net.lanes[connector].light
    # A vehicle that has waited for a gap clears the junction on yellow.
    is_clearing = light >= 0 and lights[light] == YELLOW and net.lanes[connector].gives_way and now[i].waited > 2.0
    if light >= 0 and lights[light] != GREEN and not is_clearing:
        return False
    if not has_room(traffic, i, connector):
        return False
    margin = traffic.drivers[i].gap * (1.0 if now[i].waited < 8.0 else 0.7)
    for k in range(net.lanes[connector].conflict_begin, net.lanes[connector].conflict_end):
        other = net.conflict_other[k]
        zone = net.conflict_zones[k]
        mine = zone_times(traffic, i, connector, (place, zone[OWN_BEGIN], zone[OWN_END]))
        same_lane = net.lanes[other].from_lane == net.lanes[connector].from_lane
        for part in range(3):
            lane = lane_of_part(traffic, other, part)
            for e in range(order.offsets[lane], order.offsets[lane + 1]):
                j = order.vehicle[e]
                there = position_on(traffic, j, other)
                if j == i or np.isnan(there) or there - traffic.drivers[j].length / 2 > zone[OTHER_END]:
                    continue
                if same_lane and there > place:
                    continue
                theirs = zone_times(traffic, j, other, (there, zone[OTHER_BEGIN], zone[OTHER_END]))
                if part == BEFORE and now[j].grant == 0:
                    if net.lanes[other].rank < net.lanes[connector].rank:
                        # A vehicle that has waited long on a minor street is admitted once.
                        if light < 0 and now[j].waited > PATIENCE_S and now[i].waited < 5.0 and there > -9.0:
                            return False
                        continue
                    if light < 0 and now[i].waited > PATIENCE_S:
                        continue
                    competes = net.lanes[other].rank > net.lanes[connector].rank and there > -55.0
                    competes = competes and (net.lanes[other].light < 0 or lights[net.lanes[other].light] == GREEN)
                    if not competes or (now[j].v < 0.5 and now[j].waited > 4.0):
                        continue
                if net.conflict_along[k] and theirs[0] + 0.8 < mine[0] and now[j].v > 1.0:
                    continue
                # The margin is larger for vehicles that arrive later: they may accelerate or be delayed.
                if theirs[1] + 0.5 < mine[0] or mine[1] + margin < theirs[0]:
                    continue
                return False
    return True


@njit(cache=True)
def junction_limits(traffic: Traffic, i: int, free: float) -> tuple[float, float]:
    """Limits that other vehicles in the junction impose on vehicle i, which has a permission.

    Returns:
        The largest acceleration [m/s^2], inf without a limit, and the distance from the front to the point at which
        the vehicle must stop [m], inf for none.
    """
    net, drivers, now, order = traffic.net, traffic.drivers, traffic.now, traffic.order
    accel, wall = np.inf, np.inf
    connector = now[i].lane if now[i].lane >= net.num_lanes else now[i].next
    place = position_on(traffic, i, connector)
    half = drivers[i].length / 2
    for k in range(net.lanes[connector].conflict_begin, net.lanes[connector].conflict_end):
        other, zone = net.conflict_other[k], net.conflict_zones[k]
        if place - half > zone[OWN_END]:
            continue
        same_lane = net.lanes[other].from_lane == net.lanes[connector].from_lane
        to_begin = zone[OWN_BEGIN] - place - half
        own_zone = (place, zone[OWN_BEGIN], zone[OWN_END])
        for part in range(3):
            lane = lane_of_part(traffic, other, part)
            if part == BEFORE and same_lane:
                continue
            for e in range(order.offsets[lane], order.offsets[lane + 1]):
                j = order.vehicle[e]
                there = position_on(traffic, j, other)
                if j == i or np.isnan(there) or there - drivers[j].length / 2 > zone[OTHER_END]:
                    continue
                if part == BEFORE and now[j].grant == 0:
                    continue
                other_zone = (there, zone[OTHER_BEGIN], zone[OTHER_END])
                is_there = there + drivers[j].length / 2 > zone[OTHER_BEGIN]
                goes_first = is_there or (now[j].grant > 0 and now[j].grant < now[i].grant)
                if net.conflict_along[k]:
                    lead = (there - zone[OTHER_BEGIN]) - (place - zone[OWN_BEGIN])
                    if goes_first and (lead > 0.0 or (lead == 0.0 and j > i)):
                        gap = lead - half - drivers[j].length / 2
                        if gap < 0.3 and to_begin > 0.0:
                            wall = min(wall, to_begin - 0.8)
                        else:
                            own = idm_parameters(drivers, i)
                            following = improved_idm_acceleration(now[i].v, max(gap, 0.3), now[j].v, free, own)
                            accel = min(accel, following)
                    elif goes_first and to_begin > 0.0 and not same_lane:
                        mine = zone_times(traffic, i, connector, own_zone)
                        theirs = zone_times(traffic, j, other, other_zone)
                        if theirs[0] < mine[0] + 1.2:
                            wall = min(wall, to_begin - 0.8)
                    continue
                if to_begin < -0.3:
                    continue
                if is_there:
                    wall = min(wall, to_begin - 0.5)
                elif goes_first:
                    mine = zone_times(traffic, i, connector, own_zone)
                    theirs = zone_times(traffic, j, other, other_zone)
                    if mine[0] < theirs[1] + 0.3 and theirs[0] < mine[1] + 0.3:
                        wall = min(wall, to_begin - 0.5)
    return accel, wall


@njit(cache=True)
def crosswalk_wall(traffic: Traffic, walkers: Walkers, i: int, connector: int) -> float:
    """Distance from the front of vehicle i to a crosswalk with pedestrians on or before it [m], inf for none.

    Args:
        traffic: All vehicles.
        walkers: Pedestrians by foot path.
        i: The vehicle.
        connector: Its present or next connector.
    """
    net, driver, v = traffic.net, traffic.drivers[i], traffic.now[i].v
    wall = np.inf
    front = position_on(traffic, i, connector) + driver.length / 2
    for k in range(net.lanes[connector].walk_begin, net.lanes[connector].walk_end):
        begin, _, at = net.walk_zones[k]
        distance = begin - front
        if distance < -0.2 or distance < v**2 / (2.0 * 5.0) - 1.0:
            continue
        path = net.walk_path[k]
        arrival = travel_time(distance, v, max(v, 3.0), driver.accel)
        leaves = travel_time(distance + 4.5 + driver.length, v, max(v, 3.5), driver.accel)
        for w in range(walkers.counts[path]):
            ahead = at - walkers.places[path, w]
            speed = walkers.speeds[path, w]
            reach = 1.0 + driver.width / 2
            if speed == 0.0:
                # Without lights a vehicle that can still stop yields to a pedestrian at the kerb.
                if net.lanes[connector].light < 0 and distance > v**2 / (2.0 * 2.0) and abs(ahead) < 9.0:
                    wall = min(wall, distance - 0.8)
                continue
            if ahead * speed < 0.0 and abs(ahead) > reach:
                continue
            until = (abs(ahead) - reach) / abs(speed)
            if until > leaves + 1.2 and arrival < 4.0:
                continue
            if until < arrival + 4.0:
                wall = min(wall, distance - 0.8)
    return wall
