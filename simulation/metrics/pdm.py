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
    longest_stray,
    near_grid,
    no_collision_scores,
    oncoming_distances,
    progress_along,
    time_to_collision_scores,
    touches_areas,
    touching_square,
)

COMPLIANT_ONCOMING_M = 2.0
"""Up to here, driving against traffic costs nothing; up to the next it halves the score, beyond it is 0."""
VIOLATING_ONCOMING_M = 6.0
STRAY_LIMIT_M = 0.5
"""Keeping the lane means to stay within this distance of the centerline ..."""
STRAY_STEPS = 20
"""... with fewer than so many poses in a row beyond."""
_REGION_MARGIN_M = 40.0


@dataclass(frozen=True, kw_only=True)
class PdmRules:
    """One published definition of the score. Numbers of different versions do not compare."""

    version: str
    radius_m: float
    """Half side of the square around the ego in which the map is known."""
    lanes_are_road: bool
    """Whether lanes and connectors are the drivable area, or roadblocks and intersections; car parks always."""
    oncoming_window: int
    """Steps over which driving against traffic is added up; 0 adds up each stretch."""
    spares_intersections: bool
    """Whether driving against traffic does not count in intersections."""
    multiplies_direction: bool
    multiplies_lights: bool
    min_best_progress_m: float
    """Where nobody gets farther, progress is not compared."""
    compares_allowed_progress: bool
    """Whether a motion's own progress counts only as far as the multiplied scores allow it."""
    looks_beyond: bool
    """Whether the time to collision is also asked for poses whose look-ahead leaves the motion."""
    plan_s: float
    """How far PDM-Closed looks for leading objects when it chooses by these rules."""
    weights: tuple[float, float, float, float] = (5.0, 5.0, 2.0, 0.0)
    """Of progress, time to collision, comfort, lane keeping."""


TUPLAN_RULES = PdmRules(
    version="tuplan_garage b51d5d0",
    radius_m=50.0,
    lanes_are_road=True,
    oncoming_window=0,
    spares_intersections=False,
    multiplies_direction=True,
    multiplies_lights=False,
    min_best_progress_m=0.1,
    compares_allowed_progress=True,
    looks_beyond=True,
    plan_s=8.0,
)
"""How PDM-Closed chooses its proposal in nuPlan's challenge."""

PDMS_RULES = PdmRules(
    version="navsim v1.1",
    radius_m=100.0,
    lanes_are_road=False,
    oncoming_window=10,
    spares_intersections=False,
    multiplies_direction=False,
    multiplies_lights=False,
    min_best_progress_m=5.0,
    compares_allowed_progress=True,
    looks_beyond=True,
    plan_s=5.0,
)
"""NAVSIM v1: driving direction is measured, but has the weight 0."""

EPDMS_RULES = PdmRules(
    version="navsim v2 0a380a9",
    radius_m=100.0,
    lanes_are_road=False,
    oncoming_window=10,
    spares_intersections=True,
    multiplies_direction=True,
    multiplies_lights=True,
    min_best_progress_m=5.0,
    compares_allowed_progress=False,
    looks_beyond=False,
    plan_s=5.0,
    weights=(5.0, 5.0, 2.0, 2.0),
)
"""NAVSIM v2, without the two-frame comfort, which needs a second plan."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PdmScores:
    """Sub-scores of M motions, each in [0, 1], and what they come from."""

    no_collision: Float64[np.ndarray, "motions"]
    """0 after an at-fault collision with an agent, 1/2 with a static object."""
    drivable_area: Float64[np.ndarray, "motions"]
    driving_direction: Float64[np.ndarray, "motions"]
    time_to_collision: Float64[np.ndarray, "motions"]
    traffic_lights: Float64[np.ndarray, "motions"]
    """0 after touching a connector at a red light; 1 where the rules do not ask, or the scene names none."""
    comfort: Float64[np.ndarray, "motions"]
    lane_keeping: Float64[np.ndarray, "motions"]
    """0 after 2 s off the centerline; 1 where the rules do not weigh it."""
    progress: Float64[np.ndarray, "motions"]
    """Relative to the best of the motions."""
    progress_m: Float64[np.ndarray, "motions"]
    allowed: Float64[np.ndarray, "motions"]
    """Product of the scores that the rules multiply."""
    score: Float64[np.ndarray, "motions"]
    """`allowed` times the weighted mean of the other scores."""
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
        self, center: Float64[np.ndarray, "2"], is_on_route: Bool[np.ndarray, "areas"], rules: PdmRules
    ) -> UInt8[np.ndarray, "areas"]:
        """What each polygon counts as for an ego with its middle at `center`; 0 for those too far away.

        Args:
            center: Middle of the ego box.
            is_on_route: As `on_route` gives it.
            rules: Which polygons are road, and how far they are known.
        """
        lanes, others = self.near(center, rules.radius_m)
        kinds = np.zeros(len(self.flat.bounds), dtype=np.uint8)
        first_carpark, first_intersection, first_roadblock = self.starts[1:4]
        if rules.lanes_are_road:
            kinds[:first_carpark][lanes] = LANE | DRIVABLE
            kinds[first_carpark:first_intersection][others[first_carpark:first_intersection]] = LANE | DRIVABLE
            kinds[is_on_route & (kinds > 0)] |= ON_ROUTE
        else:
            kinds[:first_carpark][lanes] = LANE
            kinds[:first_carpark][is_on_route[:first_carpark] & lanes] |= ON_ROUTE
            kinds[first_carpark:][others[first_carpark:]] = DRIVABLE
        kinds[first_intersection:first_roadblock] |= INTERSECTION
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
    red_rows: Int64[np.ndarray, "time lights"] | None = None
    """Rows in `areas` of the connectors at red lights at each step, -1 for none; None judges no lights."""
    vehicle: VehicleParameters = PACIFICA


def score_motions(
    states: Float64[np.ndarray, "motions time 10"],
    scene: PdmScene,
    rules: PdmRules = TUPLAN_RULES,
    comfort: Float64[np.ndarray, "motions"] | None = None,
) -> PdmScores:
    """Judge motions by the rules of one version.

    Args:
        states: In the columns of `simulation.dynamics`, every 0.1 s.
        scene: What they are judged against; its others must reach 0.9 s farther where the rules look beyond.
        rules: Which version.
        comfort: Where comfort is judged elsewhere, its scores; None judges the motions alone.

    Raises:
        ValueError: When the others are not known far enough ahead.
    """
    vehicle, line, others = scene.vehicle, scene.centerline, scene.others
    num_steps = states.shape[1]
    ttc_steps = num_steps if rules.looks_beyond else max(1, num_steps - LOOK_AHEAD_STEPS[-1])
    last = max(num_steps - 1, ttc_steps - 1 + LOOK_AHEAD_STEPS[-1]) // others.stride
    if last >= len(others.valid):
        raise ValueError(f"The others are known at {len(others.valid)} instants, these motions need {last + 1}.")
    size, offset_m = (vehicle.length_m, vehicle.width_m), vehicle.rear_axle_to_center_m
    places, reach_m = states[..., :2], vehicle.length_m
    raster = scene.areas.raster(places.min(axis=(0, 1)) - reach_m, places.max(axis=(0, 1)) + reach_m)
    areas = ego_areas(states, raster, scene.kinds, size, offset_m)
    grid = near_grid(states, others, size, offset_m)
    no_collision, collision_step = no_collision_scores(states, areas, others, grid, size, offset_m)
    in_time, ttc_step = time_to_collision_scores(
        states, areas, others, grid, raster, scene.kinds, size, offset_m, ttc_steps
    )
    road = np.where((areas & OFF_ROAD).any(axis=1), 0.0, 1.0)
    direction = direction_scores(
        oncoming_distances(states, areas, offset_m, rules.oncoming_window, rules.spares_intersections)
    )
    lights = _light_scores(states, scene) if rules.multiplies_lights else np.ones(len(states))
    if comfort is None:
        comfort = comfort_scores(states, comfort_filters(num_steps))
    lane_keeping = np.ones(len(states))
    if rules.weights[3] > 0.0:
        stray = longest_stray(states, areas, line.points, line.arc, line.chunks, offset_m, STRAY_LIMIT_M)
        lane_keeping[stray >= STRAY_STEPS] = 0.0
    progress_m = progress_along(states, line.points, line.arc, line.chunks, offset_m)
    allowed = no_collision * road * lights
    if rules.multiplies_direction:
        allowed = allowed * direction
    progress = relative_progress(progress_m, allowed, rules)
    parts = (progress, in_time, comfort, lane_keeping)
    weighted = sum(weight * part for weight, part in zip(rules.weights, parts, strict=True))
    return PdmScores(
        no_collision=no_collision,
        drivable_area=road,
        driving_direction=direction,
        time_to_collision=in_time,
        traffic_lights=lights,
        comfort=comfort,
        lane_keeping=lane_keeping,
        progress=progress,
        progress_m=progress_m,
        allowed=allowed,
        score=allowed * (weighted / sum(rules.weights)),
        collision_step=collision_step,
        ttc_step=ttc_step,
        areas=areas,
    )


def _light_scores(states: Float64[np.ndarray, "motions time 10"], scene: PdmScene) -> Float64[np.ndarray, "motions"]:
    if scene.red_rows is None or not scene.red_rows.size:
        return np.ones(len(states))
    size = (scene.vehicle.length_m, scene.vehicle.width_m)
    touched = touches_areas(states, scene.areas.flat, scene.red_rows, size, scene.vehicle.rear_axle_to_center_m)
    return np.where(touched.any(axis=1), 0.0, 1.0)


def direction_scores(oncoming_m: Float64[np.ndarray, "motions"]) -> Float64[np.ndarray, "motions"]:
    """1, 1/2 or 0 by the way driven against traffic."""
    return np.select([oncoming_m < COMPLIANT_ONCOMING_M, oncoming_m < VIOLATING_ONCOMING_M], [1.0, 0.5], 0.0)


def relative_progress(
    progress_m: Float64[np.ndarray, "motions"], allowed: Float64[np.ndarray, "motions"], rules: PdmRules
) -> Float64[np.ndarray, "motions"]:
    """Progress over the best allowed progress; where that is too short to compare 1, or 0 where not allowed."""
    counted_m = progress_m * allowed
    best_m = float(counted_m.max())
    if rules.compares_allowed_progress:
        return counted_m / best_m if best_m > rules.min_best_progress_m else np.where(allowed != 0.0, 1.0, 0.0)
    if best_m > rules.min_best_progress_m:
        return np.clip(progress_m / best_m, 0.0, 1.0)
    return np.ones(len(progress_m))


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
