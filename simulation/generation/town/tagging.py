"""Names for what happens to the ego: nuPlan's 14 challenge types, found in the drive by rules.

The rules follow nuPlan's published descriptions of its scenario types. Its own tagging code is not public, so
that the bounds here are ours.
"""

from dataclasses import dataclass

import numpy as np

from driving.agents import LightStatus
from driving.map import TurnKind
from driving.timing import STEP_S
from simulation.generation.town.ego import Watched
from simulation.generation.town.layout import JunctionKind
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

NEAR_M = 8.0
"""Vehicles whose boxes are closer than this are near."""
MANY_STANDING, MANY_MOVING = 6, 4
"""Vehicles near, parked ones included, so that one stands in traffic; moving ones that are multiple."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Surroundings:
    """What is around one vehicle over T steps."""

    lead_gap_m: np.ndarray
    """Bumper to bumper to the next vehicle in the own lane, inf without one within 40 m."""
    lead_speed_mps: np.ndarray
    lead_length_m: np.ndarray
    num_near: np.ndarray
    """Vehicles within `NEAR_M`, parked ones included."""
    num_near_moving: np.ndarray
    """Vehicles within `NEAR_M` faster than 1 m/s."""


def surroundings(watched: Watched, vehicle: int) -> Surroundings:
    """Look around from one vehicle."""
    columns = _look_around(
        watched.motions.poses,
        watched.history.v,
        watched.drivers["length"].copy(),
        watched.drivers["width"].copy(),
        watched.parked_poses,
        watched.parked_sizes,
        vehicle,
    )
    return Surroundings(
        lead_gap_m=columns[0],
        lead_speed_mps=columns[1],
        lead_length_m=columns[2],
        num_near=columns[3],
        num_near_moving=columns[4],
    )


@njit(cache=True)
def _look_around(
    poses: np.ndarray,
    v: np.ndarray,
    length: np.ndarray,
    width: np.ndarray,
    parked: np.ndarray,
    parked_sizes: np.ndarray,
    ego: int,
) -> np.ndarray:
    steps, count = v.shape
    out = np.zeros((5, steps))
    for t in range(steps):
        x, y, heading = poses[t, ego]
        cos, sin = np.cos(heading), np.sin(heading)
        out[0, t] = np.inf
        for j in range(count + len(parked)):
            is_parked = j >= count
            other = parked[j - count] if is_parked else poses[t, j]
            dx, dy = other[0] - x, other[1] - y
            if j == ego or dx * dx + dy * dy > 2500.0:
                continue
            long = parked_sizes[j - count, 0] if is_parked else length[j]
            wide = parked_sizes[j - count, 1] if is_parked else width[j]
            ahead, left = cos * dx + sin * dy, cos * dy - sin * dx
            gap = abs(ahead) - (long + length[ego]) / 2
            beside = abs(left) - (wide + width[ego]) / 2
            if max(gap, 0.0) ** 2 + max(beside, 0.0) ** 2 < NEAR_M**2:
                out[3, t] += 1
                if not is_parked and v[t, j] > 1.0:
                    out[4, t] += 1
            turn = abs(wrap(other[2] - heading))
            if not is_parked and ahead > 0.0 and abs(left) < 1.2 and turn < 0.5 and gap < min(out[0, t], 40.0):
                out[0, t], out[1, t], out[2, t] = gap, v[t, j], long
    return out


def tag_frames(watched: Watched, vehicle: int) -> dict[str, np.ndarray]:
    """For each challenge type the steps (T,) at which it is true of the vehicle."""
    around = surroundings(watched, vehicle)
    lanes, net = watched.roads.map.lanes, watched.net
    row, v = watched.history.lane[:, vehicle], watched.history.v[:, vehicle]
    accel = np.gradient(v, STEP_S)
    heading = np.unwrap(watched.motions.poses[:, vehicle, 2])
    lateral = v * np.gradient(heading, STEP_S)
    entered = np.zeros(len(row), dtype=bool)
    entered[1:] = (row[1:] != row[:-1]) & (row[1:] >= net.num_lanes)
    turn = lanes.turn_kinds[row]
    kinds = np.array([watched.roads.plan.junctions[move.junction].kind for move in watched.roads.movements])
    is_inside = row >= net.num_lanes
    junction = np.where(is_inside, kinds[np.maximum(row - net.num_lanes, 0)], -1)
    is_crossroads = is_inside & (junction != JunctionKind.ROUNDABOUT) & (junction != JunctionKind.BEND)
    changed = np.zeros(len(row), dtype=bool)
    changed[1:] = (row[1:] != row[:-1]) & (row[1:] < net.num_lanes) & (row[:-1] < net.num_lanes)
    is_turning = is_crossroads & (turn != TurnKind.STRAIGHT)
    has_lead = around.lead_speed_mps > 3.5
    steady = np.abs(accel) < 1.0
    place = watched.motions.poses[:, vehicle, :2]
    stood = np.concatenate([[False], v[:-1] >= 0.3]) & (v < 0.3)
    return {
        "starting_left_turn": entered & is_crossroads & (turn == TurnKind.LEFT),
        "starting_right_turn": entered & is_crossroads & (turn == TurnKind.RIGHT),
        "starting_straight_traffic_light_intersection_traversal": entered
        & (turn == TurnKind.STRAIGHT)
        & lanes.has_traffic_lights[row],
        "stopping_with_lead": stood & (around.lead_gap_m < 6.0),
        "high_lateral_acceleration": (np.abs(lateral) > 1.5) & (np.abs(lateral) < 3.0) & ~is_turning,
        "high_magnitude_speed": (v > 9.0) & steady,
        "low_magnitude_speed": (v > 0.3) & (v < 1.2) & steady,
        "traversing_pickup_dropoff": (v > 1.0) & watched.roads.map.carparks.contains(place),
        "waiting_for_pedestrian_to_cross": _waits_for_people(watched, vehicle, v),
        "behind_long_vehicle": (around.lead_length_m > 8.0) & (around.lead_gap_m > 3.0) & (around.lead_gap_m < 10.0),
        "stationary_in_traffic": (v < 0.1) & (around.num_near >= MANY_STANDING),
        "near_multiple_vehicles": (v > 6.0) & (around.num_near_moving >= MANY_MOVING),
        "changing_lane": changed,
        "following_lane_with_lead": (v > 3.5) & has_lead & (around.lead_gap_m < 7.5) & ~is_inside,
    }


def _waits_for_people(watched: Watched, vehicle: int, v: np.ndarray) -> np.ndarray:
    """Whether the vehicle is slow before a crosswalk within 8 m on which somebody walks towards its way."""
    net, people = watched.net, watched.history.people
    row, s = watched.history.lane[:, vehicle], watched.history.s[:, vehicle]
    found = np.zeros(len(v), dtype=bool)
    half_m = watched.drivers["length"][vehicle] / 2
    following = np.where(np.diff(row, append=row[-1]) != 0)[0]
    ends = np.append(following, len(row) - 1)
    coming = row[np.minimum(ends[np.searchsorted(ends, np.arange(len(row)))] + 1, len(row) - 1)]
    for t in np.flatnonzero(v < 2.5):
        is_inside = row[t] >= net.num_lanes
        connector = row[t] if is_inside else coming[t]
        if connector < net.num_lanes or (net.lanes["from_lane"][connector] != row[t] and not is_inside):
            continue
        light = net.lanes["light"][connector]
        if not is_inside and light >= 0 and watched.lights[light, t] == LightStatus.RED:
            continue
        front = half_m + (s[t] if is_inside else s[t] - net.lanes["length"][row[t]])
        for k in range(net.lanes["walk_begin"][connector], net.lanes["walk_end"][connector]):
            begin, _, at = net.walk_zones[k]
            if not -0.5 < begin - front < 8.0:
                continue
            path = watched.roads.foot_paths[net.walk_path[k]].points + watched.roads.origin
            ahead = (path[1] - path[0]) / np.hypot(*(path[1] - path[0]))
            relative = people[t, :, :2] - path[0]
            along = relative @ ahead
            across = relative @ np.array([-ahead[1], ahead[0]])
            towards = np.cos(people[t, :, 2]) * ahead[0] + np.sin(people[t, :, 2]) * ahead[1]
            to_come = (at - along) * np.sign(towards)
            length_m = float(np.hypot(*(path[1] - path[0])))
            walks = (np.abs(across) < 1.6) & (along > 0) & (along < length_m) & (people[t, :, 3] > 0)
            found[t] |= bool((walks & (to_come > -2.0) & (to_come < 9.0)).any())
    return found


def spaced(steps: np.ndarray, spacing: int) -> np.ndarray:
    """A subset of rising steps, each at least `spacing` behind the one before."""
    kept: list[int] = []
    for step in steps.tolist():
        if not kept or step - kept[-1] >= spacing:
            kept.append(step)
    return np.array(kept, dtype=np.int64)
