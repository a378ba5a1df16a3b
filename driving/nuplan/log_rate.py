"""From the 10 Hz of a recording to the 20 Hz of a nuPlan log file.

One frame is interpolated between two recorded frames. nuPlan's scenarios read every second row, starting at a
recorded frame, and therefore contain recorded frames only.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentTracks, TrafficLights
from driving.ego import EgoMotion
from driving.geometry import wrap_angle
from driving.recording import Recording

SPLIT_ABOVE_US = 75_000
"""A frame is added in longer steps (10 Hz), not in shorter ones (20 Hz)."""

GAP_ABOVE_US = 150_000
"""No frame is added in longer steps, which are pauses of the log."""


@dataclass(frozen=True, kw_only=True)
class _Split:
    """Rows of recorded and added frames on the new time axis."""

    recorded_rows: Int64[np.ndarray, "recorded"]
    added_rows: Int64[np.ndarray, "added"]
    before: Int64[np.ndarray, "added"]
    """The recorded frame before each added one."""
    source: Int64[np.ndarray, "rows"]
    """Recorded frame of each row; for an added row the frame before it."""


def at_log_rate(recording: Recording) -> Recording:
    """The same recording with a frame halfway between every two that are 0.1 s apart.

    The ego, and agents observed before and after, are interpolated linearly, headings over the smaller angle. Traffic
    lights and the order of boxes are those of the frame before. Frame numbers of missions and tags are adjusted.
    """
    split = _split(recording.time_us)
    lights = recording.traffic_lights
    ego = recording.ego
    time_us = _halfway(recording.time_us, split, axis=0)
    return replace(
        recording,
        time_us=time_us,
        ego=EgoMotion(
            time_us=time_us,
            rear_axle_poses=_halfway_poses(ego.rear_axle_poses, split),
            velocities_mps=_halfway(ego.velocities_mps, split),
            accelerations_mps2=_halfway(ego.accelerations_mps2, split),
            steering_rad=_halfway(ego.steering_rad, split),
            yaw_rate_radps=_halfway(ego.yaw_rate_radps, split),
            yaw_acceleration_radps2=_halfway(ego.yaw_acceleration_radps2, split),
        ),
        agents=_agents_halfway(recording.agents, split),
        traffic_lights=lights_of_steps(lights, split.source),
        missions=tuple(
            replace(mission, first_frame=int(split.recorded_rows[mission.first_frame]))
            for mission in recording.missions
        ),
        tags=tuple(replace(tag, frame=int(split.recorded_rows[tag.frame])) for tag in recording.tags),
    )


def lights_of_steps(lights: TrafficLights, steps: Int64[np.ndarray, "rows"]) -> TrafficLights:
    """Traffic lights at the given steps, in their order."""
    counts = np.diff(lights.offsets)[steps]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.repeat(lights.offsets[steps] - offsets[:-1], counts) + np.arange(offsets[-1])
    return TrafficLights(
        offsets=offsets, lane_connector_ids=lights.lane_connector_ids[rows], statuses=lights.statuses[rows]
    )


def _split(time_us: Int64[np.ndarray, "recorded"]) -> _Split:
    step_us = np.diff(time_us)
    is_split = (step_us > SPLIT_ABOVE_US) & (step_us <= GAP_ABOVE_US)
    recorded_rows = np.arange(len(time_us)) + np.concatenate([[0], np.cumsum(is_split)]).astype(np.int64)
    before = np.flatnonzero(is_split)
    source = np.zeros(len(time_us) + len(before), dtype=np.int64)
    source[recorded_rows] = np.arange(len(time_us))
    source[recorded_rows[before] + 1] = before
    return _Split(recorded_rows=recorded_rows, added_rows=recorded_rows[before] + 1, before=before, source=source)


def _halfway(values: np.ndarray, split: _Split, axis: int = 1) -> np.ndarray:
    new = np.take(values, split.source, axis=axis)
    added: list[slice | np.ndarray] = [slice(None)] * values.ndim
    added[axis] = split.added_rows
    first, second = np.take(values, split.before, axis=axis), np.take(values, split.before + 1, axis=axis)
    # Half the step is added to the first value: large integer times stay exact.
    new[tuple(added)] = first + (second - first) // 2 if values.dtype.kind == "i" else first + (second - first) / 2
    return new


def _halfway_poses(
    poses: Float64[np.ndarray, "rows time 3"], split: _Split
) -> Float64[np.ndarray, "rows new_time 3"]:
    new = _halfway(poses, split)
    first, second = poses[:, split.before, 2], poses[:, split.before + 1, 2]
    new[:, split.added_rows, 2] = first + wrap_angle(second - first) / 2
    return new


def _agents_halfway(agents: AgentTracks, split: _Split) -> AgentTracks:
    valid = agents.valid[:, split.source]
    valid[:, split.added_rows] = agents.valid[:, split.before] & agents.valid[:, split.before + 1]
    return AgentTracks(
        track_ids=agents.track_ids,
        kinds=agents.kinds,
        poses=np.where(valid[..., np.newaxis], _halfway_poses(agents.poses, split), np.nan),
        velocities_mps=np.where(valid[..., np.newaxis], _halfway(agents.velocities_mps, split), np.nan),
        sizes=np.where(valid[..., np.newaxis], _halfway(agents.sizes, split), np.nan),
        valid=valid,
        order=agents.order[:, split.source],
        heights_m=agents.heights_m,
        z_m=np.where(valid, _halfway(agents.z_m, split), np.nan),
    )
