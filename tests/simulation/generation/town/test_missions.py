from itertools import pairwise

import numpy as np
import pytest

from driving.timing import STEP_S
from simulation.generation.town.missions import ROUTE_BEYOND_M, ROUTE_M, SCENARIO_STEPS, mission_from


@pytest.fixture(scope="module")
def missions(observed):
    """Missions of all ego vehicles from two steps on, with vehicle and step."""
    vehicles = np.flatnonzero(observed.drivers["is_ego_make"]).tolist()
    found = [
        (vehicle, step, mission_from(observed, vehicle, step, step + 7)) for vehicle in vehicles for step in (0, 170)
    ]
    assert len(found) > 40
    return found


def driven_blocks(observed, vehicle, step):
    """Roadblocks of the vehicle from a step on."""
    blocks = observed.town.map.lanes.roadblock_ids[observed.history.lane[step:, vehicle]]
    return blocks[np.concatenate([[True], blocks[1:] != blocks[:-1]])].tolist()


def test_a_mission_holds_from_the_given_frame(missions):
    assert all(mission.first_frame == step + 7 for _, step, mission in missions)


def test_the_route_is_the_driven_way(observed, missions):
    for vehicle, step, mission in missions:
        driven = driven_blocks(observed, vehicle, step)
        common = min(len(driven), len(mission.roadblock_ids))
        assert list(mission.roadblock_ids[:common]) == driven[:common]


def test_the_route_starts_at_the_vehicle_and_holds_no_roadblock_twice(observed, missions):
    lanes = observed.town.map.lanes
    for vehicle, step, mission in missions:
        assert mission.roadblock_ids[0] == lanes.roadblock_ids[observed.lane_under(vehicle, step)]
        assert len(set(mission.roadblock_ids)) == len(mission.roadblock_ids)


def test_the_roadblocks_of_a_route_are_connected(observed, missions):
    town = observed.town.map
    for *_, mission in missions:
        for block, following in pairwise(mission.roadblock_ids):
            successors = {
                int(town.lanes.roadblock_ids[after])
                for row in town.lane_rows_of_roadblock(block)
                for after in town.lanes.successors[row].tolist()
            }
            assert following in successors


def test_behind_its_needed_length_a_route_requires_no_lane_change(observed, missions):
    town, length = observed.town.map, observed.net.lanes["length"]
    checked = 0
    for vehicle, step, mission in missions:
        reached, passed_m = [observed.lane_under(vehicle, step)], 0.0
        driven_m = observed.history.v[step : step + SCENARIO_STEPS, vehicle].sum() * STEP_S
        for place, (block, following) in enumerate(pairwise(mission.roadblock_ids)):
            passed_m += min(length[town.lane_rows_of_roadblock(block)])
            onward = [after for row in reached for after in town.lanes.successors[row].tolist()]
            onward = [row for row in onward if town.lanes.roadblock_ids[row] == following]
            if place > 0 and passed_m > driven_m + ROUTE_BEYOND_M:
                assert onward
                checked += 1
            reached = onward or town.lane_rows_of_roadblock(following)
    assert checked > 10


def test_the_goal_is_on_the_last_roadblock_which_is_a_street(observed, missions):
    town = observed.town.map
    for *_, mission in missions:
        rows = town.lane_rows_of_roadblock(mission.roadblock_ids[-1])
        assert max(rows) < town.lanes.num_lanes
        row = int(town.lane_rows_at(mission.goal_pose[:2])[0])
        assert row in rows
        line = town.centerline(row)
        assert mission.goal_pose == pytest.approx(line.at(np.array([0.75 * line.length_m]))[0], abs=1e-6)


def test_routes_are_as_long_as_wanted_or_end_before_a_loop_or_lane_change(observed, missions):
    town, length = observed.town.map, observed.net.lanes["length"]
    lengths_m = [
        sum(length[town.lane_rows_of_roadblock(block)[0]] for block in mission.roadblock_ids)
        for *_, mission in missions
    ]
    assert np.median(lengths_m) > 0.8 * ROUTE_M
    # The last street may exceed the wanted length.
    assert max(lengths_m) < ROUTE_M + length.max() + 100.0
