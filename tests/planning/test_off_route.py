"""Planners of an ego that is away from its route."""

from dataclasses import replace

import pytest

from driving.synthetic.scenes import scene
from planning.registry import load_planner
from simulation.rollout import run_rollout


def test_idm_names_the_roadblocks_of_a_reversed_route():
    scenario = scene("red_light")
    route = replace(scenario.route, roadblock_ids=scenario.route.roadblock_ids[::-1])
    with pytest.raises(ValueError, match=r"The ego is not on its route: .* not connected from \d+ to \d+"):
        run_rollout(replace(scenario, route=route), load_planner("idm"))


@pytest.mark.parametrize("name", ["idm", "pdm_closed"])
def test_planners_refuse_a_route_elsewhere(name):
    scenario, elsewhere = scene("red_light"), scene("t_junction")
    assert scenario.map is elsewhere.map
    with pytest.raises(ValueError, match="The ego is not on its route: "):
        run_rollout(replace(scenario, route=elsewhere.route), load_planner(name))
