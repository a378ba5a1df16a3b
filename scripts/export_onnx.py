"""Export a perception network as one ONNX file with standard operators.

    python scripts/export_onnx.py --checkpoint checkpoints/eyes --output eyes.onnx
    python scripts/export_onnx.py --checkpoint checkpoints/eyes --rig my_rig.json --output eyes.onnx

The geometry of the rig is an input of the model: the rig given here sets the number of cameras only. The result is
compared with torch on random images. `perception/export.py` describes inputs and outputs. Needs the extra `onnx`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command_line import CommonArguments, console, run

from driving.rig_files import rig_named
from learning.processes import join_process_group
from perception.checkpoint import SHIPPED, Checkpoint
from perception.images import fit_rig

MAX_DIFFERENCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Network, rig and file."""

    checkpoint: Path = SHIPPED
    """Folder of the network."""
    output: Path
    """ONNX file to write."""
    rig: str = "nuscenes_6"
    """nuplan_8, nuscenes_6, argoverse2_7, or a JSON file."""
    seed: int = 0
    """Of the random images for the comparison."""


def main(arguments: Arguments) -> None:
    """Export, compare, print the size.

    Raises:
        ArithmeticError: When the outputs of the file differ from those of torch.
    """
    from perception.export import export_onnx, largest_difference

    join_process_group()
    network = Checkpoint.load(arguments.checkpoint).network
    rig = fit_rig(rig_named(arguments.rig), network.config.image_size).rig
    export_onnx(network, rig, arguments.output)
    height, width = network.config.image_size
    shape = (len(rig.names), height, width, 3)
    images = np.random.default_rng(arguments.seed).integers(0, 256, shape, dtype=np.uint8)
    difference = largest_difference(network, rig, arguments.output, images)
    if not difference <= MAX_DIFFERENCE:
        raise ArithmeticError(
            f"{arguments.output} differs from torch by {difference:.2g}, more than {MAX_DIFFERENCE:g}. Do not use it."
        )
    size_mb = arguments.output.stat().st_size / 1e6
    console.print(f"{arguments.output}: {size_mb:.1f} MB, largest difference to torch {difference:.1e}.")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
