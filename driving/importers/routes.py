"""Map matching of a recorded ego: its lanes, and the roadblocks of its route."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import wrap_angle
from driving.map import MapGraph

REACH_M = 4.0
"""Largest distance between the ego and a candidate lane."""

SAMPLE_STEP_M = 1.0
"""Distance between the matched poses."""

MAX_MISSING_BLOCKS = 8
"""Largest number of roadblocks and connectors that are filled in between two matched ones."""

ROUTE_BEYOND_M = 100.0
"""Length of the route beyond the last pose, straight ahead: planners look beyond the end of the recording."""

CHANGE_TURN_RAD = 0.2
"""Penalty on the change of heading when the route continues from a neighboring lane."""

NEXT_COST, BESIDE_COST, JUMP_COST = 0.1, 2.0, 40.0
"""Costs of a step to a successor, to a lane of the same roadblock, to any other lane [m]."""


@dataclass(frozen=True, kw_only=True)
class DrivenRoute:
    """The route of a recorded ego."""

    roadblock_ids: tuple[int, ...]
    """In driving order, each connected to the next; empty when no lane is near the path."""
    note: str
    """Entry of the metadata: roadblocks that were filled in or added, or the reason of an early end."""


def lane_rows_along(map_graph: MapGraph, poses: Float64[np.ndarray, "poses 3"]) -> list[int]:
    """Lanes and connectors of a path at 10 Hz, one per metre: the cheapest path through the lane graph.

    Costs [m] are the distances to polygon and centerline, the heading error and the changes of lane. For a slow ego,
    each second has the weight of a metre. Poses without a lane in reach are skipped.

    Source:
        Viterbi's algorithm, as in Newson and Krumm, "Hidden Markov Map Matching Through Noise and Sparseness",
        2009. The costs are ours.
    """
    steps = [
        {row: weight * cost for row, cost in _candidates(map_graph, pose).items()} for pose, weight in _spaced(poses)
    ]
    steps = [candidates for candidates in steps if candidates]
    if not steps:
        return []
    costs = dict(steps[0])
    before: list[dict[int, int]] = []
    for candidates in steps[1:]:
        links: dict[int, int] = {}
        totals: dict[int, float] = {}
        for row, cost in candidates.items():
            best = min(costs, key=lambda other: costs[other] + _change_cost(map_graph, other, row))
            links[row] = best
            totals[row] = cost + costs[best] + _change_cost(map_graph, best, row)
        before.append(links)
        costs = totals
    rows = [min(costs, key=lambda row: costs[row])]
    for links in reversed(before):
        rows.append(links[rows[-1]])
    return rows[::-1]


def _candidates(map_graph: MapGraph, pose: Float64[np.ndarray, "3"]) -> dict[int, float]:
    point = shapely.Point(pose[0], pose[1])
    areas = map_graph.lanes.areas
    rows = np.sort(areas.tree.query(point, predicate="dwithin", distance=REACH_M)).tolist()
    costs = {}
    for row in rows:
        line = map_graph.centerline(row)
        along, offset_m = line.project(pose[np.newaxis, :2])[0]
        turn = abs(float(wrap_angle(line.at(np.array([along]))[0, 2] - pose[2])))
        gap_m = float(shapely.distance(areas.polygons[row], point))
        costs[row] = 3.0 * gap_m + 0.3 * abs(float(offset_m)) + 3.0 * turn
    return costs


def _change_cost(map_graph: MapGraph, start: int, end: int) -> float:
    if start == end:
        return 0.0
    if end in map_graph.lanes.successors[start]:
        return NEXT_COST
    if map_graph.lanes.roadblock_ids[start] == map_graph.lanes.roadblock_ids[end]:
        return BESIDE_COST
    return JUMP_COST


def driven_route(map_graph: MapGraph, poses: Float64[np.ndarray, "poses 3"]) -> DrivenRoute:
    """Connected roadblocks of a path and of the 100 m beyond its end.

    Args:
        map_graph: The map.
        poses: Rear-axle poses from the start of the route on.
    """
    rows = lane_rows_along(map_graph, poses)
    if not rows:
        return DrivenRoute(roadblock_ids=(), note=f"none: no lane within {REACH_M} m of the ego")
    blocks = [int(map_graph.lanes.roadblock_ids[rows[0]])]
    filled = 0
    for row in rows[1:]:
        block = int(map_graph.lanes.roadblock_ids[row])
        if block == blocks[-1]:
            continue
        way = _way(map_graph, blocks[-1], block)
        if way is None:
            return DrivenRoute(
                roadblock_ids=tuple(blocks),
                note=f"roadblocks of the ego's path up to {blocks[-1]}; the map has no road from there to {block}",
            )
        filled += len(way) - 1
        blocks += way
    beyond = _beyond(map_graph, rows[-1], poses[-1])
    return DrivenRoute(
        roadblock_ids=(*blocks, *beyond),
        note=f"roadblocks of the ego's path, {filled} of them filled in, and {len(beyond)} more straight ahead",
    )


def _spaced(poses: Float64[np.ndarray, "poses 3"]) -> list[tuple[Float64[np.ndarray, "3"], float]]:
    """One pose per metre and the last pose, each with the time spent there [s], at least 1."""
    kept = [0]
    for step in range(1, len(poses)):
        if np.hypot(*(poses[step, :2] - poses[kept[-1], :2])) >= SAMPLE_STEP_M:
            kept.append(step)
    dwell_s = np.diff([*kept, len(poses)]) / 10
    samples = [(poses[step], max(1.0, float(spent_s))) for step, spent_s in zip(kept, dwell_s, strict=True)]
    # The last sample is the last pose, not the pose up to one metre before it.
    return [*samples[:-1], (poses[-1], samples[-1][1])] if len(samples) > 1 else samples


def _way(map_graph: MapGraph, start: int, end: int) -> list[int] | None:
    """Shortest path in the roadblock graph, without its start."""
    queue = deque([[start]])
    seen = {start}
    while queue:
        way = queue.popleft()
        if len(way) > MAX_MISSING_BLOCKS + 1:
            return None
        for block in map_graph.roadblock_successors(way[-1]):
            if block == end:
                return [*way[1:], block]
            if block not in seen:
                seen.add(block)
                queue.append([*way, block])
    return None


def _beyond(map_graph: MapGraph, row: int, pose: Float64[np.ndarray, "3"]) -> list[int]:
    """Roadblocks beyond the last lane, always along the straightest successor, until 100 m are covered."""
    lanes = map_graph.lanes
    line = map_graph.centerline(row)
    ahead_m = line.length_m - float(line.project(pose[np.newaxis, :2])[0, 0])
    blocks: list[int] = []
    visited = {row}
    while ahead_m < ROUTE_BEYOND_M or lanes.is_connector(row):
        turns = {
            other: _turn(map_graph, row, other) + (0.0 if beside == row else CHANGE_TURN_RAD)
            for beside in [row, *_lanes_beside(map_graph, row)]
            for other in reversed(lanes.successors[beside].tolist())
            if other not in visited
        }
        if not turns:
            break
        row = min(turns, key=lambda other: turns[other])
        visited.add(row)
        ahead_m += map_graph.centerline(row).length_m
        blocks.append(int(lanes.roadblock_ids[row]))
    return blocks


def _lanes_beside(map_graph: MapGraph, row: int) -> list[int]:
    if map_graph.lanes.is_connector(row):
        return []
    block = int(map_graph.lanes.roadblock_ids[row])
    return [other for other in map_graph.lane_rows_of_roadblock(block) if other != row]


def _turn(map_graph: MapGraph, row: int, other: int) -> float:
    before, behind = map_graph.centerline(row).headings[-1], map_graph.centerline(other).headings[-1]
    return abs(float(wrap_angle(behind - before)))
