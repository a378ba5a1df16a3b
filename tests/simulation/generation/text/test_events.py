"""Staged events have the numbers of the sentence; other numbers are drawn."""

import numpy as np
import pytest

from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.sites import NoSiteError, SiteSearch
from simulation.generation.text import events_across, events_between, events_lane
from simulation.generation.text.events import ORDER, STAGES, stage_event
from simulation.generation.text.grammar import parse
from simulation.generation.text.place import LEFT, RIGHT, find_place
from simulation.generation.text.stage import Staging
from simulation.generation.text.vocabulary import Manoeuvre, RoadType


def staging_of(sentence: str, road: RoadType, seed: int = 1) -> tuple[Staging, list]:
    condition = parse(sentence)
    search = SiteSearch(map=corner_map(0), rng=np.random.default_rng(seed), speed_mps=10.0)
    staging = Staging(place=find_place(search, condition, road))
    return staging, [stage_event(staging, event) for event in condition.events]


def along_left(staging: Staging, track, time_s: float) -> tuple[float, float]:
    """Distance ahead of the ego's front, and offset from its lane."""
    along_m, left_m = staging.place.chain.project(track.poses(np.array([time_s]))[0, :2])
    return along_m - staging.place.ego.front_m(time_s), left_m


def test_a_leader_has_the_distance_the_time_and_the_speed_of_the_sentence():
    staging, (event,) = staging_of("a truck 20 m ahead at 36 km/h brakes hard after 3 s", RoadType.STRAIGHT)
    (truck,) = event.agents
    ahead_m, left_m = along_left(staging, truck, 0.0)
    assert ahead_m - truck.size_m[0] / 2 == pytest.approx(20.0, abs=0.1)
    assert left_m == pytest.approx(0.0, abs=0.05)
    speeds = truck.speed.speed_mps(np.array([0.0, 3.0, 6.0]))
    assert speeds[:2] == pytest.approx([10.0, 10.0])
    assert speeds[2] < 5.0
    assert event.needs_reaction


def test_a_leader_that_stops_stays_at_rest():
    _, (event,) = staging_of("a car ahead stops", RoadType.STRAIGHT)
    assert event.agents[0].speed.speed_mps(np.array([20.0])) == pytest.approx([0.0])


@pytest.mark.parametrize(("side", "sign"), [("left", 1.0), ("right", -1.0)])
def test_a_cyclist_comes_from_the_stated_side(side, sign):
    staging, (event,) = staging_of(f"a cyclist crosses from the {side} at 10 km/h", RoadType.STRAIGHT)
    (cyclist,) = event.agents
    assert sign * along_left(staging, cyclist, 0.0)[1] > 1.0
    assert cyclist.speed.start_mps == pytest.approx(10 / 3.6)


def test_three_pedestrians_cross_one_after_the_other():
    _, (event,) = staging_of("three pedestrians cross", RoadType.STRAIGHT)
    assert len(event.agents) == 3
    assert len({round(float(track.start_m), 3) for track in event.agents}) == 3


def test_people_cross_in_front_of_a_leader_that_slows_down():
    staging, (lead, crossing) = staging_of("a car ahead stops, a cyclist crosses", RoadType.STRAIGHT)
    front_m = lead.stop_front_m
    track = crossing.agents[0]
    times = np.arange(0.0, 15.0, 0.1)
    places = np.array([staging.place.chain.project(pose[:2]) for pose in track.poses(times)])
    on_lane = places[np.argmin(np.abs(places[:, 1]))]
    assert front_m < on_lane[0] < front_m + 12.0


def test_a_car_that_cuts_in_ends_in_the_lane_ahead():
    staging, (event,) = staging_of("a car cuts in from the left after 2 s", RoadType.MULTI_LANE)
    (car,) = event.agents
    assert along_left(staging, car, 0.0)[1] > 3.0
    ahead_m, left_m = along_left(staging, car, 6.0)
    assert left_m == pytest.approx(0.0, abs=0.2)
    assert ahead_m > 0.0 or ahead_m > -40.0


def test_an_overtaking_car_is_behind_at_first():
    staging, (event,) = staging_of("a car overtakes on the left at 54 km/h", RoadType.MULTI_LANE)
    assert along_left(staging, event.agents[0], 0.0)[0] < -5.0
    assert along_left(staging, event.agents[0], 8.0)[0] > 5.0


def test_overtaking_needs_a_higher_speed_than_the_ego():
    with pytest.raises(NoSiteError, match=r"does not overtake an ego at 10\.0 m/s"):
        staging_of("a car overtakes on the left at 30 km/h", RoadType.MULTI_LANE)


def test_two_trucks_follow_behind():
    staging, (event,) = staging_of("two trucks follow", RoadType.STRAIGHT)
    first, second = (along_left(staging, track, 0.0)[0] for track in event.agents)
    assert second < first - 8.0 < -13.0


def test_standing_objects_lie_in_the_lane_one_behind_the_other():
    staging, (event,) = staging_of("three cones 30 m ahead", RoadType.MULTI_LANE)
    places = [along_left(staging, track, 0.0) for track in event.agents]
    assert places[0][0] == pytest.approx(30.2, abs=0.1)
    assert all(abs(left_m) < 1.0 for _, left_m in places)
    assert np.all(np.diff([ahead_m for ahead_m, _ in places]) > 1.0)


@pytest.mark.parametrize(("side", "sign"), [("left", LEFT), ("right", RIGHT)])
def test_people_wait_beside_the_road(side, sign):
    staging, (event,) = staging_of(f"two pedestrians wait on the {side}", RoadType.NARROW)
    for track in event.agents:
        left_m = along_left(staging, track, 0.0)[1]
        assert sign * left_m > staging.place.chain.edge_m(staging.place.event_m, sign) + 0.5


def test_walking_people_keep_their_side_of_the_road():
    staging, (event,) = staging_of("a pedestrian walks on the right", RoadType.NARROW)
    lefts = [along_left(staging, event.agents[0], time_s)[1] for time_s in (0.0, 8.0)]
    assert lefts[0] == pytest.approx(lefts[1], abs=0.3)
    assert lefts[0] < -3.0


def test_an_oncoming_car_in_the_wrong_lane_meets_the_ego_in_its_lane():
    staging, (event,) = staging_of("an oncoming car in the ego's lane", RoadType.NARROW)
    driver, truck = event.agents
    times = np.arange(0.0, 14.0, 0.2)
    lefts = [along_left(staging, driver, time_s)[1] for time_s in times.tolist()]
    assert min(np.abs(lefts)) < 0.3
    assert along_left(staging, truck, 0.0)[1] > 2.0


def test_a_truck_that_runs_a_red_light_meets_the_ego():
    staging, (event,) = staging_of("a truck runs the red light from the right after 4 s", RoadType.JUNCTION)
    left_m = along_left(staging, event.agents[0], 4.0)[1]
    assert abs(left_m) < 0.6


def test_an_oncoming_truck_turns_left_across_the_ego():
    _, (event,) = staging_of("an oncoming truck turns left, no traffic light", RoadType.JUNCTION)
    headings = event.agents[0].poses(np.arange(-3.0, 14.0, 0.1))[:, 2]
    assert np.ptp(np.unwrap(headings)) == pytest.approx(np.pi / 2, abs=0.4)


def test_a_bus_beside_the_ego_keeps_the_next_lane():
    staging, (event,) = staging_of("a bus beside the ego", RoadType.MULTI_LANE)
    assert abs(along_left(staging, event.agents[0], 0.0)[1]) == pytest.approx(3.5, abs=0.4)


def test_every_manoeuvre_is_staged_and_people_cross_last():
    assert set(STAGES) == set(ORDER) == set(Manoeuvre)
    assert ORDER[-1] == Manoeuvre.CROSS
    assert STAGES[Manoeuvre.BRAKE] is events_lane.leading
    assert STAGES[Manoeuvre.CUT_IN] is events_between.cutting_in
    assert STAGES[Manoeuvre.RUN_RED] is events_across.running_red
