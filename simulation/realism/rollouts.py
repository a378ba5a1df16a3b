"""Motion of agents over time: kinematics, distances, collisions and leaving the road.

rollout_statistics(log.agents, scenario.map)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from jaxtyping import Bool, Float64

from driving.agents import AgentKind, AgentTracks, static_mask
from driving.checks import MIN_OVERLAP_M
from driving.geometry import box_overlap_m, wrap_angle
from driving.map import MapGraph
from driving.timing import STEP_S
from simulation.geometry.lane_anchors import LaneAnchors, lane_anchors, lane_lengths
from simulation.realism.divergence import Bins, jensen_shannon
from simulation.realism.scene_statistics import Statistic, is_on_road

WINDOW_STEPS = 5
"""Accelerations and yaw rates are differences over this many steps: recorded poses are noisy from step to step."""
MIN_MOVED_M = 1.0
"""Agents that move less in all are parked: only their boxes count, as obstacles."""
MAX_OFF_ROAD_M = 0.3
"""A vehicle's centre farther than this outside of the drivable area is off the road."""

KINEMATICS: Mapping[str, Statistic] = {
    "speed": Statistic(bins=Bins(low=0, high=30, width=0.5), unit="m/s", meaning="speed over half a second"),
    "acceleration": Statistic(
        bins=Bins(low=-8, high=8, width=0.25), unit="m/s²", meaning="difference of speed over half a second"
    ),
    "yaw_rate": Statistic(
        bins=Bins(low=-1, high=1, width=0.05), unit="rad/s", meaning="difference of heading over half a second"
    ),
    "nearest": Statistic(
        bins=Bins(low=0, high=50, width=1), unit="m", meaning="distance to the nearest other centre"
    ),
    "lateral": Statistic(
        bins=Bins(low=-1.5, high=1.5, width=0.1), unit="m", meaning="signed offset from the centerline, left positive"
    ),
}
"""Distributions over all moving agents and steps. Lateral offsets are those of vehicles on the road."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RolloutStatistics:
    """Samples and shares over the moving agents of one or of many roll-outs."""

    num_agents: int
    """Moving agents; vehicles, bicycles and pedestrians."""
    num_vehicles: int
    samples: Mapping[str, Float64[np.ndarray, "samples"]]
    """By name in `KINEMATICS`."""
    num_colliding: int
    """Moving agents with a box that starts to overlap another one, one of the two a vehicle."""
    num_off_road: int
    """Moving vehicles that start on the drivable area and leave it."""

    @property
    def colliding_share(self) -> float:
        """Share of moving agents that collide."""
        return self.num_colliding / max(1, self.num_agents)

    @property
    def off_road_share(self) -> float:
        """Share of moving vehicles that leave the road."""
        return self.num_off_road / max(1, self.num_vehicles)


def rollout_statistics(tracks: AgentTracks, map_graph: MapGraph, step_s: float = STEP_S) -> RolloutStatistics:
    """Measure agents over time: logged, or driven by a traffic model. Static objects are left out.

    Speeds come from the poses, so that a model is judged by where its agents are. To compare a model with the log,
    pass the same agents over the same steps.

    Args:
        tracks: Add the ego as an agent (`with_ego`) to count collisions with it.
        map_graph: Lanes and drivable area.
        step_s: Time between steps.
    """
    tracks = tracks.take(np.flatnonzero(~static_mask(tracks.kinds)))
    moving = _is_moving(tracks)
    is_vehicle = tracks.kinds == AgentKind.VEHICLE
    speed, acceleration, yaw_rate = _derivatives(tracks, step_s)
    rows, steps = np.nonzero(tracks.valid & (moving & is_vehicle)[:, np.newaxis])
    anchors = lane_anchors(map_graph, tracks.poses[rows, steps])
    return RolloutStatistics(
        num_agents=int(moving.sum()),
        num_vehicles=int((moving & is_vehicle).sum()),
        samples={
            "speed": _finite(speed[moving]),
            "acceleration": _finite(acceleration[moving]),
            "yaw_rate": _finite(yaw_rate[moving]),
            "nearest": _finite(_nearest_m(tracks)[moving]),
            "lateral": anchors.lateral_m[is_on_road(anchors)],
        },
        num_colliding=int((colliding_agents(tracks) & moving).sum()),
        num_off_road=int((_leaves_road(tracks, map_graph) & moving & is_vehicle).sum()),
    )


def joined(parts: Sequence[RolloutStatistics]) -> RolloutStatistics:
    """The statistics of several roll-outs as one."""
    return RolloutStatistics(
        num_agents=sum(part.num_agents for part in parts),
        num_vehicles=sum(part.num_vehicles for part in parts),
        samples={name: np.concatenate([np.zeros(0), *(part.samples[name] for part in parts)]) for name in KINEMATICS},
        num_colliding=sum(part.num_colliding for part in parts),
        num_off_road=sum(part.num_off_road for part in parts),
    )


def rollout_divergences(driven: RolloutStatistics, logged: RolloutStatistics) -> dict[str, float]:
    """Jensen-Shannon divergence of each statistic to the log, and their mean as `mean`."""
    found = {
        name: jensen_shannon(driven.samples[name], logged.samples[name], statistic.bins)
        for name, statistic in KINEMATICS.items()
    }
    return {"mean": float(np.mean(list(found.values()))), **found}


def constant_velocity(tracks: AgentTracks, step_s: float = STEP_S) -> AgentTracks:
    """The agents on straight lines at their first speed and heading: a control of traffic models."""
    first = tracks.valid.argmax(axis=1) if tracks.num_steps else np.zeros(tracks.num_agents, dtype=np.int64)
    rows = np.arange(tracks.num_agents)
    start, velocity = tracks.poses[rows, first], tracks.velocities_mps[rows, first]
    elapsed_s = (np.arange(tracks.num_steps)[np.newaxis] - first[:, np.newaxis]) * step_s
    places = start[:, np.newaxis, :2] + velocity[:, np.newaxis] * elapsed_s[..., np.newaxis]
    headings = np.repeat(start[:, np.newaxis, 2:], tracks.num_steps, axis=1)
    mask = tracks.valid[..., np.newaxis]
    return replace(
        tracks,
        poses=np.where(mask, np.concatenate([places, headings], axis=-1), np.nan),
        velocities_mps=np.where(mask, velocity[:, np.newaxis], np.nan),
    )


def agent_series(
    tracks: AgentTracks, map_graph: MapGraph, step_s: float = STEP_S
) -> dict[str, Float64[np.ndarray, "agents _"]]:
    """The values behind `rollout_statistics` by agent and time, NaN for parked agents and where there is none.

    Columns of speeds, accelerations and yaw rates are windows, as their first steps.
    """
    moving = _is_moving(tracks)
    speed, acceleration, yaw_rate = _derivatives(tracks, step_s)
    lateral = np.full(tracks.valid.shape, np.nan)
    rows, steps = np.nonzero(tracks.valid & (moving & (tracks.kinds == AgentKind.VEHICLE))[:, np.newaxis])
    anchors = lane_anchors(map_graph, tracks.poses[rows, steps])
    lateral[rows, steps] = np.where(is_on_road(anchors), anchors.lateral_m, np.nan)
    series = (speed, acceleration, yaw_rate, _nearest_m(tracks), lateral)
    return {
        name: np.where(moving[:, np.newaxis], values, np.nan) for name, values in zip(KINEMATICS, series, strict=True)
    }


def with_ego(
    tracks: AgentTracks, center_poses: Float64[np.ndarray, "time 3"], size_m: tuple[float, float]
) -> AgentTracks:
    """The agents, and the ego as a further vehicle `ego` in the first row.

    Args:
        tracks: Agents over the same steps.
        center_poses: Of the ego's box.
        size_m: Length and width of the ego.
    """
    steps = tracks.num_steps
    velocity = np.gradient(center_poses[:, :2], STEP_S, axis=0) if steps > 1 else np.zeros((steps, 2))
    return AgentTracks(
        track_ids=("ego", *tracks.track_ids),
        kinds=np.concatenate([[AgentKind.VEHICLE], tracks.kinds]).astype(np.int8),
        poses=np.concatenate([center_poses[np.newaxis], tracks.poses]),
        velocities_mps=np.concatenate([velocity[np.newaxis], tracks.velocities_mps]),
        sizes=np.concatenate([np.broadcast_to(size_m, (1, steps, 2)), tracks.sizes]),
        valid=np.concatenate([np.ones((1, steps), dtype=bool), tracks.valid]),
    )


def colliding_agents(tracks: AgentTracks) -> Bool[np.ndarray, "agents"]:
    """Whether the box of each agent starts to overlap another one, one of the two a vehicle.

    Pairs that overlap at their first common step do not count: recorded boxes of parked cars touch each other.
    """
    found = np.zeros(tracks.num_agents, dtype=bool)
    overlapped: dict[tuple[int, int], bool] = {}
    is_vehicle = tracks.kinds == AgentKind.VEHICLE
    for step in range(tracks.num_steps):
        rows = np.flatnonzero(tracks.valid[:, step])
        poses, sizes = tracks.poses[rows, step], tracks.sizes[rows, step]
        first, second = np.triu_indices(len(rows), k=1)
        reach = np.hypot(*sizes.T) / 2
        near = np.hypot(*(poses[first, :2] - poses[second, :2]).T) < reach[first] + reach[second] + 5.0
        near &= is_vehicle[rows[first]] | is_vehicle[rows[second]]
        first, second = first[near], second[near]
        deep = box_overlap_m(poses[first], sizes[first], poses[second], sizes[second]) > MIN_OVERLAP_M
        for one, other, is_deep in zip(rows[first].tolist(), rows[second].tolist(), deep.tolist(), strict=True):
            if is_deep and not overlapped.setdefault((one, other), _is_first_common_step(tracks, one, other, step)):
                found[one] = found[other] = True
    return found


def _is_first_common_step(tracks: AgentTracks, one: int, other: int, step: int) -> bool:
    return not (tracks.valid[one, :step] & tracks.valid[other, :step]).any()


def _is_moving(tracks: AgentTracks) -> Bool[np.ndarray, "agents"]:
    """Whether the extent of an agent's path is larger than `MIN_MOVED_M`."""
    if not tracks.num_agents or not tracks.num_steps:
        return np.zeros(tracks.num_agents, dtype=bool)
    valid = tracks.valid[..., np.newaxis]
    low = np.where(valid, tracks.poses[..., :2], np.inf).min(axis=1)
    high = np.where(valid, tracks.poses[..., :2], -np.inf).max(axis=1)
    return np.hypot(*(high - low).T) > MIN_MOVED_M


def _derivatives(
    tracks: AgentTracks, step_s: float
) -> tuple[
    Float64[np.ndarray, "agents late"], Float64[np.ndarray, "agents later"], Float64[np.ndarray, "agents late"]
]:
    """Speeds, accelerations and yaw rates over windows, NaN where a window is not fully observed."""
    window = WINDOW_STEPS
    if tracks.num_steps <= 2 * window:
        empty = np.zeros((tracks.num_agents, 0))
        return empty, empty, empty
    poses = np.where(tracks.valid[..., np.newaxis], tracks.poses, np.nan)
    moved = poses[:, window:, :2] - poses[:, :-window, :2]
    speed = np.hypot(moved[..., 0], moved[..., 1]) / (window * step_s)
    acceleration = (speed[:, window:] - speed[:, :-window]) / (window * step_s)
    yaw_rate = np.asarray(wrap_angle(poses[:, window:, 2] - poses[:, :-window, 2])) / (window * step_s)
    return speed, acceleration, yaw_rate


def _nearest_m(tracks: AgentTracks) -> Float64[np.ndarray, "agents time"]:
    """Distance of each centre to the nearest other one at each step; NaN without one."""
    nearest = np.full(tracks.valid.shape, np.nan)
    for step in range(tracks.num_steps):
        rows = np.flatnonzero(tracks.valid[:, step])
        if len(rows) > 1:
            points = tracks.poses[rows, step, :2]
            distances = np.hypot(*(points[:, np.newaxis] - points[np.newaxis]).transpose(2, 0, 1))
            np.fill_diagonal(distances, np.inf)
            nearest[rows, step] = distances.min(axis=1)
    return nearest


def _leaves_road(tracks: AgentTracks, map_graph: MapGraph) -> Bool[np.ndarray, "agents"]:
    """Whether each agent's centre is on the drivable area when it is first observed, and off it later.

    Without a drivable area, lanes and lane connectors take its place. Where a road ends with the map, the places
    behind its end do not count.
    """
    area = map_graph.drivable_area if len(map_graph.drivable_area) else map_graph.lanes.areas
    rows, steps = np.nonzero(tracks.valid)
    on_road = np.zeros(tracks.valid.shape, dtype=bool)
    points = shapely.points(tracks.poses[rows, steps, :2])
    near = np.unique(area.tree.query(points, predicate="dwithin", distance=MAX_OFF_ROAD_M)[0])
    on_road[rows[near], steps[near]] = True
    first = tracks.valid.argmax(axis=1) if tracks.num_steps else np.zeros(tracks.num_agents, dtype=np.int64)
    starts_on_road = on_road[np.arange(tracks.num_agents), first]
    rows, steps = np.nonzero(tracks.valid & ~on_road & starts_on_road[:, np.newaxis])
    leaves = np.zeros(tracks.num_agents, dtype=bool)
    leaves[rows[~_is_behind_map(lane_anchors(map_graph, tracks.poses[rows, steps]), map_graph)]] = True
    return leaves


def _is_behind_map(anchors: LaneAnchors, map_graph: MapGraph) -> Bool[np.ndarray, "poses"]:
    """Whether each pose is near no lane, or before the start or behind the end of a lane that leads nowhere."""
    lanes, row = map_graph.lanes, anchors.rows
    is_first, is_last = (np.diff(links.offsets) == 0 for links in (lanes.predecessors, lanes.successors))
    before = is_first[row] & (anchors.along_m <= 0.0)
    behind = is_last[row] & (anchors.along_m >= lane_lengths(map_graph)[row] - 1e-6)
    return ~anchors.has_lane | before | behind


def _finite(values: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "samples"]:
    return values[np.isfinite(values)]
