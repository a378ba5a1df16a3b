"""The lanes that follow a pose, or lead to it: how an agent would go on along the map, or came along it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from driving.geometry import Polyline, wrap_angle
from driving.map import MapGraph, Ragged
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
    place = _place_on_lane(map_graph, pose)
    if place is None:
        return straight
    rows, rest_m = [place.row], map_graph.centerline(place.row).length_m - place.along_m
    rows += _straightest(map_graph, place.row, map_graph.lanes.successors, length_m + GAP_M - rest_m)
    joined = _joined(map_graph, rows)
    if joined.length_m - place.along_m <= GAP_M + PATH_SPACING_M:
        return straight
    begin_m = place.along_m + GAP_M
    samples = joined.at(np.arange(begin_m, min(begin_m + length_m, joined.length_m), 2.0))
    return _beside(samples, place.left_m)


def lane_approach(
    map_graph: MapGraph, pose: Float64[np.ndarray, "3"], before_m: Float64[np.ndarray, "steps"]
) -> Float64[np.ndarray, "steps 3"]:
    """Poses at distances before a pose, along the straightest chain of lanes and at the pose's offsets from its lane.

    Args:
        map_graph: The map.
        pose: Global.
        before_m: Distances from the pose, at least 0.

    Returns:
        Poses on a straight line where no lane has the direction of the pose, or the lanes begin too near.
    """
    straight = pose - np.outer(before_m, [np.cos(pose[2]), np.sin(pose[2]), 0.0])
    place = _place_on_lane(map_graph, pose)
    if place is None:
        return straight
    missing_m = float(before_m.max()) - place.along_m
    added = _straightest(map_graph, place.row, map_graph.lanes.predecessors, missing_m)
    added_m = sum(map_graph.centerline(row).length_m for row in added)
    if added_m < missing_m:
        return straight
    samples = _joined(map_graph, [*reversed(added), place.row]).at(place.along_m + added_m - before_m)
    return np.concatenate([_beside(samples, place.left_m), samples[:, 2:] + place.turn_rad], axis=-1)


class _Place(NamedTuple):
    """A pose relative to its lane."""

    row: int
    along_m: float
    left_m: float
    turn_rad: float


def _place_on_lane(map_graph: MapGraph, pose: Float64[np.ndarray, "3"]) -> _Place | None:
    """Where a pose is on its lane; None where no lane has its direction."""
    row = map_graph.nearest_lane_row(pose, MAX_OFFSET_M)
    if row is None:
        return None
    line = map_graph.centerline(row)
    along, left = line.project(pose[np.newaxis, :2])[0]
    turn = float(wrap_angle(pose[2] - float(line.at(np.array([along]))[0, 2])))
    is_followed = abs(left) <= MAX_OFFSET_M and abs(turn) <= MAX_TURN_RAD
    return _Place(row, float(along), float(left), turn) if is_followed else None


def _straightest(map_graph: MapGraph, row: int, following: Ragged, length_m: float) -> list[int]:
    """The next lanes, those that turn least, until they are long enough or end."""
    rows, total_m = [row], 0.0
    while total_m < length_m and len(rows) < MAX_LANES:
        options = [int(one) for one in following[rows[-1]] if int(one) not in rows]
        if not options:
            break
        rows.append(min(options, key=lambda one: abs(_turn_of(map_graph, one))))
        total_m += map_graph.centerline(rows[-1]).length_m
    return rows[1:]


def _joined(map_graph: MapGraph, rows: list[int]) -> Polyline:
    """The centerlines of consecutive lanes as one line."""
    chain = np.concatenate([map_graph.centerline(row).points for row in rows])
    moved = np.concatenate([[True], np.hypot(*np.diff(chain, axis=0).T) > 1e-3])
    return Polyline(chain[moved])


def _beside(poses: Float64[np.ndarray, "points 3"], left_m: float) -> Float64[np.ndarray, "points 2"]:
    """Points at a lateral offset from poses."""
    aside = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=-1)
    return poses[:, :2] + left_m * aside


def _turn_of(map_graph: MapGraph, row: int) -> float:
    headings = map_graph.centerline(row).headings
    return float(wrap_angle(headings[-1] - headings[0]))
