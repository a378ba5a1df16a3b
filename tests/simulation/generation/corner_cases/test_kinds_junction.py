"""Each kind stages its situation at a junction: the nominal ego meets the agents that the docstring names."""

import numpy as np
import pytest
from staged_cases import lefts_m, staged

from driving.agents import LightStatus
from driving.geometry import wrap_angle
from driving.map import TurnKind
from simulation.generation.corner_cases.kinds_junction import (
    blocked_junction,
    green_for,
    red_light_runner,
    unprotected_left,
)

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_runner_crosses_on_red_while_the_ego_has_green(seed):
    case = staged(red_light_runner, seed)
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
    case = staged(blocked_junction, seed)
    blocker = case.agents[0]
    event_s, clears_s = case.drawn["event_s"], case.drawn["clears_s"]
    assert event_s < clears_s < event_s + 3.0
    assert blocker.speed.speed_mps(np.array([0.0, clears_s - 1.6])).tolist() == [0.0, 0.0]
    assert blocker.speed.speed_mps(np.array([clears_s + 6.0]))[0] == pytest.approx(8.0)
    lefts, _ = lefts_m(case, 0.0)
    assert abs(lefts[0]) < 2.2


@pytest.mark.parametrize("seed", SEEDS)
def test_oncoming_cars_pass_the_left_turn_one_after_the_other(seed):
    case = staged(unprotected_left, seed)
    assert len(case.agents) == case.drawn["cars"]
    assert case.about in (1, 2)
    starts = [agent.start_m for agent in case.agents]
    assert (np.diff(starts) < 0.0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_lights_are_green_along_the_way_and_against_it_and_red_from_the_sides(seed):
    case = staged(red_light_runner, seed)
    town_map, chain = case.ego.chain.map, case.ego.chain
    lanes, lights = town_map.lanes, green_for(town_map, chain)
    assert lights
    assert lights == case.lights
    own = [row for row in chain.rows if lanes.is_connector(row) and lanes.has_traffic_lights[row]]
    intersections = {int(lanes.intersection_ids[row]) for row in own}
    at_junctions = np.flatnonzero(np.isin(lanes.intersection_ids, list(intersections)) & lanes.has_traffic_lights)
    assert set(lights) == set(lanes.ids[at_junctions].tolist())
    for row in own:
        heading = town_map.centerline(row).headings[0]
        for member in at_junctions[lanes.intersection_ids[at_junctions] == lanes.intersection_ids[row]].tolist():
            apart = wrap_angle(town_map.centerline(member).headings[0] - heading)
            expected = LightStatus.GREEN if abs(np.sin(apart)) < 0.5 else LightStatus.RED
            assert lights[int(lanes.ids[member])] == [(-np.inf, expected)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ego_turns_left_at_the_event(seed):
    case = staged(unprotected_left, seed)
    lanes = case.ego.chain.map.lanes
    turns = [lanes.turn_kinds[row] for row in case.ego.chain.rows if lanes.is_connector(row)]
    assert TurnKind.LEFT in turns
    assert case.ego.front_m(case.drawn["event_s"]) == pytest.approx(case.ego.event_m, abs=0.05)
    before, after = (case.ego.chain.beside(case.ego.event_m + along)[2] for along in (-1.0, 30.0))
    assert wrap_angle(after - before) > 1.0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_second_vehicle_stays_ahead_of_the_blocking_one(seed):
    case = staged(blocked_junction, seed)
    first, second = case.agents
    times = np.arange(0.0, 20.0, 0.5)
    places = [agent.start_m + agent.speed.distance_m(times) for agent in (first, second)]
    assert (places[1] > places[0]).all()
    assert second.speed.speed_mps(np.array([case.drawn["clears_s"]]))[0] > 0.0
