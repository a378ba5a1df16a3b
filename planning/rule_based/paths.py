"""The parallel paths that proposals follow.

Source:
    tuPlan garage, `PDMPath`, `parallel_discrete_path`.
"""

from typing import NamedTuple

import numpy as np

from driving.map import MapGraph
from planning.lane_search import joined_centerlines
from simulation.geometry.polylines import arc_lengths, chunk_bounds


class Paths(NamedTuple):
    """L parallel paths of P vertices."""

    points: np.ndarray
    """(L, P, 2)"""
    arcs: np.ndarray
    """(L, P) arc lengths [m]."""
    headings: np.ndarray
    """(L, P) unwrapped [rad]."""
    chunks: np.ndarray
    """(L, C, 4) `chunk_bounds`."""


def parallel_paths(map_graph: MapGraph, lane_rows: list[int], offsets_m: tuple[float, ...]) -> Paths:
    """The joined centerlines of lanes, and copies of them with lateral offsets.

    Args:
        map_graph: The map.
        lane_rows: Lanes in driving order.
        offsets_m: Left positive; the first path has no offset.
    """
    points, headings = joined_centerlines(map_graph, lane_rows)
    left = np.stack([np.cos(headings + np.pi / 2), np.sin(headings + np.pi / 2)], axis=-1)
    lines = np.stack([points, *(points + left * offset_m for offset_m in offsets_m)])
    return Paths(
        points=lines,
        arcs=np.stack([arc_lengths(line) for line in lines]),
        headings=np.tile(np.unwrap(headings), (len(lines), 1)),
        chunks=np.stack([chunk_bounds(line) for line in lines]),
    )
