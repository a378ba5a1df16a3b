import numpy as np
import pytest

from simulation.metrics.nuplan.speed_limit import speed_limit_compliance, speed_limits
from tests.support.drives import LEFT_LANE_Y, STEPS, TIME_S, drive, fork_map, motion, steady


@pytest.mark.parametrize("over_mps", [0.5, 1.0, 2.0])
def test_the_mean_excess_as_a_share_of_2_23_is_lost(over_mps):
    result = speed_limit_compliance(drive(steady(10.0 + over_mps)))[0]
    # 150 samples of 0.1 s over a duration of 14.9 s.
    assert result.score == pytest.approx(1 - over_mps * 15.0 / (2.23 * 14.9))
    assert result.sentence == f"{over_mps:.1f} m/s above the limit of 10.0 m/s at 0.0 s to 14.9 s"


def test_far_too_fast_is_0_and_not_less():
    assert speed_limit_compliance(drive(steady(15.0)))[0].score == 0.0


def test_at_the_limit_nothing_is_lost():
    result = speed_limit_compliance(drive(motion(20.0 + 9.9 * TIME_S, LEFT_LANE_Y)))[0]
    assert (result.score, result.violations) == (1.0, ())
    assert result.statistics == {"speed_limit_compliance": 1.0}


def test_off_the_lanes_there_is_no_limit():
    result = speed_limit_compliance(drive(steady(30.0, y=-50.0)))[0]
    assert result.score == 1.0
    assert not result.valid.any()


def test_on_a_connector_the_highest_neighbouring_limit_holds():
    # Before and behind the straight connector: 10 and 8 m/s.
    ego = motion(np.full(STEPS, 113.0), 0.0, speed_mps=np.full(STEPS, 5.0))
    assert speed_limits(drive(ego, on=fork_map())).limits_mps[0, 5] >= 10.0


def test_an_excess_in_the_last_sample_alone_has_no_mean():
    speed = np.where(np.arange(STEPS) == STEPS - 1, 12.0, 8.0)
    result = speed_limit_compliance(drive(motion(20.0 + 8.0 * TIME_S, LEFT_LANE_Y, speed_mps=speed)))[0]
    assert np.isnan(result.statistics["mean_violation_of_speed_limit_compliance"])
    assert result.score == pytest.approx(1 - 2.0 * 0.1 / (2.23 * 14.9))
