"""Stored perception networks: weights as safetensors beside a description in JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from learning.training_files import load_weights, save_weights
from perception.grid import BevGrid
from perception.lift import LiftPoints
from perception.network import PerceptionConfig, PerceptionNetwork

FORMAT = "camber.perception.2"
WEIGHTS, DESCRIPTION = "weights.safetensors", "perception.json"
SHIPPED = Path(__file__).resolve().parent / "checkpoints" / "tiny"
"""Folder of the network that comes with the package."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A network, and where it comes from."""

    network: PerceptionNetwork
    metadata: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write weights and description into a folder; each file is replaced atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self.network, folder / WEIGHTS)
        description = {"format": FORMAT, "network": asdict(self.network.config), "metadata": self.metadata}
        part = folder / f"{DESCRIPTION}.part"
        part.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        part.replace(folder / DESCRIPTION)

    @classmethod
    def load(cls, folder: Path, grid: BevGrid | None = None) -> "Checkpoint":
        """Read what `save` wrote; the network is in inference mode.

        Args:
            folder: Of the checkpoint.
            grid: When given, the grid that the network must have.

        Raises:
            FileNotFoundError: When the folder holds no checkpoint.
            ValueError: When its format, its grid or its weights do not fit.
        """
        path = folder / DESCRIPTION
        if not path.is_file():
            raise FileNotFoundError(
                f"No perception network in {folder}: {DESCRIPTION} is missing. Train one with"
                " scripts/train_perception.py."
            )
        described = json.loads(path.read_text(encoding="utf-8"))
        if described.get("format") != FORMAT:
            raise ValueError(
                f"The perception network in {folder} has format {described.get('format')}, expected {FORMAT}. Train"
                " it again with this version."
            )
        config = config_from(described["network"])
        if grid is not None and grid != config.grid:
            raise ValueError(
                f"The perception network in {folder} has the grid {_words(config.grid)}, expected {_words(grid)}. Use"
                " the grid of the checkpoint, or train it again."
            )
        network = PerceptionNetwork(config)
        load_weights(network, folder / WEIGHTS)
        return cls(network=network.eval(), metadata=described["metadata"])


def config_from(described: dict[str, Any]) -> PerceptionConfig:
    """The configuration that `dataclasses.asdict` and JSON have turned into dictionaries and lists."""
    points = tuple(tuple(offset) for offset in described["points"]["offsets_m"])
    return PerceptionConfig(
        **{
            **described,
            "image_size": tuple(described["image_size"]),
            "points": LiftPoints(offsets_m=points),
            "grid": BevGrid(**described["grid"]),
        }
    )


def _words(grid: BevGrid) -> str:
    return (
        f"x {grid.x_min_m:g} to {grid.x_max_m:g} m, y {grid.y_min_m:g} to {grid.y_max_m:g} m in cells of"
        f" {grid.cell_m:g} m"
    )
