"""Statistics of scenes at one instant: marginals of single agents, and relations of pairs of agents.

The six marginals and their bins are those of Scenario Dreamer (Rowe et al., CVPR 2025, `compute_jsd_metrics`). They
do not depend on overlaps of agents, so relations of pairs and shares of impossible placements are measured beside
them. Differences from Scenario Dreamer: the lane of an agent is chosen by distance and heading (its nearest lane at a
junction is often a crossing one), the ego's box, which is equal in all sources, is left out of length and width, and
vehicles away from all lanes are left out (`MAX_FROM_LANE_M`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.checks import MIN_OVERLAP_M
from driving.geometry import box_overlap_m
from driving.map import MapGraph
from simulation.geometry.lane_anchors import LaneAnchors, lane_lengths
from simulation.realism.divergence import Bins, jensen_shannon
from simulation.realism.snapshots import SceneSnapshot

ON_ROAD_M = 1.5
"""Vehicles up to this distance from a centerline count for lateral and angular deviation and can be leaders."""
ALIGNED_RAD = np.pi / 4
"""A leader's heading differs from that of its lane by less than this."""
GAP_HORIZON_M = 60.0
"""Leaders are searched this far ahead along the lanes, from centre to centre."""
MOVING_MPS = 1.0
"""Headways are those of faster vehicles."""


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """One distribution that is compared."""

    bins: Bins
    unit: str
    meaning: str


MARGINALS: Mapping[str, Statistic] = {
    "nearest": Statistic(
        bins=Bins(low=0, high=50, width=1), unit="m", meaning="distance to the centre of the nearest vehicle"
    ),
    "lateral": Statistic(
        bins=Bins(low=0, high=1.5, width=0.1), unit="m", meaning="distance from the centerline, vehicles on the road"
    ),
    "angle": Statistic(
        bins=Bins(low=-200, high=200, width=5),
        unit="°",
        meaning="heading less that of the lane, vehicles on the road",
    ),
    "length": Statistic(bins=Bins(low=0, high=25, width=0.1), unit="m", meaning="length of vehicles"),
    "width": Statistic(bins=Bins(low=0, high=5, width=0.1), unit="m", meaning="width of vehicles"),
    "speed": Statistic(bins=Bins(low=0, high=50, width=1), unit="m/s", meaning="speed of vehicles"),
}
"""Scenario Dreamer's six."""
PAIRS: Mapping[str, Statistic] = {
    "pair_nearest": Statistic(
        bins=Bins(low=0, high=50, width=2), unit="m", meaning="distance to the nearest agent of any kind"
    ),
    "gap": Statistic(
        bins=Bins(low=0, high=60, width=2), unit="m", meaning="bumper to bumper, to the next vehicle in the lane"
    ),
    "closing": Statistic(
        bins=Bins(low=-15, high=15, width=1), unit="m/s", meaning="speed less that of the next vehicle in the lane"
    ),
    "headway": Statistic(
        bins=Bins(low=0, high=10, width=0.5), unit="s", meaning="gap through speed, of moving vehicles"
    ),
    "count": Statistic(bins=Bins(low=0, high=60, width=4), unit="", meaning="agents in the field"),
}
STATISTICS: Mapping[str, Statistic] = {**MARGINALS, **PAIRS}


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneStatistics:
    """Samples of all statistics over many snapshots."""

    num_snapshots: int
    num_agents: int
    samples: Mapping[str, Float64[np.ndarray, "samples"]]
    """By name in `STATISTICS`."""
    overlap_share: float
    """Share of agents in `overlapping_agents`."""
    off_lane_share: float
    """Share of vehicles, ego excluded, with a centre outside of all lanes and lane connectors."""


def scene_statistics(snapshots: Iterable[SceneSnapshot]) -> SceneStatistics:
    """Measure snapshots that are cut to their field."""
    samples: dict[str, list[np.ndarray]] = {name: [] for name in STATISTICS}
    num_snapshots = num_agents = overlapping = vehicles = off_lane = 0
    for snapshot in snapshots:
        num_snapshots += 1
        num_agents += len(snapshot.kinds)
        overlapping += int(overlapping_agents(snapshot).sum())
        others = snapshot.is_vehicle.copy()
        others[0] = False
        vehicles += int(others.sum())
        off_lane += int((others & ~snapshot.anchors.is_inside).sum())
        for name, values in _samples(snapshot).items():
            samples[name].append(values)
    return SceneStatistics(
        num_snapshots=num_snapshots,
        num_agents=num_agents,
        samples={name: np.concatenate([np.zeros(0), *parts]) for name, parts in samples.items()},
        overlap_share=overlapping / max(1, num_agents),
        off_lane_share=off_lane / max(1, vehicles),
    )


def scene_divergences(first: SceneStatistics, second: SceneStatistics) -> dict[str, float]:
    """Jensen-Shannon divergence of each statistic, and the means `six` and `pair`."""
    found = {
        name: jensen_shannon(first.samples[name], second.samples[name], statistic.bins)
        for name, statistic in STATISTICS.items()
    }
    return {
        "six": float(np.mean([found[name] for name in MARGINALS])),
        "pair": float(np.mean([found[name] for name in PAIRS])),
        **found,
    }


def _samples(snapshot: SceneSnapshot) -> dict[str, Float64[np.ndarray, "samples"]]:
    """The samples of one snapshot."""
    vehicles = np.flatnonzero(snapshot.is_vehicle)
    others = vehicles[vehicles > 0]
    anchors = snapshot.anchors
    on_road = vehicles[is_on_road(anchors)[vehicles]]
    leader, gap_m = leaders(snapshot)
    followers = np.flatnonzero(leader >= 0)
    gap_m = gap_m[followers]
    speed = snapshot.speeds_mps
    moving = speed[followers] > MOVING_MPS
    return {
        "nearest": _nearest_m(snapshot.poses[vehicles]),
        "lateral": np.abs(anchors.lateral_m[on_road]),
        "angle": np.degrees(anchors.heading_offset_rad[on_road]),
        "length": snapshot.sizes[others, 0],
        "width": snapshot.sizes[others, 1],
        "speed": speed[vehicles],
        "pair_nearest": _nearest_m(snapshot.poses),
        "gap": gap_m,
        "closing": speed[followers] - speed[leader[followers]],
        "headway": gap_m[moving] / speed[followers][moving],
        "count": np.array([float(len(snapshot.kinds))]),
    }


def is_on_road(anchors: LaneAnchors) -> Bool[np.ndarray, "poses"]:
    """Whether each pose is near a centerline."""
    return anchors.has_lane & (np.abs(np.nan_to_num(anchors.lateral_m, nan=np.inf)) <= ON_ROAD_M)


def _nearest_m(poses: Float64[np.ndarray, "agents 3"]) -> Float64[np.ndarray, "near"]:
    """Distance of each centre to the nearest other one; empty for fewer than two agents."""
    if len(poses) < 2:
        return np.zeros(0)
    distances = np.hypot(*(poses[:, np.newaxis, :2] - poses[np.newaxis, :, :2]).transpose(2, 0, 1))
    np.fill_diagonal(distances, np.inf)
    return distances.min(axis=1)


def overlapping_agents(snapshot: SceneSnapshot) -> Bool[np.ndarray, "agents"]:
    """Whether each agent's box overlaps that of another by more than `MIN_OVERLAP_M`, one of them a vehicle.

    Recorded pedestrians in a group, and riders with their bicycles, overlap without error.
    """
    found = np.zeros(len(snapshot.kinds), dtype=bool)
    first, second = np.triu_indices(len(found), k=1)
    poses, sizes = snapshot.poses, snapshot.sizes
    reach = np.hypot(*sizes.T) / 2
    near = np.hypot(*(poses[first, :2] - poses[second, :2]).T) < reach[first] + reach[second]
    near &= snapshot.is_vehicle[first] | snapshot.is_vehicle[second]
    first, second = first[near], second[near]
    deep = box_overlap_m(poses[first], sizes[first], poses[second], sizes[second]) > MIN_OVERLAP_M
    found[first[deep]] = found[second[deep]] = True
    return found


def leaders(snapshot: SceneSnapshot) -> tuple[Int64[np.ndarray, "agents"], Float64[np.ndarray, "agents"]]:
    """The next vehicle in the lane of each vehicle, or in the lanes that follow it, up to `GAP_HORIZON_M`.

    Returns:
        Row of the leader (-1 without one, and for agents that are no vehicle on the road), and the gap from bumper to
        bumper [m], at least 0 (NaN without a leader).
    """
    anchors = snapshot.anchors
    takes_part = snapshot.is_vehicle & is_on_road(anchors)
    takes_part &= np.abs(np.nan_to_num(anchors.heading_offset_rad)) < ALIGNED_RAD
    rows_on_lane: dict[int, list[tuple[float, int]]] = {}
    for row in np.flatnonzero(takes_part).tolist():
        rows_on_lane.setdefault(int(anchors.rows[row]), []).append((float(anchors.along_m[row]), row))
    for entries in rows_on_lane.values():
        entries.sort()
    leader = np.full(len(takes_part), -1, dtype=np.int64)
    gap = np.full(len(takes_part), np.nan)
    lengths = lane_lengths(snapshot.map)
    for row in np.flatnonzero(takes_part).tolist():
        start = (int(anchors.rows[row]), float(anchors.along_m[row]))
        found = _next_on_lanes(snapshot.map, lengths, rows_on_lane, start, row)
        if found is not None:
            distance, leader[row] = found
            gap[row] = max(0.0, distance - (snapshot.sizes[row, 0] + snapshot.sizes[leader[row], 0]) / 2)
    return leader, gap


def _next_on_lanes(
    map_graph: MapGraph,
    lengths: Float64[np.ndarray, "lanes"],
    rows_on_lane: Mapping[int, list[tuple[float, int]]],
    start: tuple[int, float],
    own_row: int,
) -> tuple[float, int] | None:
    """Distance along the lanes and row of the nearest vehicle ahead; None when none is within the horizon."""
    lane, along = start
    for other_along, row in rows_on_lane[lane]:
        if (other_along, row) > (along, own_row):
            distance = other_along - along
            return (distance, row) if distance <= GAP_HORIZON_M else None
    best: tuple[float, int] | None = None
    waiting = [(lengths[lane] - along, int(after)) for after in map_graph.lanes.successors[lane]]
    seen = {lane}
    while waiting:
        behind, lane = waiting.pop()
        if lane in seen or behind > (GAP_HORIZON_M if best is None else best[0]):
            continue
        seen.add(lane)
        entries = rows_on_lane.get(lane)
        if entries:
            distance = behind + entries[0][0]
            if distance <= GAP_HORIZON_M and (best is None or distance < best[0]):
                best = (float(distance), entries[0][1])
            continue
        waiting += [(behind + lengths[lane], int(after)) for after in map_graph.lanes.successors[lane]]
    return best
