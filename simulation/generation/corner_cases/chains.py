"""Chains of lanes as smooth paths: paths of agents and of the ego, and positions beside them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from driving.geometry import Polyline, wrap_angle
from driving.map import MapGraph
from driving.synthetic.motion import PATH_SPACING_M, SmoothPath

SMOOTHING_M = 1.5
"""Smoothing of the path, so that the curvature does not jump at the joints of lanes."""
MAX_ROWS = 60
"""Maximum number of lanes and connectors of a chain: the map may contain a cycle."""
EDGE_STEP_M = 0.1
EDGE_REACH_M = 12.0


@dataclass(frozen=True, kw_only=True)
class LateralShift:
    """A lateral movement between two arc lengths of a path: a quintic, without jumps in curvature."""

    begin_m: float
    length_m: float
    left_m: float


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneChain:
    """Lanes and connectors in driving order. Arc lengths are those of `path`."""

    map: MapGraph
    rows: tuple[int, ...]
    origin: tuple[float, float]
    """Global position of the site frame's origin [m]. Paths are in the site frame, because its numbers are small."""

    @cached_property
    def path(self) -> SmoothPath:
        """The smoothed centerline, in the site frame."""
        line = np.concatenate([self.map.lanes.centerlines[row] for row in self.rows]) - np.array(self.origin)
        moved = np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-3])
        return SmoothPath(line[moved], SMOOTHING_M)

    @cached_property
    def line(self) -> Polyline:
        """The path as a polyline."""
        count = max(2, round(self.path.length_m / PATH_SPACING_M) + 1)
        return Polyline(self.path.poses(np.linspace(0.0, self.path.length_m, count))[:, :2])

    @property
    def length_m(self) -> float:
        """Length of the path."""
        return self.path.length_m

    @property
    def roadblock_ids(self) -> tuple[int, ...]:
        """Roadblocks and roadblock connectors in driving order."""
        return tuple(dict.fromkeys(int(self.map.lanes.roadblock_ids[row]) for row in self.rows))

    @cached_property
    def speed_limits_mps(self) -> Float64[np.ndarray, "samples"]:
        """Speed limit at each vertex of `line`; infinite on lanes without one."""
        limits = np.empty(len(self.line.points))
        starts = [self.project(self.map.lanes.centerlines[row][0] - np.array(self.origin))[0] for row in self.rows]
        row_of = np.maximum(np.searchsorted(starts, self.line.arc_length_m, side="right") - 1, 0)
        for place, row in enumerate(self.rows):
            limits[row_of == place] = self.map.speed_limit_mps(row, default=np.inf)
        return limits

    def project(self, point: Float64[np.ndarray, "2"]) -> tuple[float, float]:
        """Arc length and offset to the left [m] of a point of the site frame."""
        along, left = self.line.project(point[np.newaxis])[0]
        return float(along), float(left)

    def project_global(self, point: Float64[np.ndarray, "2"]) -> tuple[float, float]:
        """Arc length and offset to the left [m] of a global point."""
        return self.project(point - np.array(self.origin))

    def beside(self, along_m: float, left_m: float = 0.0) -> Float64[np.ndarray, "3"]:
        """The pose `left_m` to the left of the path, with the heading of the path."""
        pose = self.path.poses(np.array([along_m]))[0]
        return np.array([pose[0] - left_m * np.sin(pose[2]), pose[1] + left_m * np.cos(pose[2]), pose[2]])

    def shifted(self, shifts: tuple[LateralShift, ...] = (), start_left_m: float = 0.0) -> SmoothPath:
        """A path with the lateral offset `start_left_m` from this one, changed by each shift."""
        along = self.line.arc_length_m
        left = np.full(len(along), start_left_m)
        for shift in shifts:
            share = np.clip((along - shift.begin_m) / shift.length_m, 0.0, 1.0)
            left += shift.left_m * (10 * share**3 - 15 * share**4 + 6 * share**5)
        if not left.any():
            return self.path
        poses = self.path.poses(along)
        aside = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=-1)
        return SmoothPath(poses[:, :2] + left[:, np.newaxis] * aside)

    def edge_m(self, along_m: float, side: int) -> float:
        """Distance from the path to the edge of the drivable area, to the left (+1) or right (-1), up to 12 m."""
        steps = np.arange(0.0, EDGE_REACH_M, EDGE_STEP_M)
        pose = self.beside(along_m)
        aside = side * np.array([-np.sin(pose[2]), np.cos(pose[2])])
        points = pose[:2] + steps[:, np.newaxis] * aside + np.array(self.origin)
        inside = self.map.drivable_area.contains(points)
        return float(steps[np.argmin(inside)]) if not inside.all() else EDGE_REACH_M


def chain_through(
    map_graph: MapGraph, rows: tuple[int, ...], before_m: float, after_m: float, origin: tuple[float, float]
) -> LaneChain:
    """The straightest chain through given lanes.

    Args:
        map_graph: The map.
        rows: Consecutive lanes and connectors of the chain.
        before_m: Length of the lanes before them, as far as the map continues.
        after_m: Length of the lanes behind them, as far as the map continues.
        origin: Of the site frame.
    """
    lanes = map_graph.lanes
    chain = list(rows)
    for links, at_end, wanted_m in ((lanes.predecessors, False, before_m), (lanes.successors, True, after_m)):
        length_m = 0.0
        while length_m < wanted_m and len(chain) < MAX_ROWS:
            options = [int(row) for row in links[chain[-1] if at_end else chain[0]] if int(row) not in chain]
            if not options:
                break
            row = min(options, key=lambda option: _turn_rad(map_graph, option))
            chain.insert(len(chain) if at_end else 0, row)
            length_m += float(np.hypot(*np.diff(lanes.centerlines[row], axis=0).T).sum())
    return LaneChain(map=map_graph, rows=tuple(chain), origin=origin)


def _turn_rad(map_graph: MapGraph, row: int) -> float:
    headings = map_graph.centerline(row).headings
    return abs(float(wrap_angle(headings[-1] - headings[0])))


def oncoming_row(chain: LaneChain, along_m: float) -> int | None:
    """Row of the lane left of the path with the opposite direction; None for no such lane."""
    pose = chain.beside(along_m)
    for left_m in (3.0, 3.5, 4.0):
        point = chain.beside(along_m, left_m)[:2] + np.array(chain.origin)
        for row in chain.map.lane_rows_at(point).tolist():
            line = chain.map.centerline(row)
            heading = line.at(line.project(point[np.newaxis])[:, 0])[0, 2]
            if abs(float(wrap_angle(heading - pose[2]))) > 2.6:
                return int(row)
    return None
