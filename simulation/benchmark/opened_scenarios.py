"""Scenarios that a worker keeps open: a scenario is driven by several planners and in several kinds of traffic."""

import copy
from functools import lru_cache

from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import open_scenario
from driving.scenario import Scenario


class OpenedScenarios:
    """A cache of the least recently used kind. Maps stay open in `driving.nuplan.maps`."""

    def __init__(self, capacity: int, *, allow_short: bool = False) -> None:
        """Keep at most `capacity` scenarios, some MB each.

        Args:
            capacity: Scenarios that are driven in turn.
            allow_short: Also open scenarios that the end of their log cuts off.
        """

        @lru_cache(maxsize=capacity)
        def opened(entry: ScenarioEntry) -> Scenario:
            return open_scenario(entry, allow_short=allow_short)

        self._opened = opened

    def open(self, entry: ScenarioEntry) -> Scenario:
        """The scenario with arrays of its own: a planner that writes into them changes no other drive.

        Raises:
            FileNotFoundError: When the log or the map is not there.
            OSError: When the log is locked.
            ValueError: When the scenario is cut off, or the log or map is damaged.
        """
        scenario = self._opened(entry)
        shared = (scenario.map, scenario.cameras)
        return copy.deepcopy(scenario, {id(part): part for part in shared})
