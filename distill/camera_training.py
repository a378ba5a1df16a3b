"""Training of the camera student on stored states: batches, losses, resumable steps.

The perception network is frozen: its features are stored with the states. Seed and step alone determine a batch.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from distill.camera_states import CameraStates
from distill.contract import SUB_SCORES
from distill.labels import SCALE
from distill.losses import POSITIVE, LossWeights, head_losses
from distill.samples import choose_places, teacher_scores
from learning.loop import Report, TrainingLoop
from learning.training_files import load_weights
from planning.neural.camera_candidates import camera_candidates
from planning.neural.camera_checkpoint import CameraStudent
from planning.neural.camera_network import CameraBatch, CameraNetworkConfig, CameraStudentNetwork, camera_batch
from planning.neural.camera_scene import SceneArrays
from planning.neural.network import WEIGHTS, ScoreWeights, combined_score
from planning.neural.vocabulary import TrajectoryVocabulary
from simulation.ego.vocabulary_tracking import fit_vocabulary

CAMERA_WEIGHTS = ScoreWeights(
    imitation=0.4,
    multiplied={"no_collision": 3.0, "drivable_area": 4.0, "driving_direction": 1.0, "traffic_lights": 0.5},
    weighted={
        "time_to_collision": 6.0,
        "progress": 8.0,
        "speed_limit": 4.0,
        "comfort": 3.0,
        "lane_keeping": 2.0,
    },
    weighted_power=3.0,
)
"""Weights of the heads, chosen on validation states. With the weights of the privileged student, which gets certain
input, the camera student nearly stops: doubts about a collision outweigh progress. Imitation weighs more than there:
in 10 validation drives, 0.05 scored 0.73, both 0.4 and 1.0 0.83."""


@dataclass(frozen=True, kw_only=True)
class CameraTrainingConfig:
    """All settings that determine the result of a training, besides the states."""

    network: CameraNetworkConfig
    losses: LossWeights = field(default_factory=LossWeights)
    sees_all: bool = True
    """Whether the teacher has all agents, or only those that some camera shows."""
    steps: int = 1500
    batch_states: int = 32
    candidates_per_state: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    warmup_steps: int = 50
    max_gradient: float = 1.0
    checkpoint_every_s: float = 60.0
    log_every: int = 20
    seed: int = 0


def imitation_twin(config: CameraTrainingConfig) -> CameraTrainingConfig:
    """The same network and states without the teacher, the control of distillation."""
    return replace(config, losses=replace(config.losses, imitation=1.0, teacher={}))


class CameraTargets(NamedTuple):
    """B states with A candidates each."""

    scores: Float[Tensor, "states candidates sub_scores"]
    """The teacher's sub-scores in [0, 1]."""
    imitation_gap_m2: Float[Tensor, "states candidates"]
    """Squared distance to the logged trajectory, summed over 8 instants; NaN without one."""


class CameraSamples:
    """All states of a training in memory."""

    def __init__(self, states: CameraStates, vocabulary: TrajectoryVocabulary, *, sees_all: bool = True) -> None:
        """Choose the teacher.

        Raises:
            ValueError: Without states.
        """
        if not len(states):
            raise ValueError("No state to train on. Record more drives.")
        self.states = states
        self._poses = vocabulary.poses
        self._fitted = fit_vocabulary(vocabulary.poses)
        self.scores = states.scores if sees_all else states.visible_scores
        """(states, candidates, sub-scores), multiplied by 255."""

    def __len__(self) -> int:
        return len(self.states)

    def batch(
        self, rows: Int64[np.ndarray, "rows"], candidates_per_state: int | None, rng: np.random.Generator
    ) -> tuple[CameraBatch, CameraTargets]:
        """Input and targets of the given states.

        Args:
            rows: Of the states.
            candidates_per_state: Size of each state's sample of candidates; None for all of them.
            rng: Draws the sample.
        """
        states, candidates = self.states, self.states.candidates[rows]
        count = candidates.shape[1]
        places = np.repeat(np.arange(count)[np.newaxis], len(rows), axis=0)
        if candidates_per_state is not None and candidates_per_state < count:
            gaps = self._poses[candidates, 5::5, :2] - states.example[rows][:, np.newaxis, 5::5, :2]
            places = choose_places(self.scores[rows], (gaps**2).sum(axis=(2, 3)), candidates_per_state, rng)
        entries = np.take_along_axis(candidates, places, axis=1)
        scenes = SceneArrays(*(values[rows] for values in states.scenes))
        described = camera_candidates(self._fitted, scenes, entries)
        driven = described.rear_axle_m - states.example[rows][:, np.newaxis, 5::5, :2]
        scores = np.take_along_axis(self.scores[rows], places[..., np.newaxis], axis=1)
        targets = CameraTargets(
            scores=torch.from_numpy(scores.astype(np.float32) / np.float32(SCALE)),
            imitation_gap_m2=torch.from_numpy((driven**2).sum(axis=(2, 3)).astype(np.float32)),
        )
        return camera_batch(scenes, described), targets


class CameraTrainer:
    """One training in a folder: the student's checkpoint, the state for resuming, and the curves."""

    def __init__(
        self,
        config: CameraTrainingConfig,
        samples: CameraSamples,
        vocabulary: TrajectoryVocabulary,
        folder: Path,
        perception: str,
    ) -> None:
        """Start, or resume the training in the folder.

        Args:
            config: Of the training.
            samples: States with labels.
            vocabulary: The labelled one.
            folder: Of the checkpoint.
            perception: Digest of the perception network.

        Raises:
            ValueError: When the folder holds a training of another configuration, vocabulary or perception network.
        """
        self.config, self.samples, self.vocabulary, self.folder = config, samples, vocabulary, folder
        self._perception = perception
        torch.manual_seed(config.seed)
        self.network = CameraStudentNetwork(config.network, tuple(config.losses.teacher))
        described = {**asdict(config), "vocabulary": vocabulary.digest, "perception": perception}
        self.loop = TrainingLoop(self.network, config, folder, described=described)

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return self.loop.step

    def run(self, report: Report | None = None) -> None:
        """Train up to the last step of the configuration.

        Args:
            report: Receives step and losses whenever they are logged.

        Raises:
            ValueError: When a loss is not finite; the last checkpoint is kept.
        """
        self.loop.run(self._losses, self.save, report=report, suspects="stored states")

    def _losses(self, step: int) -> dict[str, Tensor]:
        config = self.config
        rng = np.random.default_rng([config.seed, step])
        # Dropout, too, depends on seed and step only.
        torch.manual_seed(config.seed * 1_000_003 + step)
        rows = rng.integers(0, len(self.samples), config.batch_states)
        batch, targets = self.samples.batch(rows, config.candidates_per_state, rng)
        return head_losses(self.network(batch), targets.scores, targets.imitation_gap_m2, config.losses)

    def student(self, metadata: dict[str, Any] | None = None) -> CameraStudent:
        """The student with the present weights."""
        weights = CAMERA_WEIGHTS if self.config.losses.teacher else ScoreWeights(imitation=1.0)
        about = {"steps": self.step, "seed": self.config.seed, "states": len(self.samples), **(metadata or {})}
        return CameraStudent(
            network=self.network,
            vocabulary=self.vocabulary,
            weights=weights,
            perception=self._perception,
            metadata=about,
        )

    def save(self) -> None:
        """Write the student and the state for resuming; each file is replaced atomically."""
        self.student().save(self.folder)
        self.loop.save_state()

    def initialize_from(self, folder: Path) -> None:
        """Initialize the weights from another student of the same configuration.

        Raises:
            FileNotFoundError: When the folder holds no student.
            ValueError: When the student has another configuration.
        """
        load_weights(self.network, folder / WEIGHTS)


@dataclass(frozen=True, kw_only=True)
class CameraEvaluation:
    """Teacher's totals on held-out states."""

    chosen_score: float
    """Mean of the candidates that the student chooses."""
    best_score: float
    """Mean of the best candidates."""
    chosen_positive: dict[str, float]
    """Share of states per sub-score in which the chosen candidate is positive."""


@torch.inference_mode()
def evaluate_camera_student(student: CameraStudent, samples: CameraSamples) -> CameraEvaluation:
    """Score all candidates of all states by the heads alone, without refinement."""
    network = student.network.eval()
    chosen, best, positive = [], [], []
    for start in range(0, len(samples), 16):
        rows = np.arange(start, min(start + 16, len(samples)))
        batch, targets = samples.batch(rows, None, np.random.default_rng(0))
        places = combined_score(network(batch), student.weights).argmax(dim=1).numpy()
        quality = teacher_scores(samples.scores[rows])
        chosen.append(quality[np.arange(len(rows)), places])
        best.append(quality.max(axis=1))
        positive.append((targets.scores.numpy() > POSITIVE)[np.arange(len(rows)), places])
    shares = np.concatenate(positive).mean(axis=0).tolist()
    return CameraEvaluation(
        chosen_score=float(np.concatenate(chosen).mean()),
        best_score=float(np.concatenate(best).mean()),
        chosen_positive=dict(zip(SUB_SCORES, shares, strict=True)),
    )
