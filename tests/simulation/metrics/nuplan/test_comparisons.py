import numpy as np
import pytest

from simulation.metrics.nuplan.comparisons import (
    ego_expert_l2_error,
    ego_expert_l2_error_with_yaw,
    ego_mean_speed,
)
from tests.support.drives import LEFT_LANE_Y, STEPS, TIME_S, drive, motion, steady


def test_the_mean_speed_is_that_of_the_rear_axle():
    result = ego_mean_speed(drive(motion(20.0 + TIME_S**2, LEFT_LANE_Y, speed_mps=2.0 * TIME_S)))[0]
    assert result.statistics == {"ego_mean_speed_value": pytest.approx(14.9)}
    assert (result.score, result.series_unit, len(result.series)) == (None, "m/s", STEPS)


def test_the_distance_from_the_logged_ego_is_that_of_the_centres():
    # The logged ego drives at 8 m/s; 6 m/s fall behind by 0.2 m a step.
    result = ego_expert_l2_error(drive(steady(6.0)))[0]
    assert result.series == pytest.approx(0.2 * np.arange(STEPS))
    assert result.statistics["max_ego_expert_L2_error"] == pytest.approx(29.8)
    assert result.statistics["avg_ego_expert_L2_error"] == pytest.approx(14.9)
    assert result.statistics["p90_ego_expert_L2_error"] == pytest.approx(26.8)


def test_a_radian_of_heading_counts_like_2_5_m():
    # Turned around: the centres are 2 * 1.461 m apart, the headings pi.
    turned = ego_expert_l2_error_with_yaw(drive(motion(20.0 + 8.0 * TIME_S, LEFT_LANE_Y, np.pi)))[0]
    assert turned.series == pytest.approx(np.full(STEPS, 2 * 1.461 + 2.5 * np.pi))


def test_a_full_turn_of_heading_is_no_error():
    same = ego_expert_l2_error_with_yaw(drive(motion(20.0 + 8.0 * TIME_S, LEFT_LANE_Y, 2 * np.pi)))[0]
    assert same.series == pytest.approx(np.zeros(STEPS), abs=1e-9)


def test_a_log_of_another_length_is_refused():
    short = motion(np.arange(STEPS - 1.0), LEFT_LANE_Y)
    with pytest.raises(ValueError, match="ego_expert_L2_error needs 150 logged states or one more, got 149"):
        ego_expert_l2_error(drive(steady(), logged=short))
