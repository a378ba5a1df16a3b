"""Each registered part keeps the contract of its kind."""

import pytest

from driving import check_planner
from driving.synthetic.scenes import scene
from planning.registry import PLANNERS


@pytest.mark.parametrize("name", ["red_light", "cut_in"])
# The contract check gives no images; tests/planning/neural/test_camera_planner.py drives the camera student.
@pytest.mark.parametrize("planner", sorted(set(PLANNERS) - {"camera_student"}))
def test_planners_keep_the_contract(planner, name):
    check_planner(PLANNERS[planner](), scene(name))
