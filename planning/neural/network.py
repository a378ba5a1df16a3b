"""The student network, its checkpoints, and how its heads become one score."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor, nn

from planning.forecasting.agents import NUM_INSTANTS
from planning.neural.decoder import IMITATION, VocabularyDecoder
from planning.neural.encoder import NetworkConfig, TokenEncoder
from planning.neural.features import VERSION
from planning.neural.relations import forecast_agents, relations_of
from planning.neural.vocabulary import TrajectoryVocabulary

FORMAT = "camber.student.3"
COMFORT, DRIVABLE_AREA, TIME_TO_COLLISION = "comfort", "drivable_area", "time_to_collision"
"""Heads that a planner need not ask, as it can compute what they foresee."""
WEIGHTS, DESCRIPTION, VOCABULARY = "weights.safetensors", "student.json", "vocabulary.npz"


@dataclass(frozen=True, kw_only=True)
class ScoreWeights:
    """How heads are joined: weights of logarithms, and of the terms inside the last one (Hydra-MDP's form)."""

    imitation: float = 0.05
    multiplied: Mapping[str, float] = field(
        default_factory=lambda: {
            "no_collision": 9.0,
            "drivable_area": 1.0,
            "driving_direction": 0.5,
            "traffic_lights": 0.5,
        }
    )
    weighted: Mapping[str, float] = field(
        default_factory=lambda: {
            "time_to_collision": 10.0,
            "progress": 5.0,
            "speed_limit": 4.0,
            "comfort": 3.0,
            "lane_keeping": 2.0,
        }
    )
    weighted_power: float = 2.0
    """Weight of the logarithm of the weighted mean."""


class StudentNetwork(nn.Module):
    """Features, driven entries -> logits of the sub-scores and of imitation."""

    def __init__(self, config: NetworkConfig, sub_scores: tuple[str, ...]) -> None:
        super().__init__()
        self.config, self.sub_scores = config, sub_scores
        self.encoder = TokenEncoder(config)
        self.decoder = VocabularyDecoder(config, sub_scores)
        # Begins with constant velocity.
        expected = nn.Linear(config.width, NUM_INSTANTS * 2)
        nn.init.zeros_(expected.weight)
        nn.init.zeros_(expected.bias)
        self.foresee = nn.Sequential(nn.Linear(config.width, config.width), nn.GELU(), expected)

    def forward(
        self,
        features: dict[str, Tensor],
        driven: Float[Tensor, "states entries 8 5"],
        known_ahead_m: Float[Tensor, "states agents 8 2"] | None = None,
    ) -> tuple[dict[str, Tensor], Float[Tensor, "states agents 8 2"]]:
        """Logits per head (B, A), and where the network expects the agents [m, ego frame].

        Args:
            features: Fields of `Features`, stacked.
            driven: Entries as the tracker drives them: x, y, heading, speed, acceleration every half second.
            known_ahead_m: Where agents are better known to be, to be judged by instead [m, ego frame]; NaN where
                they are not.
        """
        tokens, mask = self.encoder(features)
        correction = self.foresee(tokens[:, 1 : 1 + features["agents"].shape[1]]).unflatten(-1, (NUM_INSTANTS, 2))
        ahead_m = forecast_agents(features["agents"], correction)
        relations = relations_of(driven, features, ahead_m, known_ahead_m)
        return self.decoder(relations, tokens, mask), ahead_m


def joined_score(logits: Mapping[str, Tensor], weights: ScoreWeights) -> Float[Tensor, "states entries"]:
    """One score per entry: the weighted sum of logarithms.

    Source:
        Hydra-MDP, arXiv 2406.06978, inference; heads that a network does not have are left out.
    """
    score = weights.imitation * torch.log_softmax(logits[IMITATION], dim=-1)
    for name, weight in weights.multiplied.items():
        if name in logits:
            score = score + weight * nn.functional.logsigmoid(logits[name])
    terms = [(weight, logits[name]) for name, weight in weights.weighted.items() if name in logits]
    if terms:
        mean = sum(weight * torch.sigmoid(logit) for weight, logit in terms) / sum(weight for weight, _ in terms)
        score = score + weights.weighted_power * torch.log(torch.as_tensor(mean) + 1e-6)
    return score


@dataclass(frozen=True, kw_only=True)
class Student:
    """A network with its vocabulary and the weights of its heads: what a checkpoint holds."""

    network: StudentNetwork
    vocabulary: TrajectoryVocabulary
    weights: ScoreWeights
    metadata: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), description (JSON) and vocabulary into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        safetensors.torch.save_file(tensors, folder / f"{WEIGHTS}.part")
        (folder / f"{WEIGHTS}.part").replace(folder / WEIGHTS)
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
            FileNotFoundError: When it is no checkpoint.
            ValueError: When it is of another format, features, vocabulary or configuration.
        """
        path = folder / DESCRIPTION
        if not path.is_file():
            raise FileNotFoundError(
                f"No student in {folder}: {DESCRIPTION} is missing. Train one by train_planner.py."
            )
        described = json.loads(path.read_text(encoding="utf-8"))
        for name, wanted in (("format", FORMAT), ("features", VERSION)):
            if described.get(name) != wanted:
                raise ValueError(f"The student in {folder} has {name} {described.get(name)}, needed is {wanted}.")
        vocabulary = TrajectoryVocabulary.load(folder / VOCABULARY)
        if vocabulary.digest != described["vocabulary"]:
            raise ValueError(
                f"The student in {folder} was trained on vocabulary {described['vocabulary']}, beside it lies"
                f" {vocabulary.digest}."
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


def load_weights(network: nn.Module, path: Path) -> None:
    """Read weights into a network.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When they belong to a network of another configuration.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No weights at {path}.")
    try:
        network.load_state_dict(safetensors.torch.load_file(path))
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ValueError(f"{path} belongs to a network of another configuration: {first}") from error
