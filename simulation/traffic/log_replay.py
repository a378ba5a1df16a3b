"""Traffic that does what the log says, whatever the ego does."""

import numpy as np

from driving.scenario import Scenario
from simulation.traffic.tracks import TrackArrays, arrays_of_tracks


class LogReplay:
    """The log's boxes of each frame; nothing is left out for its distance.

    Source:
        nuPlan devkit, `TracksObservation`.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._tracks = arrays_of_tracks(scenario.agents)

    @property
    def tracks(self) -> TrackArrays:
        """Over the scenario's time axis, future included."""
        return self._tracks

    def step(self, iteration: int, ego: np.ndarray) -> None:
        """Nothing to do: the log goes on by itself."""
