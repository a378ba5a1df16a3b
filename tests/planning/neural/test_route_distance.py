"""How far motions lie beside a route in a junction."""

import numpy as np
import pytest

from planning.neural.route_distance import STRAY_M, STRAY_TURN_M, astray_in_junctions


def astray(poses: list[tuple[float, float, float]], *, in_junction: bool, points: int = 20) -> float:
    """Of one motion beside a route that leads straight on."""
    route = np.zeros((1, 20, 4))
    route[0, :, 0], route[0, :, 2] = 2.0 * np.arange(20) - 4.0, 1.0
    driven = np.array(poses)[np.newaxis, np.newaxis]
    return astray_in_junctions(driven, route, np.array([points]), np.full((1, 20), in_junction)).item()


def test_who_is_on_the_route_or_in_no_junction_is_not_astray():
    on_it = [(2.0, 0.3, 0.0), (4.0, -0.3, 0.0)]
    beside = [(2.0, 3.0, 0.0), (4.0, 3.0, 0.0)]
    assert astray(on_it, in_junction=True) == 0.0
    assert astray(beside, in_junction=False) == 0.0
    assert astray(beside, in_junction=True, points=0) == 0.0


def test_metres_beside_and_angles_off_add_up_to_either_side():
    for side in (-1.0, 1.0):
        aside = [(2.0, 0.0, 0.0), (4.0, 1.0 * side, 0.0)]
        turned = [(2.0, 0.0, 0.0), (4.0, 0.0, 0.5 * side)]
        assert astray(aside, in_junction=True) == pytest.approx(0.5 * (1.0 - STRAY_M))
        assert astray(turned, in_junction=True) == pytest.approx(0.5 * (0.5 * STRAY_TURN_M - STRAY_M))
