"""Stored camera students: network, vocabulary, weights of the heads, and the digest of the perception network."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from learning.training_files import load_weights, save_weights
from perception.grid import BevGrid
from perception.network import PerceptionNetwork
from planning.neural.camera_network import CameraNetworkConfig, CameraStudentNetwork
from planning.neural.network import VOCABULARY, WEIGHTS, ScoreWeights
from planning.neural.vocabulary import TrajectoryVocabulary

FORMAT = "camber.camera_student.1"
DESCRIPTION = "camera_student.json"


@dataclass(frozen=True, kw_only=True)
class CameraStudent:
    """Content of a checkpoint."""

    network: CameraStudentNetwork
    vocabulary: TrajectoryVocabulary
    weights: ScoreWeights
    perception: str
    """Digest of the perception network whose features it reads."""
    metadata: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), description (JSON) and vocabulary into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self.network, folder / WEIGHTS)
        self.vocabulary.save(folder / VOCABULARY)
        description = {
            "format": FORMAT,
            "vocabulary": self.vocabulary.digest,
            "perception": self.perception,
            "sub_scores": list(self.network.sub_scores),
            "network": asdict(self.network.config),
            "weights": asdict(self.weights),
            "metadata": self.metadata,
        }
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "CameraStudent":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: When the folder holds no checkpoint.
            ValueError: When format, vocabulary or configuration do not fit.
        """
        path = folder / DESCRIPTION
        if not path.is_file():
            raise FileNotFoundError(
                f"No camera student in {folder}: {DESCRIPTION} is missing. Train one with"
                " scripts/train_camera_student.py."
            )
        described = json.loads(path.read_text(encoding="utf-8"))
        if described.get("format") != FORMAT:
            raise ValueError(
                f"The camera student in {folder} has format {described.get('format')}, expected {FORMAT}. Train it"
                " again."
            )
        vocabulary = TrajectoryVocabulary.load(folder / VOCABULARY)
        if vocabulary.digest != described["vocabulary"]:
            raise ValueError(
                f"The camera student in {folder} was trained on vocabulary {described['vocabulary']}, but the folder"
                f" holds {vocabulary.digest}. Copy both from one training."
            )
        config = CameraNetworkConfig(**{**described["network"], "grid": BevGrid(**described["network"]["grid"])})
        network = CameraStudentNetwork(config, tuple(described["sub_scores"]))
        load_weights(network, folder / WEIGHTS)
        return cls(
            network=network.eval(),
            vocabulary=vocabulary,
            weights=ScoreWeights(**described["weights"]),
            perception=described["perception"],
            metadata=described["metadata"],
        )

    def require(self, perception: PerceptionNetwork, folder: Path) -> None:
        """Check that a perception network is the one that the student was trained on.

        Args:
            perception: As `Checkpoint.load` gives it.
            folder: Of the perception network, for the message.

        Raises:
            ValueError: When it is another one.
        """
        found = perception_digest(perception.state_dict())
        if found != self.perception:
            raise ValueError(
                f"The camera student was trained on perception network {self.perception}, but {folder} holds {found}."
                " Use the network of its training, or train the student again with scripts/train_camera_student.py."
            )


def perception_digest(weights: dict[str, Tensor]) -> str:
    """16 hex digits that name the weights of a perception network."""
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
