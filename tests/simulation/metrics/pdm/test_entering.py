"""Motions that enter a closed area: a square from x = 20 to x = 40; a car of 4 m by 2 m, rear axle in its centre."""

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
    """Whether a straight motion enters the square, which is closed during some steps."""
    states = np.zeros((1, STEPS, STATE_SIZE))
    states[0, :, X] = start_m + speed_mps * 0.1 * np.arange(STEPS)
    states[0, :, VELOCITY_X] = speed_mps
    rows = np.full((STEPS, 1), -1)
    rows[closed] = 0
    return bool(enters_areas(states, SQUARE, rows, EgoBox(4.0, 2.0, 0.0))[0])


@pytest.mark.parametrize(
    ("start_m", "speed_mps", "closed", "expected"),
    [
        (0.0, 10.0, slice(None), True),  # reaches the line after 1.8 s; closed all the time
        (0.0, 3.0, slice(None), False),  # does not reach the line
        (0.0, 10.0, slice(25, None), False),  # entered while the area was open
        (0.0, 10.0, slice(0, 15), False),  # opens before the line is reached
        (30.0, 10.0, slice(None), False),  # starts inside
        (19.0, 0.0, slice(None), False),  # stands on the line
        (19.0, 5.0, slice(None), True),  # stands on the line at first, then drives in
        (19.0, 5.0, slice(2, None), False),  # open while the bumper crosses the line
    ],
)
def test_entering_counts_from_the_line_while_the_area_is_closed(start_m, speed_mps, closed, expected):
    assert enters(start_m, speed_mps, closed) is expected


def test_an_area_that_is_never_closed_is_not_entered():
    assert enters(0.0, 10.0, slice(0, 0)) is False
