"""Stored weights of learned traffic: safetensors beside a description in JSON. Reading needs no torch."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from simulation.files import write_atomically
from simulation.traffic.learned.features import NEIGHBORS, NUM_NEAR, NUM_OWN
from simulation.traffic.learned.inference import Layer, Weights
from simulation.traffic.learned.vocabulary import ACCELERATIONS_MPS2, MotionVocabulary

FORMAT = "camber.traffic.1"
WEIGHTS, DESCRIPTION = "weights.safetensors", "traffic.json"
VOCABULARY = "vocabulary"
"""Name of the motions among the tensors."""
SHIPPED = Path(__file__).resolve().parent / "checkpoints" / "tiny"
"""Folder of the weights that come with the package."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrafficModel:
    """Weights and the vocabulary that they were trained with."""

    weights: Weights
    vocabulary: MotionVocabulary
    metadata: dict[str, Any] = field(default_factory=dict)
    """Commands, seeds and numbers of the training."""

    def save(self, folder: Path) -> None:
        """Write weights and description into a folder; each file is replaced atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {VOCABULARY: self.vocabulary.motions}
        for name, layer in zip(Weights._fields, self.weights, strict=True):
            tensors[f"{name}.weight"], tensors[f"{name}.bias"] = layer.weight, layer.bias
        write_atomically(folder / WEIGHTS, safetensors.numpy.save(tensors))
        description = {
            "format": FORMAT,
            "inputs": _inputs(),
            "vocabulary": self.vocabulary.digest,
            "metadata": self.metadata,
        }
        write_atomically(folder / DESCRIPTION, (json.dumps(description, indent=2) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> "TrafficModel":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: When the folder holds no checkpoint.
            ValueError: When format, inputs, vocabulary or weights do not fit.
        """
        path = folder / DESCRIPTION
        if not path.is_file() or not (folder / WEIGHTS).is_file():
            raise FileNotFoundError(
                f"No learned traffic in {folder}: {DESCRIPTION} or {WEIGHTS} is missing. Train one with"
                " scripts/train_traffic.py."
            )
        described = json.loads(path.read_text(encoding="utf-8"))
        if described.get("format") != FORMAT:
            raise ValueError(
                f"The learned traffic in {folder} has format {described.get('format')}, expected {FORMAT}. Train it"
                " again with this version."
            )
        if described["inputs"] != _inputs():
            raise ValueError(
                f"The learned traffic in {folder} was trained with the inputs {described['inputs']}, expected"
                f" {_inputs()}. Train it again with this version."
            )
        try:
            tensors = safetensors.numpy.load_file(folder / WEIGHTS)
            layers = [Layer(tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in Weights._fields]
            vocabulary = MotionVocabulary(motions=tensors[VOCABULARY])
        except (KeyError, ValueError, safetensors.SafetensorError) as error:
            raise ValueError(f"{folder / WEIGHTS} holds no weights of learned traffic: {error}.") from error
        weights = Weights(*layers)
        if vocabulary.digest != described["vocabulary"] or len(vocabulary.motions) != len(weights.token.bias):
            raise ValueError(
                f"The learned traffic in {folder} belongs to vocabulary {described['vocabulary']}, but its weights"
                f" come with vocabulary {vocabulary.digest} of {len(vocabulary.motions)} motions. Copy both files of"
                " one training."
            )
        return cls(weights=weights, vocabulary=vocabulary, metadata=described["metadata"])


@lru_cache(maxsize=4)
def traffic_model(folder: Path = SHIPPED) -> TrafficModel:
    """The model of a folder, read once in each process."""
    return TrafficModel.load(folder)


def _inputs() -> dict[str, Any]:
    """What a network's input and output layers depend on."""
    return {
        "own": NUM_OWN,
        "near": NUM_NEAR,
        "neighbors": NEIGHBORS,
        "accelerations_mps2": np.round(ACCELERATIONS_MPS2, 3).tolist(),
    }
