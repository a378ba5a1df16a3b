"""Drivable area: whether all corners of the ego stay on it.

Source:
    nuPlan devkit, `drivable_area_compliance`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, any_contains, distance_to_point, nearest_distance
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.flat_map import flat_map
from simulation.metrics.nuplan.lanes import center_lanes, corner_lanes
from simulation.metrics.result import MetricResult, Violation, stretches
from simulation.metrics.rules import MAX_OFF_ROAD_M

CORNERS = ("front left", "rear left", "rear right", "front right")
_SEARCH_M = 20.0


@njit(cache=True)
def _outside_distances(
    areas: tuple[FlatPolygons, FlatPolygons],
    corners: np.ndarray,
    corner_counts: np.ndarray,
    center_rows: np.ndarray,
    center_counts: np.ndarray,
) -> np.ndarray:
    """Distance (T, 4) of each corner from the lanes of the centre and the drivable area [m], 0 on them.

    Args:
        areas: Drivable area and lanes.
        corners: (T, 4, 2).
        corner_counts: Lanes at each corner.
        center_rows: Lanes at the centre.
        center_counts: Their number.
    """
    drivable, lanes = areas
    num_steps = len(corners)
    gaps = np.zeros((num_steps, 4))
    for t in range(num_steps):
        for corner in range(4):
            x, y = corners[t, corner, 0], corners[t, corner, 1]
            if corner_counts[t, corner] > 0 or any_contains(drivable, x, y):
                continue
            gap = nearest_distance(drivable, x, y, _SEARCH_M)
            for k in range(center_counts[t]):
                gap = min(gap, distance_to_point(lanes, center_rows[t, k], x, y))
            # A corner on the edge of the area is outside, at distance 0.
            gaps[t, corner] = max(gap, 1e-12)
    return gaps


@dataclass(frozen=True, kw_only=True, eq=False)
class DrivableAreaGaps:
    """Distance of each corner from the drivable area."""

    gaps_m: Float64[np.ndarray, "motions time 4"]
    """0 on the area, infinite beyond 20 m."""

    @property
    def outside(self) -> Bool[np.ndarray, "motions time 4"]:
        """Corners off the area by any distance."""
        return self.gaps_m > 0.0


def drivable_area_gaps(drive: Drive) -> DrivableAreaGaps:
    """Distances of all corners at all instants."""
    center, corner = drive.cached(center_lanes), drive.cached(corner_lanes)
    road = flat_map(drive.map)
    areas = (road.drivable, road.lanes)
    gaps = [
        _outside_distances(areas, drive.corners[m], corner.counts[m], center.rows[m], center.counts[m])
        for m in range(drive.num_motions)
    ]
    return DrivableAreaGaps(gaps_m=np.array(gaps))


def drivable_area_compliance(drive: Drive) -> list[MetricResult]:
    """0 when any corner is off the drivable area by 0.3 m or more at any instant, else 1."""
    return [_result(drive, gaps_m) for gaps_m in drive.cached(drivable_area_gaps).gaps_m]


def _result(drive: Drive, gaps_m: Float64[np.ndarray, "time 4"]) -> MetricResult:
    violations = _violations(drive, gaps_m)
    score = float(not violations)
    statistics = {"drivable_area_compliance": score}
    series = gaps_m.max(axis=-1)
    return drive.result("drivable_area_compliance", statistics, series, "m", score=score, violations=violations)


def _violations(drive: Drive, gaps_m: Float64[np.ndarray, "time 4"]) -> list[Violation]:
    found = []
    for start, stop in stretches(np.any(gaps_m >= MAX_OFF_ROAD_M, axis=-1)):
        part = gaps_m[start : stop + 1]
        corner = int(np.argmax(gaps_m[start]))
        worst_m = float(part.max())
        how_far = f"{worst_m:.1f} m" if np.isfinite(worst_m) else f"more than {_SEARCH_M:.0f} m"
        sentence = (
            f"{CORNERS[corner]} corner left the drivable area at {drive.time_s[start]:.1f} s,"
            f" up to {how_far} off until {drive.time_s[stop]:.1f} s"
        )
        found.append(drive.violation(start, sentence))
    return found


def corners_in_drivable_area(drive: Drive) -> list[MetricResult]:
    """Whether all corners were on the drivable area, without tolerance; not scored."""
    results = []
    for outside in drive.cached(drivable_area_gaps).outside:
        inside = (~outside.any(axis=-1)).astype(np.float64)
        statistics = {"corners_in_drivable_area": float(inside.all())}
        results.append(drive.result("corners_in_drivable_area", statistics, inside, "boolean"))
    return results
