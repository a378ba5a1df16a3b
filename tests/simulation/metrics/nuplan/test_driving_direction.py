import numpy as np
import pytest

from simulation.metrics.nuplan.driving_direction import advance_within_window, driving_direction_compliance
from tests.support.drives import LEFT_LANE_Y, ONCOMING_Y, RIGHT_LANE_Y, STEPS, TIME_S, drive, motion, steady


@pytest.mark.parametrize(("speed_mps", "score"), [(1.7, 1.0), (2.0, 0.5), (5.4, 0.5), (5.5, 0.0)])
def test_the_way_against_the_traffic_within_eleven_steps_counts(speed_mps, score):
    # n = 10, so that the window holds 11 steps: 1.1 s.
    result = driving_direction_compliance(drive(steady(speed_mps, y=ONCOMING_Y)))[0]
    assert result.score == score
    assert result.series.min() == pytest.approx(-1.1 * speed_mps)


def test_the_sentence_says_how_far_and_when():
    result = driving_direction_compliance(drive(steady(6.0, y=ONCOMING_Y)))[0]
    assert result.sentence == "drove up to 6.6 m against the traffic within a second at 0.4 s to 14.9 s"


def test_backing_up_counts_as_well():
    assert driving_direction_compliance(drive(motion(200.0 - 3.0 * TIME_S, LEFT_LANE_Y)))[0].score == 0.5


def test_two_samples_after_a_lane_change_make_no_advance():
    y = np.where(np.arange(STEPS) < 30, LEFT_LANE_Y, RIGHT_LANE_Y)
    advance = advance_within_window(drive(motion(20.0 + TIME_S, y)))[0]
    # Each step is 0.1 m; the window at 39 holds steps 29 to 39, of which 30 and 31 are 0.
    assert advance[39] == pytest.approx(0.9)
    assert advance[60] == pytest.approx(1.1)


def test_off_all_lanes_there_is_no_direction():
    result = driving_direction_compliance(drive(steady(9.0, y=-50.0)))[0]
    assert result.score == 1.0
    assert not result.valid.any()
