"""Scenarios of one log merged to a recording, as far as they cover the drive."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64

from driving.agents import AgentTracks, TrafficLights
from driving.cameras import CameraFrames
from driving.ego import EgoMotion
from driving.nuplan.entries import KNOWN_CUT_S, OTHER_CUT_S, STRIDE
from driving.nuplan.log_rate import at_log_rate
from driving.recording import Mission, Recording, Tag
from driving.scenario import Scenario
from driving.scenario_types import KNOWN_SCENARIO_TYPES

AGREEMENT = 1e-3
"""Largest difference between scenarios of one log at the same time [m, rad, m/s]."""

_ROW_US = 50_000


@dataclass(frozen=True)
class _TimeAxis:
    """Union of the time axes of the scenarios."""

    time_us: Int64[np.ndarray, "time"]
    of_scenario: tuple[np.ndarray, ...]
    """Per scenario, the index of each of its steps on this axis: (steps,) int64."""
    source: Int64[np.ndarray, "time"]
    """First scenario with the time."""


def merged_recordings(scenarios: Sequence[Scenario]) -> list[Recording]:
    """One recording at log rate (20 Hz) for each log name, with the scenarios as tagged frames.

    Raises:
        ValueError: When scenarios of one log name differ in map, ego, mission or rig.
    """
    of_log: dict[str, list[Scenario]] = {}
    for scenario in scenarios:
        of_log.setdefault(scenario.log_name, []).append(scenario)
    return [_merged(members) for members in of_log.values()]


def _merged(scenarios: list[Scenario]) -> Recording:
    scenarios = sorted(scenarios, key=lambda scenario: (scenario.start_time_us, scenario.scenario_id))
    first = scenarios[0]
    for scenario in scenarios:
        if (scenario.map.name, scenario.map.version) != (first.map.name, first.map.version):
            raise ValueError(
                f"Scenarios of log {first.log_name} are on maps {first.map.name} and {scenario.map.name}."
                " Give one of them another log name."
            )
    axis = _time_axis(scenarios)
    recording = at_log_rate(
        Recording(
            log_name=first.log_name,
            map=first.map,
            time_us=axis.time_us,
            ego=_ego(scenarios, axis),
            agents=_agents(scenarios, axis),
            traffic_lights=_lights(scenarios, axis),
            missions=(),
            tags=(),
            cameras=_cameras(scenarios),
            metadata={key: value for scenario in scenarios for key, value in scenario.metadata.items()},
        )
    )
    time_us = recording.time_us.copy()
    is_added = ~np.isin(time_us, axis.time_us)
    anchors = [_anchor_row(scenario, time_us, is_added) for scenario in scenarios]
    return replace(
        recording,
        time_us=time_us,
        ego=replace(recording.ego, time_us=time_us),
        missions=_missions(scenarios, anchors),
        tags=_tags(scenarios, anchors),
    )


def _time_axis(scenarios: list[Scenario]) -> _TimeAxis:
    time_us = np.unique(np.concatenate([scenario.time_us for scenario in scenarios]))
    of_scenario = tuple(np.searchsorted(time_us, scenario.time_us) for scenario in scenarios)
    source = np.zeros(len(time_us), dtype=np.int64)
    for index in reversed(range(len(scenarios))):
        source[of_scenario[index]] = index
    return _TimeAxis(time_us, of_scenario, source)


def _ego(scenarios: list[Scenario], axis: _TimeAxis) -> EgoMotion:
    def union(values_of: Callable[[EgoMotion], np.ndarray], what: str) -> np.ndarray:
        sample = values_of(scenarios[0].ego)
        values = np.full((1, len(axis.time_us), *sample.shape[2:]), np.nan)
        for scenario, indices in zip(scenarios, axis.of_scenario, strict=True):
            own = values_of(scenario.ego)
            known = values[:, indices]
            if np.any(np.abs(known - own) > AGREEMENT):
                raise ValueError(
                    f"Scenarios of log {scenario.log_name} have different {what} of the ego at the same time,"
                    f" among them {scenario.scenario_id}. Give changed scenarios another log name."
                )
            values[:, indices] = np.where(np.isnan(known), own, known)
        return values

    return EgoMotion(
        time_us=axis.time_us,
        rear_axle_poses=union(lambda ego: ego.rear_axle_poses, "poses"),
        velocities_mps=union(lambda ego: ego.velocities_mps, "velocities"),
        accelerations_mps2=union(lambda ego: ego.accelerations_mps2, "accelerations"),
        steering_rad=union(lambda ego: ego.steering_rad, "steering angles"),
        yaw_rate_radps=union(lambda ego: ego.yaw_rate_radps, "yaw rates"),
        yaw_acceleration_radps2=union(lambda ego: ego.yaw_acceleration_radps2, "yaw accelerations"),
    )


def _agents(scenarios: list[Scenario], axis: _TimeAxis) -> AgentTracks:
    row_of: dict[str, int] = {}
    kinds: list[int] = []
    heights: list[float] = []
    for scenario in scenarios:
        agents = scenario.agents
        for track_id, kind, height in zip(agents.track_ids, agents.kinds, agents.heights_m, strict=True):
            if track_id not in row_of:
                row_of[track_id] = len(row_of)
                kinds.append(int(kind))
                heights.append(float(height))
    shape = (len(row_of), len(axis.time_us))
    poses, velocities, sizes = (
        np.full((*shape, 3), np.nan),
        np.full((*shape, 2), np.nan),
        np.full((*shape, 2), np.nan),
    )
    z_m, valid, order = np.full(shape, np.nan), np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.int32)
    for index, (scenario, indices) in enumerate(zip(scenarios, axis.of_scenario, strict=True)):
        agents = scenario.agents
        is_source = axis.source[indices] == index
        rows = np.array([row_of[track_id] for track_id in agents.track_ids], dtype=np.int64)
        target = np.ix_(rows, indices[is_source])
        for values, own in (
            (poses, agents.poses),
            (velocities, agents.velocities_mps),
            (sizes, agents.sizes),
            (z_m, agents.z_m),
            (valid, agents.valid),
            (order, agents.order),
        ):
            values[target] = own[:, is_source]
    return AgentTracks(
        track_ids=tuple(row_of),
        kinds=np.array(kinds, dtype=np.int8),
        poses=poses,
        velocities_mps=velocities,
        sizes=sizes,
        valid=valid,
        order=order,
        heights_m=np.array(heights, dtype=np.float64),
        z_m=z_m,
    )


def _lights(scenarios: list[Scenario], axis: _TimeAxis) -> TrafficLights:
    ids, statuses, counts = [], [], []
    step_of = [dict(zip(indices.tolist(), range(len(indices)), strict=True)) for indices in axis.of_scenario]
    for index, source in enumerate(axis.source.tolist()):
        step_ids, step_statuses = scenarios[source].traffic_lights.at(step_of[source][index])
        ids.append(step_ids)
        statuses.append(step_statuses)
        counts.append(len(step_ids))
    return TrafficLights(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        lane_connector_ids=np.concatenate(ids),
        statuses=np.concatenate(statuses),
    )


def _cameras(scenarios: list[Scenario]) -> CameraFrames | None:
    parts: list[CameraFrames] = []
    for scenario in scenarios:
        frames = scenario.cameras
        if frames is None or any(frames is part for part in parts):
            continue
        if parts and not (
            frames.rig.names == parts[0].rig.names
            and np.array_equal(frames.rig.ego_from_camera, parts[0].rig.ego_from_camera)
            and np.array_equal(frames.rig.intrinsics, parts[0].rig.intrinsics)
        ):
            raise ValueError(
                f"Scenarios of log {scenario.log_name} have different camera rigs. Give one another log name."
            )
        parts.append(frames)
    if len(parts) < 2:
        return parts[0] if parts else None
    cameras = np.concatenate([part.cameras for part in parts])
    time_us = np.concatenate([part.time_us for part in parts])
    paths = [str(part.path(frame)) for part in parts for frame in range(len(part.paths))]
    rows = np.unique(np.stack([time_us, cameras]), axis=1, return_index=True)[1]
    return CameraFrames(
        rig=parts[0].rig,
        cameras=cameras[rows],
        time_us=time_us[rows],
        global_from_ego=np.concatenate([part.global_from_ego for part in parts])[rows],
        paths=tuple(paths[row] for row in rows),
    )


def _anchor_row(scenario: Scenario, time_us: Int64[np.ndarray, "rows"], is_added: Bool[np.ndarray, "rows"]) -> int:
    """The row to tag, for which nuPlan's rule gives the scenario's frames.

    nuPlan's time stamps jitter: the tagged frame may be a row between two frames of the scenario. The time of that
    row is then changed in place to a value for which the rule gives the same frames. If no row gives them, for
    example because the scenario was extended, the anchor frame is tagged.
    """
    duration_s, offset_s = KNOWN_CUT_S if scenario.scenario_type in KNOWN_SCENARIO_TYPES else OTHER_CUT_S
    duration_us, offset_us = round(duration_s * 1e6), round(offset_s * 1e6)
    frames_us = scenario.time_us[scenario.frames]
    first, last = np.searchsorted(time_us, frames_us[[0, -1]]).tolist()
    anchor = int(np.searchsorted(time_us, scenario.time_us[scenario.anchor_frame]))
    # The window from the tagged row starts with the first frame and ends with the last frame, or one row later.
    earliest = int(time_us[first - 1]) + 1 if first else int(time_us[0]) - _ROW_US
    earliest = max(earliest, int(frames_us[-1]) - duration_us) - offset_us
    latest = int(frames_us[0])
    if last + STRIDE < len(time_us):
        latest = min(latest, int(time_us[last + STRIDE]) - 1 - duration_us)
    latest -= offset_us
    near = range(max(anchor - STRIDE, 0), min(anchor + STRIDE + 1, len(time_us)))
    by_distance = sorted(near, key=lambda row: abs(row - anchor))
    for row in by_distance:
        if earliest <= time_us[row] <= latest:
            return row
    for row in by_distance:
        if is_added[row] and time_us[row - 1] < latest and time_us[row + 1] > earliest and earliest <= latest:
            time_us[row] = np.clip(time_us[row], earliest, latest)
            return row
    return anchor


def _missions(scenarios: list[Scenario], anchors: list[int]) -> tuple[Mission, ...]:
    missions: list[Mission] = []
    last_row = -1
    for row, index in sorted(zip(anchors, range(len(scenarios)), strict=True)):
        route = scenarios[index].route
        is_at_last_row, last_row = row == last_row, row
        if missions and _is_same(missions[-1], route.roadblock_ids, route.goal_pose):
            continue
        if is_at_last_row:
            raise ValueError(
                f"Scenarios of log {scenarios[index].log_name} have different routes from the same frame on,"
                f" among them {scenarios[index].scenario_id}. Give one another log name."
            )
        first_frame = row if missions else 0
        missions.append(
            Mission(first_frame=first_frame, roadblock_ids=route.roadblock_ids, goal_pose=route.goal_pose)
        )
    return tuple(missions)


def _is_same(mission: Mission, roadblock_ids: tuple[int, ...], goal_pose: np.ndarray | None) -> bool:
    if (mission.goal_pose is None) != (goal_pose is None) or mission.roadblock_ids != roadblock_ids:
        return False
    if mission.goal_pose is None or goal_pose is None:
        return True
    return bool(np.allclose(mission.goal_pose, goal_pose, rtol=0.0, atol=1e-9))


def _tags(scenarios: list[Scenario], anchors: list[int]) -> tuple[Tag, ...]:
    tags = [
        Tag(
            frame=row,
            scenario_type=scenario.scenario_type,
            track_id=scenario.about_track,
            token=scenario.scenario_id,
        )
        for scenario, row in zip(scenarios, anchors, strict=True)
    ]
    return tuple(dict.fromkeys(tags))
