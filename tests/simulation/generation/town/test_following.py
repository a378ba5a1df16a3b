import numpy as np
import pytest

from simulation.generation.town.following import driven, free_acceleration, halt


def test_a_free_road_leads_to_the_wished_speed():
    assert free_acceleration(0.0, 10.0, 1.5) == 1.5
    assert free_acceleration(10.0, 10.0, 1.5) == 0.0
    assert free_acceleration(10.7, 10.0, 1.5) == pytest.approx(-1.0)
    assert free_acceleration(20.0, 10.0, 1.5) == -3.0


@pytest.mark.parametrize("speed_mps", [3.0, 8.0, 14.0, 20.0])
def test_everybody_comes_to_a_halt_before_a_line(speed_mps):
    v, a, gap = speed_mps, 0.0, 10.0 + speed_mps**2 / 2
    for _ in range(600):
        a = driven(a, halt(gap, v, free_acceleration(v, speed_mps, 1.5), 2.0), 2.0, 0.1)
        if v + 0.1 * a < 0.0:
            a = -v / 0.1
        gap -= 0.1 * v + 0.005 * a
        v = max(0.0, v + 0.1 * a)
    assert v < 0.3
    assert -0.05 < gap < 2.5


def test_acceleration_changes_gradually_unless_there_is_danger():
    assert driven(0.0, 2.0, 2.0, 0.1) == pytest.approx(0.2)
    assert driven(0.0, -2.0, 2.0, 0.1) == pytest.approx(-0.3)
    assert driven(0.0, -6.0, 2.0, 0.1) == pytest.approx(-1.2)
    assert np.isclose(driven(0.0, 0.1, 2.0, 0.1), 0.1)
