"""The bins of an agent's attributes. A value is drawn uniformly within its bin.

Edges of lengths, widths, speeds and lateral offsets lie on those of the realism statistics, so that a bin of the
network never spreads over two bins of a statistic.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from driving.agents import AgentKind
from simulation.generation.learned.scales import MAX_PIECE_M

FORMAT = 1
"""Raised whenever the bins change: a network of other bins cannot be used."""


class AgentClass(IntEnum):
    """Kinds of agents of a scene, the first two in lanes."""

    VEHICLE = 0
    BICYCLE = 1
    PARKED = 2
    """A vehicle off the lanes, or across them."""
    OFF_LANE_BICYCLE = 3
    PEDESTRIAN = 4


NUM_CLASSES = len(AgentClass)
KIND_OF_CLASS = np.array(
    [AgentKind.VEHICLE, AgentKind.BICYCLE, AgentKind.VEHICLE, AgentKind.BICYCLE, AgentKind.PEDESTRIAN], dtype=np.int8
)
LAST_IN_LANE = int(AgentClass.BICYCLE)
"""Classes up to this one are in lanes."""
IN_LANE_CLASSES = (AgentClass.VEHICLE, AgentClass.BICYCLE)
MAX_IN_LANE_M = 2.0
"""Lateral offset up to which an agent is in its lane ..."""
MAX_IN_LANE_RAD = np.deg2rad(60.0)
"""... and heading offset."""
MAX_OFF_LANE_M = 16.0
"""Lateral offset up to which agents off the lanes are represented."""
STANDING_MPS = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Bins:
    """Consecutive intervals of one attribute."""

    edges: Float64[np.ndarray, "bins_and_end"]

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def middles(self) -> Float64[np.ndarray, "bins"]:
        """Middle of each bin."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def log_widths(self) -> Float64[np.ndarray, "bins"]:
        """Logarithm of the width of each bin."""
        return np.log(np.diff(self.edges))

    def of(self, values: Float64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
        """Bin of each value; values outside belong to the first or last bin."""
        found = np.searchsorted(self.edges, values, side="right") - 1
        return np.clip(found, 0, len(self) - 1).astype(np.int64)

    def value(
        self, bins: Shaped[np.ndarray, "*shape"], share: Float64[np.ndarray, "*shape"]
    ) -> Float64[np.ndarray, "*shape"]:
        """The value at a share of each bin's width."""
        return self.edges[bins] + share * (self.edges[bins + 1] - self.edges[bins])


def _even(low: float, high: float, step: float) -> Bins:
    count = round((high - low) / step)
    return Bins(edges=low + step * np.arange(count + 1))


_NARROW_DEG = np.concatenate([np.arange(-60.0, -10.0, 5.0), np.arange(-10.0, 10.0, 0.5), np.arange(10.0, 60.1, 5.0)])
LENGTH = _even(0.0, 20.0, 0.1)
WIDTH = _even(0.0, 3.2, 0.05)
LATERAL = _even(-MAX_IN_LANE_M, MAX_IN_LANE_M, 0.05)
HEADING = Bins(edges=np.deg2rad(_NARROW_DEG))
OFF_LATERAL = _even(-MAX_OFF_LANE_M, MAX_OFF_LANE_M, 0.25)
OFF_HEADING = Bins(edges=np.deg2rad(np.arange(-180.0, 180.1, 5.0)))
POSITION = _even(0.0, MAX_PIECE_M, 0.5)
SPEED = Bins(edges=np.concatenate([[0.0, STANDING_MPS], np.arange(0.5, 30.1, 0.5)]))

GAP = Bins(edges=np.concatenate([[-1e9, -1.0], np.arange(0.0, 20.0, 0.5), np.arange(20.0, 60.1, 2.0), [1e9]]))
"""Gaps to the next agent ahead or behind: a bias of positions. The last bin is that of no agent."""
CLOSING = Bins(edges=np.concatenate([[-1e9], np.arange(-8.0, 8.1, 0.5), [1e9]]))
"""Speeds relative to the leader, a bias of speeds."""
OUTPUTS = {
    "length": LENGTH,
    "width": WIDTH,
    "lateral": LATERAL,
    "heading": HEADING,
    "off_lateral": OFF_LATERAL,
    "off_heading": OFF_HEADING,
    "position": POSITION,
    "speed": SPEED,
}
"""All attributes that the network gives out."""


def description() -> dict[str, int]:
    """Format and number of bins, kept in a checkpoint."""
    return {"format": FORMAT, "classes": NUM_CLASSES, **{name: len(bins) for name, bins in OUTPUTS.items()}}


def is_in_lane(classes: Int64[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
    """Whether agents of these classes are in lanes."""
    return np.asarray(classes) <= AgentClass.BICYCLE
