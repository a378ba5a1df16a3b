"""The recording of one vehicle of a town: its motion in nuPlan's form, the agents and the lights in sight."""

import hashlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.agents import AgentKind, AgentTracks, TrafficLights
from driving.ego import EgoMotion
from driving.geometry import shifted_along_heading
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.town.observed import Clip, ObservedTown

SIGHT_M = 100.0
"""Agents beyond this distance from the ego are not in the recording."""
LIGHT_SIGHT_M = 150.0


class _Agents(NamedTuple):
    """Agents of one source over the steps of a clip."""

    poses: np.ndarray
    velocities: np.ndarray
    sizes: np.ndarray
    kinds: np.ndarray


def ego_motion(observed: ObservedTown, clip: Clip, time_us: Int64[np.ndarray, "time"]) -> EgoMotion:
    """The motion of the clip's vehicle at its rear axle, as its own sensors would measure it."""
    vehicle, start, stop = clip
    centers = observed.motions.poses[start:stop, vehicle]
    poses = shifted_along_heading(centers, -PACIFICA.rear_axle_to_center_m)
    v, slip = observed.motions.speed[start:stop, vehicle], observed.motions.slip[start:stop, vehicle]
    forward_mps = v * np.cos(slip)
    yaw_rate = v * np.sin(slip) / PACIFICA.rear_axle_to_center_m
    zeros = np.zeros_like(v)
    return EgoMotion.from_log(
        time_us=time_us,
        rear_axle_poses=np.ascontiguousarray(poses),
        velocities_mps=np.stack([forward_mps, zeros], axis=-1),
        accelerations_mps2=np.stack([np.gradient(forward_mps, STEP_S), forward_mps * yaw_rate], axis=-1),
    )


def agents_in_sight(observed: ObservedTown, clip: Clip) -> AgentTracks:
    """Vehicles, parked cars, pedestrians and bystanders within `SIGHT_M` of the ego, when they are."""
    vehicle, start, stop = clip
    eye = observed.motions.poses[start:stop, vehicle, :2]
    sources = _sources(observed, slice(start, stop))
    seen = [_within(source.poses, eye, SIGHT_M) for source in sources]
    seen[0][vehicle] = False
    rows = [np.flatnonzero(valid.any(axis=1)) for valid in seen]
    counts = [len(source.poses) for source in sources]
    numbers = np.concatenate([first + found for first, found in zip(np.cumsum([0, *counts]), rows, strict=False)])
    valid = np.concatenate([valid[found] for valid, found in zip(seen, rows, strict=True)])
    mask = valid[..., np.newaxis]

    def picked(name: str) -> np.ndarray:
        return np.concatenate([getattr(source, name)[found] for source, found in zip(sources, rows, strict=True)])

    sizes = np.repeat(picked("sizes")[:, np.newaxis], stop - start, axis=1)
    heights = sizes[:, 0, 2].copy()
    return AgentTracks(
        track_ids=tuple(track_id(observed.name, int(number)) for number in numbers),
        kinds=picked("kinds").astype(np.int8),
        poses=np.where(mask, picked("poses"), np.nan),
        velocities_mps=np.where(mask, picked("velocities"), np.nan),
        sizes=np.where(mask, sizes[..., :2], np.nan),
        valid=valid,
        heights_m=heights,
        z_m=np.where(valid, heights[:, np.newaxis] / 2, np.nan),
    )


def _sources(observed: ObservedTown, steps: slice) -> list[_Agents]:
    """Vehicles, parked cars, pedestrians and bystanders, each over the given steps."""
    motions = observed.motions
    parked = np.repeat(observed.parked.poses[:, np.newaxis], steps.stop - steps.start, axis=1)
    people = observed.history.people[steps].transpose(1, 0, 2)
    standing, swaying = observed.bystanders.motion(steps)
    walking = people[..., 3:] * np.stack([np.cos(people[..., 2]), np.sin(people[..., 2])], axis=-1)
    return [
        _Agents(
            poses=motions.poses[steps].transpose(1, 0, 2),
            velocities=motions.velocities[steps].transpose(1, 0, 2),
            sizes=observed.vehicle_sizes,
            kinds=observed.drivers["kind"],
        ),
        _Agents(
            poses=parked,
            velocities=np.zeros((*parked.shape[:2], 2)),
            sizes=observed.parked.sizes,
            kinds=np.full(len(parked), int(AgentKind.VEHICLE)),
        ),
        _Agents(
            poses=people[..., :3],
            velocities=walking,
            sizes=observed.people_sizes,
            kinds=np.full(len(people), int(AgentKind.PEDESTRIAN)),
        ),
        _Agents(
            poses=standing,
            velocities=swaying,
            sizes=observed.bystanders.sizes,
            kinds=observed.bystanders.kinds,
        ),
    ]


def _within(
    poses: Float64[np.ndarray, "agents time 3"], eye: Float64[np.ndarray, "time 2"], distance_m: float
) -> Bool[np.ndarray, "agents time"]:
    return ((poses[..., :2] - eye) ** 2).sum(axis=-1) < distance_m**2


def track_id(town: str, number: int) -> str:
    """Track id of an agent, 16 hex digits; equal in all recordings of a town."""
    return hashlib.blake2b(f"{town}/track/{number}".encode(), digest_size=8).hexdigest()


def lights_in_sight(observed: ObservedTown, clip: Clip) -> TrafficLights:
    """Lights whose connector starts within `LIGHT_SIGHT_M` of the ego."""
    vehicle, start, stop = clip
    lanes = observed.town.map.lanes
    rows = np.flatnonzero(lanes.has_traffic_lights)
    places = np.array([lanes.centerlines[row][0] for row in rows]).reshape(-1, 2)
    eye = observed.motions.poses[start:stop, vehicle, :2]
    near = ((places[np.newaxis] - eye[:, np.newaxis]) ** 2).sum(axis=-1) < LIGHT_SIGHT_M**2
    steps, numbers = np.nonzero(near)
    offsets = np.concatenate([[0], np.cumsum(near.sum(axis=1))]).astype(np.int64)
    return TrafficLights(
        offsets=offsets,
        lane_connector_ids=lanes.ids[rows][numbers],
        statuses=observed.lights[numbers, start + steps].astype(np.int8),
    )
