"""What the search needs of a network of scenes."""

from typing import Protocol

import numpy as np

from driving.scenario import Scenario
from simulation.generation.learned.scene import Boxes


class DrawsAgents(Protocol):
    """Draws further agents of a scene."""

    def draw(self, scenario: Scenario, rng: np.random.Generator) -> Boxes:
        """Agents at iteration 0 beside those of the scenario.

        Raises:
            FileNotFoundError: When there is no network.
            ValueError: When it cannot be used for the scenario.
        """
        ...
