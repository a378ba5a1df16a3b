"""Correction of routes."""

from dataclasses import replace

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from planning.rule_based.planner import PdmClosedPlanner
from planning.rule_based.route_correction import corrected_route, roadblock_path


def test_a_late_start_and_a_gap_are_filled():
    scenario = scene("t_junction")
    blocks = list(dict.fromkeys(scenario.route.roadblock_ids))
    assert len(blocks) >= 3
    ego = scenario.observation_at(0).ego_now
    for part in (tuple(blocks), tuple(blocks[1:]), (blocks[0], *blocks[2:])):
        assert corrected_route(scenario.map, part, ego)[:3] == blocks[:3]


def test_a_route_that_returns_over_a_connector_is_cut_there():
    scenario = scene("roundabout")
    blocks = list(dict.fromkeys(scenario.route.roadblock_ids))
    ego = scenario.observation_at(0).ego_now
    assert corrected_route(scenario.map, (*blocks, *blocks), ego) == corrected_route(scenario.map, tuple(blocks), ego)


def test_a_route_in_reverse_order_is_not_sorted_and_ends_with_the_roadblock_of_the_ego():
    scenario = scene("t_junction")
    blocks = tuple(dict.fromkeys(scenario.route.roadblock_ids))
    ego = scenario.observation_at(0).ego_now
    assert corrected_route(scenario.map, blocks[::-1], ego) == [*blocks[::-1]]
    planner = PdmClosedPlanner()
    planner.reset(scenario.map, replace(scenario.route, roadblock_ids=blocks[::-1]))
    planner.plan(scenario.observation_at(0))
    # The last roadblock of the list is that of the ego; the centerline is its lane.
    (row,) = scenario.map.lane_rows_of_roadblock(blocks[0])
    np.testing.assert_allclose(planner.centerline.points[-1, :2], scenario.map.centerline(row).points[-1], atol=1.0)


def test_an_unknown_route_is_refused():
    scenario = scene("straight_road")
    with pytest.raises(ValueError, match=r"no roadblock of the route \(-5,\)"):
        corrected_route(scenario.map, (-5,), scenario.observation_at(0).ego_now)


def test_roadblocks_are_searched_forwards_and_backwards_up_to_a_depth():
    scenario = scene("t_junction")
    blocks = list(dict.fromkeys(scenario.route.roadblock_ids))
    assert roadblock_path(scenario.map, blocks[0], {blocks[2]}, 30) == blocks[:3]
    assert roadblock_path(scenario.map, blocks[2], {blocks[0]}, 30, forward=False) == blocks[2::-1]
    assert roadblock_path(scenario.map, blocks[0], {blocks[2]}, 2) is None
