"""Meshes of agents and static objects, by kind, size and seed."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind
from simulation.rendering.mesh_parts import Material, Mesh
from simulation.rendering.objects import barrier_mesh, cone_mesh, generic_mesh, sign_mesh
from simulation.rendering.people import bicycle_mesh, pedestrian_mesh
from simulation.rendering.vehicles import vehicle_mesh

__all__ = ["FAR", "NEAR", "NUM_LOOKS", "Material", "Mesh", "agent_mesh"]

NUM_LOOKS = 64
"""Looks of a kind; seeds repeat after this number."""
NEAR, FAR = 0, 1
"""Details of a mesh."""
MIN_SIZE_CM, MAX_SIZE_CM = 5, 6000
"""Bounds of the sides of a box; sources contain boxes of no height, and invalid sizes."""
_MAKERS = {
    AgentKind.VEHICLE: vehicle_mesh,
    AgentKind.PEDESTRIAN: pedestrian_mesh,
    AgentKind.BICYCLE: bicycle_mesh,
    AgentKind.TRAFFIC_CONE: cone_mesh,
    AgentKind.BARRIER: barrier_mesh,
    AgentKind.CZONE_SIGN: sign_mesh,
    AgentKind.GENERIC_OBJECT: generic_mesh,
    AgentKind.EGO: vehicle_mesh,
}


def agent_mesh(kind: AgentKind, size_m: Float64[np.ndarray, "3"], seed: int, detail: int = NEAR) -> Mesh:
    """Mesh of an agent in its own frame: x forward, y left, z up, origin on the ground below the box centre.

    The mesh touches all faces of the agent's box, with up to 2 cm of plates outside.

    Args:
        kind: A vehicle is a car, van, truck or bus by its length and height.
        size_m: Length, width and height of the box, rounded to 1 cm.
        seed: Of colours and shape; looks repeat after `NUM_LOOKS`.
        detail: `NEAR` (at most 250 triangles, with wheels, windows, lamps, limbs) or `FAR` (at most 24).

    Raises:
        ValueError: When a side of the box is not finite.
    """
    length, width, height = size_m.tolist()
    try:
        key = (_side(length), _side(width), _side(height))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"The size of a {AgentKind(kind).name} must be finite, got {size_m.tolist()} m.") from error
    return _cached_mesh(int(kind), key, int(seed) % NUM_LOOKS, int(detail))


def _side(length_m: float) -> int:
    """Length of a side in centimetres, within the bounds."""
    return min(max(round(100.0 * length_m), MIN_SIZE_CM), MAX_SIZE_CM)


@lru_cache(maxsize=8192)
def _cached_mesh(kind: int, size_cm: tuple[int, int, int], look: int, detail: int) -> Mesh:
    rng = np.random.default_rng([kind, look])
    length, width, height = size_cm
    return _MAKERS[AgentKind(kind)]((length / 100, width / 100, height / 100), rng, detail)
