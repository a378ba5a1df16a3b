"""Each kind stages its situation: the nominal ego meets the agents that the docstring names."""

import numpy as np
import pytest

from driving.agents import AgentKind, LightStatus
from driving.scenario_types import KNOWN_SCENARIO_TYPES
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.kinds import CORNER_KINDS, corner_kind
from simulation.generation.corner_cases.sites import NoSiteError, SiteSearch

SEEDS = range(3)


def staged(kind, seed):
    """The first draw of a kind that has a site."""
    for attempt in range(20):
        rng = np.random.default_rng([seed, attempt])
        try:
            return CORNER_KINDS[kind].stage(SiteSearch(map=corner_map(seed % 2), rng=rng, speed_mps=10.0))
        except NoSiteError:
            continue
    pytest.fail(f"no site for {kind}")


def lefts_m(case, time_s):
    """Offset of each agent from the ego's path at a time, and its distance ahead of the ego's front."""
    places = [case.ego.chain.project(agent.poses(np.array([time_s]))[0, :2]) for agent in case.agents]
    return [left for _, left in places], [along - case.ego.front_m(time_s) for along, _ in places]


@pytest.mark.parametrize("kind", CORNER_KINDS)
def test_every_kind_stages_an_ego_on_the_road_and_agents(kind):
    case = staged(kind, 0)
    assert case.ego.starts_on_road
    assert case.agents
    assert case.about in range(len(case.agents))
    assert 3.0 < case.drawn.get("event_s", 5.0) < 10.0
    assert case.goal_m <= case.ego.chain.length_m


@pytest.mark.parametrize("kind", CORNER_KINDS)
def test_every_kind_has_a_description_and_a_scenario_type_of_nuplan(kind):
    template = CORNER_KINDS[kind]
    assert template.description.endswith(".")
    assert template.scenario_type in KNOWN_SCENARIO_TYPES
    assert template.reactive


def test_an_unknown_kind_is_answered_by_the_nearest():
    with pytest.raises(KeyError, match=r"No kind of corner case named 'cutin'. Did you mean 'cut_in'"):
        corner_kind("cutin")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pedestrian_appears_between_cars_and_reaches_the_path_at_the_event(seed):
    case = staged("pedestrian_between_cars", seed)
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
    case = staged("cyclist_crossing", seed)
    (cyclist,) = case.agents
    assert cyclist.kind == AgentKind.BICYCLE
    event_s = case.drawn["event_s"]
    before, after = (case.ego.chain.project(cyclist.poses(np.array([event_s + d]))[0, :2])[1] for d in (-2.0, 2.0))
    assert np.sign(before) == -np.sign(after)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_leader_brakes_in_the_lane_of_the_ego(seed):
    case = staged("hard_braking_leader", seed)
    (leader,) = case.agents
    begin_s = case.drawn["begin_s"]
    lefts, gaps = lefts_m(case, 0.0)
    assert lefts == pytest.approx([0.0], abs=0.05)
    assert gaps[0] - 2.3 == pytest.approx(case.drawn["gap_s"] * 10.0, abs=0.1)
    speeds = leader.speed.speed_mps(np.array([begin_s, begin_s + 10.0 / case.drawn["brake_mps2"] + 0.1]))
    assert speeds == pytest.approx([10.0, case.drawn["slow_mps"]], abs=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_car_that_cuts_in_has_half_changed_lanes_at_the_event(seed):
    case = staged("cut_in", seed)
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
    case = staged("cut_out", seed)
    event_s = case.drawn["event_s"]
    lefts, gaps = lefts_m(case, event_s)
    standing, item, leader = range(3)
    assert abs(lefts[standing]) < 0.25
    assert gaps[standing] == pytest.approx(2.3, abs=0.1)
    assert gaps[item] > gaps[standing]
    assert lefts[leader] > 3.0
    assert case.about == leader
    assert lefts_m(case, 0.0)[0][leader] == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_broken_down_car_stands_in_the_lane_beside_traffic(seed):
    case = staged("broken_down_in_lane", seed)
    lefts, gaps = lefts_m(case, case.drawn["event_s"])
    assert abs(lefts[0]) < 0.25
    assert gaps[0] == pytest.approx(2.3, abs=0.1)
    assert lefts[2] > 3.0
    assert len(case.manoeuvres) == 1 + 10 + 2
    assert case.goal_m > case.ego.event_m


@pytest.mark.parametrize("seed", SEEDS)
def test_a_car_half_in_the_lane_leaves_the_drawn_width(seed):
    case = staged("broken_down_half_in_lane", seed)
    lefts, _ = lefts_m(case, 0.0)
    inner_m = lefts[0] + 0.95
    assert -0.8 < inner_m < -0.3
    offsets = [shifts[0].left_m for shifts in case.manoeuvres[1:]]
    assert all(0.5 < offset < 2.2 for offset in offsets)
    assert offsets[2] == pytest.approx(inner_m + 0.7 + 1.15, abs=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_construction_site_closes_the_lane(seed):
    case = staged("construction", seed)
    kinds = [agent.kind for agent in case.agents]
    assert kinds[0] == AgentKind.CZONE_SIGN
    assert kinds.count(AgentKind.TRAFFIC_CONE) == 7
    assert kinds.count(AgentKind.BARRIER) >= 4
    assert kinds[-1] == AgentKind.VEHICLE
    lefts, _ = lefts_m(case, 0.0)
    cones = [left for left, kind in zip(lefts, kinds, strict=True) if kind == AgentKind.TRAFFIC_CONE]
    assert (np.diff(cones) > 0.0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_runner_crosses_on_red_while_the_ego_has_green(seed):
    case = staged("red_light_runner", seed)
    statuses = {phases[0][1] for phases in case.lights.values()}
    assert statuses == {LightStatus.GREEN, LightStatus.RED}
    lanes = case.ego.chain.map.lanes
    own = [row for row in case.ego.chain.rows if lanes.is_connector(row) and lanes.has_traffic_lights[row]]
    assert all(case.lights[int(lanes.ids[row])][0][1] == LightStatus.GREEN for row in own)
    times = np.arange(0.0, 15.0, 0.1)
    runner = case.agents[0]
    places = [case.ego.chain.project(pose[:2]) for pose in runner.poses(times)]
    assert min(abs(left) for _, left in places) < 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_a_blocked_junction_is_cleared_after_the_event(seed):
    case = staged("blocked_junction", seed)
    blocker = case.agents[0]
    event_s, clears_s = case.drawn["event_s"], case.drawn["clears_s"]
    assert event_s < clears_s < event_s + 3.0
    assert blocker.speed.speed_mps(np.array([0.0, clears_s - 1.6])).tolist() == [0.0, 0.0]
    assert blocker.speed.speed_mps(np.array([clears_s + 6.0]))[0] == pytest.approx(8.0)
    lefts, _ = lefts_m(case, 0.0)
    assert abs(lefts[0]) < 2.2


@pytest.mark.parametrize("seed", SEEDS)
def test_an_oncoming_car_is_in_the_lane_of_the_ego_when_they_meet(seed):
    case = staged("oncoming_in_lane", seed)
    event_s = case.drawn["event_s"]
    lefts, gaps = lefts_m(case, event_s)
    assert abs(lefts[0]) < 1.0
    assert abs(gaps[0]) < 0.8
    assert 3.0 < lefts[1] < 4.5
    before, after = (lefts_m(case, event_s + shift)[0][0] for shift in (-10.0, 9.0))
    assert before > 3.0
    assert after > 3.0


@pytest.mark.parametrize(
    ("kind", "cars"), [("lane_change_light", 2), ("lane_change_medium", 4), ("lane_change_dense", 7)]
)
def test_traffic_on_the_needed_lane_has_one_longer_gap(kind, cars):
    case = staged(kind, 0)
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
    case = staged("ramp_merge", seed)
    lefts, gaps = lefts_m(case, case.drawn["event_s"])
    assert abs(lefts[case.about]) < 0.5
    assert -7.0 < gaps[case.about] < 7.0
    assert (np.diff(gaps) < -10.0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_oncoming_cars_pass_the_left_turn_one_after_the_other(seed):
    case = staged("unprotected_left", seed)
    assert len(case.agents) == case.drawn["cars"]
    assert case.about in (1, 2)
    starts = [agent.start_m for agent in case.agents]
    assert (np.diff(starts) < 0.0).all()
