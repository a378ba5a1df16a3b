"""Where a scene is drawn, and what comes out."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from driving.agents import LightStatus
from simulation.generation.condition import SceneCondition
from simulation.generation.learned.facts import drawing_condition
from simulation.generation.learned.inputs import piece_input
from simulation.generation.learned.network import SceneNetwork
from simulation.generation.learned.scene import SceneAgents
from simulation.generation.learned.window import SceneWindow, window_features


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


def canvas_for(
    network: SceneNetwork,
    window: SceneWindow,
    lights: dict[int, LightStatus],
    condition: SceneCondition | None = None,
) -> Canvas:
    """Encode the pieces of a window once for any number of draws."""
    condition = drawing_condition(condition or SceneCondition())
    with torch.inference_mode():
        pieces = network.encode(piece_input([window], [window_features(window, lights)], [condition]))[0]
    return Canvas(window=window, condition=condition, pieces=pieces)
