"""Overlap check of many motions of the ego with all agents, before the metrics score the remaining motions."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit


class AgentBoxes(NamedTuple):
    """Boxes of agents over time."""

    poses: Float64[np.ndarray, "agents time 3"]
    sizes: Float64[np.ndarray, "agents time 2"]
    """Length and width."""
    valid: Bool[np.ndarray, "agents time"]


@njit(cache=True)
def collision_free(
    centers: Float64[np.ndarray, "motions time 3"], length_m: float, width_m: float, agents: AgentBoxes
) -> Bool[np.ndarray, "motions"]:
    """Whether each motion is free of overlaps with all agents at all times.

    Args:
        centers: Poses of the ego's box centre.
        length_m: Of the ego's box, margin included.
        width_m: Of the ego's box, margin included.
        agents: Boxes of the agents.
    """
    poses, sizes, valid = agents
    num_motions, num_steps = centers.shape[:2]
    num_agents = len(poses)
    corners = np.zeros((num_agents, num_steps, 4, 2))
    reach = np.zeros((num_agents, num_steps))
    own_reach = 0.5 * math.hypot(length_m, width_m)
    for n in range(num_agents):
        for t in range(num_steps):
            if valid[n, t]:
                corners[n, t] = box_corners(
                    poses[n, t, 0], poses[n, t, 1], poses[n, t, 2], sizes[n, t, 0], sizes[n, t, 1]
                )
                reach[n, t] = own_reach + 0.5 * math.hypot(sizes[n, t, 0], sizes[n, t, 1])
    clear = np.ones(num_motions, dtype=np.bool_)
    for m in range(num_motions):
        for t in range(num_steps):
            x, y, heading = centers[m, t, 0], centers[m, t, 1], centers[m, t, 2]
            has_box = False
            box = corners[0, 0] if num_agents else np.zeros((4, 2))
            for n in range(num_agents):
                if not valid[n, t]:
                    continue
                dx, dy = poses[n, t, 0] - x, poses[n, t, 1] - y
                if dx * dx + dy * dy >= reach[n, t] * reach[n, t]:
                    continue
                if not has_box:
                    box = box_corners(x, y, heading, length_m, width_m)
                    has_box = True
                if convex_overlap(box, corners[n, t]):
                    clear[m] = False
                    break
            if not clear[m]:
                break
    return clear
