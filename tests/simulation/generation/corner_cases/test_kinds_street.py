"""Each kind stages its situation on a stretch of road: the nominal ego meets the agents that the docstring names."""

import numpy as np
import pytest
from staged_cases import lefts_m, staged

from driving.agents import AgentKind
from simulation.generation.corner_cases.kinds_street import (
    EGO_HALF_WIDTH_M,
    SIDE_GAP_M,
    broken_down_half_in_lane,
    broken_down_in_lane,
    construction,
    cyclist_crossing,
    oncoming_in_lane,
    pedestrian_between_cars,
)

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pedestrian_appears_between_cars_and_reaches_the_path_at_the_event(seed):
    case = staged(pedestrian_between_cars, seed)
    walker, *cars = case.agents
    assert walker.kind == AgentKind.PEDESTRIAN
    assert {car.kind for car in cars} == {AgentKind.VEHICLE}
    assert 2 <= len(cars) <= 6
    event_s = case.drawn["event_s"]
    assert 0.0 < event_s - walker.seen_s[0] < 5.0
    times = event_s + np.linspace(-1.0, 1.0, 41)
    lefts = [case.ego.chain.project(pose[:2])[1] for pose in walker.poses(times)]
    assert min(np.abs(lefts)) < 0.1
    cars_m = [case.ego.chain.project(car.poses(np.zeros(1))[0, :2])[1] for car in cars]
    assert max(cars_m) < -2.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cyclist_crosses_the_path_near_the_event(seed):
    case = staged(cyclist_crossing, seed)
    (cyclist,) = case.agents
    assert cyclist.kind == AgentKind.BICYCLE
    event_s = case.drawn["event_s"]
    before, after = (case.ego.chain.project(cyclist.poses(np.array([event_s + d]))[0, :2])[1] for d in (-2.0, 2.0))
    assert np.sign(before) == -np.sign(after)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_broken_down_car_stands_in_the_lane_beside_traffic(seed):
    case = staged(broken_down_in_lane, seed)
    lefts, gaps = lefts_m(case, case.drawn["event_s"])
    assert abs(lefts[0]) < 0.25
    assert gaps[0] == pytest.approx(2.3, abs=0.1)
    assert lefts[2] > 3.0
    assert len(case.manoeuvres) == 1 + 10 + 2
    assert case.goal_m > case.ego.event_m


@pytest.mark.parametrize("seed", SEEDS)
def test_a_car_half_in_the_lane_leaves_the_drawn_width(seed):
    case = staged(broken_down_half_in_lane, seed)
    lefts, _ = lefts_m(case, 0.0)
    inner_m = lefts[0] + 0.95
    assert -0.8 < inner_m < -0.3
    offsets = [shifts[0].left_m for shifts in case.manoeuvres[1:]]
    assert all(0.5 < offset < 2.2 for offset in offsets)
    assert offsets[2] == pytest.approx(inner_m + SIDE_GAP_M + EGO_HALF_WIDTH_M, abs=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_construction_site_closes_the_lane(seed):
    case = staged(construction, seed)
    kinds = [agent.kind for agent in case.agents]
    assert kinds[0] == AgentKind.CZONE_SIGN
    assert kinds.count(AgentKind.TRAFFIC_CONE) == 7
    assert kinds.count(AgentKind.BARRIER) >= 4
    assert kinds[-1] == AgentKind.VEHICLE
    lefts, _ = lefts_m(case, 0.0)
    cones = [left for left, kind in zip(lefts, kinds, strict=True) if kind == AgentKind.TRAFFIC_CONE]
    assert (np.diff(cones) > 0.0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_oncoming_car_is_in_the_lane_of_the_ego_when_they_meet(seed):
    case = staged(oncoming_in_lane, seed)
    event_s = case.drawn["event_s"]
    lefts, gaps = lefts_m(case, event_s)
    assert abs(lefts[0]) < 1.0
    assert abs(gaps[0]) < 0.8
    assert 3.0 < lefts[1] < 4.5
    before, after = (lefts_m(case, event_s + shift)[0][0] for shift in (-10.0, 9.0))
    assert before > 3.0
    assert after > 3.0


@pytest.mark.parametrize("seed", SEEDS)
def test_parked_cars_leave_the_gap_through_which_the_pedestrian_walks(seed):
    case = staged(pedestrian_between_cars, seed)
    _, ahead_m = lefts_m(case, case.drawn["event_s"])
    gaps_m = np.diff(np.sort(ahead_m[1:])) - 4.6
    # The gap is at the event, where the front bumper is at its time.
    behind, before = max(one for one in ahead_m[1:] if one < 0.0), min(one for one in ahead_m[1:] if one > 0.0)
    assert 1.55 < before - behind - 4.6 < 2.45
    assert gaps_m.min() > 0.7


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("stage", [broken_down_in_lane, construction])
def test_manoeuvres_around_an_obstacle_lead_into_the_next_lane(stage, seed):
    case = staged(stage, seed)
    nominal, *manoeuvres = case.manoeuvres
    assert nominal == ()
    for shifts in manoeuvres:
        assert 3.0 < shifts[0].left_m < 4.0
        assert sum(shift.left_m for shift in shifts) == pytest.approx(0.0 if len(shifts) == 2 else shifts[0].left_m)
        assert shifts[0].begin_m + shifts[0].length_m < case.ego.event_m
