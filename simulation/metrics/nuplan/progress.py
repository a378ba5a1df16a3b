"""Progress along the route of the logged ego, as a share of the logged ego's progress.

Source:
    nuPlan devkit, `ego_progress_along_expert_route`, `ego_is_making_progress`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.map import MapGraph
from simulation.geometry.compiling import njit
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.flat_map import (
    Centerlines,
    Roadblocks,
    along_centerline,
    centerline_length,
    flat_map,
    is_in_roadblock_of,
)
from simulation.metrics.nuplan.lanes import center_lanes
from simulation.metrics.result import MetricResult, Violation, stretches

PROGRESS_THRESHOLD_M = 2.0
"""Lower bound of both totals in the ratio; a total below the negative of it gives 0."""
MIN_RATIO = 0.2
"""Share of the logged ego's progress that counts as making progress."""


def logged_chain(logged: Drive) -> Int64[np.ndarray, "pieces"]:
    """The route of the logged ego: one lane per roadblock, which stands for its roadblock and centerline.

    Source:
        nuPlan devkit, `get_route_simplified`, `get_route_baseline_roadblock_linkedlist`.
    """
    lanes = logged.cached(center_lanes)
    chain: list[int] = []
    last: list[int] = []
    last_block = None
    for step in range(logged.num_steps):
        here = lanes.at(0, step)
        if not here or set(here) & set(last):
            continue
        last = here
        block = int(flat_map(logged.map).roadblock_ids[here[0]])
        if block != last_block:
            chain.append(here[0])
            last_block = block
    return np.array(chain, dtype=np.int64)


class RouteAreas(NamedTuple):
    """The parts of a `FlatMap` that progress needs."""

    roadblocks: Roadblocks
    centerlines: Centerlines


def route_areas(map_graph: MapGraph) -> RouteAreas:
    """The arrays of a map for progress."""
    road = flat_map(map_graph)
    return RouteAreas(road.roadblocks, road.centerlines)


@njit(cache=True)
def _vertex(lines: Centerlines, lane: int, last: bool) -> tuple[float, float]:
    k = lines.offsets[lane + 1] - 1 if last else lines.offsets[lane]
    return lines.points[k, 0], lines.points[k, 1]


class RoutePlace(NamedTuple):
    """Where a point is on a chain of lanes."""

    at: int
    """The lane, as its place in the chain."""
    along_m: float
    """Arc length on the centerline of that lane."""


@njit(cache=True)
def first_place(lines: Centerlines, chain: Int64[np.ndarray, "pieces"], x: float, y: float) -> RoutePlace:
    """The place where progress starts: on the first lane of the chain."""
    return RoutePlace(0, along_centerline(lines, chain[0], x, y))


@njit(cache=True)
def progress_step(
    road: RouteAreas, chain: Int64[np.ndarray, "pieces"], place: RoutePlace, x: float, y: float
) -> tuple[float, bool, RoutePlace]:
    """Progress from a place to the next point [m], whether that point is on the route, and its place.

    Off the route there is no progress. On return to a later lane of the chain, the distance in between counts.
    """
    at, before = place
    blocks, lines = road.roadblocks, road.centerlines
    if is_in_roadblock_of(blocks, chain[at], x, y):
        along = along_centerline(lines, chain[at], x, y)
        return along - before, True, RoutePlace(at, along)
    skipped = 0.0
    for ahead in range(at + 1, len(chain)):
        if is_in_roadblock_of(blocks, chain[ahead], x, y):
            along = along_centerline(lines, chain[ahead], x, y)
            end_x, end_y = _vertex(lines, chain[at], True)
            entered = along_centerline(lines, chain[ahead], end_x, end_y)
            made = (centerline_length(lines, chain[at]) - before) + (along - entered) + skipped
            return made, True, RoutePlace(ahead, along)
        if ahead + 1 < len(chain):
            end_x, end_y = _vertex(lines, chain[ahead - 1], True)
            start_x, start_y = _vertex(lines, chain[ahead + 1], False)
            skipped += along_centerline(lines, chain[ahead], start_x, start_y) - along_centerline(
                lines, chain[ahead], end_x, end_y
            )
    return 0.0, False, place


@njit(cache=True)
def _progress(road: RouteAreas, chain: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Progress (T,) since the point before along a chain of lanes [m], and whether each point is on the route."""
    made = np.zeros(len(points))
    on_route = np.zeros(len(points), dtype=np.bool_)
    on_route[0] = is_in_roadblock_of(road.roadblocks, chain[0], points[0, 0], points[0, 1])
    place = first_place(road.centerlines, chain, points[0, 0], points[0, 1])
    for t in range(1, len(points)):
        made[t], on_route[t], place = progress_step(road, chain, place, points[t, 0], points[t, 1])
    return made, on_route


@dataclass(frozen=True, kw_only=True, eq=False)
class RouteProgress:
    """Progress of each motion along the logged route."""

    steps_m: Float64[np.ndarray, "motions time"]
    on_route: Bool[np.ndarray, "motions time"]
    totals_m: Float64[np.ndarray, "motions"]
    logged_m: float
    """Total of the logged ego; 0 if it was on no lane."""
    has_route: bool
    """Whether the logged ego was on any lane."""

    @property
    def ratios(self) -> Float64[np.ndarray, "motions"]:
        """Share of the logged progress, in [0, 1]; 1 without a route."""
        if not self.has_route:
            return np.ones(len(self.totals_m))
        return np.array([progress_ratio(total_m, self.logged_m) for total_m in self.totals_m.tolist()])


def progress_ratio(total_m: float, logged_m: float) -> float:
    """Share of the logged progress, in [0, 1]; both sides are at least 2 m."""
    if total_m < -PROGRESS_THRESHOLD_M:
        return 0.0
    return min(1.0, max(total_m, PROGRESS_THRESHOLD_M) / max(logged_m, PROGRESS_THRESHOLD_M))


def logged_progress_m(logged: Drive) -> float:
    """Total progress of the logged ego along its own route."""
    chain = logged.cached(logged_chain)
    if not len(chain):
        return 0.0
    _require_roadblocks(logged, chain)
    points = np.ascontiguousarray(logged.centers[0, :, :2])
    return float(np.sum(_progress(route_areas(logged.map), chain, points)[0]))


def _require_roadblocks(drive: Drive, chain: Int64[np.ndarray, "pieces"]) -> None:
    for lane in chain:
        if flat_map(drive.map).roadblocks.rows[lane] < 0:
            raise ValueError(
                f"Map {drive.map.name}: lane {drive.map.lanes.ids[lane]} names roadblock"
                f" {flat_map(drive.map).roadblock_ids[lane]}, which the map lacks; progress needs its polygon."
            )


def route_progress(drive: Drive) -> RouteProgress:
    """Progress of all motions."""
    logged = drive.logged_drive("ego_progress_along_expert_route")
    chain = logged.cached(logged_chain)
    steps = np.zeros((drive.num_motions, drive.num_steps))
    on_route = np.zeros(steps.shape, dtype=bool)
    logged_m = logged.cached(logged_progress_m)
    if len(chain):
        road = route_areas(drive.map)
        for motion in range(drive.num_motions):
            points = np.ascontiguousarray(drive.centers[motion, :, :2])
            steps[motion], on_route[motion] = _progress(road, chain, points)
    return RouteProgress(
        steps_m=steps,
        on_route=on_route,
        totals_m=np.array([np.sum(row) for row in steps]),
        logged_m=logged_m,
        has_route=len(chain) > 0,
    )


def ego_progress_along_expert_route(drive: Drive) -> list[MetricResult]:
    """Progress along the logged ego's route divided by the progress of the logged ego, at most 1."""
    found = drive.cached(route_progress)
    return [_result(drive, found, motion) for motion in range(drive.num_motions)]


def _result(drive: Drive, found: RouteProgress, motion: int) -> MetricResult:
    ratio, total_m = float(found.ratios[motion]), float(found.totals_m[motion])
    statistics = {"expert_total_progress_along_route": found.logged_m}
    if found.has_route:
        statistics["ego_total_progress_along_route"] = total_m
    statistics["ego_expert_progress_along_route_ratio"] = ratio
    violations: tuple[Violation, ...] = ()
    if ratio < 1.0:
        step, sentence = drive.num_steps - 1, f"made {total_m:.1f} m of the logged ego's {found.logged_m:.1f} m"
        off = stretches(~found.on_route[motion])
        if off and off[-1][1] == step:
            step = off[-1][0]
            sentence = f"off the logged ego's route from {drive.time_s[step]:.1f} s on, {sentence}"
        else:
            sentence += f" until {drive.time_s[step]:.1f} s"
        violations = (drive.violation(step, sentence),)
    name = "ego_progress_along_expert_route"
    if not found.has_route:
        return MetricResult(name=name, score=ratio, statistics=statistics, violations=violations)
    steps_m, on_route = found.steps_m[motion], found.on_route[motion]
    return drive.result(name, statistics, steps_m, "m", score=ratio, valid=on_route, violations=violations)


def ego_is_making_progress(drive: Drive) -> list[MetricResult]:
    """1 when the ego makes at least 20 % of the logged ego's progress, else 0."""
    found = drive.cached(route_progress)
    results = []
    for motion, ratio in enumerate(found.ratios):
        score = float(ratio >= MIN_RATIO)
        violations: tuple[Violation, ...] = ()
        if not score:
            sentence = (
                f"only {100 * ratio:.0f} % of the logged ego's progress until {drive.time_s[-1]:.1f} s"
                f" ({found.totals_m[motion]:.1f} m of {found.logged_m:.1f} m), {100 * MIN_RATIO:.0f} % required"
            )
            violations = (drive.violation(-1, sentence),)
        results.append(
            MetricResult(
                name="ego_is_making_progress",
                score=score,
                statistics={"ego_is_making_progress": score},
                violations=violations,
            )
        )
    return results
