"""Manoeuvres of changed agents: at most five numbers each, with their ranges.

An attack aims at a contact, or at blocking the ego: then the agent ends its manoeuvre in the ego's way and stands
there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind
from driving.timing import STEP_S
from simulation.generation.adversarial.causal import TOUCH_M, Approach, CausalAgent
from simulation.generation.adversarial.changes import AgentChange

LEARNED_POLICY = "learned_policy"
"""Name of the manoeuvre of which the motion is a roll-out of the learned traffic model."""
LAST_EVENT_S = 11.0
"""Later events leave no time for a reaction and its result."""


class Range(NamedTuple):
    """Range of a number."""

    low: float
    high: float


Ranges = Mapping[str, Range]
NEAREST_M = 9.0
"""From the ego's rear axle to the centre of an agent that stands ahead of it from the beginning."""
LAST_BLOCK_S = 6.0
"""Later blocks leave the ego more progress than nuPlan requires, except where it stood before."""


def _event(agent: CausalAgent, before_s: float, after_s: float) -> Range:
    """Times of an event around the ego's time at the meeting place, while the agent is observed."""
    course = agent.course
    first_s, last_s = (course.first - agent.first_frame) * STEP_S, (course.last - agent.first_frame) * STEP_S
    low = max(0.3, first_s + 0.3, agent.ego_s - before_s)
    high = min(LAST_EVENT_S, last_s - 0.3, agent.ego_s + after_s)
    return Range(low, max(high, low + 0.2))


def _timing(_agent: CausalAgent) -> Ranges:
    return {"time_shift_s": Range(-4.0, 4.0), "speed_scale": Range(0.75, 1.25)}


def _brake(agent: CausalAgent) -> Ranges:
    return {
        "time_shift_s": Range(-1.5, 1.5),
        "event_s": _event(agent, 12.0, 12.0),
        "accel_mps2": Range(2.5, 7.5),
        "target_share": Range(0.0, 0.5),
    }


def _run(agent: CausalAgent) -> Ranges:
    return {
        "time_shift_s": Range(-2.0, 2.0),
        "event_s": _event(agent, 8.0, -0.5),
        "accel_mps2": Range(1.0, 3.5),
        "target_mps": Range(3.0, 14.0),
    }


def _swerve(agent: CausalAgent) -> Ranges:
    side = np.sign(agent.left_m) or 1.0
    wanted = sorted((side * 0.5, side * (abs(agent.left_m) + 1.0)))
    # An oncoming vehicle returns to its lane, another one stays in the ego's.
    oncoming = agent.approach == Approach.ONCOMING
    last = {"back_s": Range(0.0, 2.5)} if oncoming else {"speed_scale": Range(0.7, 1.15)}
    return {
        "time_shift_s": Range(-2.5, 2.5),
        "event_s": _event(agent, 6.0, 1.0),
        "left_m": Range(*wanted),
        "shift_s": Range(1.0, 4.0),
        **last,
    }


def _pull_out(agent: CausalAgent) -> Ranges:
    side = np.sign(agent.left_m) or 1.0
    wanted = sorted((0.0, side * (abs(agent.left_m) + 1.0)))
    return {
        "event_s": _event(agent, 6.0, -0.5),
        "accel_mps2": Range(1.0, 3.5),
        "target_mps": Range(2.0, 9.0),
        "left_m": Range(*wanted),
        "shift_s": Range(1.0, 3.5),
    }


def _cross(agent: CausalAgent) -> Ranges:
    # Perpendicular to the ego's direction, towards its path.
    towards = _towards_ego(agent)
    distance = abs(agent.left_m) if not agent.course.moves else agent.distance_m
    return {
        "event_s": _event(agent, 6.0, -0.5),
        "target_mps": Range(1.0, 3.2),
        "cross_rad": Range(towards - 0.6, towards + 0.6),
        "cross_m": Range(max(1.0, distance - 1.5), distance + 5.0),
    }


def _towards_ego(agent: CausalAgent) -> float:
    """The direction perpendicular to the ego's from the agent's path to the ego's."""
    own = agent.ego_heading_rad
    if agent.approach == Approach.FROM_LEFT:
        return own - np.pi / 2
    if agent.approach == Approach.FROM_RIGHT:
        return own + np.pi / 2
    # The ego's path is on the agent's left: an agent in the same direction is to the ego's right.
    is_right = (agent.left_m > 0) == (agent.approach == Approach.SAME)
    return own + np.pi / 2 if is_right else own - np.pi / 2


def _stand(agent: CausalAgent) -> Ranges:
    return {
        "stands_m": Range(NEAREST_M, max(agent.course.path.length_m, NEAREST_M + 1.0)),
        "left_m": Range(-2.3, 2.3),
    }


def _learned_policy(agent: CausalAgent) -> Ranges:
    return {
        "event_s": _event(agent, 8.0, -0.5),
        "aggressiveness": Range(-3.0, 3.0),
        "unseen_s": Range(0.0, 6.0),
        "draw": Range(0.0, 1.0),
    }


MANOEUVRES: dict[str, Callable[[CausalAgent], Ranges]] = {
    "timing": _timing,
    "brake": _brake,
    "run": _run,
    "swerve": _swerve,
    "pull_out": _pull_out,
    "cross": _cross,
    "stand": _stand,
    LEARNED_POLICY: _learned_policy,
}
"""Ranges of the numbers by name: earlier or later; hard braking; no yielding; into the ego's lane; from standstill
into the lane; across the road on foot; standing on the lane from the beginning; as the learned traffic
model drives."""


def _early(agent: CausalAgent) -> Range:
    """Times of the event of a block."""
    course = agent.course
    low = max(0.3, (course.first - agent.first_frame) * STEP_S + 0.3)
    high = min(LAST_BLOCK_S, (course.last - agent.first_frame) * STEP_S - 0.3)
    return Range(low, max(high, low + 0.2))


def _brake_and_stand(agent: CausalAgent) -> Ranges:
    return {"time_shift_s": Range(-1.5, 1.5), "event_s": _early(agent), "accel_mps2": Range(1.5, 6.0)}


def _swerve_and_stand(agent: CausalAgent) -> Ranges:
    sideways = _swerve(agent)
    return {
        "time_shift_s": sideways["time_shift_s"],
        "event_s": _early(agent),
        "accel_mps2": Range(1.0, 5.0),
        "left_m": sideways["left_m"],
        "shift_s": sideways["shift_s"],
    }


def _pull_out_and_stand(agent: CausalAgent) -> Ranges:
    out = _pull_out(agent)
    return {
        "event_s": _early(agent),
        "accel_mps2": out["accel_mps2"],
        "left_m": out["left_m"],
        "shift_s": out["shift_s"],
        "stop_m": Range(3.0, 14.0),
    }


def _cross_and_stand(agent: CausalAgent) -> Ranges:
    across = _cross(agent)
    low = across["cross_m"].low
    return {**across, "event_s": _early(agent), "cross_m": Range(low, low + 3.5)}


BLOCKS: dict[str, tuple[Callable[[CausalAgent], Ranges], Mapping[str, float]]] = {
    "brake": (_brake_and_stand, {"target_mps": 0.0}),
    "swerve": (_swerve_and_stand, {"target_mps": 0.0}),
    "pull_out": (_pull_out_and_stand, {"target_mps": 3.0}),
    "cross": (_cross_and_stand, {}),
    "stand": (_stand, {}),
}
"""Manoeuvres that end in the ego's way: ranges of the searched numbers, and fixed numbers."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Attack:
    """A causal agent with a manoeuvre: the space that is searched."""

    agent: CausalAgent
    manoeuvre: str
    ranges: Ranges
    fixed: Mapping[str, float] = field(default_factory=dict)
    """Numbers of the change that are not searched."""
    blocks: bool = False
    """Whether the agent shall stand in the ego's way until the end, so that the planner makes no progress."""

    @property
    def size(self) -> int:
        """Number of searched numbers."""
        return len(self.ranges)

    @property
    def is_policy(self) -> bool:
        """Whether its motions are roll-outs, which cost twenty times those of the others."""
        return self.manoeuvre == LEARNED_POLICY

    @property
    def cell(self) -> tuple[object, ...]:
        """What it has in common with attacks that lead to failures of the same modes."""
        return self.blocks, self.agent.course.kind, self.manoeuvre, self.agent.approach

    def change(self, shares: Float64[np.ndarray, "numbers"]) -> AgentChange:
        """The change of a point of the unit cube."""
        numbers = {
            name: float(one.low + np.clip(share, 0.0, 1.0) * (one.high - one.low))
            for (name, one), share in zip(self.ranges.items(), shares.tolist(), strict=True)
        }
        share = numbers.pop("target_share", None)
        if share is not None:
            step = self.agent.first_frame + round(numbers["event_s"] / STEP_S)
            numbers["target_mps"] = share * max(self.agent.course.speed_at(step), 0.0)
        numbers.update(self.fixed)
        return AgentChange(manoeuvre=self.manoeuvre, track_id=self.agent.track_id, **numbers)


def attacks_of(agent: CausalAgent) -> list[Attack]:
    """The manoeuvres that can make an agent dangerous, and those with which it can block the ego."""
    contacts = [Attack(agent=agent, manoeuvre=name, ranges=MANOEUVRES[name](agent)) for name in _names_for(agent)]
    blocks = [
        Attack(agent=agent, manoeuvre=name, ranges=BLOCKS[name][0](agent), fixed=BLOCKS[name][1], blocks=True)
        for name in _block_names_for(agent)
    ]
    return contacts + blocks


def policy_attacks(agents: Sequence[CausalAgent], most: int) -> list[Attack]:
    """The learned policy of the first agents that drive to a place on the ego's path.

    The model keeps to the agent's path: beside the ego's it makes no conflict.
    """
    drivers = [
        agent
        for agent in agents
        if agent.course.moves and agent.course.kind != AgentKind.PEDESTRIAN
        if agent.distance_m < TOUCH_M and np.isfinite(agent.agent_s)
    ]
    return [Attack(agent=agent, manoeuvre=LEARNED_POLICY, ranges=_learned_policy(agent)) for agent in drivers[:most]]


def _block_names_for(agent: CausalAgent) -> tuple[str, ...]:
    if agent.is_placed:
        return ("stand",)
    if agent.course.kind == AgentKind.PEDESTRIAN:
        return ("cross",)
    if not agent.course.moves:
        return ("pull_out",)
    return ("brake",) if agent.distance_m < TOUCH_M else ("swerve",)


def _names_for(agent: CausalAgent) -> tuple[str, ...]:
    if agent.is_placed:
        return ()
    if agent.course.kind == AgentKind.PEDESTRIAN:
        return ("cross", "timing") if agent.course.moves else ("cross",)
    if not agent.course.moves:
        return ("pull_out",)
    meets = agent.distance_m < TOUCH_M
    if agent.approach == Approach.SAME:
        return ("brake",) if meets else ("swerve",)
    if agent.approach == Approach.ONCOMING:
        return ("timing", "run", "swerve") if meets else ("swerve",)
    return ("timing", "run", "brake") if meets else ("run", "swerve")
