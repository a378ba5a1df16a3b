"""The rule-based teacher: scores every trajectory of a vocabulary against the logged future.

Tracker and bicycle model first drive each trajectory from the ego's true state. The kernels of the PDM scorer, which
also score the rule-based planner's proposals, then compare it with the logged or simulated future of all agents.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from distill.contract import (
    FUTURE_STEPS,
    SUB_SCORES,
    WAITING_STEPS,
    Future,
    Teacher,
    TeacherLabel,
    logged_future,
)
from driving.agents import AgentTracks, static_mask
from driving.geometry import box_corners
from driving.names import unknown_name
from driving.observation import Observation
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from planning.lane_sampling import SPACING_M
from planning.neural.route_line import LaneSamples, RouteContextCache
from planning.neural.vocabulary import NUM_POSES, TrajectoryVocabulary
from simulation.ego.box import ego_box
from simulation.ego.dynamics import VELOCITY_X, state_array
from simulation.ego.vocabulary_tracking import FittedVocabulary, drive_whole_vocabulary, fit_vocabulary
from simulation.geometry.boxes import boxes_overlapping
from simulation.geometry.polylines import project_chunked
from simulation.metrics.nuplan.comfort import OPEN_STEPS, comfortable_motions
from simulation.metrics.pdm.agents import ScoredAgents, near_grid, no_collision_scores
from simulation.metrics.pdm.areas import red_rows_by_step
from simulation.metrics.pdm.closing import closing_scores
from simulation.metrics.pdm.road import ClassifiedAreas, ScoredMotions, enters_areas
from simulation.metrics.pdm.rules import PDMS_RULES, PdmWeights
from simulation.metrics.pdm.scorer import Centerline, PdmScene, PdmScores, reached_region, score_motions
from simulation.metrics.rules import MAX_OVERSPEED_MPS, STOPPED_SPEED_MPS

FAIR_SPEED_SCORE = 0.9
"""Motions with a lower speed-limit score do not set the reference of progress."""
SURPRISE_M = 60.0
"""Agents that first appear farther from the ego than this are ignored: no input announces them, and a student that is
trained to expect them drives slowly on every empty road."""
STEADY_STEPS = 15
"""Comfort assumes that the ego held its present acceleration for so many steps before."""

STANDING_MPS = 1.5
"""An ego that ends a motion more slowly than this is taken to stay where it is."""
HIT_SCORE = 0.5
"""Of `no_collision`, when an agent would hit the ego where it stands: the plan may still change by then."""

RULES = replace(
    PDMS_RULES,
    version="rules.6",
    lanes_are_road=True,
    multiplies_direction=True,
    compares_allowed_progress=False,
    plan_s=4.0,
    # Lights and the time to collision have scores of their own.
    weights=PdmWeights(time_to_collision=0.0, lane_keeping=2.0),
)
"""NAVSIM v2's sub-scores on nuPlan's drivable area; driving against traffic counts in intersections, too."""


class RuleTeacher:
    """Scores by the sub-scores of the PDM score, with the true future instead of a forecast."""

    version = RULES.version

    def __init__(self, vocabulary: TrajectoryVocabulary) -> None:
        self._vocabulary = vocabulary
        self._fitted = fit_vocabulary(vocabulary.poses)
        self._contexts = RouteContextCache()

    @property
    def vocabulary(self) -> TrajectoryVocabulary:
        """The trajectories that are scored."""
        return self._vocabulary

    def label(
        self, observation: Observation, future: Future, entries: Int64[np.ndarray, "queried"] | None = None
    ) -> TeacherLabel:
        """Score every trajectory, or some of them.

        Args:
            observation: State of the ego, map and route.
            future: Agents and lights from now on. Steps beyond its end hold no agents.
            entries: Rows of the vocabulary; None for all. Progress is relative to the best of these.

        Raises:
            ValueError: When the future is shorter than 4 s, or the route names no lane.
        """
        if future.agents.num_steps < NUM_POSES:
            raise ValueError(f"The teacher needs a future of {NUM_POSES} steps, got {future.agents.num_steps}.")
        road = self._contexts.get(observation.map, observation.route)
        ego = observation.ego_now
        line = road.line(ego)
        fitted = self._fitted if entries is None else FittedVocabulary(*(values[entries] for values in self._fitted))
        states = drive_whole_vocabulary(fitted, state_array(ego))
        scene = PdmScene(
            areas=road.areas,
            kinds=road.kinds,
            agents=_scored_agents(future.agents, ego.center_pose()),
            centerline=Centerline(points=np.ascontiguousarray(line.poses[:, :2])),
        )
        # Off-path states have no history.
        is_comfortable = comfortable_motions(states, steady=STEADY_STEPS, last=OPEN_STEPS)
        scored = score_motions(states, scene, RULES, comfort=is_comfortable.astype(np.float64))
        columns = {name: getattr(scored, name) for name in SUB_SCORES if name != "speed_limit"}
        is_hit = _hit_while_standing(ScoredMotions(states, scored.areas, ego_box(scene.vehicle)), scene.agents)
        columns["no_collision"] = np.where(is_hit, np.minimum(scored.no_collision, HIT_SCORE), scored.no_collision)
        red_rows = red_rows_by_step(future.traffic_lights, range(NUM_POSES), road.map.connector_rows(road.rows))
        columns["traffic_lights"] = _light_scores(states, scene, red_rows)
        columns["time_to_collision"] = _closing_scores(states, scored, scene, future.agents)
        columns["speed_limit"] = _speed_scores(states, line, scene.centerline)
        # A speeding motion does not set the reference of progress.
        allowed = scored.allowed * columns["traffic_lights"]
        fair_m = scored.progress_m * allowed * (columns["speed_limit"] > FAIR_SPEED_SCORE)
        columns["progress"] = np.clip(scored.progress_m / max(fair_m.max(), RULES.min_best_progress_m), 0.0, 1.0)
        return TeacherLabel(scores=np.stack([columns[name] for name in SUB_SCORES], axis=-1).astype(np.float32))


def _scored_agents(agents: AgentTracks, ego_center: Float64[np.ndarray, "3"]) -> ScoredAgents:
    """The logged agents step by step. Agents that overlap the ego now or first appear far away are ignored."""
    steps = FUTURE_STEPS
    poses = np.full((steps, agents.num_agents, 3), np.nan)
    sizes = np.full((steps, agents.num_agents, 2), np.nan)
    valid = np.zeros((steps, agents.num_agents), dtype=bool)
    logged = min(steps, agents.num_steps)
    poses[:logged] = agents.poses[:, :logged].swapaxes(0, 1)
    sizes[:logged] = agents.sizes[:, :logged].swapaxes(0, 1)
    valid[:logged] = agents.valid[:, :logged].T
    is_static = static_mask(agents.kinds)
    ego_corners = box_corners(ego_center, np.array([PACIFICA.length_m, PACIFICA.width_m]))
    rows = np.arange(agents.num_agents)
    first = np.argmax(agents.valid, axis=1) if agents.num_agents else np.zeros(0, dtype=np.int64)
    velocities = agents.velocities_mps[rows, first]
    appears_far = (first > 0) & (np.hypot(*(agents.poses[rows, first, :2] - ego_center[:2]).T) > SURPRISE_M)
    speeds = np.where(is_static, 0.0, np.hypot(velocities[:, 0], velocities[:, 1]))
    return ScoredAgents(
        poses=poses,
        sizes=sizes,
        valid=valid,
        speeds=speeds,
        is_static=is_static,
        is_ignored=appears_far | valid[0] & boxes_overlapping(ego_corners, poses[0], sizes[0]),
        stride=1,
    )


def _hit_while_standing(motions: ScoredMotions, agents: ScoredAgents) -> Bool[np.ndarray, "entries"]:
    """Whether the ego ends a motion nearly standing, and an agent then hits its front or side within 3 s.

    Without this, braking in front of an oncoming vehicle is rated as safe until it is too late to move aside.
    Contacts at the rear are not counted, as in the metric of at-fault collisions.
    """
    states, areas, box = motions
    is_hit = np.zeros(len(states), dtype=bool)
    standing = np.flatnonzero(states[:, -1, VELOCITY_X] < STANDING_MPS)
    if not len(standing) or not agents.valid.shape[1]:
        return is_hit
    steps = np.minimum(np.arange(NUM_POSES + WAITING_STEPS), NUM_POSES - 1)
    waiting = states[standing][:, steps]
    # At exactly 0 m/s, no contact would be the ego's fault.
    held = waiting[:, NUM_POSES:, VELOCITY_X]
    np.maximum(held, 2.0 * STOPPED_SPEED_MPS, out=held)
    _, first = no_collision_scores(
        ScoredMotions(waiting, areas[standing][:, steps], box), agents, near_grid(waiting, agents, box)
    )
    is_hit[standing] = first >= NUM_POSES
    return is_hit


def _closing_scores(
    states: np.ndarray, scored: PdmScores, scene: PdmScene, agents: AgentTracks
) -> Float64[np.ndarray, "entries"]:
    steps = min(NUM_POSES, agents.num_steps)
    speeds = np.zeros((len(scene.agents.valid), agents.num_agents))
    speeds[:steps] = np.nan_to_num(np.hypot(*np.moveaxis(agents.velocities_mps[:, :steps], -1, 0)).T)
    speeds[:, scene.agents.is_static] = 0.0
    classified = ClassifiedAreas(scene.areas.raster(*reached_region(states, scene.vehicle)), scene.kinds)
    motions = ScoredMotions(states, scored.areas, ego_box(scene.vehicle))
    return closing_scores(motions, scene.agents, speeds, classified)


def _light_scores(
    states: np.ndarray, scene: PdmScene, red_rows: Int64[np.ndarray, "steps lights"]
) -> Float64[np.ndarray, "entries"]:
    """0 for motions that enter a red connector; a motion that is inside when the light turns red is not penalised."""
    if not red_rows.size:
        return np.ones(len(states))
    entered = enters_areas(states, scene.areas.flat, red_rows, ego_box())
    return np.where(entered, 0.0, 1.0)


def _speed_scores(states: np.ndarray, line: LaneSamples, centerline: Centerline) -> Float64[np.ndarray, "entries"]:
    """1 within the limit, falling to 0 at a mean excess of 2.23 m/s."""
    # The limit depends on the distance along the line only, sampled every half second.
    speeds = states[:, ::5, VELOCITY_X]
    if (line.limit_mps == line.limit_mps[0]).all():
        limits = np.full(speeds.shape, line.limit_mps[0])
    else:
        start_m = project_chunked(centerline.arrays, states[0, 0, 0], states[0, 0, 1])
        moved = np.hypot(*np.diff(states[:, ::5, :2], axis=1).transpose(2, 0, 1))
        along_m = start_m + np.concatenate([np.zeros((len(states), 1)), np.cumsum(moved, axis=1)], axis=1)
        limits = line.limit_mps[np.clip((along_m / SPACING_M).astype(np.int64), 0, len(line.limit_mps) - 1)]
    excess_mps = np.maximum(speeds - limits, 0.0).mean(axis=1)
    return np.clip(1.0 - excess_mps / MAX_OVERSPEED_MPS, 0.0, 1.0)


TEACHERS: dict[str, Callable[[TrajectoryVocabulary], Teacher]] = {"rules": RuleTeacher}
"""Constructors of teachers by name."""


def load_teacher(name: str, vocabulary: TrajectoryVocabulary) -> Teacher:
    """The teacher of a name, for a vocabulary.

    Raises:
        KeyError: When no teacher has the name; the message holds the nearest one.
    """
    if name not in TEACHERS:
        raise KeyError(unknown_name("teacher named", name, TEACHERS))
    return TEACHERS[name](vocabulary)


def check_teacher(make_teacher: Callable[[TrajectoryVocabulary], Teacher], scenario: Scenario) -> None:
    """Check that a teacher keeps the contract of `Teacher`.

    Raises:
        TypeError: When a method or the label has a wrong type.
        ValueError: When labels have a wrong shape, leave [0, 1], or differ from call to call or from part to whole.
    """
    poses = np.zeros((4, NUM_POSES, 3), dtype=np.float32)
    poses[:, :, 0] = np.array([[0.0], [3.0], [8.0], [12.0]], dtype=np.float32) * np.arange(NUM_POSES) * STEP_S
    vocabulary = TrajectoryVocabulary(poses=poses)
    teacher = make_teacher(vocabulary)
    if not isinstance(teacher, Teacher) or not teacher.version:
        raise TypeError(f"{type(teacher).__name__} needs `version`, `vocabulary` and `label(observation, future)`.")
    observation, future = scenario.observation_at(0), logged_future(scenario, 0)
    label = teacher.label(observation, future)
    if not isinstance(label, TeacherLabel):
        raise TypeError(f"A teacher returns a TeacherLabel, got {type(label).__name__}.")
    if label.scores.shape != (len(vocabulary), len(SUB_SCORES)):
        raise ValueError(f"Labels need the shape {(len(vocabulary), len(SUB_SCORES))}, got {label.scores.shape}.")
    if not (np.isfinite(label.scores).all() and label.scores.min() >= 0.0 and label.scores.max() <= 1.0):
        raise ValueError("Labels must lie between 0 and 1.")
    if not np.array_equal(teacher.label(observation, future).scores, label.scores):
        raise ValueError("The teacher labels the same state differently the second time.")
