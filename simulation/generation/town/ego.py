"""One of the vehicles as the recorder: its motion as nuPlan stores it, whom it saw, where it was going."""

import hashlib
from dataclasses import dataclass

import numpy as np

from driving.agents import AgentKind, AgentTracks, TrafficLights
from driving.ego import EgoMotion
from driving.geometry import shifted_along_heading
from driving.recording import Mission
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.town.motion import Motions
from simulation.generation.town.network import Network
from simulation.generation.town.roads import TownRoads
from simulation.generation.town.traffic import TrafficHistory

SIGHT_M = 100.0
"""Road users farther from the ego are not in the recording."""
LIGHT_SIGHT_M = 150.0
ROUTE_M, ROUTE_BEYOND_M = 500.0, 120.0
"""A route reaches this far from its start, and at least so far beyond what the ego drives in the scenario."""
SCENARIO_STEPS = 150


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """A town while it was watched: everything that recordings are cut from."""

    roads: TownRoads
    net: Network
    drivers: np.ndarray
    history: TrafficHistory
    motions: Motions
    lights: np.ndarray
    """(connectors with lights, T) `LightStatus`."""
    parked_poses: np.ndarray
    """(places, 3)."""
    parked_sizes: np.ndarray
    """(places, 3) length, width, height."""
    people_sizes: np.ndarray
    """(people, 3) length, width, height."""
    name: str
    """Of the town."""


def ego_motion(watched: Watched, vehicle: int, start: int, stop: int, time_us: np.ndarray) -> EgoMotion:
    """What the vehicle's own sensors would have measured, at the rear axle."""
    centers = watched.motions.poses[start:stop, vehicle]
    poses = shifted_along_heading(centers, -PACIFICA.rear_axle_to_center_m)
    v, slip = watched.motions.speed[start:stop, vehicle], watched.motions.slip[start:stop, vehicle]
    forward_mps = v * np.cos(slip)
    yaw_rate = v * np.sin(slip) / PACIFICA.rear_axle_to_center_m
    zeros = np.zeros_like(v)
    return EgoMotion.from_log(
        time_us=time_us,
        rear_axle_poses=np.ascontiguousarray(poses),
        velocities_mps=np.stack([forward_mps, zeros], axis=-1),
        accelerations_mps2=np.stack([np.gradient(forward_mps, STEP_S), forward_mps * yaw_rate], axis=-1),
    )


def seen_agents(watched: Watched, vehicle: int, start: int, stop: int) -> AgentTracks:
    """Everybody within sight of the vehicle, moving or parked, over the given steps."""
    eye = watched.motions.poses[start:stop, vehicle, :2]
    moving = watched.motions.poses[start:stop].transpose(1, 0, 2)
    steps = stop - start
    parked = np.repeat(watched.parked_poses[:, np.newaxis], steps, axis=1)
    people = watched.history.people[start:stop].transpose(1, 0, 2)
    speed = people[..., 3:]
    walking = speed * np.stack([np.cos(people[..., 2]), np.sin(people[..., 2])], axis=-1)
    drivers = watched.drivers
    parts = [
        (moving, watched.motions.velocities[start:stop].transpose(1, 0, 2), _sizes(drivers), drivers["kind"]),
        (
            parked,
            np.zeros((*parked.shape[:2], 2)),
            watched.parked_sizes,
            np.full(len(parked), int(AgentKind.VEHICLE)),
        ),
        (people[..., :3], walking, watched.people_sizes, np.full(len(people), int(AgentKind.PEDESTRIAN))),
    ]
    tracks: dict[str, list[np.ndarray]] = {
        name: [] for name in ("ids", "kinds", "poses", "velocities", "sizes", "valid")
    }
    first_id = 0
    for poses, velocities, sizes, kinds in parts:
        valid = ((poses[..., :2] - eye) ** 2).sum(axis=-1) < SIGHT_M**2
        if first_id == 0:
            valid[vehicle] = False
        rows = np.flatnonzero(valid.any(axis=1))
        mask = valid[rows, :, np.newaxis]
        tracks["ids"].append(first_id + rows)
        tracks["kinds"].append(kinds[rows])
        tracks["poses"].append(np.where(mask, poses[rows], np.nan))
        tracks["velocities"].append(np.where(mask, velocities[rows], np.nan))
        tracks["sizes"].append(np.repeat(sizes[rows, np.newaxis], steps, axis=1))
        tracks["valid"].append(valid[rows])
        first_id += len(poses)
    sizes_all, valid_all = np.concatenate(tracks["sizes"]), np.concatenate(tracks["valid"])
    heights = sizes_all[:, 0, 2].copy()
    mask = valid_all[..., np.newaxis]
    return AgentTracks(
        track_ids=tuple(track_id(watched.name, int(number)) for number in np.concatenate(tracks["ids"])),
        kinds=np.concatenate(tracks["kinds"]).astype(np.int8),
        poses=np.concatenate(tracks["poses"]),
        velocities_mps=np.concatenate(tracks["velocities"]),
        sizes=np.where(mask, sizes_all[..., :2], np.nan),
        valid=valid_all,
        heights_m=heights,
        z_m=np.where(valid_all, heights[:, np.newaxis] / 2, np.nan),
    )


def _sizes(drivers: np.ndarray) -> np.ndarray:
    return np.stack([drivers["length"], drivers["width"], drivers["height"]], axis=-1)


def track_id(town: str, number: int) -> str:
    """The 16 hex digits of a road user, the same in all recordings of a town."""
    return hashlib.blake2b(f"{town}/track/{number}".encode(), digest_size=8).hexdigest()


def seen_lights(watched: Watched, vehicle: int, start: int, stop: int) -> TrafficLights:
    """The lights of all junctions in sight of the vehicle."""
    lanes = watched.roads.map.lanes
    rows = np.flatnonzero(lanes.has_traffic_lights)
    places = np.array([lanes.centerlines[row][0] for row in rows]).reshape(-1, 2)
    eye = watched.motions.poses[start:stop, vehicle, :2]
    near = ((places[np.newaxis] - eye[:, np.newaxis]) ** 2).sum(axis=-1) < LIGHT_SIGHT_M**2
    steps, numbers = np.nonzero(near)
    offsets = np.concatenate([[0], np.cumsum(near.sum(axis=1))]).astype(np.int64)
    return TrafficLights(
        offsets=offsets,
        lane_connector_ids=lanes.ids[rows][numbers],
        statuses=watched.lights[numbers, start + steps].astype(np.int8),
    )


def mission_from(watched: Watched, vehicle: int, step: int, first_frame: int) -> Mission:
    """The route from where the vehicle is at `step` along the way it will take, and on beyond.

    It ends before a roadblock would come a second time, so that it never runs in a circle; and, once it has two
    roadblocks and is long enough, where it could not be followed without a change of lanes.

    Args:
        watched: The town.
        vehicle: The ego.
        step: Step of the first iteration of the scenario.
        first_frame: Frame of the recording from which the mission holds.
    """
    lanes, net = watched.roads.map.lanes, watched.net
    driven = watched.history.lane[step:, vehicle]
    ahead = driven[np.concatenate([[True], driven[1:] != driven[:-1]])].tolist()
    enough_m = float(watched.history.v[step : step + SCENARIO_STEPS, vehicle].sum()) * STEP_S + ROUTE_BEYOND_M
    reached = [_lane_below(watched, vehicle, step)]
    blocks = [int(lanes.roadblock_ids[ahead[0]])]
    last = int(ahead[0])
    length_m = float(net.lanes["length"][last])
    place = 0
    while length_m < ROUTE_M or last >= net.num_lanes:
        place += 1
        if place < len(ahead):
            row = int(ahead[place])
        else:
            followers = [one for before in reached for one in lanes.successors[before].tolist()]
            row = min(followers, key=lambda one: float(net.lanes["bend"][one]))
        block = int(lanes.roadblock_ids[row])
        if block == blocks[-1]:
            last = row
            continue
        onward = [one for before in reached for one in lanes.successors[before].tolist()]
        onward = [one for one in dict.fromkeys(onward) if int(lanes.roadblock_ids[one]) == block]
        if block in blocks or (not onward and length_m > enough_m and len(blocks) > 1):
            break
        reached, last = onward or [row], row
        blocks.append(block)
        length_m += float(net.lanes["length"][row])
    if last >= net.num_lanes:
        # A route ends on a street: the connector would lead to a roadblock that is left out.
        blocks, last = blocks[:-1], int(net.lanes["from_lane"][last])
    line = watched.roads.map.centerline(last)
    goal = line.at(np.array([0.75 * line.length_m]))[0]
    return Mission(first_frame=first_frame, roadblock_ids=tuple(blocks), goal_pose=goal)


def _lane_below(watched: Watched, vehicle: int, step: int) -> int:
    """The lane that holds the box centre: early in a lane change that is still the old one."""
    table, row = watched.net.lanes, int(watched.history.lane[step, vehicle])
    aside_m, half_m = watched.history.aside[step, vehicle], table["width"][row] / 2
    beside = table["left"][row] if aside_m > half_m else table["right"][row] if aside_m < -half_m else -1
    return row if beside < 0 else int(beside)
