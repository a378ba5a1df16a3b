"""The teacher: knows what everybody will do, and judges every trajectory of a vocabulary by the rules.

Each trajectory is first driven by tracker and bicycle from the ego's true state, then judged against the recorded
or simulated future of all others, by the same kernels that judge the rule-based planner's proposals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import shapely
from jaxtyping import Bool, Float32, Float64, Int64

from driving import PACIFICA, STATIC_KINDS, AgentTracks, Observation, Scenario, TrafficLights
from driving.geometry import box_corners
from driving.names import unknown_name
from driving.timing import STEP_S
from planning.neural.route_line import SPACING_M, LaneSamples, RoadCache
from planning.neural.vocabulary import NUM_POSES, TrajectoryVocabulary
from simulation.ego.dynamics import VELOCITY_X, state_array
from simulation.ego.vocabulary_tracking import driven_states, fit_vocabulary
from simulation.geometry.long_lines import nearest_place
from simulation.metrics.nuplan.comfort import OPEN_STEPS, comfortable_motions
from simulation.metrics.pdm.agents import LOOK_AHEAD_STEPS, Others
from simulation.metrics.pdm.areas import red_rows_by_step
from simulation.metrics.pdm.closing import closing_scores
from simulation.metrics.pdm.road import enters_areas
from simulation.metrics.pdm.rules import PdmRules
from simulation.metrics.pdm.scorer import Centerline, PdmScene, PdmScores, reached_region, score_motions

SUB_SCORES = (
    "no_collision",
    "drivable_area",
    "driving_direction",
    "traffic_lights",
    "time_to_collision",
    "progress",
    "lane_keeping",
    "comfort",
    "speed_limit",
)
"""Columns of a label. The speed limit is a sub-score of its own, as progress alone would reward speeding."""
FUTURE_STEPS = NUM_POSES + LOOK_AHEAD_STEPS[-1]
"""Steps from now on that the teacher needs to know: 4 s, and 0.9 s to look ahead."""
FAIR_SPEED_SCORE = 0.9
"""Motions below do not count where progress is compared."""
STEADY_STEPS = 15
"""Comfort is judged as if the ego had held its acceleration so long before."""
MAX_SPEEDING_MPS = 2.23
"""Mean excess at which the speed limit's score is 0 (nuPlan's `max_overspeed_value_threshold`)."""

RULES = PdmRules(
    version="rules.3",
    radius_m=100.0,
    lanes_are_road=True,
    oncoming_window=10,
    spares_intersections=False,
    multiplies_direction=True,
    # Lights and the time to collision are judged apart.
    multiplies_lights=False,
    min_best_progress_m=5.0,
    compares_allowed_progress=False,
    looks_beyond=True,
    plan_s=4.0,
    weights=(5.0, 0.0, 2.0, 2.0),
)
"""NAVSIM v2's sub-scores on nuPlan's drivable area; a wrong turn is against traffic in junctions, too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Future:
    """What happens from now on, the present step first, every 0.1 s."""

    agents: AgentTracks
    traffic_lights: TrafficLights
    ego_poses: Float64[np.ndarray, "steps 3"] | None = None
    """Where the logged ego drives; None where there is no example to imitate."""

    def __post_init__(self) -> None:
        if self.agents.num_steps != self.traffic_lights.num_steps:
            raise ValueError(
                f"Agents and lights must share the future; got {self.agents.num_steps} and"
                f" {self.traffic_lights.num_steps} steps."
            )


def logged_future(scenario: Scenario, iteration: int) -> Future:
    """The recorded future of an iteration: shorter than asked for where the recording ends.

    Raises:
        IndexError: When the scenario has no such iteration.
    """
    if not 0 <= iteration < scenario.num_frames:
        raise IndexError(f"Scenario {scenario.scenario_id} has {scenario.num_frames} iterations, got {iteration}.")
    now = scenario.first_frame + iteration
    stop = min(now + FUTURE_STEPS, len(scenario.time_us))
    return Future(
        agents=scenario.agents.steps(now, stop),
        traffic_lights=scenario.traffic_lights.steps(now, stop),
        ego_poses=scenario.ego.rear_axle_poses[0, now:stop].copy(),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class TeacherLabel:
    """What the teacher says about each trajectory of its vocabulary."""

    scores: Float32[np.ndarray, "entries sub_scores"]
    """Columns as in `SUB_SCORES`, each in [0, 1]."""


@runtime_checkable
class Teacher(Protocol):
    """Judges all trajectories of a vocabulary at once."""

    version: str
    """Changes whenever labels do: stored labels of another version are refused."""

    @property
    def vocabulary(self) -> TrajectoryVocabulary:
        """What is judged."""
        ...

    def label(self, observation: Observation, future: Future) -> TeacherLabel:
        """Judge every trajectory, driven from where the ego is now."""
        ...


class RuleTeacher:
    """Judges by the sub-scores of the PDM score, with the true future instead of a forecast."""

    version = RULES.version

    def __init__(self, vocabulary: TrajectoryVocabulary) -> None:
        self._vocabulary = vocabulary
        self._fitted = fit_vocabulary(vocabulary.poses)
        self._roads = RoadCache()

    @property
    def vocabulary(self) -> TrajectoryVocabulary:
        """What is judged."""
        return self._vocabulary

    def label(self, observation: Observation, future: Future) -> TeacherLabel:
        """Judge every trajectory.

        Args:
            observation: Where the ego is, on which map and route.
            future: The others from now on; where it is shorter than `FUTURE_STEPS`, nobody is there any more.

        Raises:
            ValueError: When the future is shorter than 4 s, or the route names no lane.
        """
        if future.agents.num_steps < NUM_POSES:
            raise ValueError(
                f"The teacher needs to know {NUM_POSES} steps from now on, got {future.agents.num_steps}."
            )
        road = self._roads.get(observation.map, observation.route)
        ego = observation.ego_now
        line = road.line(ego)
        states = driven_states(self._fitted, state_array(ego))
        scene = PdmScene(
            areas=road.areas,
            kinds=road.kinds,
            others=_others(future.agents, ego.center_pose()),
            centerline=Centerline(points=np.ascontiguousarray(line.poses[:, :2])),
        )
        # What came before is not known of states off the path.
        is_comfortable = comfortable_motions(states, steady=STEADY_STEPS, last=OPEN_STEPS)
        judged = score_motions(states, scene, RULES, comfort=is_comfortable.astype(np.float64))
        columns = {name: getattr(judged, name) for name in SUB_SCORES if name != "speed_limit"}
        red_rows = red_rows_by_step(future.traffic_lights, range(NUM_POSES), road.map.connector_rows(road.rows))
        columns["traffic_lights"] = _light_scores(states, scene, red_rows)
        columns["time_to_collision"] = _closing_scores(states, judged, scene, future.agents)
        columns["speed_limit"] = _speed_scores(states, line, scene.centerline)
        # Speeding does not set the measure of progress.
        allowed = judged.allowed * columns["traffic_lights"]
        fair_m = judged.progress_m * allowed * (columns["speed_limit"] > FAIR_SPEED_SCORE)
        columns["progress"] = np.clip(judged.progress_m / max(fair_m.max(), RULES.min_best_progress_m), 0.0, 1.0)
        return TeacherLabel(scores=np.stack([columns[name] for name in SUB_SCORES], axis=-1).astype(np.float32))


def _others(agents: AgentTracks, ego_center: Float64[np.ndarray, "3"]) -> Others:
    """The recorded agents step by step. Who touches the ego now is nobody's fault any more."""
    steps = FUTURE_STEPS
    poses = np.full((steps, agents.num_agents, 3), np.nan)
    sizes = np.full((steps, agents.num_agents, 2), np.nan)
    valid = np.zeros((steps, agents.num_agents), dtype=bool)
    known = min(steps, agents.num_steps)
    poses[:known] = agents.poses[:, :known].swapaxes(0, 1)
    sizes[:known] = agents.sizes[:, :known].swapaxes(0, 1)
    valid[:known] = agents.valid[:, :known].T
    is_static = np.isin(agents.kinds, [int(kind) for kind in STATIC_KINDS])
    rows = np.arange(agents.num_agents)
    first = np.argmax(agents.valid, axis=1) if agents.num_agents else np.zeros(0, dtype=np.int64)
    velocities = agents.velocities_mps[rows, first]
    speeds = np.where(is_static, 0.0, np.hypot(velocities[:, 0], velocities[:, 1]))
    return Others(
        poses=poses,
        sizes=sizes,
        valid=valid,
        speeds=speeds,
        is_static=is_static,
        is_ignored=_touching(poses[0], sizes[0], valid[0], ego_center),
        stride=1,
    )


def _closing_scores(
    states: np.ndarray, judged: PdmScores, scene: PdmScene, agents: AgentTracks
) -> Float64[np.ndarray, "entries"]:
    steps = min(NUM_POSES, agents.num_steps)
    speeds = np.zeros((len(scene.others.valid), agents.num_agents))
    speeds[:steps] = np.nan_to_num(np.hypot(*np.moveaxis(agents.velocities_mps[:, :steps], -1, 0)).T)
    speeds[:, scene.others.is_static] = 0.0
    size, offset_m = (PACIFICA.length_m, PACIFICA.width_m), PACIFICA.rear_axle_to_center_m
    raster = scene.areas.raster(*reached_region(states, scene.vehicle))
    return closing_scores(states, judged.areas, scene.others, speeds, raster, scene.kinds, size, offset_m)


def _touching(
    poses: np.ndarray, sizes: np.ndarray, valid: np.ndarray, ego_center: np.ndarray
) -> Bool[np.ndarray, "agents"]:
    touching = np.zeros(len(poses), dtype=bool)
    away_m = np.hypot(*(poses[:, :2] - ego_center[:2]).T) if len(poses) else np.zeros(0)
    near = np.flatnonzero(valid & (away_m < 15.0))
    if len(near):
        ego = shapely.polygons(box_corners(ego_center, np.array([PACIFICA.length_m, PACIFICA.width_m])))
        touching[near] = shapely.intersects(shapely.polygons(box_corners(poses[near], sizes[near])), ego)
    return touching


def _light_scores(
    states: np.ndarray, scene: PdmScene, red_rows: Int64[np.ndarray, "steps lights"]
) -> Float64[np.ndarray, "entries"]:
    """0 where a connector is entered at red. Who is in it when the light turns red leaves it."""
    if not red_rows.size:
        return np.ones(len(states))
    size = (PACIFICA.length_m, PACIFICA.width_m)
    entered = enters_areas(states, scene.areas.flat, red_rows, size, PACIFICA.rear_axle_to_center_m)
    return np.where(entered, 0.0, 1.0)


def _speed_scores(states: np.ndarray, line: LaneSamples, centerline: Centerline) -> Float64[np.ndarray, "entries"]:
    """1 within the limit, falling to 0 at a mean excess of 2.23 m/s."""
    # One limit for all motions at each distance: the place on the line that a pose is next to, every half second.
    speeds = states[:, ::5, VELOCITY_X]
    if (line.limit_mps == line.limit_mps[0]).all():
        limits = np.full(speeds.shape, line.limit_mps[0])
    else:
        start_m = nearest_place(
            centerline.points, centerline.arc, centerline.chunks, states[0, 0, 0], states[0, 0, 1]
        )[1]
        moved = np.hypot(*np.diff(states[:, ::5, :2], axis=1).transpose(2, 0, 1))
        along_m = start_m + np.concatenate([np.zeros((len(states), 1)), np.cumsum(moved, axis=1)], axis=1)
        limits = line.limit_mps[np.clip((along_m / SPACING_M).astype(np.int64), 0, len(line.limit_mps) - 1)]
    excess_mps = np.maximum(speeds - limits, 0.0).mean(axis=1)
    return np.clip(1.0 - excess_mps / MAX_SPEEDING_MPS, 0.0, 1.0)


TEACHERS: dict[str, Callable[[TrajectoryVocabulary], Teacher]] = {"rules": RuleTeacher}
"""Name to a function that makes a teacher for a vocabulary."""


def load_teacher(name: str, vocabulary: TrajectoryVocabulary) -> Teacher:
    """The teacher of a name.

    Raises:
        KeyError: When there is none, with the nearest known name.
    """
    if name not in TEACHERS:
        raise KeyError(unknown_name("teacher named", name, TEACHERS))
    return TEACHERS[name](vocabulary)


def check_teacher(make_teacher: Callable[[TrajectoryVocabulary], Teacher], scenario: Scenario) -> None:
    """Raise a sentence when a teacher does not keep the contract; return when it does.

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
