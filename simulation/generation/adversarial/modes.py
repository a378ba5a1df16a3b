"""Modes of failures: what distinguishes one kind of failure from another, and an archive with the best of each.

A mode is what fails, the kind of agent, its manoeuvre, and the direction from which it comes. The archive has the
closing speed as a further axis.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from driving.agents import AgentKind
from simulation.generation.adversarial.causal import Approach
from simulation.generation.adversarial.manoeuvres import MANOEUVRES

CLOSING_EDGES_MPS = (0.0, 3.0, 6.0, 10.0, 15.0, 40.0)
"""Bins of the closing speed in the archive."""
KINDS = (AgentKind.VEHICLE, AgentKind.BICYCLE, AgentKind.PEDESTRIAN)


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """Behaviour of a failure."""

    failure: str
    """Value of `FailureKind`."""
    kind: str
    """Name of the `AgentKind`, in lower case."""
    manoeuvre: str
    approach: str
    """Value of `Approach`."""
    closing_mps: float

    @property
    def mode(self) -> str:
        """The mode, as a sentence without the closing speed."""
        return f"{self.failure}: {self.kind}, {self.manoeuvre}, {self.approach}"

    @property
    def measures(self) -> tuple[float, float, float, float]:
        """Approach, bin of the closing speed, kind and manoeuvre as numbers."""
        approaches = [approach.value for approach in Approach]
        kinds = [kind.name.lower() for kind in KINDS]
        speed_bin = int(np.searchsorted(CLOSING_EDGES_MPS, self.closing_mps, side="right")) - 1
        return (
            approaches.index(self.approach) + 0.5,
            min(max(speed_bin, 0), len(CLOSING_EDGES_MPS) - 2) + 0.5,
            kinds.index(self.kind) + 0.5,
            list(MANOEUVRES).index(self.manoeuvre) + 0.5,
        )


def make_archive(seed: int = 0) -> Any:
    """A grid over the measures of descriptors; each cell keeps the failure with the largest objective."""
    from ribs.archives import GridArchive

    dims = (len(Approach), len(CLOSING_EDGES_MPS) - 1, len(KINDS), len(MANOEUVRES))
    return GridArchive(solution_dim=1, dims=dims, ranges=[(0.0, float(size)) for size in dims], seed=seed)


def elites(descriptors: list[Descriptor], objectives: list[float]) -> list[int]:
    """Indices of the best failure of each cell, in ascending order.

    Args:
        descriptors: Of the failures.
        objectives: To be maximised; of equal ones the first is kept.
    """
    if not descriptors:
        return []
    archive = make_archive()
    for number, (descriptor, objective) in enumerate(zip(descriptors, objectives, strict=True)):
        archive.add_single(np.array([float(number)]), objective, np.array(descriptor.measures))
    return sorted(int(value) for value in archive.data("solution")[:, 0])
