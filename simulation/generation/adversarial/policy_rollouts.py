"""Motion of one agent by the learned traffic model: all other agents replay the log, and so does the ego."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentTracks
from driving.scenario import Scenario
from driving.timing import STEP_S
from simulation.ego.dynamics import motion_of, states_of
from simulation.generation.adversarial.changes import (
    VISIBLE_M,
    AgentChange,
    ChangedMotion,
    changed_motion,
    changed_scenario,
)
from simulation.generation.adversarial.courses import AgentCourse, agent_course

NUM_DRAWS = 100
"""Seeds among which `AgentChange.draw` selects."""


def with_drive(scenario: Scenario, states: Float64[np.ndarray, "steps 10"]) -> Scenario:
    """The scenario with a drive, from iteration 0 on, as its logged ego."""
    first, whole = scenario.first_frame, states_of(scenario.ego)
    whole[0, first : first + len(states)] = states
    return replace(scenario, ego=motion_of(scenario.time_us, whole))


def rolled_out_course(
    scenario: Scenario, row: int, step: int, *, seed: int, aggressiveness: float = 0.0, unseen_s: float = 0.0
) -> AgentCourse | None:
    """The course of an agent that the traffic model moves from a step on; None where it is observed too shortly.

    Args:
        scenario: With the log of the ego and of all agents.
        row: Of the agent, which is observed at the step.
        step: On the time axis.
        seed: Of the agent's choices.
        aggressiveness: As in `LearnedOptions`.
        unseen_s: Time after the step for which the agent does not observe the ego.

    Raises:
        ValueError: When the agent is not observed at the step.
    """
    # Only searches with learned agents need the traffic model.
    from simulation.traffic.learned.options import LearnedOptions, Policy
    from simulation.traffic.learned.traffic import LearnedTraffic

    track_id, replayed = scenario.agents.track_ids[row], Policy.LOG
    if not scenario.agents.valid[row, step]:
        raise ValueError(f"Track {track_id} is not observed at step {step}. Choose a step at which it is.")
    options = LearnedOptions(
        aggressiveness=aggressiveness,
        vehicle=replayed,
        bicycle=replayed,
        pedestrian=replayed,
        tracks=((track_id, Policy.LEARNED),),
    )
    count = len(scenario.time_us) - step
    start = replace(scenario, first_frame=step, num_frames=count, anchor_frame=step)
    traffic = LearnedTraffic(start, options, seed=seed, unseen_s=unseen_s)
    states = states_of(scenario.ego)[0, step:]
    for iteration in range(count - 1):
        traffic.step(iteration, states[iteration])
    made = traffic.tracks
    alone = AgentTracks(
        track_ids=(track_id,),
        kinds=scenario.agents.kinds[row : row + 1],
        poses=made.poses[row : row + 1],
        velocities_mps=made.velocities[row : row + 1],
        sizes=made.sizes[row : row + 1],
        valid=made.valid[row : row + 1],
    )
    course = agent_course(replace(scenario, agents=alone, about_track=None), 0)
    return None if course is None else replace(course, row=row)


class PolicyMotions:
    """Motions of agents that the traffic model moves from an event on, in one scenario."""

    def __init__(self, scenario: Scenario, states: Float64[np.ndarray, "steps 10"]) -> None:
        """Take the scenario and the ego's unchanged drive from iteration 0 on."""
        self._scenario = with_drive(scenario, states)
        self._placed: dict[str, Scenario] = {}

    def motion(self, course: AgentCourse, change: AgentChange) -> ChangedMotion:
        """The motion that a change with `aggressiveness` gives; without any valid step where none is possible."""
        assert change.event_s is not None
        assert change.aggressiveness is not None
        scenario = self._with(course, change.track_id)
        event = scenario.first_frame + round(change.event_s / STEP_S)
        usual = _global(course)
        rolled = None
        if event < scenario.frames.stop and scenario.agents.valid[course.row, event]:
            rolled = rolled_out_course(
                scenario,
                course.row,
                event,
                seed=min(int(change.draw * NUM_DRAWS), NUM_DRAWS - 1),
                aggressiveness=change.aggressiveness,
                unseen_s=change.unseen_s,
            )
        if rolled is None:
            return ChangedMotion(poses=usual, valid=np.zeros(len(usual), dtype=bool), visible_step=len(usual))
        poses, valid = _global(rolled), rolled.valid.copy()
        valid[scenario.frames.stop :] = False
        differs = np.hypot(*(poses[:, :2] - usual[:, :2]).T) > VISIBLE_M
        differs[:event] = False
        visible = int(np.argmax(differs)) if differs.any() else len(poses)
        return ChangedMotion(poses=poses, valid=valid, visible_step=visible)

    def _with(self, course: AgentCourse, track_id: str) -> Scenario:
        """The scenario with the agent, which a generated neighbour adds."""
        if course.row < self._scenario.agents.num_agents:
            return self._scenario
        if track_id not in self._placed:
            nothing = changed_motion(course, AgentChange(manoeuvre="", track_id=track_id), self._scenario.frames)
            self._placed[track_id] = changed_scenario(self._scenario, course, nothing, track_id)
        return self._placed[track_id]


def _global(course: AgentCourse) -> Float64[np.ndarray, "time 3"]:
    return course.path.poses(course.along_m) + np.array([*course.origin, 0.0])
