"""Weights between those of two students of one network."""

from dataclasses import replace
from pathlib import Path

import torch

from planning.neural.network import Student


def mix(share: float, student: Path, trained: Path, folder: Path) -> None:
    """Write the student between the present one and the trained one.

    A training on few new states makes the student worse elsewhere; between the weights, most of both is kept.

    Args:
        share: Of the trained weights.
        student: Folder of the present student.
        trained: Folder of the training.
        folder: Gets the checkpoint.

    Source:
        Wortsman et al., Robust fine-tuning of zero-shot models (WiSE-FT), 2022.
    """
    present, new = Student.load(student), Student.load(trained)
    weights = present.network.state_dict()
    mixed = {name: torch.lerp(weights[name], value, share) for name, value in new.network.state_dict().items()}
    new.network.load_state_dict(mixed)
    replace(new, metadata={**new.metadata, "trained_share": share}).save(folder)
