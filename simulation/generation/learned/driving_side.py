"""The side of the road that a map drives on, from the lanes of opposite direction."""

import numpy as np
from scipy.spatial import cKDTree

from driving.geometry import wrap_angle
from driving.map import MapGraph
from simulation.generation.learned.pieces import lane_pieces
from simulation.generation.learned.scales import NUM_POSES

BESIDE_M = 12.0
OPPOSITE_RAD = np.deg2rad(150.0)
ALONG_M = 4.0
"""Oncoming lanes are beside a piece, and not before or behind it, within this distance along it."""


def left_hand_share(map_graph: MapGraph) -> float:
    """Share of oncoming lane pieces that lie to the right: near 1 in left-hand traffic; NaN without any."""
    middles = lane_pieces(map_graph).poses[:, NUM_POSES // 2]
    pairs = cKDTree(middles[:, :2]).query_pairs(BESIDE_M, output_type="ndarray")
    first, second = middles[pairs[:, 0]], middles[pairs[:, 1]]
    opposite = np.abs(np.asarray(wrap_angle(first[:, 2] - second[:, 2]))) > OPPOSITE_RAD
    first, second = first[opposite], second[opposite]
    dx, dy = (second - first)[:, 0], (second - first)[:, 1]
    cos, sin = np.cos(first[:, 2]), np.sin(first[:, 2])
    beside = np.abs(cos * dx + sin * dy) < ALONG_M
    left = (cos * dy - sin * dx)[beside]
    return float((left < 0).mean()) if len(left) else float("nan")


def require_right_hand_traffic(map_graph: MapGraph) -> None:
    """Check that a map drives on the right, as the towns that scenes are learned from.

    Raises:
        ValueError: For a map with left-hand traffic.
    """
    if left_hand_share(map_graph) > 0.5:
        raise ValueError(
            f"Map {map_graph.name} has left-hand traffic; the scene network is trained on right-hand traffic. Choose"
            " another map."
        )
