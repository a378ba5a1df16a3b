"""Each registered part keeps the contract of its kind."""

import pytest

from driving import check_planner
from driving.synthetic.scenes import scene
from planning.registry import PLANNERS


@pytest.mark.parametrize("name", ["red_light", "cut_in"])
@pytest.mark.parametrize("planner", sorted(PLANNERS))
def test_planners_keep_the_contract(planner, name):
    check_planner(PLANNERS[planner](), scene(name))
