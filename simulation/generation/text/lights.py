"""Phases of the traffic lights around a place, for the ego's light of the condition."""

import numpy as np

from driving.agents import LightStatus
from simulation.generation.corner_cases.kinds_junction import LightPhases, green_for
from simulation.generation.text.place import Place

CLEARANCE_S = 1.5
"""Time between red for one direction and green for the other."""
YELLOW_S = 2.5


def light_phases(place: Place, red_until_s: float | None) -> LightPhases:
    """Green for the ego and red from the sides, or the reverse until the ego's light turns green.

    Args:
        place: The junction and the ego's chain.
        red_until_s: Time at which the ego's light turns green; None for green all the time.
    """
    phases = green_for(place.map, place.chain)
    if red_until_s is None:
        return phases
    ends_s = red_until_s - CLEARANCE_S
    own = [(-np.inf, LightStatus.RED), (red_until_s, LightStatus.GREEN)]
    sides = [
        (-np.inf, LightStatus.GREEN),
        (ends_s - YELLOW_S, LightStatus.YELLOW),
        (ends_s, LightStatus.RED),
    ]
    return {connector: own if phase[0][1] == LightStatus.GREEN else sides for connector, phase in phases.items()}
