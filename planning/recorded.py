"""Plans that were made elsewhere, fed back step by step.

A drive that is repeated this way must come out the same, which tells a fault of the simulator from one
of a planner.
"""

from pathlib import Path

import numpy as np

from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.scenario import Scenario
from driving.trajectory import Trajectory


class RecordedPlanner:
    """Reads `<folder>/<scenario id>.npz`: `plans` (steps, poses, 4), time [us], x, y, heading of the rear axle."""

    name = "recorded"

    def __init__(self, folder: str | Path) -> None:
        """Take plans from a folder.

        Raises:
            FileNotFoundError: When there is no such folder.
        """
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise FileNotFoundError(f"No folder {self._folder} with recorded plans.")
        self._plans = np.zeros((0, 0, 4))

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Refuse: which plans to feed back is known by the scenario's id.

        Raises:
            TypeError: Always.
        """
        raise TypeError("Recorded plans belong to a scenario; call reset_with_scenario.")

    def reset_with_scenario(self, scenario: Scenario) -> None:
        """Load the scenario's plans.

        Raises:
            FileNotFoundError: When there are none.
            ValueError: When the file has no fitting array.
        """
        path = self._folder / f"{scenario.scenario_id}.npz"
        if not path.is_file():
            raise FileNotFoundError(f"No recorded plans for scenario {scenario.scenario_id}: {path} is missing.")
        with np.load(path, allow_pickle=False) as arrays:
            if "plans" not in arrays.files or arrays["plans"].ndim != 3 or arrays["plans"].shape[2] != 4:
                raise ValueError(f"{path} needs an array `plans` (steps, poses, 4), it has {arrays.files}.")
            self._plans = arrays["plans"].astype(np.float64)

    def plan(self, observation: Observation) -> Trajectory:
        """The plan that was recorded at this iteration.

        Raises:
            IndexError: When fewer plans were recorded.
        """
        if observation.iteration >= len(self._plans):
            raise IndexError(
                f"{len(self._plans)} plans were recorded, asked for that of step {observation.iteration}."
            )
        plan = self._plans[observation.iteration]
        return Trajectory(time_s=(plan[:, 0] - plan[0, 0]) * 1e-6, poses=plan[:, 1:].copy())
