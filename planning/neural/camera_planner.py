"""The camera student as a planner: cameras, ego motion and a coarse navigation line, nothing else.

    --planner camera_student
    --planner camera_student --planner-arg checkpoint=checkpoints/mine --planner-arg perception=checkpoints/eyes

A plan takes the steps of the privileged student (`planner.py`) with another network: select candidates near the
navigation line, track them, score them from perceived features along them, refine comfort and time to collision of
the top ones against perceived agents, combine, blend. No map, agents or traffic lights of the observation are used
(`camera_scene.camera_input`).
"""

import os
from pathlib import Path

import numpy as np
import torch

from driving.candidates import Candidates
from driving.ego import EgoState
from driving.map import MapGraph
from driving.navigation import NavigationLine
from driving.observation import Observation
from driving.perceived import Perceived
from driving.rigs import NUSCENES_6
from driving.route import Route
from driving.trajectory import Trajectory
from perception.checkpoint import SHIPPED as SHIPPED_NETWORK
from perception.checkpoint import Checkpoint
from perception.images import fit_rig
from perception.network import PerceptionNetwork
from planning.neural.camera_candidates import (
    NUM_CANDIDATES,
    camera_candidates,
    forecasts_of_scenes,
    select_candidates,
)
from planning.neural.camera_checkpoint import CameraStudent
from planning.neural.camera_network import camera_batch
from planning.neural.camera_scene import CameraInput, SceneArrays, SceneBuilder, camera_input, stacked_scenes
from planning.neural.candidate_selection import CandidateSelector
from planning.neural.exact_terms import StudentSettings, comfort_history
from planning.neural.scoring import (
    Queries,
    ScoredCandidates,
    ScoreTerms,
    blended_plan,
    refine_top_candidates,
    reported_candidates,
)
from planning.perceived import PerceptionReports
from simulation.ego.vocabulary_tracking import fit_vocabulary
from simulation.sensors.rendered import CameraSettings

SHIPPED = Path(__file__).parent / "checkpoints" / "camera"
"""The camera student that comes with the project."""
_USED = StudentSettings(drivable_area=False, off_route=False)
"""The exact terms that need no map."""


class CameraStudentPlanner:
    """Plans from cameras. One instance drives one scenario at a time."""

    def __init__(
        self,
        student: CameraStudent,
        perception: PerceptionNetwork,
        *,
        name: str = "camera_student",
        every_s: float = 0.4,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        """Prepare the vocabulary.

        Args:
            student: Result of `CameraStudent.load`.
            perception: The network of its training.
            name: In reports.
            every_s: Time between two runs of the perception network.
            seed: Of the shift of navigation lines.
            device: Of the perception network.
        """
        torch.set_num_threads(1)
        self.name, self._seed = name, seed
        self._student, self._network = student, student.network.eval()
        self._settings = _USED.for_heads(student.network.sub_scores)
        self._fitted = fit_vocabulary(student.vocabulary.poses)
        self._selector = CandidateSelector(self._fitted, NUM_CANDIDATES)
        self._builder = SceneBuilder(perception, every_s=every_s, device=device)
        self.camera_settings = CameraSettings(rig=fit_rig(NUSCENES_6, perception.config.image_size).rig)
        self._reports = PerceptionReports()
        self._navigation: NavigationLine | None = None
        self._last: ScoredCandidates | None = None

    @classmethod
    def load(
        cls,
        checkpoint: Path | str = SHIPPED,
        perception: Path | str = SHIPPED_NETWORK,
        every_s: float = 0.4,
        device: str = "cpu",
    ) -> "CameraStudentPlanner":
        """The planner of a checkpoint folder.

        Raises:
            FileNotFoundError: When a checkpoint is missing.
            ValueError: When the student belongs to another perception network, or to another version.
        """
        # Idle threads of OpenMP would otherwise spin and take processor time from other processes.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        student = CameraStudent.load(Path(checkpoint))
        network = Checkpoint.load(Path(perception)).network
        student.require(network, Path(perception))
        name = "camera_student" if Path(checkpoint) == SHIPPED else f"camera_student:{Path(checkpoint).name}"
        return cls(student, network, name=name, every_s=every_s, device=device)

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002  (the field's word)
        """Make the navigation line of the route; the map is not used.

        Raises:
            ValueError: When the route has no centerline.
        """
        self._navigation = NavigationLine.of(route, self._seed)
        self._builder.reset()
        self._last = None

    def plan(self, observation: Observation) -> Trajectory:
        """The plan for one observation; call it in the order of time.

        Raises:
            ValueError: When the observation has no cameras.
        """
        seen = self.camera_input(observation)
        return self.plan_scene(seen, self._builder.build(seen))

    def camera_input(self, observation: Observation) -> CameraInput:
        """The part of an observation that is used.

        Raises:
            ValueError: When the observation has no cameras.
        """
        navigation = self._navigation or NavigationLine.of(observation.route, self._seed)
        return camera_input(observation, navigation, self.name)

    def plan_scene(self, seen: CameraInput, scene: SceneArrays) -> Trajectory:
        """The plan for one instant whose scene is built already."""
        self._last = self._score(seen, scene)
        return blended_plan(self._last, self._fitted)

    def candidates(self) -> list[Candidates | None]:
        """The best candidates of the last plan, best first; the best, blended, is the plan."""
        return [] if self._last is None else [reported_candidates(self._last, self._fitted)]

    def perceptions(self) -> list[Perceived | None]:
        """What the last plan is based on, for the log."""
        return [self._reports.of(self._builder.perceived)]

    @torch.inference_mode()
    def _score(self, seen: CameraInput, scene: SceneArrays) -> ScoredCandidates:
        scenes = stacked_scenes([scene])
        rows = select_candidates(self._selector, scenes)
        logits = self._network(camera_batch(scenes, camera_candidates(self._fitted, scenes, rows)))
        terms = ScoreTerms(logits=logits)
        history = comfort_history(seen.ego, seen.ego.num_steps - 1)
        queries = Queries(scenes.ego, [history], rows, forecasts_of_scenes(scenes))
        refine_top_candidates(queries, terms, self._fitted, self._student.weights, self._settings)
        scores = terms.combined(self._student.weights).numpy()
        ego: EgoState = seen.ego.state(-1)
        return ScoredCandidates(ego=ego, candidates=rows[0], scores=np.asarray(scores[0]))
