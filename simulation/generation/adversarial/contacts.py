"""Compiled checks of one changed agent: contacts with other agents and with motions of the ego."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from simulation.generation.ways_out.overlaps import AgentBoxes
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit


class BoxMotion(NamedTuple):
    """One box over time."""

    poses: Float64[np.ndarray, "time 3"]
    """Of the centre."""
    valid: Bool[np.ndarray, "time"]
    length: float
    width: float


@njit(cache=True)
def overlapping_agents(box: BoxMotion, agents: AgentBoxes, row: int, margin_m: float) -> Int64[np.ndarray, "agents"]:
    """The first step at which each other agent overlaps a box, -1 for none.

    Args:
        box: Of the changed agent.
        agents: Of the scenario, over the same steps.
        row: Of the changed agent, which is left out.
        margin_m: Added to length and width of the box.
    """
    num_agents, num_steps = agents.valid.shape
    found = np.full(num_agents, -1, dtype=np.int64)
    reach = 0.5 * math.hypot(box.length + margin_m, box.width + margin_m)
    for n in range(num_agents):
        if n == row:
            continue
        for t in range(num_steps):
            if not (box.valid[t] and agents.valid[n, t]):
                continue
            dx, dy = agents.poses[n, t, 0] - box.poses[t, 0], agents.poses[n, t, 1] - box.poses[t, 1]
            far = reach + 0.5 * math.hypot(agents.sizes[n, t, 0], agents.sizes[n, t, 1])
            if dx * dx + dy * dy >= far * far:
                continue
            own = box_corners(
                box.poses[t, 0], box.poses[t, 1], box.poses[t, 2], box.length + margin_m, box.width + margin_m
            )
            other = box_corners(
                agents.poses[n, t, 0],
                agents.poses[n, t, 1],
                agents.poses[n, t, 2],
                agents.sizes[n, t, 0],
                agents.sizes[n, t, 1],
            )
            if convex_overlap(own, other):
                found[n] = t
                break
    return found


@njit(cache=True)
def first_contacts(
    centers: Float64[np.ndarray, "motions time 3"], length_m: float, width_m: float, box: BoxMotion
) -> tuple[Int64[np.ndarray, "motions"], Float64[np.ndarray, "motions"]]:
    """Per motion of the ego, the first step at which it overlaps a box (-1 for none), and the least distance.

    Args:
        centers: Of the ego's box.
        length_m: Of the ego's box, margin included.
        width_m: Of the ego's box, margin included.
        box: Of the changed agent, over the same steps.

    Returns:
        Steps, and least distances of the circles around the two boxes' centres with radii of half the widths [m].
    """
    num_motions, num_steps = centers.shape[:2]
    steps = np.full(num_motions, -1, dtype=np.int64)
    gaps = np.full(num_motions, np.inf)
    reach = 0.5 * (math.hypot(length_m, width_m) + math.hypot(box.length, box.width))
    between = 0.5 * (width_m + box.width)
    for t in range(num_steps):
        if not box.valid[t]:
            continue
        corners = box_corners(box.poses[t, 0], box.poses[t, 1], box.poses[t, 2], box.length, box.width)
        for m in range(num_motions):
            if steps[m] >= 0:
                continue
            distance = math.hypot(centers[m, t, 0] - box.poses[t, 0], centers[m, t, 1] - box.poses[t, 1])
            gaps[m] = min(gaps[m], max(0.0, distance - between))
            if distance >= reach:
                continue
            own = box_corners(centers[m, t, 0], centers[m, t, 1], centers[m, t, 2], length_m, width_m)
            if convex_overlap(own, corners):
                steps[m] = t
                gaps[m] = 0.0
    return steps, gaps
