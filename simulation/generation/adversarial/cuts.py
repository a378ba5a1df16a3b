"""The end of a scenario from a step of a drive on: the beginning is not driven again."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from driving.scenario import HISTORY_STEPS, Scenario
from simulation.ego.dynamics import motion_of, states_of


def cut_scenario(scenario: Scenario, states: Float64[np.ndarray, "steps 10"], step: int, num_frames: int) -> Scenario:
    """The scenario whose iteration 0 is a step of a drive; the drive is its logged ego.

    A planner without memory plans in it as in the whole drive.

    Args:
        scenario: The whole scenario.
        states: Of the drive, from iteration 0 on.
        step: Of the drive.
        num_frames: Frames to keep, fewer where the scenario ends.
    """
    first = scenario.first_frame
    whole = states_of(scenario.ego)
    whole[0, first : first + len(states)] = states
    begin = max(0, first + step - HISTORY_STEPS + 1)
    stop = min(first + step + num_frames, first + scenario.num_frames)
    agents = scenario.agents.steps(begin, stop)
    return replace(
        scenario,
        time_us=scenario.time_us[begin:stop].copy(),
        ego=motion_of(scenario.time_us[begin:stop], whole[:, begin:stop]),
        agents=agents,
        traffic_lights=scenario.traffic_lights.steps(begin, stop),
        first_frame=first + step - begin,
        num_frames=stop - first - step,
        anchor_frame=first + step - begin,
        about_track=scenario.about_track if scenario.about_track in agents.track_ids else None,
    )
