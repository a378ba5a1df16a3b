"""Sizes and lateral offsets of vehicles in recorded traffic, from which towns are calibrated."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from simulation.realism.scene_statistics import is_on_road
from simulation.realism.snapshots import SceneSnapshot


def vehicle_samples(
    snapshots: Sequence[SceneSnapshot],
) -> tuple[Float64[np.ndarray, "vehicles 2"], Float64[np.ndarray, "on_road"]]:
    """Length and width of the vehicles around the ego [m], and lateral offsets of all vehicles on the road [m]."""
    sizes, offsets = [np.zeros((0, 2))], [np.zeros(0)]
    for snapshot in snapshots:
        vehicles = np.flatnonzero(snapshot.is_vehicle)
        sizes.append(snapshot.sizes[vehicles[vehicles > 0]])
        offsets.append(snapshot.anchors.lateral_m[vehicles[is_on_road(snapshot.anchors)[vehicles]]])
    return np.concatenate(sizes), np.concatenate(offsets)
