"""The student network, its checkpoints, and the combination of its heads into one score."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from learning.training_files import load_weights, save_weights
from planning.forecasting.constant_velocity import NUM_INSTANTS
from planning.neural.candidate_features import CandidateGeometry, candidate_features
from planning.neural.decoder import IMITATION, Logits, VocabularyDecoder
from planning.neural.encoder import NetworkConfig, TokenEncoder
from planning.neural.tokens import VERSION
from planning.neural.vocabulary import TrajectoryVocabulary
from simulation.metrics.weighting import weighted_sum

FORMAT = "camber.student.5"
WEIGHTS, DESCRIPTION, VOCABULARY = "weights.safetensors", "student.json", "vocabulary.npz"


@dataclass(frozen=True, kw_only=True)
class ScoreWeights:
    """Weights of the heads in the combined score."""

    imitation: float = 0.05
    """Weight of the logarithm of the imitation probability."""
    multiplied: Mapping[str, float] = field(
        default_factory=lambda: {
            "no_collision": 9.0,
            "drivable_area": 1.0,
            "driving_direction": 0.5,
            "traffic_lights": 0.5,
        }
    )
    """Weights of the logarithms of the multiplied sub-scores."""
    weighted: Mapping[str, float] = field(
        default_factory=lambda: {
            "time_to_collision": 10.0,
            "progress": 5.0,
            "speed_limit": 4.0,
            "comfort": 3.0,
            "lane_keeping": 2.0,
        }
    )
    """Weights of the sub-scores in the weighted mean."""
    weighted_power: float = 2.0
    """Weight of the logarithm of the weighted mean."""


class StudentNetwork(nn.Module):
    """Features and candidates -> logits per sub-score and of imitation, and a forecast of the agents."""

    # Names of submodules are keys of stored checkpoints.
    def __init__(self, config: NetworkConfig, sub_scores: tuple[str, ...]) -> None:
        super().__init__()
        self.config, self.sub_scores = config, sub_scores
        self.encoder = TokenEncoder(config)
        self.decoder = VocabularyDecoder(config, sub_scores)
        # The untrained forecast continues the present motion.
        correction = nn.Linear(config.width, NUM_INSTANTS * 2)
        nn.init.zeros_(correction.weight)
        nn.init.zeros_(correction.bias)
        self.foresee = nn.Sequential(nn.Linear(config.width, config.width), nn.GELU(), correction)

    def forward(
        self, features: dict[str, Shaped[Tensor, "states ..."]], geometry: CandidateGeometry
    ) -> tuple[Logits, Float[Tensor, "states agents 8 2"]]:
        """Logits per head, and where the network forecasts the agents [m, ego frame].

        Tensors leave the device once, as the forecast that the compiled kernel of the candidate features needs, and
        return once. The forecast is trained by its own loss; no gradient passes through the candidate features.

        Args:
            features: Fields of `Features`, stacked, on the device of the network.
            geometry: The candidates of the same states, on the CPU.
        """
        tokens, mask = self.encoder(features)
        correction = self.forecast_correction(tokens, features["agents"].shape[1])
        forecast_m = torch.from_numpy(geometry.kinematic_m).to(tokens.device) + correction
        computed = candidate_features(geometry, forecast_m.detach().float().cpu().numpy())
        return self.decoder(torch.from_numpy(computed).to(tokens.device), tokens, mask), forecast_m

    def forecast_correction(
        self, tokens: Float[Tensor, "states tokens width"], num_agents: int
    ) -> Float[Tensor, "states agents 8 2"]:
        """What the network adds to the forecast of `agent_forecast.py` [m]."""
        moved: Tensor = self.foresee(tokens[:, 1 : 1 + num_agents])
        return moved.unflatten(-1, (NUM_INSTANTS, 2))


def combined_score(logits: Logits, weights: ScoreWeights) -> Float[Tensor, "states candidates"]:
    """One score per candidate: the weighted sum of logarithms. Heads that a network lacks are left out.

    Source:
        Hydra-MDP, arXiv 2406.06978, inference.
    """
    score = weights.imitation * torch.log_softmax(logits[IMITATION], dim=-1)
    for name, weight in weights.multiplied.items():
        if name in logits:
            score = score + weight * nn.functional.logsigmoid(logits[name])
    weighted = {name: torch.sigmoid(logits[name]) for name in weights.weighted if name in logits}
    if weighted:
        total, weight = weighted_sum(weighted, weights.weighted)
        score = score + weights.weighted_power * torch.log(total / weight + 1e-6)
    return score


@dataclass(frozen=True, kw_only=True)
class Student:
    """Content of a checkpoint: a network, its vocabulary, and the weights of its heads."""

    network: StudentNetwork
    vocabulary: TrajectoryVocabulary
    weights: ScoreWeights
    metadata: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), description (JSON) and vocabulary into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self.network, folder / WEIGHTS)
        self.vocabulary.save(folder / VOCABULARY)
        description = {
            "format": FORMAT,
            "features": VERSION,
            "vocabulary": self.vocabulary.digest,
            "sub_scores": list(self.network.sub_scores),
            "network": asdict(self.network.config),
            "weights": asdict(self.weights),
            "metadata": self.metadata,
        }
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Student":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: When the folder holds no checkpoint.
            ValueError: When format, features, vocabulary or configuration do not fit.
        """
        path = folder / DESCRIPTION
        if not path.is_file():
            raise FileNotFoundError(
                f"No student in {folder}: {DESCRIPTION} is missing. Train one with scripts/train_planner.py."
            )
        described = json.loads(path.read_text(encoding="utf-8"))
        for name, expected in (("format", FORMAT), ("features", VERSION)):
            if described.get(name) != expected:
                raise ValueError(
                    f"The student in {folder} has {name} {described.get(name)}, expected {expected}. Train it again."
                )
        vocabulary = TrajectoryVocabulary.load(folder / VOCABULARY)
        if vocabulary.digest != described["vocabulary"]:
            raise ValueError(
                f"The student in {folder} was trained on vocabulary {described['vocabulary']}, but the folder holds"
                f" {vocabulary.digest}. Copy both from one training."
            )
        config = NetworkConfig(**described["network"])
        network = StudentNetwork(config, tuple(described["sub_scores"]))
        load_weights(network, folder / WEIGHTS)
        return cls(
            network=network.eval(),
            vocabulary=vocabulary,
            weights=ScoreWeights(**described["weights"]),
            metadata=described["metadata"],
        )
