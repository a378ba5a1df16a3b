from dataclasses import replace

import numpy as np
import pytest

from driving.trajectory import Trajectory
from simulation.metrics.nuplan.open_loop import (
    plan_errors,
    planner_expert_average_heading_error_within_bound,
    planner_expert_average_l2_error_within_bound,
    planner_expert_final_l2_error_within_bound,
    planner_miss_rate_within_bound,
)
from simulation.metrics.score import OPEN_LOOP, compute_metrics, final_score
from tests.support.drives import LEFT_LANE_Y, STEPS, drive, motion, steady

SPEED_MPS = 8.0


def planned(plan_speed_mps=SPEED_MPS, aside_m=0.0, turned_rad=0.0, horizon_s=8.0, log_s=23.0):
    """Plans at constant speed beside a log that drives at 8 m/s for `log_s`."""
    seconds = np.arange(round(horizon_s / 0.5) + 1) * 0.5
    plans = tuple(
        Trajectory(
            time_s=seconds,
            poses=np.stack(
                [
                    20.0 + SPEED_MPS * step * 0.1 + plan_speed_mps * seconds,
                    np.full(len(seconds), LEFT_LANE_Y + aside_m),
                    np.full(len(seconds), turned_rad),
                ],
                axis=-1,
            ),
        )
        for step in range(STEPS)
    )
    log = motion(20.0 + SPEED_MPS * np.arange(round(log_s * 10) + 1) * 0.1, LEFT_LANE_Y)
    frames = min(STEPS + 1, log.num_steps)
    base = drive(steady(SPEED_MPS), logged=log.steps(0, frames))
    return replace(base, future=log.steps(frames, log.num_steps), plans=plans)


def test_plans_that_come_true_score_1():
    results = compute_metrics(planned(), OPEN_LOOP.scored)[0]
    assert final_score(results, OPEN_LOOP) == 1.0
    assert not any(result.violations for result in results.values())


def test_a_plan_beside_the_log_is_off_by_its_distance():
    result = planner_expert_average_l2_error_within_bound(planned(aside_m=2.0))[0]
    assert result.score == pytest.approx(1 - 2.0 / 8.0)
    assert result.sentence == "plans are 2.00 m off the log on average, the one at 0.0 s by 2.00 m"


def test_a_slower_plan_falls_behind_by_the_second():
    slow = planned(plan_speed_mps=SPEED_MPS - 0.5)
    # Averages over 3, 5, 8 s of 0.5 m a second: 1.0, 1.5, 2.25; plans from 8 s on count 15 s twice.
    errors = plan_errors(slow)
    assert errors.average_m[:, 0] == pytest.approx([1.0, 1.5, 2.25])
    assert errors.final_m[:, 0] == pytest.approx([1.5, 2.5, 4.0])
    assert errors.final_m[2, -1] == pytest.approx(3.5)
    assert planner_expert_final_l2_error_within_bound(slow)[0].score < 1.0


def test_headings_are_compared_the_short_way_round():
    result = planner_expert_average_heading_error_within_bound(planned(turned_rad=2 * np.pi - 0.2))[0]
    assert result.statistics["avg_planner_expert_AHE_over_all_horizons"] == pytest.approx(0.2)


@pytest.mark.parametrize(("aside_m", "score"), [(5.9, 1.0), (6.1, 0.0)])
def test_plans_more_than_6_m_off_miss(aside_m, score):
    result = planner_miss_rate_within_bound(planned(aside_m=aside_m))[0]
    assert result.score == score
    assert result.statistics["planner_miss_rate_horizon_3"] == 1.0 - score


def test_a_short_plan_is_refused_with_its_length():
    with pytest.raises(ValueError, match=r"ends after 5.00 s; open-loop metrics need 8 s"):
        plan_errors(planned(horizon_s=5.0))


def test_where_the_log_ends_plans_are_left_out_and_counted():
    # The plan at 8 s reaches only to 15 s, the last logged second, which counts twice.
    errors = plan_errors(planned(log_s=15.0))
    assert errors.steps.tolist() == [0, 10, 20, 30, 40, 50, 60, 70, 80]
    result = planner_miss_rate_within_bound(planned(log_s=15.0))[0]
    assert result.notes[0].sentence == "6 plans are not compared, as the log ends before them"


def test_without_plans_the_error_says_how_many_are_needed():
    with pytest.raises(ValueError, match="one plan per instant, 150, got 0"):
        plan_errors(drive(steady()))
