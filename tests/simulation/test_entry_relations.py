"""Relations of driven entries to route and agents, by hand."""

import numpy as np
import pytest

from simulation.kernels.entry_relations import RELATION_SIZE, entry_relations


def related(x: float, y: float, heading: float, speed: float, agent: tuple[float, float] | None = None) -> np.ndarray:
    """One entry at one instant on a straight route along x with 4 m of room on both sides; red from 20 m on."""
    route = np.zeros((1, 20, 12))
    route[0, :, 0] = np.arange(20) * 2.0
    route[0, :, 2] = 1.0
    route[0, :, 4:8] = 4.0
    route[0, :, 8] = 10.0
    route[0, 10:, 10] = 1.0
    route[0, :, 11] = np.arange(20) * 2.0
    ahead = np.zeros((1, 1, 1, 2))
    if agent is not None:
        ahead[0, 0, 0] = agent
    boxes = np.array([[[1.0, 0.0, 4.0, 2.0]]])
    driven = np.array([[[[x, y, heading, speed]]]])
    present = np.array([[agent is not None]])
    return entry_relations(driven, route, np.array([20]), ahead, boxes, present)[0, 0, 0]


def test_the_place_on_the_route_is_that_of_the_box_centre():
    row = related(4.0 - 1.461, 1.0, 0.0, 12.0)
    assert len(row) == RELATION_SIZE
    assert row[5] * 2.0 == pytest.approx(1.0, abs=1e-5)
    assert row[9] * 20.0 == pytest.approx(4.0, abs=1e-4)
    # Room of 4 m, less 1 m aside, less half of the width of 2.297 m.
    assert row[10] == pytest.approx(1.8515, abs=1e-4)
    assert row[14] == pytest.approx(0.6)
    # 20 - 4 - 2.588 m from the bumper to the red connector: beyond the 12 m that are told apart.
    assert row[16] * 4.0 == pytest.approx(12.0)
    assert related(10.0 - 1.461, 0.0, 0.0, 5.0)[16] * 4.0 == pytest.approx(7.412, abs=1e-4)


def test_an_agent_ahead_leaves_the_way_between_the_boxes():
    row = related(-1.461, 0.0, 0.0, 5.0, agent=(15.0, 0.5))
    assert row[18] * 2.0 == pytest.approx(15.0 - 2.588 - 2.0, abs=1e-4)
    assert row[19] * 6.0 == pytest.approx(10.412, abs=1e-4)
    assert row[20] * 2.0 == pytest.approx(10.412 - 4.5, abs=1e-4)


def test_an_agent_beside_is_near_but_not_in_the_way():
    row = related(-1.461, 0.0, 0.0, 5.0, agent=(0.0, 3.0))
    assert row[18] * 2.0 == pytest.approx(3.0 - 1.1485 - 1.0, abs=1e-4)
    assert row[19] * 6.0 == pytest.approx(36.0)


def test_nobody_is_far_away():
    assert related(0.0, 0.0, 0.0, 0.0)[18] * 2.0 == pytest.approx(12.0)
