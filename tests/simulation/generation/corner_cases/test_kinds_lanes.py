"""Each kind stages its situation between lanes: the nominal ego meets the agents that the docstring names."""

import numpy as np
import pytest
from staged_cases import lefts_m, staged

from simulation.generation.corner_cases.kinds_lanes import (
    cut_in,
    cut_out,
    hard_braking_leader,
    lane_change_dense,
    lane_change_light,
    lane_change_medium,
    ramp_merge,
)

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_leader_brakes_in_the_lane_of_the_ego(seed):
    case = staged(hard_braking_leader, seed)
    (leader,) = case.agents
    begin_s = case.drawn["begin_s"]
    lefts, gaps = lefts_m(case, 0.0)
    assert lefts == pytest.approx([0.0], abs=0.05)
    assert gaps[0] - 2.3 == pytest.approx(case.drawn["gap_s"] * 10.0, abs=0.1)
    speeds = leader.speed.speed_mps(np.array([begin_s, begin_s + 10.0 / case.drawn["brake_mps2"] + 0.1]))
    assert speeds == pytest.approx([10.0, case.drawn["slow_mps"]], abs=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_car_that_cuts_in_has_half_changed_lanes_at_the_event(seed):
    case = staged(cut_in, seed)
    event_s = case.drawn["event_s"]
    (before,), _ = lefts_m(case, event_s - 6.0)
    (at_event,), (gap,) = lefts_m(case, event_s)
    (after,), _ = lefts_m(case, event_s + 6.0)
    assert abs(before) == pytest.approx(3.55, abs=0.2)
    assert at_event == pytest.approx(before / 2, abs=0.1)
    assert after == pytest.approx(0.0, abs=0.1)
    # The path of a lane change is a little longer than the lane.
    assert gap - 2.3 == pytest.approx(case.drawn["gap_m"], abs=0.3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_leader_cuts_out_before_a_standing_car(seed):
    case = staged(cut_out, seed)
    event_s = case.drawn["event_s"]
    lefts, gaps = lefts_m(case, event_s)
    standing, item, leader = range(3)
    assert abs(lefts[standing]) < 0.25
    assert gaps[standing] == pytest.approx(2.3, abs=0.1)
    assert gaps[item] > gaps[standing]
    assert lefts[leader] > 3.0
    assert case.about == leader
    assert lefts_m(case, 0.0)[0][leader] == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize(("stage", "cars"), [(lane_change_light, 2), (lane_change_medium, 4), (lane_change_dense, 7)])
def test_traffic_on_the_needed_lane_has_one_longer_gap(stage, cars):
    case = staged(stage, 0)
    assert len(case.agents) == cars
    assert case.nominal_may_pass
    assert 3.0 < abs(case.ego.start_left_m) < 4.0
    places = [float(agent.start_m) for agent in case.agents]
    gaps = -np.diff(places)
    if case.about < cars - 1:
        assert gaps.argmax() == case.about
    assert all(shifts[0].left_m == -case.ego.start_left_m for shifts in case.manoeuvres[1:])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_vehicle_is_at_the_merge_point_with_the_ego(seed):
    case = staged(ramp_merge, seed)
    lefts, gaps = lefts_m(case, case.drawn["event_s"])
    assert abs(lefts[case.about]) < 0.5
    assert -7.0 < gaps[case.about] < 7.0
    assert (np.diff(gaps) < -10.0).all()


@pytest.mark.parametrize("stage", [lane_change_light, lane_change_medium, lane_change_dense])
def test_a_lane_change_is_complete_before_the_turn(stage):
    case = staged(stage, 0)
    nominal, *manoeuvres = case.manoeuvres
    # The nominal ego stays in its lane, which misses the turn.
    assert [shift.left_m for shift in nominal] == [0.0]
    assert manoeuvres
    for (shift,) in manoeuvres:
        assert float(case.ego.at(0.0)[0]) < shift.begin_m
        assert shift.begin_m + shift.length_m <= case.ego.event_m - 5.9
        assert shift.length_m >= 18.0


@pytest.mark.parametrize(
    ("stage", "low_s", "high_s"),
    [(lane_change_light, 4.0, 7.0), (lane_change_medium, 2.8, 4.2), (lane_change_dense, 1.7, 2.3)],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_density_of_traffic_sets_the_time_gaps(stage, low_s, high_s, seed):
    case = staged(stage, seed)
    gaps_s = -np.diff([float(agent.start_m) for agent in case.agents]) / case.drawn["traffic_mps"]
    gaps_s -= 4.6 / case.drawn["traffic_mps"]
    usual_s = np.delete(gaps_s, case.about) if case.about < len(gaps_s) else gaps_s
    assert (usual_s > low_s - 1e-6).all()
    assert (usual_s < high_s + 1e-6).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_leader_cuts_out_at_constant_speed(seed):
    case = staged(cut_out, seed)
    leader = case.agents[case.about]
    assert leader.speed.speed_mps(np.array([0.0, 8.0, 15.0])).tolist() == [10.0] * 3
    _, ahead_m = lefts_m(case, 0.0)
    assert ahead_m[case.about] - 2.3 == pytest.approx(case.drawn["gap_s"] * 10.0, abs=0.1)
