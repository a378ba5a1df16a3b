"""Scenario tags: nuPlan's 14 challenge types, detected in the drive of one vehicle.

The rules follow nuPlan's published descriptions of its scenario types. nuPlan's own tagging code is not public, so
the thresholds are this project's.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.agents import LightStatus
from driving.map import TurnKind
from driving.timing import STEP_S
from simulation.generation.town.layout import JunctionKind
from simulation.generation.town.observed import ObservedTown, ParkedCars
from simulation.generation.town.tables import WALK_AT, WALK_BEGIN
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

NEAR_M = 8.0
"""Distance between boxes below which two vehicles are near."""
MANY_STANDING, MANY_MOVING = 6, 4
"""Number of near vehicles, parked ones included, of `stationary_in_traffic`, and of near moving ones of
`near_multiple_vehicles`."""
IN_LANE_M, ALIGNED_RAD = 1.2, 0.5
"""Offset and difference of headings below which a vehicle ahead is in the own lane."""
LEAD_GAP_M, LEAD_SPEED, LEAD_LENGTH_M, NUM_NEAR, NUM_NEAR_MOVING = range(5)
"""Rows of `_surroundings`."""


class _Moving(NamedTuple):
    poses: np.ndarray
    """(T, N, 3)."""
    speeds: np.ndarray
    """(T, N)."""
    length: np.ndarray
    width: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Surroundings:
    """Vehicles around one vehicle over time."""

    lead_gap_m: Float64[np.ndarray, "time"]
    """Bumper to bumper to the next vehicle in the own lane, inf without one within 40 m."""
    lead_speed_mps: Float64[np.ndarray, "time"]
    lead_length_m: Float64[np.ndarray, "time"]
    num_near: Float64[np.ndarray, "time"]
    """Vehicles within `NEAR_M`, parked ones included."""
    num_near_moving: Float64[np.ndarray, "time"]
    """Vehicles within `NEAR_M` faster than 1 m/s."""


def surroundings(observed: ObservedTown, vehicle: int) -> Surroundings:
    """The vehicles around one vehicle at every step."""
    drivers = observed.drivers
    moving = _Moving(observed.motions.poses, observed.history.v, drivers["length"].copy(), drivers["width"].copy())
    rows = _surroundings(moving, observed.parked, vehicle)
    return Surroundings(
        lead_gap_m=rows[LEAD_GAP_M],
        lead_speed_mps=rows[LEAD_SPEED],
        lead_length_m=rows[LEAD_LENGTH_M],
        num_near=rows[NUM_NEAR],
        num_near_moving=rows[NUM_NEAR_MOVING],
    )


@njit(cache=True)
def _surroundings(moving: _Moving, parked: ParkedCars, ego: int) -> Float64[np.ndarray, "5 time"]:
    steps, count = moving.speeds.shape
    out = np.zeros((5, steps))
    for t in range(steps):
        x, y, heading = moving.poses[t, ego]
        cos, sin = np.cos(heading), np.sin(heading)
        out[LEAD_GAP_M, t] = np.inf
        for j in range(count + len(parked.poses)):
            is_parked = j >= count
            other = parked.poses[j - count] if is_parked else moving.poses[t, j]
            dx, dy = other[0] - x, other[1] - y
            if j == ego or dx * dx + dy * dy > 2500.0:
                continue
            length = parked.sizes[j - count, 0] if is_parked else moving.length[j]
            width = parked.sizes[j - count, 1] if is_parked else moving.width[j]
            ahead, left = cos * dx + sin * dy, cos * dy - sin * dx
            gap = abs(ahead) - (length + moving.length[ego]) / 2
            beside = abs(left) - (width + moving.width[ego]) / 2
            if max(gap, 0.0) ** 2 + max(beside, 0.0) ** 2 < NEAR_M**2:
                out[NUM_NEAR, t] += 1
                if not is_parked and moving.speeds[t, j] > 1.0:
                    out[NUM_NEAR_MOVING, t] += 1
            if is_parked:
                continue
            turn = abs(wrap(other[2] - heading))
            if ahead > 0.0 and abs(left) < IN_LANE_M and turn < ALIGNED_RAD and gap < min(out[LEAD_GAP_M, t], 40.0):
                out[LEAD_GAP_M, t], out[LEAD_SPEED, t], out[LEAD_LENGTH_M, t] = gap, moving.speeds[t, j], length
    return out


def tag_frames(observed: ObservedTown, vehicle: int) -> dict[str, Bool[np.ndarray, "time"]]:
    """For each challenge type the steps at which it applies to the vehicle."""
    around = surroundings(observed, vehicle)
    lanes, net = observed.town.map.lanes, observed.net
    row, v = observed.history.lane[:, vehicle], observed.history.v[:, vehicle]
    accel = np.gradient(v, STEP_S)
    heading = np.unwrap(observed.motions.poses[:, vehicle, 2])
    lateral = v * np.gradient(heading, STEP_S)
    entered = np.zeros(len(row), dtype=bool)
    entered[1:] = (row[1:] != row[:-1]) & (row[1:] >= net.num_lanes)
    turn = lanes.turn_kinds[row]
    kinds = np.array([observed.town.plan.junctions[move.junction].kind for move in observed.town.movements])
    is_inside = row >= net.num_lanes
    junction = np.where(is_inside, kinds[np.maximum(row - net.num_lanes, 0)], -1)
    is_crossroads = is_inside & (junction != JunctionKind.ROUNDABOUT) & (junction != JunctionKind.BEND)
    changed = np.zeros(len(row), dtype=bool)
    changed[1:] = (row[1:] != row[:-1]) & (row[1:] < net.num_lanes) & (row[:-1] < net.num_lanes)
    is_turning = is_crossroads & (turn != TurnKind.STRAIGHT)
    has_lead = around.lead_speed_mps > 3.5
    steady = np.abs(accel) < 1.0
    places = observed.motions.poses[:, vehicle, :2]
    stopped = np.concatenate([[False], v[:-1] >= 0.3]) & (v < 0.3)
    return {
        "starting_left_turn": entered & is_crossroads & (turn == TurnKind.LEFT),
        "starting_right_turn": entered & is_crossroads & (turn == TurnKind.RIGHT),
        "starting_straight_traffic_light_intersection_traversal": entered
        & (turn == TurnKind.STRAIGHT)
        & lanes.has_traffic_lights[row],
        "stopping_with_lead": stopped & (around.lead_gap_m < 6.0),
        "high_lateral_acceleration": (np.abs(lateral) > 1.5) & (np.abs(lateral) < 3.0) & ~is_turning,
        "high_magnitude_speed": (v > 9.0) & steady,
        "low_magnitude_speed": (v > 0.3) & (v < 1.2) & steady,
        "traversing_pickup_dropoff": (v > 1.0) & observed.town.map.carparks.contains(places),
        "waiting_for_pedestrian_to_cross": _waits_for_pedestrians(observed, vehicle),
        "behind_long_vehicle": (around.lead_length_m > 8.0) & (around.lead_gap_m > 3.0) & (around.lead_gap_m < 10.0),
        "stationary_in_traffic": (v < 0.1) & (around.num_near >= MANY_STANDING),
        "near_multiple_vehicles": (v > 6.0) & (around.num_near_moving >= MANY_MOVING),
        "changing_lane": changed,
        "following_lane_with_lead": (v > 3.5) & has_lead & (around.lead_gap_m < 7.5) & ~is_inside,
    }


def _waits_for_pedestrians(observed: ObservedTown, vehicle: int) -> Bool[np.ndarray, "time"]:
    """Whether the vehicle is slow within 8 m before a crosswalk on which a pedestrian approaches its way."""
    net, history = observed.net, observed.history
    row, s, v = history.lane[:, vehicle], history.s[:, vehicle], history.v[:, vehicle]
    found = np.zeros(len(v), dtype=bool)
    half_m = observed.drivers["length"][vehicle] / 2
    changes = np.where(np.diff(row, append=row[-1]) != 0)[0]
    ends = np.append(changes, len(row) - 1)
    upcoming = row[np.minimum(ends[np.searchsorted(ends, np.arange(len(row)))] + 1, len(row) - 1)]
    for t in np.flatnonzero(v < 2.5):
        is_inside = row[t] >= net.num_lanes
        connector = row[t] if is_inside else upcoming[t]
        if connector < net.num_lanes or (net.lanes["from_lane"][connector] != row[t] and not is_inside):
            continue
        light = net.lanes["light"][connector]
        if not is_inside and light >= 0 and observed.lights[light, t] == LightStatus.RED:
            continue
        front = half_m + (s[t] if is_inside else s[t] - net.lanes["length"][row[t]])
        for k in range(net.lanes["walk_begin"][connector], net.lanes["walk_end"][connector]):
            if -0.5 < net.walk_zones[k, WALK_BEGIN] - front < 8.0:
                path = observed.town.foot_paths[net.walk_path[k]].points + observed.town.origin
                found[t] |= _approaches(history.people[t], path, net.walk_zones[k, WALK_AT])
    return found


def _approaches(people: Float64[np.ndarray, "people 4"], path: Float64[np.ndarray, "2 2"], at: float) -> bool:
    """Whether a pedestrian on a straight path is less than 9 m before or less than 2 m behind the position `at`."""
    length_m = float(np.hypot(*(path[1] - path[0])))
    ahead = (path[1] - path[0]) / np.hypot(*(path[1] - path[0]))
    relative = people[:, :2] - path[0]
    along = relative @ ahead
    across = relative @ np.array([-ahead[1], ahead[0]])
    towards = np.cos(people[:, 2]) * ahead[0] + np.sin(people[:, 2]) * ahead[1]
    remaining = (at - along) * np.sign(towards)
    walks = (np.abs(across) < 1.6) & (along > 0) & (along < length_m) & (people[:, 3] > 0)
    return bool((walks & (remaining > -2.0) & (remaining < 9.0)).any())


def spaced(steps: Int64[np.ndarray, "steps"], spacing: int) -> Int64[np.ndarray, "kept"]:
    """The ascending steps that are at least `spacing` behind the last kept one."""
    kept: list[int] = []
    for step in steps.tolist():
        if not kept or step - kept[-1] >= spacing:
            kept.append(step)
    return np.array(kept, dtype=np.int64)
