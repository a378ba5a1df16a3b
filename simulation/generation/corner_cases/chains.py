"""Lanes that follow on each other, as one smooth path to drive along and to place things beside."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from driving.geometry import Polyline, wrap_angle
from driving.map import MapGraph
from driving.synthetic.motion import PATH_SPACING_M, SmoothPath

SMOOTHING_M = 1.5
"""How much the joints of lanes are rounded, so that the steering wheel turns gradually."""
MAX_ROWS = 60
"""Lanes and connectors in one chain: more means that the map runs in a circle."""
EDGE_STEP_M = 0.1
EDGE_REACH_M = 12.0


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A move to the side between two places of a path: a quintic, without jumps in curvature."""

    begin_m: float
    length_m: float
    left_m: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain:
    """Lanes and connectors in driving order. Arc lengths are those of `path`."""

    map: MapGraph
    rows: tuple[int, ...]
    origin: tuple[float, float]
    """Origin of the site frame [m, global]: everything is staged there, as global numbers are large."""

    @cached_property
    def path(self) -> SmoothPath:
        """The rounded centerline, in the site frame."""
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
        """Speed limit at each vertex of `line`; infinite where the map has none."""
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

    def beside(self, along_m: float, left_m: float = 0.0) -> Float64[np.ndarray, "3"]:
        """The pose `left_m` to the left of the path, in its direction."""
        pose = self.path.poses(np.array([along_m]))[0]
        return np.array([pose[0] - left_m * np.sin(pose[2]), pose[1] + left_m * np.cos(pose[2]), pose[2]])

    def shifted(self, shifts: tuple[Shift, ...] = (), start_left_m: float = 0.0) -> SmoothPath:
        """The path beside the path, from `start_left_m` on, moved by each shift."""
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

    def row_at(self, along_m: float) -> int:
        """Row of the lane or connector at an arc length."""
        point = self.path.poses(np.array([along_m]))[0, :2] + np.array(self.origin)
        offsets = [abs(self.map.centerline(row).project(point[np.newaxis])[0, 1]) for row in self.rows]
        return self.rows[int(np.argmin(offsets))]


def chain_through(
    map_graph: MapGraph, rows: tuple[int, ...], before_m: float, after_m: float, origin: tuple[float, float]
) -> Chain:
    """Lanes through the given ones, as far back and ahead as asked or as the map leads, as straight as can be."""
    lengths = map_graph.lanes.centerlines
    chain = list(rows)
    for links, at_end, wanted_m in (
        (map_graph.lanes.predecessors, False, before_m),
        (map_graph.lanes.successors, True, after_m),
    ):
        gone_m = 0.0
        while gone_m < wanted_m and len(chain) < MAX_ROWS:
            here = chain[-1] if at_end else chain[0]
            options = [int(row) for row in links[here] if int(row) not in chain]
            if not options:
                break
            row = min(options, key=lambda option: _turn_rad(map_graph, option))
            chain.insert(len(chain) if at_end else 0, row)
            gone_m += float(np.hypot(*np.diff(lengths[row], axis=0).T).sum())
    return Chain(map=map_graph, rows=tuple(chain), origin=origin)


def _turn_rad(map_graph: MapGraph, row: int) -> float:
    headings = map_graph.centerline(row).headings
    return abs(float(wrap_angle(headings[-1] - headings[0])))


def oncoming_row(chain: Chain, along_m: float) -> int | None:
    """Row of the lane left of the path's lane that runs against it; None when there is none."""
    pose = chain.beside(along_m)
    for left_m in (3.0, 3.5, 4.0):
        point = chain.beside(along_m, left_m)[:2] + np.array(chain.origin)
        for row in chain.map.lane_rows_at(point).tolist():
            line = chain.map.centerline(row)
            heading = line.at(line.project(point[np.newaxis])[:, 0])[0, 2]
            if abs(float(wrap_angle(heading - pose[2]))) > 2.6:
                return int(row)
    return None
