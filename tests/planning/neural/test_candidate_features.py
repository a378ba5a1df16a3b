"""Relations of driven entries to route and agents, by hand."""

import numpy as np
import pytest

from planning.neural.candidate_features import RELATION_SIZE, entry_relations

FORESEEN, STRAIGHT = 19, 25
"""First columns of the room to agents as foreseen, and going straight on."""


def related(
    x: float,
    y: float,
    heading: float,
    speed: float,
    agent: tuple[float, float] | None = None,
    agent_mps: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """One entry after half a second, on a straight route along x with 4 m of room on both sides; red from 20 m on.

    The agent is foreseen at `agent`, where it arrives with `agent_mps`; going straight, it would be 100 m away.
    """
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
    now = ahead[:, :, 0] - 0.5 * np.array(agent_mps)
    boxes = np.array([[[1.0, 0.0, 4.0, 2.0]]])
    driven = np.array([[[[x, y, heading, speed, -1.5]]]])
    present = np.array([[agent is not None]])
    return entry_relations(driven, route, np.array([20]), now, ahead, ahead + 100.0, boxes, present)[0, 0, 0]


def test_the_place_on_the_route_is_that_of_the_box_centre():
    row = related(4.0 - 1.461, 1.0, 0.0, 12.0)
    assert len(row) == RELATION_SIZE
    assert row[5] * 3.0 == pytest.approx(-1.5)
    assert row[6] * 2.0 == pytest.approx(1.0, abs=1e-5)
    assert row[10] * 20.0 == pytest.approx(4.0, abs=1e-4)
    # Room of 4 m, less 1 m aside, less half of the width of 2.297 m.
    assert row[11] == pytest.approx(1.8515, abs=1e-4)
    assert row[15] == pytest.approx(0.6)
    # 20 - 4 - 2.588 m from the bumper to the red connector: beyond the 12 m that are told apart.
    assert row[17] * 4.0 == pytest.approx(12.0)
    assert related(10.0 - 1.461, 0.0, 0.0, 5.0)[17] * 4.0 == pytest.approx(7.412, abs=1e-4)


def test_an_agent_ahead_leaves_the_way_between_the_boxes():
    row = related(-1.461, 0.0, 0.0, 5.0, agent=(15.0, 0.5))
    gap_m = 15.0 - 2.588 - 2.0
    assert row[FORESEEN] * 2.0 == pytest.approx(gap_m, abs=1e-4)
    assert row[FORESEEN + 1] * 6.0 == pytest.approx(gap_m, abs=1e-4)
    assert row[FORESEEN + 2] * 2.0 == pytest.approx(gap_m - 4.5, abs=1e-4)
    # In 0.9 s the ego comes 4.5 m nearer to an agent that stands; it would be there in gap / 5 s.
    assert row[FORESEEN + 3] * 2.0 == pytest.approx(gap_m - 4.5, abs=1e-4)
    assert row[FORESEEN + 4] == pytest.approx(gap_m / 5.0, abs=1e-4)
    assert row[STRAIGHT] * 2.0 == pytest.approx(12.0)


def test_only_the_speed_that_is_left_closes_the_gap():
    row = related(-1.461, 0.0, 0.0, 5.0, agent=(15.0, 0.5), agent_mps=(4.0, 0.0))
    gap_m = 15.0 - 2.588 - 2.0
    assert row[FORESEEN + 3] * 2.0 == pytest.approx(gap_m - 0.9, abs=1e-4)
    assert row[FORESEEN + 4] == pytest.approx(4.0)
    away = related(-1.461, 0.0, 0.0, 5.0, agent=(15.0, 0.5), agent_mps=(9.0, 0.0))
    assert away[FORESEEN + 4] == pytest.approx(4.0)


def test_an_agent_beside_is_near_but_not_in_the_way():
    row = related(-1.461, 0.0, 0.0, 5.0, agent=(0.0, 3.0))
    assert row[FORESEEN] * 2.0 == pytest.approx(3.0 - 1.1485 - 1.0, abs=1e-4)
    assert row[FORESEEN + 1] * 6.0 == pytest.approx(36.0)


def test_nobody_is_far_away():
    row = related(0.0, 0.0, 0.0, 0.0)
    assert row[FORESEEN] * 2.0 == pytest.approx(12.0)
    assert row[STRAIGHT + 3] * 2.0 == pytest.approx(12.0)


def test_each_corner_has_the_room_of_its_own_place():
    # Turned by 30 degrees to the left: the front left corner is the leftmost, the rear right one the rightmost.
    turn = np.deg2rad(30.0)
    row = related(20.0 - 1.461 * np.cos(turn), -1.461 * np.sin(turn), turn, 5.0)
    aside_m = 2.588 * np.sin(turn) + 1.1485 * np.cos(turn)
    assert row[11] == pytest.approx(4.0 - aside_m, abs=1e-3)
    assert row[12] == pytest.approx(4.0 - aside_m, abs=1e-3)


def test_a_turned_box_is_apart_along_its_own_axes():
    # Turned by 45 degrees and 0.2 m to the right of the other: along its own axes it would seem to touch.
    turn = np.deg2rad(45.0)
    half_m = (2.588 + 1.1485) * np.sqrt(0.5)
    x, y = 0.0, -(1.0 + half_m + 0.2)
    row = related(x - 1.461 * np.cos(turn), y - 1.461 * np.sin(turn), turn, 5.0, agent=(0.0, 0.0))
    assert row[FORESEEN] * 2.0 == pytest.approx(0.2, abs=1e-3)
