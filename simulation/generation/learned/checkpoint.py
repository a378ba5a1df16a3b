"""Stored scene networks: weights as safetensors beside a description in JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from simulation.files import write_atomically
from simulation.generation.learned.facts import Levels
from simulation.generation.learned.network import SceneNetwork, SceneNetworkConfig
from simulation.generation.learned.vocabulary import description

FORMAT = "camber.scenes.1"
WEIGHTS, DESCRIPTION = "weights.safetensors", "scenes.json"
SHIPPED = Path(__file__).resolve().parent / "checkpoints" / "tiny"
"""Folder of the network that comes with the package: for maps of towns as they are."""
CALIBRATED = SHIPPED.parent / "calibrated"
"""Folder of the network of calibrated towns, for recorded maps and calibrated towns."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A network, the levels of its conditions, and where it comes from."""

    network: SceneNetwork
    levels: Levels
    metadata: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write weights in half precision, and the description; each file is replaced atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.half().contiguous() for name, value in self.network.state_dict().items()}
        write_atomically(folder / WEIGHTS, safetensors.torch.save(weights))
        described = {
            "format": FORMAT,
            "vocabulary": description(),
            "network": asdict(self.network.config),
            "levels": asdict(self.levels),
            "metadata": self.metadata,
        }
        write_atomically(folder / DESCRIPTION, (json.dumps(described, indent=2) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> "Checkpoint":
        """Read what `save` wrote; the network is in inference mode.

        Raises:
            FileNotFoundError: When the folder holds no checkpoint.
            ValueError: When its format, its vocabulary or its weights do not fit.
        """
        path = folder / DESCRIPTION
        if not path.is_file() or not (folder / WEIGHTS).is_file():
            raise FileNotFoundError(
                f"No scene network in {folder}: {DESCRIPTION} or {WEIGHTS} is missing. Train one with"
                " scripts/train_generator.py."
            )
        described = json.loads(path.read_text(encoding="utf-8"))
        if described.get("format") != FORMAT:
            raise ValueError(
                f"The scene network in {folder} has format {described.get('format')}, expected {FORMAT}. Train it"
                " again with this version."
            )
        mine = description()
        changed = [name for name, value in mine.items() if described["vocabulary"].get(name) != value]
        if changed:
            raise ValueError(
                f"The scene network in {folder} has another vocabulary: {changed[0]} is"
                f" {described['vocabulary'].get(changed[0])}, expected {mine[changed[0]]}. Train it again with this"
                " version."
            )
        network = SceneNetwork(SceneNetworkConfig(**described["network"]))
        weights = {name: value.float() for name, value in safetensors.torch.load_file(folder / WEIGHTS).items()}
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                f"{folder / WEIGHTS} belongs to a network of another configuration: {str(error).splitlines()[-1]}"
            ) from error
        levels = Levels(**{name: tuple(values) for name, values in described["levels"].items()})
        return cls(network=network.eval().requires_grad_(False), levels=levels, metadata=described["metadata"])


def untrained(levels: Levels, seed: int = 0, config: SceneNetworkConfig | None = None) -> Checkpoint:
    """A network with random weights: a control, and a network for tests."""
    torch.manual_seed(seed)
    return Checkpoint(network=SceneNetwork(config).eval().requires_grad_(False), levels=levels)
