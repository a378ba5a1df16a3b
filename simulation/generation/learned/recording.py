"""A continued scene as a recording: ego, tracks, lights, mission and tag."""

import hashlib

import numpy as np
from jaxtyping import Float64, Int8

from driving.agents import AgentTracks, TrafficLights
from driving.ego import EgoMotion
from driving.geometry import shifted_along_heading
from driving.importers.tagging import scenario_type_at
from driving.map import MapGraph
from driving.recording import ANCHOR_OFFSET_S, Mission, Recording, Tag
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.learned.driving_network import DrivingNetwork
from simulation.generation.learned.futures import Continued, now_step, sample_times
from simulation.generation.learned.scene import SceneAgents
from simulation.generation.learned.vocabulary import KIND_OF_CLASS, AgentClass
from simulation.geometry.lane_anchors import lane_lengths

START_US = 1_672_531_200_000_000
"""2023-01-01 00:00:00 UTC."""
ROUTE_BEYOND_M = 120.0
"""Length of the route beyond the distance that the ego drives, at least."""
_HEIGHTS_M = {AgentClass.PEDESTRIAN: 1.75, AgentClass.BICYCLE: 1.7, AgentClass.OFF_LANE_BICYCLE: 1.7}
LONG_M, LONG_HEIGHT_M, CAR_HEIGHT_M = 7.0, 3.2, 1.6


class NoRouteError(ValueError):
    """The ego's way is shorter than a route needs."""


def scene_recording(
    map_graph: MapGraph,
    agents: SceneAgents,
    scene: Continued,
    network: DrivingNetwork,
    lights: Int8[np.ndarray, "lights time"],
    *,
    name: str,
    metadata: dict[str, str],
) -> Recording:
    """The recording of a continued scene, with one tagged scenario that begins at the drawn instant.

    Args:
        map_graph: The map, in stored form.
        agents: Agents of the scene, the ego first.
        scene: They over time.
        network: Lanes around.
        lights: Status of the network's lights at all times.
        name: Of the log.
        metadata: Of the recording.

    Raises:
        NoRouteError: When the ego's way has fewer than two roadblocks.
    """
    time_s = sample_times()
    time_us = START_US + np.round((time_s - time_s[0]) * 1e6).astype(np.int64)
    ego = _ego_motion(scene, time_us)
    tracks = _tracks(agents, scene, name)
    frame = now_step() + round(ANCHOR_OFFSET_S / STEP_S)
    return Recording(
        log_name=name,
        map=map_graph,
        time_us=time_us,
        ego=ego,
        agents=tracks,
        traffic_lights=TrafficLights.from_dense(network.light_ids, lights),
        missions=(_mission(map_graph, scene, network),),
        tags=(Tag(frame=frame, scenario_type=scenario_type_at(frame, ego, tracks, changes_lane=False)),),
        metadata=metadata,
    )


def _ego_motion(scene: Continued, time_us: np.ndarray) -> EgoMotion:
    poses = shifted_along_heading(scene.poses[0], -PACIFICA.rear_axle_to_center_m)
    speed = scene.speeds_mps[0]
    yaw_rate = np.gradient(np.unwrap(poses[:, 2]), STEP_S)
    zeros = np.zeros_like(speed)
    return EgoMotion.from_log(
        time_us=time_us,
        rear_axle_poses=poses,
        velocities_mps=np.stack([speed, zeros], axis=-1),
        accelerations_mps2=np.stack([np.gradient(speed, STEP_S), speed * yaw_rate], axis=-1),
    )


def _tracks(agents: SceneAgents, scene: Continued, name: str) -> AgentTracks:
    rows = np.flatnonzero(scene.valid[1:].any(axis=1)) + 1
    valid = scene.valid[rows]
    mask = valid[..., np.newaxis]
    poses, speeds = scene.poses[rows], scene.speeds_mps[rows]
    velocities = speeds[..., np.newaxis] * np.stack([np.cos(poses[..., 2]), np.sin(poses[..., 2])], axis=-1)
    sizes = np.broadcast_to(agents.sizes[rows][:, np.newaxis], (*valid.shape, 2))
    heights = _heights(agents.take(rows))
    return AgentTracks(
        track_ids=tuple(
            hashlib.blake2b(f"{name}/track/{row}".encode(), digest_size=8).hexdigest() for row in rows.tolist()
        ),
        kinds=KIND_OF_CLASS[agents.classes[rows]],
        poses=np.where(mask, poses, np.nan),
        velocities_mps=np.where(mask, velocities, np.nan),
        sizes=np.where(mask, sizes, np.nan),
        valid=valid,
        heights_m=heights,
        z_m=np.where(valid, heights[:, np.newaxis] / 2, np.nan),
    )


def _heights(agents: SceneAgents) -> Float64[np.ndarray, "agents"]:
    by_length = np.where(agents.sizes[:, 0] > LONG_M, LONG_HEIGHT_M, CAR_HEIGHT_M)
    fixed = np.array([_HEIGHTS_M.get(AgentClass(int(one)), np.nan) for one in agents.classes])
    return np.where(np.isnan(fixed), by_length, fixed)


def _mission(map_graph: MapGraph, scene: Continued, network: DrivingNetwork) -> Mission:
    """The roadblocks of the ego's way from the drawn instant on and beyond; the goal is on the last lane."""
    lanes, lengths = map_graph.lanes, lane_lengths(map_graph)
    driven = network.map_rows[scene.lines.row[0, now_step() :]]
    driven = driven[driven >= 0]
    rows = driven[np.concatenate([[True], np.diff(driven) != 0])].tolist()
    blocks = list(dict.fromkeys(int(lanes.roadblock_ids[row]) for row in rows))
    seen, length_m = set(blocks), 0.0
    last = rows[-1]
    while length_m < ROUTE_BEYOND_M or lanes.is_connector(last):
        after = [row for row in lanes.successors[last].tolist() if int(lanes.roadblock_ids[row]) not in seen]
        if not after:
            break
        last = min(after, key=lambda row: abs(float(np.ptp(np.unwrap(map_graph.centerline(row).headings)))))
        block = int(lanes.roadblock_ids[last])
        seen.add(block)
        blocks.append(block)
        length_m += float(lengths[last])
    while blocks and map_graph.roadblocks.row(blocks[-1]) is None:
        blocks.pop()
        if lanes.is_connector(last) and len(lanes.predecessors[last]):
            last = int(lanes.predecessors[last][0])
    if len(blocks) < 2:
        raise NoRouteError("The ego's way has fewer than two roadblocks.")
    line = map_graph.centerline(last)
    return Mission(first_frame=0, roadblock_ids=tuple(blocks), goal_pose=line.at(np.array([0.75 * line.length_m]))[0])
