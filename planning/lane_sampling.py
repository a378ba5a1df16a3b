"""Lanes as rows of poses 2 m apart, and the speed limit of lanes without one."""

import numpy as np
from jaxtyping import Float64

from driving.map import MapGraph

SPACING_M = 2.0
"""Distance between two samples."""
FALLBACK_SPEED_MPS = 15.0
"""Speed limit of lanes that the map gives none, PDM-Closed's default."""


def sample_lane(map_graph: MapGraph, row: int) -> Float64[np.ndarray, "samples 3"]:
    """Poses of a lane's centerline, global, every 2 m from its start; its end is left out."""
    line = map_graph.centerline(row)
    return line.at(np.arange(0.0, max(line.length_m - 1e-6, 1e-3), SPACING_M))
