"""Statistics of lane graphs: connectivity, density, reach, convenience, in windows of a map.

A window's lanes are joined to chains where one lane leads to one lane only, so that it does not matter into how many
pieces a source cuts its lanes. Key points are the ends of chains; ends that meet are one key point.

Source:
    HDMapGen (Mi et al., CVPR 2021), SLEDGE (Chitta et al., ECCV 2024), Scenario Dreamer (Rowe et al., CVPR 2025,
    `compute_urban_planning_metrics`). Differences: windows of 100 m, convenience in metres instead of edges, and
    distances without factors, so they are not comparable with published ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from driving.map import MapGraph, Ragged
from simulation.geometry.lane_anchors import lane_lines

WINDOW_M = 100.0
"""Side of a window."""
SPACING_M = 2.0
"""Lengths inside of a window are measured in steps of this."""
BETWEEN_WINDOWS_M = 40.0
"""Windows of one map are at least this far apart."""
STATISTICS = ("connectivity", "density", "reach", "convenience")


@dataclass(frozen=True, kw_only=True, eq=False)
class MapStatistics:
    """One window of a lane graph with K key points."""

    connectivity: Float64[np.ndarray, "keypoints"]
    """Chains that start or end at each key point."""
    density: Float64[np.ndarray, "1"]
    """Number of key points."""
    reach: Float64[np.ndarray, "keypoints"]
    """Number of other key points to which a path leads."""
    convenience: Float64[np.ndarray, "paths"]
    """Length of the shortest path of each pair of key points with a path [m]."""


def map_statistics(map_graph: MapGraph, center: Float64[np.ndarray, "2"]) -> MapStatistics | None:
    """Measure the window around a point; None where it has no lanes, or a single ring.

    Lanes are cut at the border of the window, and lanes that meet outside of it do not meet.
    """
    points = _dense_points(map_graph)
    inside = np.abs(points.values - center).max(axis=1) <= WINDOW_M / 2
    inside_m = np.add.reduceat(inside, points.offsets[:-1]) * SPACING_M
    rows = np.flatnonzero(inside_m > 0)
    if not len(rows):
        return None
    ends_inside = inside[points.offsets[1:][rows] - 1]
    starts, ends, lengths = _chains(map_graph, rows, inside_m[rows], ends_inside)
    if not len(starts):
        return None
    count = int(max(starts.max(), ends.max())) + 1
    degree = np.bincount(starts, minlength=count) + np.bincount(ends, minlength=count)
    order = np.argsort(-lengths, kind="stable")
    # Of parallel chains the last one written counts: the shortest.
    weights = np.full((count, count), np.inf)
    weights[starts[order], ends[order]] = lengths[order]
    weights[~np.isfinite(weights)] = 0.0
    paths = shortest_path(csr_array(weights), directed=True)
    np.fill_diagonal(paths, np.inf)
    return MapStatistics(
        connectivity=degree.astype(np.float64),
        density=np.array([float(count)]),
        reach=np.isfinite(paths).sum(axis=1).astype(np.float64),
        convenience=paths[np.isfinite(paths)],
    )


def windows_of(
    map_graph: MapGraph, places: Float64[np.ndarray, "places 2"], spacing_m: float = BETWEEN_WINDOWS_M
) -> list[MapStatistics]:
    """Windows around places, for example of the ego; places too near to an earlier one are left out."""
    kept: list[np.ndarray] = []
    for place in places:
        if not kept or np.hypot(*(np.array(kept) - place).T).min() >= spacing_m:
            kept.append(place)
    found = (map_statistics(map_graph, place) for place in kept)
    return [one for one in found if one is not None]


def random_places(map_graph: MapGraph, rng: np.random.Generator, count: int) -> Float64[np.ndarray, "places 2"]:
    """Random places on the lanes of a map."""
    points = lane_lines(map_graph).points
    return points[rng.integers(0, len(points), count)]


def map_distances(found: Sequence[MapStatistics], recorded: Sequence[MapStatistics]) -> dict[str, float]:
    """Square roots of the Frechet distances of each statistic, taken as normal, and `mean`.

    `mean` is the mean of the four in units of the recorded standard deviation. NaN without windows.
    """
    distances, relative = {}, []
    for name in STATISTICS:
        first, second = _joined(found, name), _joined(recorded, name)
        distances[name] = frechet_distance(first, second)
        relative.append(distances[name] / max(float(np.std(second)), 1e-9) if len(second) else np.nan)
    return {"mean": float(np.mean(relative)), **distances}


def frechet_distance(first: Float64[np.ndarray, "samples"], second: Float64[np.ndarray, "others"]) -> float:
    """Square root of the Frechet distance of two normal distributions with the samples' means and deviations."""
    if not len(first) or not len(second):
        return float("nan")
    return float(np.hypot(np.mean(first) - np.mean(second), np.std(first) - np.std(second)))


def _joined(windows: Sequence[MapStatistics], name: str) -> Float64[np.ndarray, "samples"]:
    return np.concatenate([np.zeros(0), *(getattr(window, name) for window in windows)])


_DENSE: WeakKeyDictionary[MapGraph, Ragged] = WeakKeyDictionary()


def _dense_points(map_graph: MapGraph) -> Ragged:
    """Points about every `SPACING_M` on each centerline, its end included; cached per map."""
    found = _DENSE.get(map_graph)
    if found is None:
        rows = []
        for row in range(len(map_graph.lanes)):
            line = map_graph.centerline(row)
            count = max(2, round(line.length_m / SPACING_M) + 1)
            rows.append(line.at(np.linspace(0.0, line.length_m, count))[:, :2])
        found = _DENSE[map_graph] = Ragged.from_rows(rows, np.zeros((0, 2)))
    return found


def _chains(
    map_graph: MapGraph,
    rows: Int64[np.ndarray, "rows"],
    lengths: Float64[np.ndarray, "rows"],
    ends_inside: Bool[np.ndarray, "rows"],
) -> tuple[Int64[np.ndarray, "chains"], Int64[np.ndarray, "chains"], Float64[np.ndarray, "chains"]]:
    """Key points at the start and the end of each chain of lanes, and its length [m]."""
    number = {int(row): place for place, row in enumerate(rows)}
    after = {
        place: [
            number[int(row)]
            for row in map_graph.lanes.successors[rows[place]]
            if int(row) in number and ends_inside[place]
        ]
        for place in number.values()
    }
    before: Mapping[int, list[int]] = {place: [] for place in after}
    for place, nexts in after.items():
        for other in nexts:
            before[other].append(place)
    leads_on = np.array([len(after[place]) == 1 and len(before[after[place][0]]) == 1 for place in after])
    first, last, chain_m = [], [], []
    for place in after:
        has_one_before = len(before[place]) == 1 and leads_on[before[place][0]]
        if has_one_before:
            continue
        end, total = place, lengths[place]
        while leads_on[end]:
            end = after[end][0]
            total += lengths[end]
        first.append(place)
        last.append(end)
        chain_m.append(total)
    # A ring of lanes without a junction has no first lane, and no key point.
    keypoints = _merged_ends(after, len(rows))
    starts, ends = keypoints[np.array(first, dtype=np.int64), 0], keypoints[np.array(last, dtype=np.int64), 1]
    _, packed = np.unique(np.concatenate([starts, ends]), return_inverse=True)
    return packed[: len(starts)], packed[len(starts) :], np.array(chain_m)


def _merged_ends(after: Mapping[int, list[int]], count: int) -> Int64[np.ndarray, "lanes 2"]:
    """A number for the start and the end of each lane; ends and starts that meet have the same number."""
    parent = list(range(2 * count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for place, nexts in after.items():
        for other in nexts:
            parent[root(2 * place + 1)] = root(2 * other)
    return np.array([root(node) for node in range(2 * count)], dtype=np.int64).reshape(-1, 2)
