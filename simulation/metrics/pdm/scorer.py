"""The PDM score of many short motions of the ego among agents with a given future.

The rule-based planner scores its 15 proposals with it at each step, `planning.rule_based.navsim` a plan, and the
teacher a vocabulary of thousands of trajectories.

Source:
    tuPlan garage b51d5d0, `PDMScorer`; its thresholds are the defaults here.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.box import ego_box
from simulation.ego.dynamics import X, Y
from simulation.geometry.polylines import ChunkedLine, chunked_line
from simulation.metrics.pdm.agents import ScoredAgents, near_grid, no_collision_scores, time_to_collision_scores
from simulation.metrics.pdm.areas import ScoringAreas
from simulation.metrics.pdm.comfort import comfort_filters, comfort_scores
from simulation.metrics.pdm.road import (
    OFF_ROAD,
    ClassifiedAreas,
    ScoredMotions,
    ego_areas,
    longest_stray,
    oncoming_distances,
    progress_along,
    touches_areas,
)
from simulation.metrics.pdm.rules import TUPLAN_RULES, PdmRules
from simulation.metrics.rules import PDM_TTC_STEPS, direction_scores
from simulation.metrics.weighting import weighted_sum

STRAY_STEPS = 20
"""A motion with at least this many poses in a row off the centerline does not keep the lane."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PdmScores:
    """Sub-scores of M motions, each in [0, 1], and the measures behind them."""

    no_collision: Float64[np.ndarray, "motions"]
    """0 after an at-fault collision with an agent, 1/2 with a static object."""
    drivable_area: Float64[np.ndarray, "motions"]
    driving_direction: Float64[np.ndarray, "motions"]
    time_to_collision: Float64[np.ndarray, "motions"]
    """1 if the rules give it no weight."""
    traffic_lights: Float64[np.ndarray, "motions"]
    """0 after touching a connector at a red light; 1 if the rules do not multiply it or the scene has no lights."""
    comfort: Float64[np.ndarray, "motions"]
    lane_keeping: Float64[np.ndarray, "motions"]
    """0 after 2 s off the centerline; 1 if the rules give it no weight."""
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
    """Of `road.ego_areas`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Centerline:
    """The line along which progress is measured."""

    points: Float64[np.ndarray, "points 2"]

    @cached_property
    def arrays(self) -> ChunkedLine:
        """With arc lengths and bounding boxes, for quick searches."""
        return chunked_line(self.points)


@dataclass(frozen=True, kw_only=True, eq=False)
class PdmScene:
    """Map, agents and lights around the motions."""

    areas: ScoringAreas
    kinds: UInt8[np.ndarray, "areas"]
    """Of `ScoringAreas.kinds_near`."""
    agents: ScoredAgents
    centerline: Centerline
    red_rows: Int64[np.ndarray, "time lights"] | None = None
    """Rows in `areas` of the connectors at red lights at each step, -1 for none; None scores no lights."""
    vehicle: VehicleParameters = PACIFICA


def score_motions(
    states: Float64[np.ndarray, "motions time 10"],
    scene: PdmScene,
    rules: PdmRules = TUPLAN_RULES,
    comfort: Float64[np.ndarray, "motions"] | None = None,
) -> PdmScores:
    """Score motions by one version of the rules.

    Args:
        states: In the columns of `simulation.ego.dynamics`, every 0.1 s.
        scene: Map, agents and lights. Agents must reach 0.9 s beyond the motions if the rules look beyond.
        rules: Version.
        comfort: Comfort scores that were computed elsewhere; None computes them from the motions alone.

    Raises:
        ValueError: When the agents do not reach far enough ahead.
    """
    agents, box = scene.agents, ego_box(scene.vehicle)
    num_steps = states.shape[1]
    ttc_steps = num_steps if rules.looks_beyond else max(1, num_steps - PDM_TTC_STEPS[-1])
    last = max(num_steps - 1, ttc_steps - 1 + PDM_TTC_STEPS[-1]) // agents.stride
    if last >= len(agents.valid):
        raise ValueError(f"These motions need agents at {last + 1} instants, got {len(agents.valid)}.")
    low, high = reached_region(states, scene.vehicle)
    classified = ClassifiedAreas(scene.areas.raster(low, high), scene.kinds)
    motions = ScoredMotions(states, ego_areas(states, classified, box), box)
    grid = near_grid(states, agents, box)
    no_collision, collision_step = no_collision_scores(motions, agents, grid)
    in_time, ttc_step = np.ones(len(states)), np.full(len(states), -1)
    if rules.weights.time_to_collision > 0.0:
        in_time, ttc_step = time_to_collision_scores(motions, agents, grid, classified, ttc_steps)
    road = np.where((motions.areas & OFF_ROAD).any(axis=1), 0.0, 1.0)
    direction = direction_scores(oncoming_distances(motions, rules.oncoming_window, rules.spares_intersections))
    lights = _light_scores(states, scene) if rules.multiplies_lights else np.ones(len(states))
    if comfort is None:
        comfort = comfort_scores(states, comfort_filters(num_steps))
    line = scene.centerline.arrays
    lane_keeping = np.ones(len(states))
    if rules.weights.lane_keeping > 0.0:
        near = np.flatnonzero(((line.chunks[:, :2] <= high) & (line.chunks[:, 2:] >= low)).all(axis=1))
        lane_keeping[longest_stray(motions, line, near) >= STRAY_STEPS] = 0.0
    progress_m = progress_along(states, line, box)
    allowed = no_collision * road * lights
    if rules.multiplies_direction:
        allowed = allowed * direction
    progress = relative_progress(progress_m, allowed, rules)
    parts = {
        "progress": progress,
        "time_to_collision": in_time,
        "comfort": comfort,
        "lane_keeping": lane_keeping,
    }
    weighted, total = weighted_sum(parts, rules.weights._asdict())
    return PdmScores(
        no_collision=no_collision,
        drivable_area=road,
        driving_direction=direction,
        traffic_lights=lights,
        **parts,
        progress_m=progress_m,
        allowed=allowed,
        score=allowed * (weighted / total),
        collision_step=collision_step,
        ttc_step=ttc_step,
        areas=motions.areas,
    )


def reached_region(
    states: Float64[np.ndarray, "motions time 10"], vehicle: VehicleParameters
) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]:
    """Lower left and upper right corner of a region that holds all boxes of the motions."""
    # Column by column: numpy takes much longer for both at once.
    x, y = states[..., X], states[..., Y]
    reach_m = vehicle.length_m
    return np.array([x.min(), y.min()]) - reach_m, np.array([x.max(), y.max()]) + reach_m


def _light_scores(states: Float64[np.ndarray, "motions time 10"], scene: PdmScene) -> Float64[np.ndarray, "motions"]:
    if scene.red_rows is None or not scene.red_rows.size:
        return np.ones(len(states))
    touched = touches_areas(states, scene.areas.flat, scene.red_rows, ego_box(scene.vehicle))
    return np.where(touched, 0.0, 1.0)


def relative_progress(
    progress_m: Float64[np.ndarray, "motions"], allowed: Float64[np.ndarray, "motions"], rules: PdmRules
) -> Float64[np.ndarray, "motions"]:
    """Progress divided by the best allowed progress; if that is too short to compare, 1, or 0 if not allowed."""
    counted_m = progress_m * allowed
    best_m = float(counted_m.max())
    if rules.compares_allowed_progress:
        return counted_m / best_m if best_m > rules.min_best_progress_m else np.where(allowed != 0.0, 1.0, 0.0)
    if best_m > rules.min_best_progress_m:
        return np.clip(progress_m / best_m, 0.0, 1.0)
    return np.ones(len(progress_m))
