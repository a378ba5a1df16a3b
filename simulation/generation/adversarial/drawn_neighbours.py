"""Neighbours drawn by the scene network: where it would place one more agent at iteration 0.

The learned traffic model moves them from there on, beside the ego's unchanged drive. Before iteration 0 they kept
their speed along their lane.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind
from driving.scenario import Scenario
from driving.timing import STEP_S
from simulation.generation.adversarial.causal import EGO_STRIDE, CausalAgent, meeting_of
from simulation.generation.adversarial.changes import ChangedMotion, HeldCourse, changed_scenario
from simulation.generation.adversarial.courses import agent_course
from simulation.generation.adversarial.neighbours import neighbour_id
from simulation.generation.adversarial.policy_rollouts import rolled_out_course
from simulation.generation.learned.scene import Boxes
from simulation.generation.ways_out.continuation import lane_approach

MIN_MOVING_MPS = 0.5
"""Slower agents stand."""
NEAR_M, MAX_ROLLED = 25.0, 5
"""Agents that begin farther from the ego's drive, and all but the nearest, are left out: a roll-out costs 30 ms."""
MAX_COST = 3.0
"""Of the change that makes an agent dangerous (`CausalAgent.cost`)."""


def drawn_neighbours(
    scenario: Scenario,
    ego_centers: Float64[np.ndarray, "steps 3"],
    boxes: Boxes,
    is_usable: Callable[[CausalAgent], bool],
    most: int,
) -> list[CausalAgent]:
    """The drawn agents that meet the ego's drive, each alone in the scenario; the lowest costs first.

    Args:
        scenario: With the ego's unchanged drive as its log.
        ego_centers: That drive from iteration 0 on, box centre.
        boxes: Drawn agents at iteration 0.
        is_usable: Whether an agent can be where it is without its manoeuvre.
        most: Number of neighbours at most.
    """
    gap = boxes.poses[:, np.newaxis, :2] - ego_centers[np.newaxis, ::EGO_STRIDE, :2]
    away_m = np.hypot(gap[..., 0], gap[..., 1]).min(axis=1)
    near = [number for number in np.argsort(away_m, kind="stable").tolist() if away_m[number] < NEAR_M]
    made = (_neighbour(scenario, ego_centers, boxes, number) for number in near[:MAX_ROLLED])
    dangerous = [one for one in made if one is not None and one.cost < MAX_COST]
    dangerous.sort(key=lambda one: (one.cost, one.name))
    return list(islice((one for one in dangerous if is_usable(one)), most))


def _neighbour(
    scenario: Scenario, ego_centers: Float64[np.ndarray, "steps 3"], boxes: Boxes, number: int
) -> CausalAgent | None:
    """A drawn agent with the place where it meets the ego; None where it does not."""
    kind, row = AgentKind(int(boxes.kinds[number])), scenario.agents.num_agents
    name = f"drawn_{kind.name.lower()}_{number}"
    speed = float(boxes.speeds_mps[number])
    moves = speed > MIN_MOVING_MPS
    motion = _before(scenario, boxes.poses[number], kind, speed if moves else 0.0)
    length_m, width_m = boxes.sizes[number].tolist()
    held = HeldCourse(row=row, kind=kind, length_m=length_m, width_m=width_m, first=0)
    placed = changed_scenario(scenario, held, motion, neighbour_id(scenario, name))
    course = rolled_out_course(placed, row, scenario.first_frame, seed=number) if moves else agent_course(placed, row)
    found = None if course is None else meeting_of(placed, course, ego_centers)
    return None if found is None else replace(found, name=name)


def _before(scenario: Scenario, pose: Float64[np.ndarray, "3"], kind: AgentKind, speed_mps: float) -> ChangedMotion:
    """Motion of an agent up to iteration 0, and straight on after it; one that stands is observed at all times."""
    first, count = scenario.first_frame, len(scenario.time_us)
    ahead_m = speed_mps * STEP_S * (np.arange(count) - first)
    poses = pose + np.outer(ahead_m, [np.cos(pose[2]), np.sin(pose[2]), 0.0])
    if kind != AgentKind.PEDESTRIAN and speed_mps:
        poses[:first] = lane_approach(scenario.map, pose, -ahead_m[:first])
    valid = (np.arange(count) <= first) | (speed_mps == 0.0)
    return ChangedMotion(poses=poses, valid=valid, visible_step=0)
