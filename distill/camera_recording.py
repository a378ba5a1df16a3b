"""Drives with cameras whose states are labelled: the training data of the camera student.

A drive is that of the privileged student with noise on its plans (off-policy states), or that of a camera student
(on-policy states, DAgger). Images are rendered and perceived once, at the rate of the planner, so that features,
tracks and their age are those of a real drive. Each recorded state is labelled twice: with all agents, and without
those that no camera shows at that instant.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from distill.camera_states import CameraHeader, CameraStates, CameraStore, halved
from distill.contract import Future, Teacher
from distill.driver_noise import NoiseSettings, NoisyDriver
from distill.labels import SCALE, example_of
from distill.states import labelled_iterations, near_future, overlaps_agent
from distill.teacher import load_teacher
from driving.names import unknown_name
from driving.navigation import NavigationLine
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import open_scenario
from driving.observation import Observation
from driving.planner import reset_planner
from driving.rigs import NUSCENES_6
from driving.scenario import Scenario
from driving.trajectory import Trajectory
from perception.checkpoint import Checkpoint
from perception.images import fit_rig
from perception.network import PerceptionNetwork
from planning.neural.camera_candidates import NUM_CANDIDATES, select_candidates
from planning.neural.camera_checkpoint import CameraStudent, perception_digest
from planning.neural.camera_scene import CameraInput, SceneArrays, SceneBuilder, camera_input, stacked_scenes
from planning.neural.candidate_selection import CandidateSelector
from planning.neural.planner import StudentPlanner
from planning.neural.vocabulary import TrajectoryVocabulary
from simulation.ego.vocabulary_tracking import fit_vocabulary
from simulation.rendering.snapshot import snapshot_of
from simulation.rendering.visibility import visible_agents
from simulation.rollout import Rollout
from simulation.sensors.rendered import CameraSettings, renderer_for

if TYPE_CHECKING:
    from planning.neural.camera_planner import CameraStudentPlanner

PRIVILEGED = "student"
"""Driver of the off-policy drives."""
Plan = Callable[[Observation, CameraInput, SceneArrays], Trajectory]


@dataclass(frozen=True, kw_only=True)
class RecordingSettings:
    """How drives are recorded."""

    every_steps: int = 5
    """Steps between two recorded states."""
    every_s: float = 0.4
    """Time between two runs of the perception network."""
    noise: NoiseSettings = field(default_factory=NoiseSettings)
    seed: int = 0
    """Of noise and navigation line."""


@dataclass(frozen=True, kw_only=True)
class RecordingJob:
    """One drive."""

    entry: ScenarioEntry
    perception: Path
    vocabulary: Path
    output: Path
    driver: Path | str = PRIVILEGED
    """`student`, or the folder of a camera student."""
    settings: RecordingSettings = field(default_factory=RecordingSettings)
    teacher: str = "rules"

    @property
    def part(self) -> str:
        """Name of the drive in the store."""
        return f"{self.entry.token}_{self.settings.seed}"


def record_drive(job: RecordingJob) -> int:
    """Drive, label and store; returns the number of states. A finished drive is skipped and counts 0."""
    network, teacher = _network(job.perception), _teacher(job.vocabulary, job.teacher)
    store = CameraStore(job.output, header_of(network, teacher))
    if store.has(job.part):
        return 0
    scenario = open_scenario(job.entry, allow_short=True, with_cameras=False)
    states = drive_states(scenario, network, teacher, job)
    store.write(job.part, states)
    return 0 if states is None else len(states)


def record_all(jobs: list[RecordingJob], processes: int = 1) -> Iterator[int]:
    """Record drives and yield the number of states of each, in order."""
    if processes <= 1:
        yield from map(record_drive, jobs)
    else:
        # Spawned: a forked copy of a process with threads can hang.
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            yield from pool.map(record_drive, jobs)


def header_of(network: PerceptionNetwork, teacher: Teacher) -> CameraHeader:
    """Header of the states that a network and a teacher give."""
    return CameraHeader(
        perception=perception_digest(network.state_dict()),
        vocabulary=teacher.vocabulary.digest,
        teacher=teacher.version,
    )


def drive_states(
    scenario: Scenario, network: PerceptionNetwork, teacher: Teacher, job: RecordingJob
) -> CameraStates | None:
    """The labelled states of a drive, which ends when the ego overlaps an agent; None without states.

    Args:
        scenario: To drive in.
        network: The perception network.
        teacher: Labels the states.
        job: Driver and settings.
    """
    settings = job.settings
    cameras = CameraSettings(rig=fit_rig(NUSCENES_6, network.config.image_size).rig)
    builder = SceneBuilder(network, every_s=settings.every_s)
    navigation = NavigationLine.of(scenario.route, settings.seed)
    selector = _selector(teacher.vocabulary)
    plan = _driver(job, scenario)
    wanted = labelled_iterations(scenario, settings.every_steps)
    rollout = Rollout(scenario, cameras=cameras)
    scenes: list[SceneArrays] = []
    labels: list[list[np.ndarray]] = []
    while not rollout.is_finished:
        observation = rollout.observation()
        if overlaps_agent(observation):
            break
        seen = camera_input(observation, navigation)
        scene = builder.build(seen)
        if observation.iteration in wanted:
            future = near_future(scenario, observation)
            shown = without_hidden(observation, future, cameras)
            (entries,) = select_candidates(selector, stacked_scenes([scene]))
            scores = [teacher.label(observation, each, entries).scores for each in (future, shown)]
            scenes.append(scene)
            quantised = [np.rint(each * SCALE).astype(np.uint8) for each in scores]
            labels.append([entries, *quantised, example_of(observation, future)])
        rollout.advance(plan(observation, seen, scene))
    if not scenes:
        return None
    stacked = [np.stack(values) for values in zip(*labels, strict=True)]
    return CameraStates(
        scenario_ids=(scenario.scenario_id,) * len(scenes),
        scenes=halved(stacked_scenes(scenes)),
        candidates=stacked[0],
        scores=stacked[1],
        visible_scores=stacked[2],
        example=stacked[3],
    )


def without_hidden(observation: Observation, future: Future, cameras: CameraSettings) -> Future:
    """The future without the agents that no camera shows now."""
    snapshot = snapshot_of(
        observation.ego_now.rear_axle_pose, observation.agents, observation.traffic_lights, observation.time_us
    )
    instances = renderer_for(observation.map, cameras).render(snapshot).instances
    is_visible = visible_agents(instances, snapshot.kinds)
    shown = {track for track, visible in zip(snapshot.track_ids, is_visible.tolist(), strict=True) if visible}
    rows = np.array([row for row, track in enumerate(future.agents.track_ids) if track in shown], dtype=np.int64)
    return replace(future, agents=future.agents.take(rows))


def _driver(job: RecordingJob, scenario: Scenario) -> Plan:
    if job.driver == PRIVILEGED:
        planner = _privileged()
        reset_planner(planner, scenario)
        rng = np.random.default_rng([job.settings.seed, int(scenario.scenario_id, 16) % 2**32])
        noisy = NoisyDriver(planner, job.settings.noise, rng)
        return lambda observation, _seen, _scene: noisy.plan(observation)
    if not Path(job.driver).is_dir():
        raise ValueError(unknown_name("driver named", str(job.driver), [PRIVILEGED, "a folder of a camera student"]))
    camera_planner = _camera_planner(Path(job.driver), job.perception)
    reset_planner(camera_planner, scenario)
    return lambda _observation, seen, scene: camera_planner.plan_scene(seen, scene)


@lru_cache(maxsize=1)
def _network(folder: Path) -> PerceptionNetwork:
    return Checkpoint.load(folder).network


@lru_cache(maxsize=1)
def _teacher(vocabulary: Path, name: str) -> Teacher:
    return load_teacher(name, TrajectoryVocabulary.load(vocabulary))


@lru_cache(maxsize=1)
def _selector(vocabulary: TrajectoryVocabulary) -> CandidateSelector:
    return CandidateSelector(fit_vocabulary(vocabulary.poses), NUM_CANDIDATES)


@lru_cache(maxsize=1)
def _privileged() -> StudentPlanner:
    return StudentPlanner.load()


@lru_cache(maxsize=1)
def _camera_planner(folder: Path, perception: Path) -> "CameraStudentPlanner":
    from planning.neural.camera_planner import CameraStudentPlanner

    student, network = CameraStudent.load(folder), _network(perception)
    student.require(network, perception)
    return CameraStudentPlanner(student, network)
