"""Non-reactive traffic: agents follow the log, whatever the ego does."""

import numpy as np
from jaxtyping import Float64

from driving.scenario import Scenario
from simulation.traffic.tracks import TrackArrays, arrays_of_tracks


class LogReplay:
    """The log's boxes of each frame, at any distance from the ego.

    Source:
        nuPlan devkit, `TracksObservation`.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._tracks = arrays_of_tracks(scenario.agents)

    @property
    def tracks(self) -> TrackArrays:
        """Over the scenario's time axis, future included."""
        return self._tracks

    def step(self, iteration: int, ego: Float64[np.ndarray, "10"]) -> None:
        """Do nothing: the tracks hold all frames from the start."""
