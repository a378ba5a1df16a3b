import numpy as np
import pytest

from simulation.metrics.nuplan.progress import ego_is_making_progress, ego_progress_along_expert_route, route_progress
from tests.support.drives import LEFT_LANE_Y, RIGHT_LANE_Y, STEPS, TIME_S, drive, fork_map, motion, steady

LOGGED_M = 8.0 * 15.0
"""The logged ego has one state more than the driven one."""


def ratio(ego, **settings):
    return ego_progress_along_expert_route(drive(ego, **settings))[0]


@pytest.mark.parametrize("speed_mps", [2.0, 4.0, 8.0])
def test_the_ratio_is_that_of_the_distances(speed_mps):
    result = ratio(steady(speed_mps))
    assert result.score == pytest.approx(speed_mps * 14.9 / LOGGED_M)
    assert result.statistics["expert_total_progress_along_route"] == pytest.approx(LOGGED_M)


def test_the_ratio_is_at_most_1():
    assert ratio(steady(12.0)).score == 1.0


def test_another_lane_of_the_roadblock_is_on_the_route():
    assert ratio(steady(4.0, y=RIGHT_LANE_Y)).score == pytest.approx(4.0 * 14.9 / LOGGED_M)


@pytest.mark.parametrize(("back_m", "score"), [(1.9, 2.0 / LOGGED_M), (2.1, 0.0)])
def test_backing_up_by_more_than_2_m_gives_0(back_m, score):
    assert ratio(motion(100.0 - back_m / 14.9 * TIME_S, LEFT_LANE_Y)).score == pytest.approx(score)


def test_a_stopped_ego_has_full_progress_if_the_log_is_stopped():
    logged = motion(np.full(STEPS + 1, 50.0), LEFT_LANE_Y)
    assert ratio(motion(np.full(STEPS, 50.0), LEFT_LANE_Y), logged=logged).score == 1.0


def test_a_log_without_lanes_gives_full_progress():
    result = ratio(steady(0.0), logged=motion(np.arange(STEPS + 1.0), -80.0))
    assert result.score == 1.0
    assert list(result.statistics) == ["expert_total_progress_along_route", "ego_expert_progress_along_route_ratio"]


def test_progress_continues_over_connectors():
    logged = motion(80.0 + 8.0 * np.arange(STEPS + 1) * 0.1, 0.0)
    found = route_progress(drive(motion(80.0 + 8.0 * TIME_S, 0.0), logged=logged, on=fork_map()))
    assert found.totals_m[0] == pytest.approx(8.0 * 14.9, abs=0.05)


def test_a_skipped_lane_of_the_route_counts():
    logged = motion(80.0 + 8.0 * np.arange(STEPS + 1) * 0.1, 0.0)
    x = np.where(np.arange(STEPS) < 10, 90.0, 140.0)
    found = route_progress(drive(motion(x, 0.0, speed_mps=np.ones(STEPS)), logged=logged, on=fork_map()))
    assert found.steps_m[0, 10] == pytest.approx(50.0, abs=0.05)


def test_the_sentence_says_when_the_route_is_left():
    y = np.where(TIME_S < 5.0, LEFT_LANE_Y, -60.0)
    result = ratio(motion(20.0 + 8.0 * TIME_S, y))
    assert result.sentence == ("off the logged ego's route from 5.0 s on, made 39.2 m of the logged ego's 120.0 m")
    assert result.first_violation.time_s == pytest.approx(5.0)


@pytest.mark.parametrize(("speed_mps", "score"), [(1.7, 1.0), (1.5, 0.0)])
def test_a_fifth_of_the_logged_progress_is_progress(speed_mps, score):
    result = ego_is_making_progress(drive(steady(speed_mps)))[0]
    assert result.score == score
    assert bool(result.violations) == (score == 0.0)


def test_a_drive_without_log_is_refused_with_a_hint():
    whole = drive(steady())
    alone = type(whole)(motion=whole.motion, agents=whole.agents, map=whole.map)
    with pytest.raises(ValueError, match="build the drive with `drive_of"):
        ego_progress_along_expert_route(alone)
