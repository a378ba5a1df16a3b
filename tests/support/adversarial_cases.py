"""A hand-made scenario with one agent, and the parts of a search in it."""

import numpy as np

from driving.agents import AgentKind, AgentTracks
from driving.planner import Planner
from driving.scenario import Scenario
from driving.synthetic.motion import SmoothPath
from driving.synthetic.scenes import scene
from simulation.ego.dynamics import states_of
from simulation.generation.adversarial.causal import Approach, CausalAgent
from simulation.generation.adversarial.courses import AgentCourse
from simulation.generation.adversarial.screening import Screen
from simulation.generation.ways_out.deviations import ReferenceDrive

STEPS, FIRST = 253, 22
TRACK = "00000000000000aa"


def straight_course(
    speed_mps: float = 10.0,
    kind: AgentKind = AgentKind.VEHICLE,
    row: int = 0,
    start: tuple[float, float] = (0.0, 0.0),
) -> AgentCourse:
    """An agent that drives east from `start` at step 0."""
    return AgentCourse(
        row=row,
        kind=kind,
        length_m=4.8,
        width_m=2.0,
        origin=np.array(start),
        path=SmoothPath(np.array([[0.0, 0.0], [400.0, 0.0]])),
        along_m=speed_mps * 0.1 * np.arange(STEPS),
        valid=np.ones(STEPS, dtype=bool),
        first=0,
        last=STEPS - 1,
        moves=speed_mps > 0,
    )


def with_car(scenario: Scenario, ahead_m: float, left_m: float, speed_mps: float) -> Scenario:
    """The scenario with a car that starts ahead of and beside the ego at iteration 0 and drives in its direction."""
    x, y, heading = scenario.ego.rear_axle_poses[0, scenario.first_frame]
    along = ahead_m + speed_mps * 0.1 * (np.arange(len(scenario.time_us)) - scenario.first_frame)
    cos, sin = np.cos(heading), np.sin(heading)
    poses = np.stack(
        [x + along * cos - left_m * sin, y + along * sin + left_m * cos, np.full(len(along), heading)], axis=-1
    )
    velocity = np.broadcast_to(speed_mps * np.array([cos, sin]), (1, len(along), 2))
    from dataclasses import replace

    agents = AgentTracks(
        track_ids=(TRACK,),
        kinds=np.array([AgentKind.VEHICLE], dtype=np.int8),
        poses=poses[np.newaxis],
        velocities_mps=velocity.copy(),
        sizes=np.broadcast_to(np.array([4.8, 2.0]), (1, len(along), 2)).copy(),
        valid=np.ones((1, len(along)), dtype=bool),
    )
    return replace(scenario, agents=agents)


def straight_scenario() -> Scenario:
    """The ego alone at 10 m/s."""
    return scene("straight_road")


def screen_of(scenario: Scenario) -> Screen:
    """A screen whose unchanged drive is the log."""
    states = states_of(scenario.ego)[0, scenario.frames][:-1]
    reference = ReferenceDrive.of(states, len(scenario.time_us) - scenario.first_frame, scenario.map)
    assert reference is not None
    return Screen(scenario=scenario, states=states, reference=reference)


def causal(course: AgentCourse, approach: Approach = Approach.SAME, **changes: float) -> CausalAgent:
    """A causal agent that meets the ego after 5 s."""
    values = {"ego_s": 5.0, "agent_s": 4.0, "distance_m": 0.0, "left_m": 0.0, "ego_heading_rad": 0.0, "cost": 0.0}
    return CausalAgent(course=course, track_id=TRACK, first_frame=FIRST, approach=approach, **{**values, **changes})


class RaisingPlanner:
    """Raises at every plan."""

    name = "raising"

    def reset(self, map, route) -> None:  # noqa: A002
        pass

    def plan(self, observation):
        raise RuntimeError("no plan today")


def ignoring_planner() -> Planner:
    """A planner that reacts to no agent."""
    from planning.ignore_agents import IgnoreAgentsPlanner

    return IgnoreAgentsPlanner()
