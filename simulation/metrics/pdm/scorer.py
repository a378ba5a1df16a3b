"""The PDM score: which of many short motions of the ego is best, given what the others will do.

One scorer judges the rule-based planner's 15 proposals at every step, a planner's plan by NAVSIM's PDMS and EPDMS,
and a teacher's vocabulary of thousands of trajectories.

Source:
    tuPlan garage b51d5d0, `PDMScorer`, whose thresholds are the defaults here.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from driving.timing import STEP_S
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.dynamics import X, Y
from simulation.geometry.corridors import chunk_bounds
from simulation.geometry.polylines import arc_lengths
from simulation.metrics.pdm.agents import (
    Others,
    near_grid,
    no_collision_scores,
    time_to_collision_scores,
)
from simulation.metrics.pdm.areas import ScoringAreas
from simulation.metrics.pdm.comfort import comfort_filters, comfort_scores
from simulation.metrics.pdm.road import (
    OFF_ROAD,
    ego_areas,
    longest_stray,
    oncoming_distances,
    progress_along,
    touches_areas,
)
from simulation.metrics.pdm.rules import TUPLAN_RULES, PdmRules
from simulation.metrics.rules import PDM_TTC_STEPS, direction_scores

STRAY_LIMIT_M = 0.5
"""Keeping the lane means to stay within this distance of the centerline ..."""
STRAY_STEPS = 20
"""... with fewer than so many poses in a row beyond."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PdmScores:
    """Sub-scores of M motions, each in [0, 1], and what they come from."""

    no_collision: Float64[np.ndarray, "motions"]
    """0 after an at-fault collision with an agent, 1/2 with a static object."""
    drivable_area: Float64[np.ndarray, "motions"]
    driving_direction: Float64[np.ndarray, "motions"]
    time_to_collision: Float64[np.ndarray, "motions"]
    """1 where the rules do not weigh it."""
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
    """Where each pose is, as `road.ego_areas` counts it."""


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
        states: In the columns of `simulation.ego.dynamics`, every 0.1 s.
        scene: What they are judged against; its others must reach 0.9 s farther where the rules look beyond.
        rules: Which version.
        comfort: Where comfort is judged elsewhere, its scores; None judges the motions alone.

    Raises:
        ValueError: When the others are not known far enough ahead.
    """
    vehicle, line, others = scene.vehicle, scene.centerline, scene.others
    num_steps = states.shape[1]
    ttc_steps = num_steps if rules.looks_beyond else max(1, num_steps - PDM_TTC_STEPS[-1])
    last = max(num_steps - 1, ttc_steps - 1 + PDM_TTC_STEPS[-1]) // others.stride
    if last >= len(others.valid):
        raise ValueError(f"The others are known at {len(others.valid)} instants, these motions need {last + 1}.")
    size, offset_m = (vehicle.length_m, vehicle.width_m), vehicle.rear_axle_to_center_m
    low, high = reached_region(states, vehicle)
    raster = scene.areas.raster(low, high)
    areas = ego_areas(states, raster, scene.kinds, size, offset_m)
    grid = near_grid(states, others, size, offset_m)
    no_collision, collision_step = no_collision_scores(states, areas, others, grid, size, offset_m)
    in_time, ttc_step = np.ones(len(states)), np.full(len(states), -1)
    if rules.weights[1] > 0.0:
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
        near = np.flatnonzero(((line.chunks[:, :2] <= high) & (line.chunks[:, 2:] >= low)).all(axis=1))
        stray = longest_stray(states, areas, line.points, line.arc, line.chunks, near, offset_m, STRAY_LIMIT_M)
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


def reached_region(
    states: Float64[np.ndarray, "motions time 10"], vehicle: VehicleParameters
) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]:
    """Lower left and upper right corner of a region that no box of the motions leaves."""
    # One column after the other: numpy takes much longer over both at once.
    x, y = states[..., X], states[..., Y]
    reach_m = vehicle.length_m
    return np.array([x.min(), y.min()]) - reach_m, np.array([x.max(), y.max()]) + reach_m


def _light_scores(states: Float64[np.ndarray, "motions time 10"], scene: PdmScene) -> Float64[np.ndarray, "motions"]:
    if scene.red_rows is None or not scene.red_rows.size:
        return np.ones(len(states))
    size = (scene.vehicle.length_m, scene.vehicle.width_m)
    touched = touches_areas(states, scene.areas.flat, scene.red_rows, size, scene.vehicle.rear_axle_to_center_m)
    return np.where(touched, 0.0, 1.0)


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
    instants = (num_steps - 1 + PDM_TTC_STEPS[-1]) // stride + 1
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
