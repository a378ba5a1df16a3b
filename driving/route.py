"""Where the ego is meant to go: roadblocks in order, the goal, and a line to follow."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from driving.map import MapGraph


@dataclass(frozen=True, kw_only=True)
class Route:
    """Ordered roadblocks to the goal."""

    roadblock_ids: tuple[int, ...]
    """Roadblocks and roadblock connectors in driving order, as the log names them."""
    goal_pose: Float64[np.ndarray, "3"] | None
    """The mission goal, global; None when the log has none."""
    centerline: Float64[np.ndarray, "points 2"]
    """Lane centerlines along the route from where the ego starts [m, global]; empty when the route names no lane."""


def build_route(
    map_graph: MapGraph,
    roadblock_ids: tuple[int, ...],
    goal_pose: Float64[np.ndarray, "3"] | None,
    start_pose: Float64[np.ndarray, "3"],
) -> Route:
    """Put a route together: the shortest chain of lanes through the roadblocks, from the lane at `start_pose`.

    Where the lanes do not reach the last roadblock, the centerline ends where they end.
    """
    chain = shortest_lane_chain(map_graph, roadblock_ids, start_pose)
    points = [map_graph.lanes.centerlines[row] for row in chain]
    line = np.concatenate(points) if points else np.zeros((0, 2))
    if len(line):
        moved = np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-6])
        line = line[moved]
    return Route(roadblock_ids=roadblock_ids, goal_pose=goal_pose, centerline=line)


def shortest_lane_chain(
    map_graph: MapGraph, roadblock_ids: tuple[int, ...], start_pose: Float64[np.ndarray, "3"]
) -> list[int]:
    """Rows of lanes from the start pose through the roadblocks, as far along the route as lanes lead."""
    stage_of_row: dict[int, int] = {}
    for stage, roadblock_id in enumerate(roadblock_ids):
        for row in map_graph.lane_rows_of_roadblock(roadblock_id):
            stage_of_row.setdefault(row, stage)
    if not stage_of_row:
        return []
    rows = list(stage_of_row)
    index = {row: i for i, row in enumerate(rows)}
    start = _start_row(map_graph, rows, start_pose)

    sources, targets, weights = [], [], []
    for row in rows:
        for successor in map_graph.lanes.successors[row].tolist():
            if successor in index:
                sources.append(index[row])
                targets.append(index[successor])
                weights.append(max(map_graph.centerline(successor).length_m, 1e-3))
    graph = csr_array((weights, (sources, targets)), shape=(len(rows), len(rows)))
    distance, before = dijkstra(graph, indices=index[start], return_predecessors=True)
    reached = [i for i in range(len(rows)) if np.isfinite(distance[i])]
    last_stage = max(stage_of_row[rows[i]] for i in reached)
    end = min((i for i in reached if stage_of_row[rows[i]] == last_stage), key=lambda i: distance[i])

    chain = [end]
    while chain[-1] != index[start]:
        chain.append(int(before[chain[-1]]))
    return [rows[i] for i in reversed(chain)]


def _start_row(map_graph: MapGraph, rows: list[int], start_pose: Float64[np.ndarray, "3"]) -> int:
    def misfit(row: int) -> float:
        line = map_graph.centerline(row)
        along, offset = line.project(start_pose[np.newaxis, :2])[0]
        turn = line.at(np.array([along]))[0, 2] - start_pose[2]
        return abs(offset) + 2.0 * (1.0 - np.cos(turn))

    return min(rows, key=misfit)
