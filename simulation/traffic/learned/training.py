"""Training of learned traffic by cross-entropy: resumable, with curves on disk.

Seed and step alone determine the samples of a batch, so an interrupted training resumes with identical results.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from learning.loop import Report, TrainingLoop
from simulation.traffic.learned.checkpoint import WEIGHTS, TrafficModel
from simulation.traffic.learned.features import IS_BICYCLE, IS_VEHICLE, MIRRORED_NEAR, MIRRORED_OWN
from simulation.traffic.learned.inference import Layer, Weights
from simulation.traffic.learned.network import NetworkConfig, TrafficNetwork
from simulation.traffic.learned.samples import Samples
from simulation.traffic.learned.vocabulary import NUM_TOKENS, MotionVocabulary, acceleration_weights, build_vocabulary

VOCABULARY_MOTIONS = 20_000
"""Motions of each kind of agent from which the vocabulary is built."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of a training."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    num_tokens: int = NUM_TOKENS
    steps: int = 6000
    batch_size: int = 768
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup_steps: int = 100
    max_gradient: float = 5.0
    kind_shares: tuple[float, float, float] = (0.65, 0.15, 0.2)
    """Shares of vehicles, bicycles and pedestrians in a batch; kinds without samples leave theirs to the others."""
    vehicle_tokens: float = 0.1
    """Weight of the tokens of vehicles, which only train the trunk."""
    seed: int = 0
    log_every: int = 100
    checkpoint_every_s: float = 60.0


def tiny() -> TrainingConfig:
    """About 8 CPU minutes."""
    return TrainingConfig()


def base() -> TrainingConfig:
    """A wider network, for many recordings."""
    network = NetworkConfig(own=256, near=128, trunk=512)
    return replace(TrainingConfig(), network=network, steps=60_000, batch_size=2048, learning_rate=1e-3)


RECIPES: dict[str, Callable[[], TrainingConfig]] = {"tiny": tiny, "base": base}


class Trainer:
    """One training in a folder: the checkpoint, the state for resuming, and the curves."""

    def __init__(
        self,
        config: TrainingConfig,
        samples: Samples,
        folder: Path,
        *,
        vocabulary: MotionVocabulary | None = None,
        initial: TrafficModel | None = None,
    ) -> None:
        """Start, or resume the training in the folder.

        Args:
            config: Settings.
            samples: Decisions.
            folder: Of checkpoint and curves.
            vocabulary: None builds one from the samples.
            initial: Start with its weights and its vocabulary.

        Raises:
            ValueError: When the folder holds a training of another configuration or of other samples, or when the
                initial weights have another size.
        """
        self.config, self.samples, self.folder = config, samples, folder
        if initial is not None:
            vocabulary = initial.vocabulary
        self.vocabulary = vocabulary or vocabulary_from(samples, config.seed, config.num_tokens)
        torch.manual_seed(config.seed)
        self.network = TrafficNetwork(config.network, len(self.vocabulary.motions))
        if initial is not None:
            load_model(self.network, initial)
        described = {**asdict(config), "vocabulary": self.vocabulary.digest, "decisions": len(samples)}
        self.loop = TrainingLoop(self.network, config, folder, described=described)
        self._tokens = self.vocabulary.nearest(samples.motions.astype(np.float64))
        mirrored = samples.motions.astype(np.float64) * np.array([1.0, -1.0, -1.0])
        self._mirrored_tokens = self.vocabulary.nearest(mirrored)
        own = samples.features.own
        is_bicycle = own[:, IS_BICYCLE] > 0
        is_vehicle = own[:, IS_VEHICLE] > 0
        self._groups = [np.flatnonzero(mask) for mask in (is_vehicle, is_bicycle, ~is_vehicle & ~is_bicycle)]

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return self.loop.step

    def run(self, report: Report | None = None, stop_at: int | None = None) -> None:
        """Train up to `stop_at`, or to the last step of the configuration.

        Args:
            report: Receives step and losses whenever they are logged.
            stop_at: An earlier step to stop at.

        Raises:
            ValueError: When a loss is not finite; the last checkpoint is kept.
        """
        self.loop.run(self._losses, self.save, report=report, stop_at=stop_at)

    def _rows(self, rng: np.random.Generator) -> Int64[np.ndarray, "batch"]:
        shares = np.array(self.config.kind_shares) * [len(group) > 0 for group in self._groups]
        counts = rng.multinomial(self.config.batch_size, shares / shares.sum())
        drawn = [
            group[rng.integers(len(group), size=count)]
            for group, count in zip(self._groups, counts.tolist(), strict=True)
            if count
        ]
        return np.concatenate(drawn)

    def _losses(self, step: int) -> dict[str, Tensor]:
        """Losses by name; `total` is minimised."""
        rng = np.random.default_rng([self.config.seed, step])
        rows = self._rows(rng)
        is_mirrored = rng.uniform(size=len(rows)) < 0.5
        samples = self.samples.take(rows)
        features = samples.features
        flip = is_mirrored[:, np.newaxis]
        own = features.own * np.where(flip, MIRRORED_OWN, np.float32(1.0))
        near = features.near * np.where(flip, MIRRORED_NEAR, np.float32(1.0))[:, np.newaxis]
        tokens = np.where(is_mirrored, self._mirrored_tokens[rows], self._tokens[rows])
        accelerations, logits = self.network(
            torch.from_numpy(own), torch.from_numpy(near), torch.from_numpy(features.counts)
        )
        is_vehicle = torch.from_numpy(samples.is_vehicle)
        targets = torch.from_numpy(acceleration_weights(samples.accelerations.astype(np.float64)))
        by_agent = -(targets * torch.log_softmax(accelerations, dim=1)).sum(dim=1)
        by_token = nn.functional.cross_entropy(logits, torch.from_numpy(tokens), reduction="none")
        weights = torch.where(is_vehicle, self.config.vehicle_tokens, 1.0)
        vehicle = (by_agent * is_vehicle).sum() / len(rows)
        token = (by_token * weights).sum() / len(rows)
        return {
            "total": vehicle + token,
            "acceleration": (by_agent * is_vehicle).sum() / is_vehicle.sum().clamp(min=1),
            "token": (by_token * ~is_vehicle).sum() / (~is_vehicle).sum().clamp(min=1),
        }

    @torch.no_grad()
    def evaluate(self, samples: Samples) -> dict[str, float]:
        """Negative log-likelihoods of decisions: accelerations of vehicles, tokens of the others."""
        self.network.eval()
        totals = {"acceleration": 0.0, "token": 0.0}
        tokens = self.vocabulary.nearest(samples.motions.astype(np.float64))
        for start in range(0, len(samples), 4096):
            rows = np.arange(start, min(start + 4096, len(samples)))
            part = samples.take(rows)
            accelerations, logits = self.network(*(torch.from_numpy(array) for array in part.features))
            targets = torch.from_numpy(acceleration_weights(part.accelerations.astype(np.float64)))
            by_agent = -(targets * torch.log_softmax(accelerations, dim=1)).sum(dim=1)
            by_token = nn.functional.cross_entropy(logits, torch.from_numpy(tokens[rows]), reduction="none")
            totals["acceleration"] += float(by_agent[torch.from_numpy(part.is_vehicle)].sum())
            totals["token"] += float(by_token[torch.from_numpy(~part.is_vehicle)].sum())
        self.network.train()
        vehicles = int(samples.is_vehicle.sum())
        return {
            "acceleration": totals["acceleration"] / max(vehicles, 1),
            "token": totals["token"] / max(len(samples) - vehicles, 1),
        }

    def model(self, metadata: dict[str, Any] | None = None) -> TrafficModel:
        """The present weights, as driving uses them."""
        about = {"steps": self.step, "seed": self.config.seed, "decisions": len(self.samples), **(metadata or {})}
        return TrafficModel(weights=weights_of(self.network), vocabulary=self.vocabulary, metadata=about)

    def save(self, metadata: dict[str, Any] | None = None) -> None:
        """Write the checkpoint and the state for resuming."""
        self.model(metadata).save(self.folder)
        self.loop.save_state()


def vocabulary_from(samples: Samples, seed: int, num_tokens: int = NUM_TOKENS) -> MotionVocabulary:
    """The vocabulary of the motions in samples, of each kind of agent as many."""
    rng = np.random.default_rng(seed)
    own, parts = samples.features.own, []
    for column in (IS_VEHICLE, IS_VEHICLE + 1, IS_BICYCLE):
        rows = np.flatnonzero(own[:, column] > 0)
        # Most agents stand: motions count once per kind, and the rest stands for itself.
        rows = rows[np.hypot(*samples.motions[rows, :2].T) > 0.02]
        parts.append(samples.motions[rng.permutation(rows)[:VOCABULARY_MOTIONS]])
    return build_vocabulary(np.concatenate(parts).astype(np.float64), seed=seed, num_tokens=num_tokens)


def weights_of(network: TrafficNetwork) -> Weights:
    """The network's layers for `inference`."""
    layers: dict[str, nn.Linear] = dict(network.named_children())  # type: ignore[arg-type]
    return Weights(
        *(
            Layer(
                np.ascontiguousarray(layers[name].weight.detach().numpy().T.astype(np.float32)),
                layers[name].bias.detach().numpy().astype(np.float32),
            )
            for name in Weights._fields
        )
    )


def load_model(network: TrafficNetwork, model: TrafficModel) -> None:
    """Write stored weights into a network.

    Raises:
        ValueError: When the network has other widths.
    """
    tensors = {}
    for name, layer in zip(Weights._fields, model.weights, strict=True):
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = torch.tensor(layer.weight.T), torch.tensor(layer.bias)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(
            f"The initial {WEIGHTS} belong to a network of other widths than {network.config}. Use their recipe."
        ) from error
