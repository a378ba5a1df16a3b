"""Checks of a map: unique ids, a consistent lane graph, and centerlines that continue each other."""

from collections.abc import Iterator
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Int64

from driving.findings import Finding, FindingKind
from driving.map import MapGraph
from driving.names import listed

MAX_LANE_GAP_M = 1.0
"""Largest distance between the end of a centerline and the start of the next one."""

_findings_of_map: WeakKeyDictionary[MapGraph, list[Finding]] = WeakKeyDictionary()


def map_findings(map_graph: MapGraph) -> list[Finding]:
    """Findings on the ids and the lane graph of a map, computed once per map."""
    if map_graph not in _findings_of_map:
        _findings_of_map[map_graph] = [*_id_findings(map_graph), *_graph_findings(map_graph)]
    return _findings_of_map[map_graph]


def _id_findings(map_graph: MapGraph) -> Iterator[Finding]:
    # nuPlan's routes and planners mix the two kinds.
    groups = {
        "lanes and lane connectors": [map_graph.lanes.ids],
        "roadblocks and roadblock connectors": [map_graph.roadblocks.ids, map_graph.roadblock_connectors.ids],
    }
    for name in ("intersections", "stop_lines", "crosswalks", "walkways", "carparks", "road_segments"):
        groups[name.replace("_", " ")] = [getattr(map_graph, name).ids]
    for name, parts in groups.items():
        ids, counts = np.unique(np.concatenate(parts), return_counts=True)
        if (counts > 1).any():
            repeated = listed(ids[counts > 1].tolist())
            yield Finding(kind=FindingKind.MAP_IDS, message=f"Ids of {name} must be unique; {repeated} occur twice.")


def _graph_findings(map_graph: MapGraph) -> Iterator[Finding]:
    lanes = map_graph.lanes
    forward = _links(lanes.successors.values, lanes.successors.offsets)
    backward = _links(lanes.predecessors.values, lanes.predecessors.offsets)[:, ::-1]
    one_way = {*map(tuple, forward.tolist())} ^ {*map(tuple, backward.tolist())}
    if one_way:
        pairs = [f"{lanes.ids[a]} to {lanes.ids[b]}" for a, b in sorted(one_way)]
        yield Finding(
            kind=FindingKind.LANE_GRAPH,
            message=f"Successors and predecessors disagree on the links {listed(pairs)}.",
        )
    for name, links in (("predecessor", lanes.predecessors), ("successor", lanes.successors)):
        wrong = np.flatnonzero(np.diff(links.offsets)[lanes.num_lanes :] != 1) + lanes.num_lanes
        if len(wrong):
            yield Finding(
                kind=FindingKind.LANE_GRAPH,
                message=f"A lane connector has exactly one {name}; {listed(lanes.ids[wrong].tolist())} do not.",
            )
    lengths = np.diff(lanes.centerlines.offsets)
    if (lengths < 2).any():
        short = listed(lanes.ids[lengths < 2].tolist())
        yield Finding(kind=FindingKind.LANE_GRAPH, message=f"Centerlines need 2 points; those of {short} have fewer.")
        return
    ends = lanes.centerlines.values[lanes.centerlines.offsets[1:] - 1]
    starts = lanes.centerlines.values[lanes.centerlines.offsets[:-1]]
    gaps_m = np.hypot(*(starts[forward[:, 1]] - ends[forward[:, 0]]).T)
    if (gaps_m > MAX_LANE_GAP_M).any():
        gaps = [
            f"{lanes.ids[a]} to {lanes.ids[b]} ({gap_m:.1f} m)"
            for (a, b), gap_m in zip(forward, gaps_m, strict=True)
            if gap_m > MAX_LANE_GAP_M
        ]
        yield Finding(
            kind=FindingKind.LANE_GAP,
            message=f"Centerlines must continue each other within {MAX_LANE_GAP_M} m; gaps are {listed(gaps)}.",
        )


def _links(values: Int64[np.ndarray, "links"], offsets: Int64[np.ndarray, "rows"]) -> Int64[np.ndarray, "links 2"]:
    owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return np.stack([owners, values], axis=-1)
