"""Who comes into a closed area: a square from x = 20 to x = 40; a car of 4 m by 2 m, rear axle in its centre."""

import numpy as np
import pytest
import shapely

from simulation.ego.box import EgoBox
from simulation.ego.dynamics import STATE_SIZE, VELOCITY_X, X
from simulation.geometry.polygons import flatten_polygons
from simulation.metrics.pdm.road import enters_areas

STEPS = 41
SQUARE = flatten_polygons(np.array([shapely.box(20.0, -5.0, 40.0, 5.0)]))


def enters(start_m: float, speed_mps: float, closed: slice) -> bool:
    """A drive straight ahead; the square is closed during some of the steps."""
    states = np.zeros((1, STEPS, STATE_SIZE))
    states[0, :, X] = start_m + speed_mps * 0.1 * np.arange(STEPS)
    states[0, :, VELOCITY_X] = speed_mps
    rows = np.full((STEPS, 1), -1)
    rows[closed] = 0
    return bool(enters_areas(states, SQUARE, rows, EgoBox(4.0, 2.0, 0.0))[0])


@pytest.mark.parametrize(
    ("start_m", "speed_mps", "closed", "expected"),
    [
        (0.0, 10.0, slice(None), True),  # at the line after 1.8 s, closed all the time
        (0.0, 3.0, slice(None), False),  # does not get there
        (0.0, 10.0, slice(25, None), False),  # came in while it was open
        (0.0, 10.0, slice(0, 15), False),  # opens before the line is reached
        (30.0, 10.0, slice(None), False),  # is in it already
        (19.0, 0.0, slice(None), False),  # stands across the line
        (19.0, 5.0, slice(None), True),  # stood across the line and goes on
        (19.0, 5.0, slice(2, None), False),  # it was open while the bumper was over the line
    ],
)
def test_who_comes_in_while_it_is_closed(start_m, speed_mps, closed, expected):
    assert enters(start_m, speed_mps, closed) is expected


def test_nobody_comes_into_what_is_never_closed():
    assert enters(0.0, 10.0, slice(0, 0)) is False
