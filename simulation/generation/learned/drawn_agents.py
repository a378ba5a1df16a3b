"""One agent while a scene is drawn: what is given of it, and its values once it is drawn."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from simulation.generation.learned.scene import SceneAgents
from simulation.generation.learned.sweep_state import Placed


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is given of an agent."""

    kind: int
    size: tuple[float, float] | None = None
    along: float | None = None
    is_ego: bool = False


@dataclass(frozen=True)
class DrawnAgent:
    """Values of one agent, as in `Placed`."""

    place: int
    along: float
    lateral: float
    pose: Float64[np.ndarray, "3"]
    speed: float
    size: tuple[float, float]
    kind: int
    is_ego: bool


def agent_of(placed: Placed, row: int) -> DrawnAgent:
    """The agent of a row."""
    length, width = placed.size[row].tolist()
    return DrawnAgent(
        int(placed.place[row]),
        float(placed.along[row]),
        float(placed.lateral[row]),
        placed.pose[row],
        float(placed.speed[row]),
        (length, width),
        int(placed.kind[row]),
        bool(placed.is_ego[row]),
    )


def scene_agents_of(placed: Placed, count: int, headings: Float64[np.ndarray, "agents"]) -> SceneAgents:
    """The first agents, with their heading offsets."""
    return SceneAgents(
        places=placed.place[:count].copy(),
        along_m=placed.along[:count].copy(),
        lateral_m=placed.lateral[:count].copy(),
        heading_rad=headings,
        sizes=placed.size[:count].copy(),
        speeds_mps=placed.speed[:count].copy(),
        classes=placed.kind[:count].copy(),
    )
