"""Observations of a rollout: simulated ego and agents, and the traffic lights and images of the recording."""

import numpy as np
from jaxtyping import Float64

from driving.cameras import CameraFrames
from driving.observation import Observation
from driving.scenario import HISTORY_STEPS, Scenario
from simulation.ego.dynamics import motion_of
from simulation.traffic.tracks import TrackWindow


class LoggedSensors:
    """Simulated ego and agents, logged traffic lights, and logged images on request.

    The images show the recorded drive. They are left out by default, because in closed loop the ego leaves the log.
    """

    def __init__(self, scenario: Scenario, *, with_images: bool = False) -> None:
        """Read from a scenario.

        Args:
            scenario: With lights and, if recorded, images.
            with_images: Observe the images; only for a rollout whose ego repeats the log.
        """
        self._scenario = scenario
        self._cameras = scenario.cameras if with_images else None

    def observe(
        self, iteration: int, ego_states: Float64[np.ndarray, "1 time 10"], tracks: TrackWindow
    ) -> Observation:
        """The last 22 steps of ego and agents, the present lights, and the images up to now, if requested.

        Args:
            iteration: The present step.
            ego_states: Over the scenario's time axis, filled up to the present frame.
            tracks: The agents over the same axis.
        """
        scenario, cameras = self._scenario, self._cameras
        now_us = int(scenario.time_us[scenario.first_frame + iteration])
        return observe(scenario, iteration, ego_states, tracks, None if cameras is None else cameras.until(now_us))


def observe(
    scenario: Scenario,
    iteration: int,
    ego_states: Float64[np.ndarray, "1 time 10"],
    tracks: TrackWindow,
    cameras: CameraFrames | None,
) -> Observation:
    """The last 22 steps of ego and agents, the present lights, and given images."""
    now = scenario.first_frame + iteration
    # quirk: buffer_of_22 (nuPlan's 2 s at 10 Hz hold 22 samples; those before the start are the log's boxes even
    # where traffic reacts, although those agents then vanish or jump to their lanes)
    start = max(0, now + 1 - HISTORY_STEPS)
    return Observation(
        iteration=iteration,
        ego=motion_of(scenario.time_us[start : now + 1], ego_states[:, start : now + 1]),
        agents=tracks.steps(start, now + 1),
        traffic_lights=scenario.traffic_lights.steps(now, now + 1),
        route=scenario.route,
        map=scenario.map,
        cameras=cameras,
    )
