"""Stopping at stop lines, unscored; nuPlan measures it for some scenario types.

Source:
    nuPlan devkit, `ego_stop_at_stop_line`. Unlike there, a box centre without lane has no leading agent, and no state
    is carried from one scenario to the next.
"""

from dataclasses import dataclass

import numpy as np
import shapely

from simulation.geometry.boxes import box_corners
from simulation.geometry.compiling import njit
from simulation.geometry.corridors import Corridor, corridor_overlaps_box
from simulation.geometry.polylines import ChunkedLine, chunk_bounds, segment_at
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.result import MetricResult

MAX_DISTANCE_M = 5.0
"""A slow ego with its front nearer than this to the stop line has stopped at it."""
STOPPED_MPS = 0.1


@dataclass(frozen=True, kw_only=True)
class StopLineVisit:
    """The ego's front over one stop polygon, without a leading agent in the lane."""

    stop_line_id: int
    steps: tuple[int, ...]
    distances_m: tuple[float, ...]
    """Front to the first edge of the polygon."""
    speeds_mps: tuple[float, ...]

    @property
    def nearest(self) -> int:
        """Index at which the front was nearest to the line."""
        return int(np.argmin(self.distances_m))

    @property
    def is_stop(self) -> bool:
        """Whether the ego stopped."""
        return self.distances_m[self.nearest] < MAX_DISTANCE_M and self.speeds_mps[self.nearest] < STOPPED_MPS


def stop_line_visits(drive: Drive, motion: int) -> list[StopLineVisit]:
    """Visits in order of time. Consecutive samples on one line are one visit, even after an interruption."""
    stop_lines = drive.map.stop_lines
    if not len(stop_lines):
        return []
    visits: list[StopLineVisit] = []
    for step in range(drive.num_steps):
        corners = drive.corners[motion, step]
        front = shapely.LineString([corners[0], corners[3]])
        row = _stop_line_under(drive, (corners[0] + corners[3]) / 2, front)
        if row is None or _has_leading_agent(drive, motion, step):
            continue
        edge = shapely.LineString(shapely.get_coordinates(stop_lines.polygons[row])[:2])
        line_id = int(stop_lines.ids[row])
        same = bool(visits) and visits[-1].stop_line_id == line_id
        before = (
            visits.pop() if same else StopLineVisit(stop_line_id=line_id, steps=(), distances_m=(), speeds_mps=())
        )
        visits.append(
            StopLineVisit(
                stop_line_id=line_id,
                steps=(*before.steps, step),
                distances_m=(*before.distances_m, float(shapely.distance(edge, front))),
                speeds_mps=(*before.speeds_mps, float(drive.motion.speed_mps[motion, step])),
            )
        )
    return visits


def _stop_line_under(drive: Drive, middle: np.ndarray, front: shapely.LineString) -> int | None:
    """Row of the stop polygon nearest to the middle of the front, if it is in that lane and the front touches it."""
    lanes = drive.map.lane_rows_at(middle)
    if not len(lanes):
        return None
    row, _ = drive.map.stop_lines.nearest(middle)
    polygon = drive.map.stop_lines.polygons[row]
    if not shapely.intersects(polygon, drive.map.lanes.areas.polygons[lanes[0]]):
        return None
    return row if shapely.intersects(front, polygon) else None


@njit(cache=True)
def _any_in_corridor(
    line: ChunkedLine, along: float, half_width_m: float, poses: np.ndarray, sizes: np.ndarray
) -> bool:
    """Whether a box overlaps the corridor with flat ends from an arc length to the end of the line."""
    arc = line.arc
    if along > arc[-1]:
        return False
    first, last = segment_at(arc, along), len(arc) - 2
    corridor = Corridor(line, first, last, along - arc[first], arc[-1] - arc[last], half_width_m, 0.0)
    for n in range(len(poses)):
        corners = box_corners(poses[n, 0], poses[n, 1], poses[n, 2], sizes[n, 0], sizes[n, 1])
        if corridor_overlaps_box(corridor, corners):
            return True
    return False


def _has_leading_agent(drive: Drive, motion: int, step: int) -> bool:
    """Whether an agent is in the corridor as wide as the ego along the rest of its lane."""
    center = drive.centers[motion, step]
    lanes = drive.map.lane_rows_at(center[:2])
    if not len(lanes):
        return False
    line = drive.map.centerline(int(lanes[0]))
    # Quirk: the last vertex of a centerline is not part of the path.
    points = np.ascontiguousarray(line.points[:-1])
    if len(points) < 2:
        return False
    along = float(line.project(center[np.newaxis, :2])[0, 0])
    rows = np.flatnonzero(drive.agents.valid[:, step])
    chunked = ChunkedLine(points, np.ascontiguousarray(line.arc_length_m[:-1]), chunk_bounds(points))
    poses, sizes = drive.agents.poses[rows, step], drive.agents.sizes[rows, step]
    return bool(_any_in_corridor(chunked, along, drive.vehicle.width_m / 2, poses, sizes))


def ego_stop_at_stop_line(drive: Drive) -> list[MetricResult]:
    """Number of stop lines that the ego reached first in its lane, and number of stops at them."""
    return [_result(drive, stop_line_visits(drive, motion)) for motion in range(drive.num_motions)]


def _result(drive: Drive, visits: list[StopLineVisit]) -> MetricResult:
    statistics: dict[str, float] = {}
    notes = []
    if visits:
        statistics = {
            "number_of_ego_stop_before_stop_line": float(sum(visit.is_stop for visit in visits)),
            "number_of_ego_before_stop_line": float(len(visits)),
            "mean_ego_min_distance_to_stop_line": float(np.mean([min(visit.distances_m) for visit in visits])),
            "mean_ego_min_velocity_before_stop_line": float(
                np.mean([visit.speeds_mps[visit.nearest] for visit in visits])
            ),
        }
    for visit in visits:
        how = "stopped at" if visit.is_stop else "passed"
        sentence = (
            f"{how} stop line {visit.stop_line_id} at {drive.time_s[visit.steps[0]]:.1f} s,"
            f" {visit.speeds_mps[visit.nearest]:.1f} m/s at the nearest point"
        )
        notes.append(drive.violation(visit.steps[0], sentence))
    steps = [step for visit in visits for step in visit.steps]
    speeds = [speed for visit in visits for speed in visit.speeds_mps]
    return MetricResult(
        name="ego_stop_at_stop_line",
        score=None,
        statistics=statistics,
        series=np.array(speeds, dtype=np.float64),
        series_unit="m/s",
        time_s=drive.time_s[np.array(steps, dtype=np.int64)],
        valid=np.ones(len(steps), dtype=bool),
        notes=tuple(notes),
    )
