"""Motion of one agent by the learned traffic model: all other agents replay the log, and so does the ego."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentTracks
from driving.scenario import Scenario
from simulation.ego.dynamics import motion_of, states_of
from simulation.generation.adversarial.courses import AgentCourse, agent_course


def with_drive(scenario: Scenario, states: Float64[np.ndarray, "steps 10"]) -> Scenario:
    """The scenario with a drive, from iteration 0 on, as its logged ego."""
    first, whole = scenario.first_frame, states_of(scenario.ego)
    whole[0, first : first + len(states)] = states
    return replace(scenario, ego=motion_of(scenario.time_us, whole))


def rolled_out_course(scenario: Scenario, row: int, step: int, *, seed: int) -> AgentCourse | None:
    """The course of an agent that the traffic model moves from a step on; None where it is observed too shortly.

    Args:
        scenario: With the log of the ego and of all agents.
        row: Of the agent, which is observed at the step.
        step: On the time axis.
        seed: Of the agent's choices.
    """
    # Only searches with learned agents need the traffic model.
    from simulation.traffic.learned.options import LearnedOptions, Policy
    from simulation.traffic.learned.traffic import LearnedTraffic

    track_id, replayed = scenario.agents.track_ids[row], Policy.LOG
    options = LearnedOptions(
        vehicle=replayed, bicycle=replayed, pedestrian=replayed, tracks=((track_id, Policy.LEARNED),)
    )
    count = len(scenario.time_us) - step
    start = replace(scenario, first_frame=step, num_frames=count, anchor_frame=step)
    traffic = LearnedTraffic(start, options, seed=seed)
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
