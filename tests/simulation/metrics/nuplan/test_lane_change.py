import numpy as np
import pytest

from simulation.metrics.nuplan.lane_change import ego_lane_change, lane_changes
from tests.support.drives import LEFT_LANE_Y, RIGHT_LANE_Y, TIME_S, drive, motion, steady

HALF_WIDTH_M = 2.297 / 2


def lateral(*points):
    """y over time through the given (time, y)."""
    times, y = zip(*points, strict=True)
    return np.interp(TIME_S, times, y)


def test_straight_on_there_is_none():
    result = ego_lane_change(drive(steady()))[0]
    assert result.statistics == {
        "number_of_ego_lane_change": 0.0,
        "ego_lane_change_fail_rate_below_threshold": 1.0,
    }


def test_a_lane_change_lasts_while_the_box_crosses_the_line():
    # The right side crosses y = -3.5 when the middle is at -2.3515, the left side when it is at -4.6485.
    y = lateral((0, LEFT_LANE_Y), (5, LEFT_LANE_Y), (8.5, RIGHT_LANE_Y), (15, RIGHT_LANE_Y))
    ego = drive(motion(20.0 + 8.0 * TIME_S, y))
    (change,) = lane_changes(ego)[0]
    assert change.succeeded
    assert (change.start, change.stop) == (57, 79)
    result = ego_lane_change(ego)[0]
    assert result.statistics["max_ego_lane_change_duration"] == pytest.approx(2.2)
    assert result.notes[0].sentence == "changed lanes at 5.7 s for 2.2 s"


def test_coming_back_is_a_failed_one():
    y = lateral((0, LEFT_LANE_Y), (5, LEFT_LANE_Y), (7, LEFT_LANE_Y - 1.5), (9, LEFT_LANE_Y), (15, LEFT_LANE_Y))
    result = ego_lane_change(drive(motion(20.0 + 8.0 * TIME_S, y)))[0]
    assert result.statistics["ratio_of_failed_ego_lane_change"] == 1.0
    assert result.statistics["ego_lane_change_fail_rate_below_threshold"] == 0.0


def test_one_that_does_not_end_is_a_failed_one():
    y = lateral((0, LEFT_LANE_Y), (12, LEFT_LANE_Y), (13, (LEFT_LANE_Y + RIGHT_LANE_Y) / 2), (15, -3.5))
    (change,) = lane_changes(drive(motion(20.0 + 8.0 * TIME_S, y)))[0]
    assert not change.succeeded
    assert change.stop == 149
