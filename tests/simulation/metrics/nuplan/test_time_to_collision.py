import numpy as np
import pytest

from simulation.metrics.nuplan.time_to_collision import time_to_collision_within_bound, times_to_collision
from tests.support.drives import FRONT_M, LEFT_LANE_Y, RIGHT_LANE_Y, STEPS, agents, drive, fork_map, motion, steady

BETWEEN_LANES_Y = (LEFT_LANE_Y + RIGHT_LANE_Y) / 2


def metric(ego, *rows, on=None):
    return time_to_collision_within_bound(drive(ego, agents(*rows), on=on))[0]


def test_the_time_is_the_gap_over_the_speed_rounded_up_to_a_tenth():
    # Gap 20.05 m at 10 m/s: 2.005 s, and so the step of 2.1 s.
    car = {"x": 20.0 + FRONT_M + 20.05 + 2.4, "y": LEFT_LANE_Y}
    series = metric(steady(10.0), car).series
    assert series[0] == pytest.approx(2.1)
    assert series[10] == pytest.approx(1.1)


def test_the_bound_is_0_95_s():
    beyond = {"x": 20.0 + FRONT_M + 9.95 + 2.4, "y": LEFT_LANE_Y, "speed": 0.0}
    # At 1.0 s the gap is closed at 10 m/s; a step later at 0.9 s, which is below the bound.
    ego = motion(np.full(STEPS, 20.0), LEFT_LANE_Y, speed_mps=np.full(STEPS, 10.0))
    assert metric(ego, beyond).score == 1.0
    near = metric(ego, {**beyond, "x": beyond["x"] - 1.0})
    assert near.score == 0.0
    assert near.sentence == "down to 0.9 s from a collision with vehicle track0 at 0.0 s to 14.9 s"
    assert near.statistics["min_time_to_collision"] == pytest.approx(0.9)


def test_an_at_fault_collision_has_no_time_left():
    result = metric(steady(8.0), {"x": 60.0, "y": LEFT_LANE_Y})
    hit = int(np.argmin(result.series))
    assert result.series[hit] == 0.0
    # Once hit, the agent does not count any more.
    assert np.isinf(result.series[hit + 1 :]).all()


def test_a_stopped_ego_has_an_infinite_time_to_collision():
    ego = motion(np.full(STEPS, 20.0), LEFT_LANE_Y, speed_mps=np.full(STEPS, 0.005))
    assert np.isinf(metric(ego, {"x": 30.0, "y": LEFT_LANE_Y, "speed": -9.0}).series).all()


def test_agents_behind_do_not_count():
    assert np.isinf(metric(steady(5.0), {"x": 5.0, "y": LEFT_LANE_Y, "speed": 6.0}).series).all()


@pytest.mark.parametrize(("ego_y", "score"), [(LEFT_LANE_Y, 1.0), (BETWEEN_LANES_Y, 0.0)])
def test_agents_beside_count_only_between_lanes(ego_y, score):
    # Drives into the ego's side within 0.7 s, from 90 degrees to the right.
    crossing = {"x": 23.0, "y": ego_y - 4.5, "speed": 2.0, "heading": np.pi / 2, "seen": np.arange(STEPS) < 3}
    assert metric(motion(np.full(STEPS, 20.0), ego_y, speed_mps=np.full(STEPS, 0.1)), crossing).score == score


def test_agents_beside_count_in_intersections():
    crossing = {"x": 113.0, "y": -4.5, "speed": 2.0, "heading": np.pi / 2, "seen": np.arange(STEPS) < 3}
    ego = motion(np.full(STEPS, 110.0), 0.0, speed_mps=np.full(STEPS, 0.1))
    assert metric(ego, crossing, on=fork_map()).score == 0.0


def test_agents_move_along_their_box_and_not_their_velocity():
    towards = {"x": 60.0, "y": LEFT_LANE_Y, "speed": 5.0, "heading": np.pi, "seen": np.arange(STEPS) < 1}
    away = {**towards, "box_heading": 0.0}
    ego = steady(8.0)
    assert metric(ego, towards).series[0] == pytest.approx(2.6)
    assert np.isinf(metric(ego, away).series[0])


def test_the_nearest_in_time_is_named():
    others = agents({"x": 50.0, "y": LEFT_LANE_Y}, {"x": 40.0, "y": LEFT_LANE_Y})
    assert times_to_collision(drive(steady(8.0), others)).agents[0, 0] == 1
