"""Where a scene is drawn, and what comes out."""

from dataclasses import dataclass, field

from torch import Tensor

from simulation.generation.condition import SceneCondition
from simulation.generation.learned.scene import SceneAgents
from simulation.generation.learned.window import SceneWindow


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnScene:
    """A drawn scene and what was rejected on the way."""

    agents: SceneAgents
    """The ego first, then given agents, then the drawn ones."""
    num_given: int
    """Given agents, the ego not counted."""
    num_blocked: int
    """Draws of attributes without a free position."""
    num_off_road: int
    """Draws of parked vehicles off the drivable area."""
    num_dropped: int
    """Agents without a place after all redraws."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Canvas:
    """Where a scene is drawn: pieces, their lights, and their embeddings for a condition."""

    window: SceneWindow
    condition: SceneCondition
    pieces: Tensor
    """(pieces, width) of `SceneNetwork.encode`."""
    given: SceneAgents = field(default_factory=SceneAgents.none)
    """Agents that the scene keeps."""
    ego: SceneAgents | None = None
    """The given ego; None to draw it."""
