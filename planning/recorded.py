"""Recorded plans, returned step by step.

A rollout of recorded plans must equal the rollout in which they were recorded; that separates faults of the simulator
from faults of a planner.
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
        """Read plans from a folder.

        Raises:
            FileNotFoundError: When there is no such folder.
        """
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise FileNotFoundError(f"No folder {self._folder} with recorded plans (<scenario id>.npz).")
        self._plans = np.zeros((0, 0, 4))

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Raise: plans are stored by the id of a scenario.

        Raises:
            TypeError: Always.
        """
        raise TypeError("Recorded plans belong to a scenario; call reset_with_scenario instead of reset.")

    def reset_with_scenario(self, scenario: Scenario) -> None:
        """Load the plans of a scenario.

        Raises:
            FileNotFoundError: When the folder has no plans of it.
            ValueError: When the file has no array `plans` of that shape.
        """
        path = self._folder / f"{scenario.scenario_id}.npz"
        if not path.is_file():
            raise FileNotFoundError(f"No recorded plans for scenario {scenario.scenario_id}: {path} is missing.")
        with np.load(path, allow_pickle=False) as arrays:
            if "plans" not in arrays.files or arrays["plans"].ndim != 3 or arrays["plans"].shape[2] != 4:
                raise ValueError(f"{path} needs an array `plans` (steps, poses, 4), it has {arrays.files}.")
            self._plans = arrays["plans"].astype(np.float64)

    def plan(self, observation: Observation) -> Trajectory:
        """The plan recorded at this iteration.

        Raises:
            IndexError: When fewer plans were recorded.
        """
        if observation.iteration >= len(self._plans):
            raise IndexError(
                f"No recorded plan of iteration {observation.iteration}: the file holds {len(self._plans)} plans."
            )
        plan = self._plans[observation.iteration]
        return Trajectory(time_s=(plan[:, 0] - plan[0, 0]) * 1e-6, poses=plan[:, 1:].copy())
