"""Who may enter a junction, and who holds inside it. Compiled, one vehicle at a time.

A vehicle drives on only with a permission for its connector. Permissions are numbered, and where two ways
cross, the earlier number goes first, so that nobody waits in a circle.
"""

import numpy as np

from driving.agents import LightStatus
from simulation.generation.town.following import Order, idm_parameters, leader_on
from simulation.generation.town.network import Network
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import improved_idm_acceleration

GREEN, YELLOW = int(LightStatus.GREEN), int(LightStatus.YELLOW)
PATIENCE_S = 12.0
"""Who waits longer than this before a larger street is let in."""
MAX_WALKERS = 16
"""People that are kept track of on one crosswalk."""


@njit(cache=True)
def travel_time(distance: float, v: float, top: float, accel: float) -> float:
    """Time [s] for a distance, speeding up to a top speed."""
    if distance <= 0.0:
        return 0.0
    if v >= top:
        return distance / max(v, 0.5)
    speeding_m = (top * top - v * v) / (2.0 * accel)
    if speeding_m >= distance:
        return (np.sqrt(v * v + 2.0 * accel * distance) - v) / accel
    return (top - v) / accel + (distance - speeding_m) / top


@njit(cache=True)
def place_on(net: Network, now: np.ndarray, j: int, connector: int) -> float:
    """Box centre of vehicle j along a connector: negative before it, beyond its length behind it; nan elsewhere."""
    lane = now[j].lane
    if lane == connector:
        return now[j].s
    if lane == net.lanes[connector].from_lane and now[j].next == connector:
        return now[j].s - net.lanes[lane].length
    if lane == net.lanes[connector].to_lane and now[j].prev == connector:
        return now[j].s + net.lanes[connector].length
    return np.nan


@njit(cache=True)
def crossing_top(net: Network, drv: np.ndarray, i: int, connector: int) -> float:
    """Speed [m/s] at which vehicle i crosses."""
    speed = min(net.lanes[connector].limit * drv[i].speed_factor, drv[i].top_speed)
    return max(2.0, min(speed, np.sqrt(drv[i].lateral / max(net.lanes[connector].bend, 1e-4))))


@njit(cache=True)
def zone_times(
    net: Network, drv: np.ndarray, now: np.ndarray, i: int, connector: int, zone: tuple[float, float, float]
) -> tuple[float, float]:
    """When vehicle i enters and leaves shared ground [s from now].

    `zone` holds its place along the connector and the begin and end of the ground.
    """
    place, begin, end = zone
    half = drv[i].length / 2
    top = crossing_top(net, drv, i, connector)
    enter = travel_time(begin - place - half, now[i].v, top, drv[i].accel)
    leave = travel_time(end - place + half, now[i].v, top, drv[i].accel)
    return enter, leave


@njit(cache=True)
def has_room(net: Network, drv: np.ndarray, now: np.ndarray, order: Order, i: int, connector: int) -> bool:
    """Whether the vehicle will find its place behind the junction, so that it does not block it."""
    lane = net.lanes[connector].to_lane
    need = drv[i].length + 3.0
    j, place = leader_on(order, lane, -1e9, i)
    # A street takes no more than would stand on it in a queue, and no one as long as its start is taken.
    room = net.lanes[lane].length
    for e in range(order.offsets[lane], order.offsets[lane + 1]):
        room -= drv[order.vehicle[e]].length + 2.5
    if j >= 0 and now[j].v < 3.0:
        room = min(room, place - drv[j].length / 2)
    for k in range(net.lanes[connector].conflict_begin, net.lanes[connector].conflict_end + 1):
        # The connector itself, then all that lead into the same lane.
        other = connector if k == net.lanes[connector].conflict_end else net.conflict_other[k]
        if net.lanes[other].to_lane != lane:
            continue
        for e in range(order.offsets[other], order.offsets[other + 1]):
            need += drv[order.vehicle[e]].length + 2.0
        before = net.lanes[other].from_lane
        for e in range(order.offsets[before + 1] - 1, order.offsets[before] - 1, -1):
            m = order.vehicle[e]
            if m != i and now[m].lane == before and now[m].next == other and now[m].grant > 0:
                need += drv[m].length + 2.0
    return room > need and _has_room_inside(net, drv, now, order, i, connector)


@njit(cache=True)
def _has_room_inside(net: Network, drv: np.ndarray, now: np.ndarray, order: Order, i: int, connector: int) -> bool:
    """Whether the vehicle could wait between two crosswalks, behind the others on its connector.

    Otherwise a queue before the far crosswalk would stand on the near one, and people and cars could
    wait for each other in a circle.
    """
    near, far = 0.0, np.inf
    for k in range(net.lanes[connector].walk_begin, net.lanes[connector].walk_end):
        if net.walk_zones[k, 0] < net.lanes[connector].length / 2:
            near = max(near, net.walk_zones[k, 1])
        else:
            far = min(far, net.walk_zones[k, 0])
    room = far - near - drv[i].length - 1.0
    for e in range(order.offsets[connector], order.offsets[connector + 1]):
        if order.s[e] < far:
            room -= drv[order.vehicle[e]].length + 2.0
    lane = net.lanes[connector].from_lane
    for e in range(order.offsets[lane], order.offsets[lane + 1]):
        j = order.vehicle[e]
        if j != i and now[j].grant > 0 and now[j].lane == lane and now[j].next == connector:
            room -= drv[j].length + 2.0
    return room > 0.0 or far - near < drv[i].length + 4.0


@njit(cache=True)
def may_enter(net: Network, drv: np.ndarray, now: np.ndarray, order: Order, lights: np.ndarray, i: int) -> bool:
    """Whether vehicle i, first before its junction, may get the permission for its connector now."""
    connector = now[i].next
    place = now[i].s - net.lanes[now[i].lane].length
    if net.lanes[connector].must_stop and not now[i].stopped:
        return False
    light = net.lanes[connector].light
    # Who has waited for a gap uses the yellow to clear the junction.
    is_clearing = light >= 0 and lights[light] == YELLOW and net.lanes[connector].gives_way and now[i].waited > 2.0
    if light >= 0 and lights[light] != GREEN and not is_clearing:
        return False
    if not has_room(net, drv, now, order, i, connector):
        return False
    margin = drv[i].gap * (1.0 if now[i].waited < 8.0 else 0.7)
    for k in range(net.lanes[connector].conflict_begin, net.lanes[connector].conflict_end):
        other = net.conflict_other[k]
        zone = net.conflict_zones[k]
        mine = zone_times(net, drv, now, i, connector, (place, zone[0], zone[1]))
        same_way = net.conflict_along[k]
        same_lane = net.lanes[other].from_lane == net.lanes[connector].from_lane
        for part in range(3):
            lane = other if part == 0 else (net.lanes[other].from_lane if part == 1 else net.lanes[other].to_lane)
            for e in range(order.offsets[lane], order.offsets[lane + 1]):
                j = order.vehicle[e]
                there = place_on(net, now, j, other)
                if j == i or np.isnan(there) or there - drv[j].length / 2 > zone[3]:
                    continue
                if same_lane and there > place:
                    continue
                theirs = zone_times(net, drv, now, j, other, (there, zone[2], zone[3]))
                if part == 1 and now[j].grant == 0:
                    if net.lanes[other].rank < net.lanes[connector].rank:
                        # Who has waited long at a smaller street is let in once.
                        if light < 0 and now[j].waited > PATIENCE_S and now[i].waited < 5.0 and there > -9.0:
                            return False
                        continue
                    if light < 0 and now[i].waited > PATIENCE_S:
                        continue
                    competes = net.lanes[other].rank > net.lanes[connector].rank and there > -55.0
                    competes = competes and (net.lanes[other].light < 0 or lights[net.lanes[other].light] == GREEN)
                    if not competes or (now[j].v < 0.5 and now[j].waited > 4.0):
                        continue
                if same_way and theirs[0] + 0.8 < mine[0] and now[j].v > 1.0:
                    continue
                # Those who wait longer are trusted less: they may speed up or be held up.
                if theirs[1] + 0.5 < mine[0] or mine[1] + margin < theirs[0]:
                    continue
                return False
    return True


@njit(cache=True)
def hold_inside(
    net: Network, drv: np.ndarray, now: np.ndarray, order: Order, i: int, free: float
) -> tuple[float, float]:
    """What other vehicles in the junction demand of vehicle i, which has a permission.

    Returns:
        The acceleration that following allows [m/s^2] (inf for any), and the distance [m] at which the
        front has to stop (inf for none).
    """
    accel, wall = np.inf, np.inf
    connector = now[i].lane if now[i].lane >= net.num_lanes else now[i].next
    place = place_on(net, now, i, connector)
    half = drv[i].length / 2
    for k in range(net.lanes[connector].conflict_begin, net.lanes[connector].conflict_end):
        other, zone = net.conflict_other[k], net.conflict_zones[k]
        if place - half > zone[1]:
            continue
        same_lane = net.lanes[other].from_lane == net.lanes[connector].from_lane
        to_begin = zone[0] - place - half
        for part in range(3):
            lane = other if part == 0 else (net.lanes[other].from_lane if part == 1 else net.lanes[other].to_lane)
            if part == 1 and same_lane:
                continue
            for e in range(order.offsets[lane], order.offsets[lane + 1]):
                j = order.vehicle[e]
                there = place_on(net, now, j, other)
                if j == i or np.isnan(there) or there - drv[j].length / 2 > zone[3]:
                    continue
                if part == 1 and now[j].grant == 0:
                    continue
                is_there = there + drv[j].length / 2 > zone[2]
                goes_first = is_there or (now[j].grant > 0 and now[j].grant < now[i].grant)
                if net.conflict_along[k]:
                    lead = (there - zone[2]) - (place - zone[0])
                    if goes_first and (lead > 0.0 or (lead == 0.0 and j > i)):
                        gap = lead - half - drv[j].length / 2
                        if gap < 0.3 and to_begin > 0.0:
                            wall = min(wall, to_begin - 0.8)
                        else:
                            following = improved_idm_acceleration(
                                now[i].v, max(gap, 0.3), now[j].v, free, idm_parameters(drv, i)
                            )
                            accel = min(accel, following)
                    elif goes_first and to_begin > 0.0 and not same_lane:
                        mine = zone_times(net, drv, now, i, connector, (place, zone[0], zone[1]))
                        theirs = zone_times(net, drv, now, j, other, (there, zone[2], zone[3]))
                        if theirs[0] < mine[0] + 1.2:
                            wall = min(wall, to_begin - 0.8)
                    continue
                if to_begin < -0.3:
                    continue
                if is_there:
                    wall = min(wall, to_begin - 0.5)
                elif goes_first:
                    mine = zone_times(net, drv, now, i, connector, (place, zone[0], zone[1]))
                    theirs = zone_times(net, drv, now, j, other, (there, zone[2], zone[3]))
                    if mine[0] < theirs[1] + 0.3 and theirs[0] < mine[1] + 0.3:
                        wall = min(wall, to_begin - 0.5)
    return accel, wall


@njit(cache=True)
def wall_for_walkers(
    net: Network,
    drv: np.ndarray,
    now: np.ndarray,
    walkers: tuple[np.ndarray, np.ndarray, np.ndarray],
    i: int,
    connector: int,
) -> float:
    """Distance [m] from the front to the crosswalk on which somebody walks or is about to; inf for none.

    Args:
        net: The lanes.
        drv: The drivers.
        now: Where all are.
        walkers: Per foot path the number of people on or before it, their places (paths, MAX_WALKERS) along
            it [m], and their speeds along it [m/s], 0 for those who wait.
        i: The vehicle.
        connector: The connector that it drives or will drive.
    """
    count, places, speeds = walkers
    wall = np.inf
    front = place_on(net, now, i, connector) + drv[i].length / 2
    for k in range(net.lanes[connector].walk_begin, net.lanes[connector].walk_end):
        begin, _, at = net.walk_zones[k]
        distance = begin - front
        if distance < -0.2 or distance < now[i].v ** 2 / (2.0 * 5.0) - 1.0:
            continue
        path = net.walk_path[k]
        arrival = travel_time(distance, now[i].v, max(now[i].v, 3.0), drv[i].accel)
        leaves = travel_time(distance + 4.5 + drv[i].length, now[i].v, max(now[i].v, 3.5), drv[i].accel)
        for w in range(count[path]):
            ahead = at - places[path, w]
            speed = speeds[path, w]
            reach = 1.0 + drv[i].width / 2
            if speed == 0.0:
                # Waiting at the kerb: let them go where there is no light and time to stop.
                if net.lanes[connector].light < 0 and distance > now[i].v ** 2 / (2.0 * 2.0) and abs(ahead) < 9.0:
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
