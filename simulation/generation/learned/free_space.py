"""Which positions of a piece are free for a box, given the boxes placed so far."""

import math

import numpy as np
from jaxtyping import Bool, Float64

from simulation.generation.learned.sweep_state import Placed, Road, pose_on
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit

MARGIN_M = 0.1
"""Kept between boxes, in length and in width: poses on the pieces are interpolated."""


@njit(cache=True)
def is_clear(placed: Placed, pose: tuple[float, float, float], length: float, width: float) -> bool:
    """Whether a box with its margin overlaps none of the placed ones."""
    x, y, heading = pose
    reach = 0.5 * math.hypot(length, width)
    corners = box_corners(x, y, heading, length + MARGIN_M, width + MARGIN_M)
    for agent in range(placed.num[0]):
        other = placed.pose[agent]
        size = placed.size[agent]
        if math.hypot(other[0] - x, other[1] - y) > reach + 0.5 * math.hypot(size[0], size[1]) + MARGIN_M:
            continue
        if convex_overlap(corners, box_corners(other[0], other[1], other[2], size[0], size[1])):
            return False
    return True


@njit(cache=True)
def free_positions(
    road: Road,
    placed: Placed,
    place: int,
    alongs: Float64[np.ndarray, "positions"],
    box: tuple[float, float, float, float],
) -> Bool[np.ndarray, "positions"]:
    """Whether a box at each position along a piece overlaps none of the placed ones.

    Args:
        road: Pieces.
        placed: Agents so far.
        place: The piece.
        alongs: Positions along it.
        box: Lateral offset, heading offset, length, width.
    """
    lateral, turn, length, width = box
    found = np.zeros(len(alongs), dtype=np.bool_)
    for k in range(len(alongs)):
        x, y, tangent = pose_on(road, place, alongs[k])
        pose = (x - lateral * math.sin(tangent), y + lateral * math.cos(tangent), tangent + turn)
        found[k] = is_clear(placed, pose, length, width)
    return found
