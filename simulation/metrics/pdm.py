"""The PDM score: which of many short motions of the ego is best, given what the others will do.

One scorer judges the rule-based planner's 15 proposals at every step, a planner's plan by NAVSIM's PDMS and EPDMS,
and a teacher's vocabulary of thousands of trajectories.

Source:
    tuPlan garage b51d5d0, `PDMScorer`, whose thresholds are the defaults here.
"""

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from driving.map import MapGraph
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.kernels.area_raster import AreaRaster, rasterize
from simulation.kernels.corridors import chunk_bounds
from simulation.kernels.polygons import FlatPolygons, flatten_polygons
from simulation.kernels.polylines import arc_lengths
from simulation.metrics.pdm_comfort import comfort_filters, comfort_scores
from simulation.metrics.pdm_kernels import (
    DRIVABLE,
    INTERSECTION,
    LANE,
    LOOK_AHEAD_STEPS,
    OFF_ROAD,
    ON_ROUTE,
    STEP_S,
    Others,
    ego_areas,
    near_grid,
    no_collision_scores,
    oncoming_distances,
    progress_along,
    time_to_collision_scores,
    touching_square,
)

COMPLIANT_ONCOMING_M = 2.0
"""Up to here, driving against traffic costs nothing; up to the next it halves the score, beyond it is 0."""
VIOLATING_ONCOMING_M = 6.0
PROGRESS_WEIGHT, TTC_WEIGHT, COMFORT_WEIGHT = 5.0, 5.0, 2.0
MIN_BEST_PROGRESS_M = 0.1
"""Where nobody gets farther, progress is not compared."""
_REGION_MARGIN_M = 40.0


@dataclass(frozen=True, kw_only=True, eq=False)
class PdmScores:
    """Sub-scores of M motions, each in [0, 1], and what they come from."""

    no_collision: Float64[np.ndarray, "motions"]
    """0 after an at-fault collision with an agent, 1/2 with a static object."""
    drivable_area: Float64[np.ndarray, "motions"]
    driving_direction: Float64[np.ndarray, "motions"]
    time_to_collision: Float64[np.ndarray, "motions"]
    comfort: Float64[np.ndarray, "motions"]
    progress: Float64[np.ndarray, "motions"]
    """Relative to the best of the motions."""
    progress_m: Float64[np.ndarray, "motions"]
    score: Float64[np.ndarray, "motions"]
    """Product of the first three times the weighted mean of progress, time to collision and comfort."""
    collision_step: Int64[np.ndarray, "motions"]
    """First pose that collides at fault, -1 for none."""
    ttc_step: Int64[np.ndarray, "motions"]
    areas: UInt8[np.ndarray, "motions time"]
    """Where each pose is, as `pdm_kernels.ego_areas` counts it."""


class ScoringAreas:
    """A map's polygons in one table: lanes and connectors, car parks, intersections, roadblocks."""

    def __init__(self, map_graph: MapGraph) -> None:
        layers = (map_graph.lanes.areas, map_graph.carparks, map_graph.intersections, map_graph.roadblocks)
        self.flat: FlatPolygons = flatten_polygons(np.concatenate([layer.polygons for layer in layers]))
        self.starts: list[int] = np.cumsum([0, *(len(layer) for layer in layers)]).tolist()
        self.lane_ids: Int64[np.ndarray, lanes] = map_graph.lanes.ids
        self.carpark_ids: Int64[np.ndarray, carparks] = map_graph.carparks.ids
        blocks, connectors = map_graph.roadblocks, map_graph.roadblock_connectors
        self._blocks: FlatPolygons = flatten_polygons(np.concatenate([blocks.polygons, connectors.polygons]))
        # Lanes whose roadblock the map lacks have the row behind the last.
        self._block_rows = np.full(len(map_graph.lanes), len(blocks) + len(connectors))
        for layer, start in ((blocks, 0), (connectors, len(blocks))):
            for row, block in enumerate(layer.ids.tolist()):
                self._block_rows[map_graph.lane_rows_of_roadblock(block)] = start + row
        self._raster: AreaRaster | None = None

    def near(
        self, center: Float64[np.ndarray, "2"], radius_m: float
    ) -> tuple[Bool[np.ndarray, "lanes"], Bool[np.ndarray, "areas"]]:
        """Which lanes belong to a roadblock that touches the square around a point; which other areas touch it."""
        x, y = float(center[0]), float(center[1])
        lanes = touching_square(self._blocks, x, y, radius_m, 0)[self._block_rows]
        return lanes, touching_square(self.flat, x, y, radius_m, self.starts[1])[:-1]

    def kinds_near(
        self, center: Float64[np.ndarray, "2"], radius_m: float, is_on_route: Bool[np.ndarray, "areas"]
    ) -> UInt8[np.ndarray, "areas"]:
        """What each polygon counts as for PDM-Closed: lanes and car parks near the ego are road and lane at once.

        Args:
            center: Middle of the ego box.
            radius_m: Half side of the square that is looked at.
            is_on_route: As `on_route` gives it.
        """
        lanes, others = self.near(center, radius_m)
        kinds = np.zeros(len(self.flat.bounds), dtype=np.uint8)
        kinds[: self.starts[1]][lanes] = LANE | DRIVABLE
        carparks = slice(self.starts[1], self.starts[2])
        kinds[carparks][others[carparks]] = LANE | DRIVABLE
        kinds[is_on_route & (kinds > 0)] |= ON_ROUTE
        kinds[self.starts[2] : self.starts[3]] = INTERSECTION
        return kinds

    def on_route(self, lane_rows: list[int]) -> Bool[np.ndarray, "areas"]:
        """Which polygons bear the id of one of the lanes. Ids of car parks count, too: PDM compares ids only."""
        is_on_route = np.zeros(len(self.flat.bounds), dtype=bool)
        is_on_route[lane_rows] = True
        is_on_route[self.starts[1] : self.starts[2]] = np.isin(self.carpark_ids, self.lane_ids[lane_rows])
        return is_on_route

    def raster(self, low: Float64[np.ndarray, "2"], high: Float64[np.ndarray, "2"]) -> AreaRaster:
        """A raster that covers a region, the last one where it does."""
        kept = self._raster
        if kept is not None:
            top = kept.origin + kept.shape * kept.cell_m
            if (low >= kept.origin).all() and (high <= top).all():
                return kept
        self._raster = rasterize(self.flat, low - _REGION_MARGIN_M, high + _REGION_MARGIN_M)
        return self._raster


_AREAS: WeakKeyDictionary[MapGraph, ScoringAreas] = WeakKeyDictionary()


def scoring_areas(map_graph: MapGraph) -> ScoringAreas:
    """The polygons of a map for scoring, laid out once and kept as long as the map."""
    areas = _AREAS.get(map_graph)
    if areas is None:
        areas = _AREAS[map_graph] = ScoringAreas(map_graph)
    return areas


@dataclass(frozen=True, kw_only=True, eq=False)
class Centerline:
    """The line along which progress is measured."""

    points: Float64[np.ndarray, "points 2"]

    @cached_property
    def arc(self) -> Float64[np.ndarray, "points"]:
        """Arc lengths of the vertices [m]."""
        return arc_lengths(self.points)

    @cached_property
    def chunks(self) -> Float64[np.ndarray, "chunks 4"]:
        """Bounding boxes, for quick searches."""
        return chunk_bounds(self.points)


@dataclass(frozen=True, kw_only=True, eq=False)
class PdmScene:
    """What motions are judged against."""

    areas: ScoringAreas
    kinds: UInt8[np.ndarray, "areas"]
    """What each polygon counts as."""
    others: Others
    centerline: Centerline
    vehicle: VehicleParameters = PACIFICA


def score_motions(states: Float64[np.ndarray, "motions time 10"], scene: PdmScene) -> PdmScores:
    """Judge motions by the rules of PDM-Closed.

    Args:
        states: In the columns of `simulation.dynamics`, every 0.1 s; `scene.others` must reach 0.9 s farther.
        scene: What they are judged against.

    Raises:
        ValueError: When the others are not known far enough ahead.
    """
    parts = score_parts(states, scene, states.shape[1])
    oncoming_m = oncoming_distances(states, parts.areas, scene.vehicle.rear_axle_to_center_m, 0, False)
    direction = direction_scores(oncoming_m)
    comfort = comfort_scores(states, comfort_filters(states.shape[1]))
    allowed = parts.no_collision * parts.drivable_area * direction
    progress = relative_progress(parts.progress_m, allowed)
    weighted = PROGRESS_WEIGHT * progress + TTC_WEIGHT * parts.time_to_collision + COMFORT_WEIGHT * comfort
    return PdmScores(
        no_collision=parts.no_collision,
        drivable_area=parts.drivable_area,
        driving_direction=direction,
        time_to_collision=parts.time_to_collision,
        comfort=comfort,
        progress=progress,
        progress_m=parts.progress_m,
        score=allowed * (weighted / (PROGRESS_WEIGHT + TTC_WEIGHT + COMFORT_WEIGHT)),
        collision_step=parts.collision_step,
        ttc_step=parts.ttc_step,
        areas=parts.areas,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class PdmParts:
    """What all versions of the score share."""

    no_collision: Float64[np.ndarray, "motions"]
    drivable_area: Float64[np.ndarray, "motions"]
    time_to_collision: Float64[np.ndarray, "motions"]
    progress_m: Float64[np.ndarray, "motions"]
    collision_step: Int64[np.ndarray, "motions"]
    ttc_step: Int64[np.ndarray, "motions"]
    areas: UInt8[np.ndarray, "motions time"]


def score_parts(states: Float64[np.ndarray, "motions time 10"], scene: PdmScene, ttc_steps: int) -> PdmParts:
    """Judge collisions, road, time to collision (of the first `ttc_steps` poses) and progress.

    Raises:
        ValueError: When the others are not known far enough ahead.
    """
    others, vehicle = scene.others, scene.vehicle
    last = max(states.shape[1] - 1, ttc_steps - 1 + LOOK_AHEAD_STEPS[-1]) // others.stride
    if last >= len(others.valid):
        raise ValueError(
            f"The others are known at {len(others.valid)} instants, {last + 1} are needed: 0.9 s beyond the motions."
        )
    size, offset_m = (vehicle.length_m, vehicle.width_m), vehicle.rear_axle_to_center_m
    reach_m = vehicle.length_m
    places = states[..., :2]
    raster = scene.areas.raster(places.min(axis=(0, 1)) - reach_m, places.max(axis=(0, 1)) + reach_m)
    areas = ego_areas(states, raster, scene.kinds, size, offset_m)
    grid = near_grid(states, others, size, offset_m)
    no_collision, collision_step = no_collision_scores(states, areas, others, grid, size, offset_m)
    in_time, ttc_step = time_to_collision_scores(
        states, areas, others, grid, raster, scene.kinds, size, offset_m, ttc_steps
    )
    line = scene.centerline
    return PdmParts(
        no_collision=no_collision,
        drivable_area=np.where((areas & OFF_ROAD).any(axis=1), 0.0, 1.0),
        time_to_collision=in_time,
        progress_m=progress_along(states, line.points, line.arc, line.chunks, offset_m),
        collision_step=collision_step,
        ttc_step=ttc_step,
        areas=areas,
    )


def direction_scores(oncoming_m: Float64[np.ndarray, "motions"]) -> Float64[np.ndarray, "motions"]:
    """1, 1/2 or 0 by the way driven against traffic."""
    return np.select([oncoming_m < COMPLIANT_ONCOMING_M, oncoming_m < VIOLATING_ONCOMING_M], [1.0, 0.5], 0.0)


def relative_progress(
    progress_m: Float64[np.ndarray, "motions"], allowed: Float64[np.ndarray, "motions"]
) -> Float64[np.ndarray, "motions"]:
    """Allowed progress over the best; where nobody gets on 1, or 0 where not allowed."""
    counted_m = progress_m * allowed
    best_m = float(counted_m.max())
    if best_m > MIN_BEST_PROGRESS_M:
        return counted_m / best_m
    return (allowed != 0.0).astype(np.float64)


def constant_velocity_others(
    poses: Float64[np.ndarray, "agents 3"],
    sizes: Float64[np.ndarray, "agents 2"],
    velocities_mps: Float64[np.ndarray, "agents 2"],
    speeds_mps: Float64[np.ndarray, "agents"],
    is_static: Bool[np.ndarray, "agents"],
    is_ignored: Bool[np.ndarray, "agents"],
    num_steps: int,
    stride: int = 2,
) -> Others:
    """Others that keep going straight, sampled every `stride` steps of 0.1 s, for motions of `num_steps` poses."""
    instants = (num_steps - 1 + LOOK_AHEAD_STEPS[-1]) // stride + 1
    times_s = np.arange(instants) * stride * STEP_S
    ahead = np.empty((instants, len(poses), 3))
    ahead[:] = poses
    ahead[..., :2] += times_s[:, np.newaxis, np.newaxis] * velocities_mps
    return Others(
        poses=ahead,
        sizes=np.ascontiguousarray(np.broadcast_to(sizes, (instants, *sizes.shape))),
        valid=np.ones((instants, len(poses)), dtype=bool),
        speeds=speeds_mps,
        is_static=is_static,
        is_ignored=is_ignored,
        stride=stride,
    )
