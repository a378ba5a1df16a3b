"""Causal agents: those with a path that meets the ego's drive, the nearest in time first.

Changing the one agent with a behaviour that now keeps the situation safe needs the smallest change.

Source:
    The choice of one causal agent follows CounterScene (arXiv:2603.21104).
"""

from collections import Counter
from dataclasses import dataclass
from enum import Enum

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind
from driving.geometry import wrap_angle
from driving.scenario import Scenario
from driving.timing import STEP_S
from simulation.generation.adversarial.changes import is_changeable
from simulation.generation.adversarial.courses import AgentCourse, agent_course

EGO_STRIDE = 3
"""Every third step of the ego's drive is compared."""
PATH_STEP_M = 1.5
REACH_M = 9.0
"""Paths that pass each other at a greater distance do not conflict."""
TOUCH_M = 1.6
"""Paths at a smaller distance meet."""
COST_PER_M, COST_PER_S = 0.5, 0.3
"""Costs of the distance between paths beyond `TOUCH_M`, and of the time between both agents at the meeting place."""
UNKNOWN_S = 3.0
"""Time between both where the agent's log does not reach the place."""
SAME_RAD, ONCOMING_RAD = np.radians(40.0), np.radians(140.0)
MIN_EGO_M = 1.0
MAX_ALIKE = 2
"""Agents of one kind with one approach, so that a queue does not displace all others."""


class Approach(Enum):
    """Direction from which an agent comes, relative to the ego's at the meeting place."""

    SAME = "same direction"
    ONCOMING = "oncoming"
    FROM_LEFT = "from the left"
    FROM_RIGHT = "from the right"


@dataclass(frozen=True, kw_only=True, eq=False)
class CausalAgent:
    """An agent with a path that meets the ego's drive."""

    course: AgentCourse
    track_id: str
    first_frame: int
    """Step of iteration 0 on the time axis."""
    approach: Approach
    cost: float
    """Lower for smaller changes."""
    ego_s: float
    """Time from iteration 0 at which the ego is at the meeting place."""
    agent_s: float
    """Time at which the agent's log is there; NaN where the log does not reach the place."""
    distance_m: float
    """Between the two paths there."""
    left_m: float
    """Where the ego's path is there, seen along the agent's path: left positive."""
    ego_heading_rad: float
    name: str = ""
    """Of a generated neighbour; empty for an agent of the scenario."""
    is_placed: bool = False
    """Whether only its change gives it a place: a generated neighbour that stands from the beginning."""

    @property
    def is_ahead(self) -> bool:
        """Whether the agent is at the place before the ego."""
        return not self.agent_s > self.ego_s


def approach_of(turn_rad: float) -> Approach:
    """The approach of an agent with a heading relative to the ego's."""
    turn = float(wrap_angle(turn_rad))
    if abs(turn) < SAME_RAD:
        return Approach.SAME
    if abs(turn) > ONCOMING_RAD:
        return Approach.ONCOMING
    # An agent that drives to the ego's right comes from its left.
    return Approach.FROM_LEFT if turn < 0 else Approach.FROM_RIGHT


def causal_agents(scenario: Scenario, ego_centers: Float64[np.ndarray, "steps 3"], most: int) -> list[CausalAgent]:
    """The agents with the lowest costs, in this order.

    Args:
        scenario: The unchanged scenario.
        ego_centers: The ego's drive from iteration 0 on, box centre.
        most: Number of agents at most.
    """
    agents = scenario.agents
    found = []
    for row in range(agents.num_agents):
        if not is_changeable(AgentKind(int(agents.kinds[row]))) or not _is_near(scenario, row, ego_centers):
            continue
        course = agent_course(scenario, row)
        one = None if course is None else meeting_of(scenario, course, ego_centers)
        if one is not None:
            found.append(one)
    found.sort(key=lambda one: (one.cost, one.track_id))
    taken: Counter[tuple[object, ...]] = Counter()
    chosen = []
    for one in found:
        group = (one.course.kind, one.approach, one.course.moves)
        taken[group] += 1
        if taken[group] <= MAX_ALIKE:
            chosen.append(one)
    return chosen[:most]


def _is_near(scenario: Scenario, row: int, ego_centers: Float64[np.ndarray, "steps 3"]) -> bool:
    """Whether the agent is observed within reach of the drive, at any time, or may come into reach."""
    steps = np.flatnonzero(scenario.agents.valid[row])
    points = scenario.agents.poses[row, steps[::10], :2]
    gap = points[:, np.newaxis] - ego_centers[np.newaxis, ::10, :2]
    return bool(np.hypot(gap[..., 0], gap[..., 1]).min() < REACH_M + 25.0)


def meeting_of(
    scenario: Scenario, course: AgentCourse, ego_centers: Float64[np.ndarray, "steps 3"]
) -> CausalAgent | None:
    """The agent with the place where its path meets the ego's drive; None where it does not.

    Args:
        scenario: With the agent.
        course: Of the agent.
        ego_centers: The ego's drive from iteration 0 on, box centre.
    """
    low, high = float(course.along_m[course.first]), float(course.along_m[course.last])
    beyond = 40.0 if course.kind == AgentKind.VEHICLE else 0.0
    places = np.arange(low, high + beyond + PATH_STEP_M, PATH_STEP_M)
    poses = course.path.poses(places) + np.array([*course.origin, 0.0])
    ego = ego_centers[::EGO_STRIDE]
    ego_s = np.arange(len(ego)) * EGO_STRIDE * STEP_S
    gap = ego[:, np.newaxis, :2] - poses[np.newaxis, :, :2]
    distance = np.hypot(gap[..., 0], gap[..., 1])
    steps = np.arange(len(course.along_m), dtype=np.float64)
    inside = places <= high + 0.1
    logged_s = (np.interp(places, np.maximum.accumulate(course.along_m), steps) - scenario.first_frame) * STEP_S
    between = np.where(inside[np.newaxis], np.abs(ego_s[:, np.newaxis] - logged_s[np.newaxis]), UNKNOWN_S)
    if not course.moves:
        between = np.zeros_like(distance)
    cost = COST_PER_M * np.maximum(distance - TOUCH_M, 0.0) + COST_PER_S * between
    cost = np.where(distance < REACH_M, cost, np.inf)
    i, j = np.unravel_index(int(np.argmin(cost)), cost.shape)
    if not np.isfinite(cost[i, j]) or np.hypot(*(ego_centers[-1, :2] - ego_centers[0, :2])) < MIN_EGO_M:
        return None
    heading = poses[j, 2]
    left = -gap[i, j, 0] * np.sin(heading) + gap[i, j, 1] * np.cos(heading)
    agent_s = 0.0 if not course.moves else float(logged_s[j]) if inside[j] else np.nan
    approach = approach_of(float(heading - ego[i, 2]))
    # An agent behind the ego on its path can only hit it from behind.
    if approach == Approach.SAME and course.moves and distance[i, j] < TOUCH_M and agent_s > ego_s[i]:
        return None
    return CausalAgent(
        course=course,
        track_id=scenario.agents.track_ids[course.row],
        first_frame=scenario.first_frame,
        approach=approach,
        cost=float(cost[i, j]),
        ego_s=float(ego_s[i]),
        agent_s=agent_s,
        distance_m=float(distance[i, j]),
        left_m=float(left),
        ego_heading_rad=float(ego[i, 2]),
    )
