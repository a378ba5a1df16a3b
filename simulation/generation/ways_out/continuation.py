"""The lanes that follow a pose: how an agent or the ego would go on along the map."""

import numpy as np
from jaxtyping import Float64

from driving.geometry import Polyline, wrap_angle
from driving.map import MapGraph
from driving.synthetic.motion import PATH_SPACING_M

MAX_OFFSET_M = 3.0
"""A pose farther from every lane's centerline continues straight on."""
MAX_TURN_RAD = 0.7
MAX_LANES = 30
GAP_M = 2.0
"""Distance from the pose to the first point."""


def lane_continuation(
    map_graph: MapGraph, pose: Float64[np.ndarray, "3"], length_m: float
) -> Float64[np.ndarray, "points 2"]:
    """Points that continue a drive along the straightest chain of lanes, at the lateral offset of its end.

    Args:
        map_graph: The map.
        pose: End of the drive, global.
        length_m: Length to continue; the chain may be shorter.

    Returns:
        Points from `GAP_M` ahead of the pose on; a straight line where no lane has the direction of the pose.
    """
    straight = pose[:2] + np.outer(np.arange(GAP_M, GAP_M + length_m, 2.0), [np.cos(pose[2]), np.sin(pose[2])])
    row = map_graph.nearest_lane_row(pose, MAX_OFFSET_M)
    if row is None:
        return straight
    line = map_graph.centerline(row)
    along, left = line.project(pose[np.newaxis, :2])[0]
    turn = float(wrap_angle(float(line.at(np.array([along]))[0, 2]) - pose[2]))
    if abs(left) > MAX_OFFSET_M or abs(turn) > MAX_TURN_RAD:
        return straight
    points, rows = [line.points], [row]
    total_m = line.length_m - along
    while total_m < length_m + GAP_M and len(rows) < MAX_LANES:
        options = [int(one) for one in map_graph.lanes.successors[rows[-1]] if int(one) not in rows]
        if not options:
            break
        rows.append(min(options, key=lambda one: abs(_turn_of(map_graph, one))))
        points.append(map_graph.centerline(rows[-1]).points)
        total_m += map_graph.centerline(rows[-1]).length_m
    if total_m <= GAP_M + PATH_SPACING_M:
        return straight
    chain = np.concatenate(points)
    moved = np.concatenate([[True], np.hypot(*np.diff(chain, axis=0).T) > 1e-3])
    joined = Polyline(chain[moved])
    samples = joined.at(np.arange(along + GAP_M, min(along + GAP_M + length_m, joined.length_m), 2.0))
    aside = np.stack([-np.sin(samples[:, 2]), np.cos(samples[:, 2])], axis=-1)
    return samples[:, :2] + float(left) * aside


def _turn_of(map_graph: MapGraph, row: int) -> float:
    headings = map_graph.centerline(row).headings
    return float(wrap_angle(headings[-1] - headings[0]))
