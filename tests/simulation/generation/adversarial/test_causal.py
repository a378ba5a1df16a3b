from dataclasses import replace

import numpy as np
import pytest
from adversarial_cases import TRACK, screen_of, straight_scenario, with_car

from simulation.generation.adversarial.causal import Approach, approach_of, causal_agents


@pytest.mark.parametrize(
    ("turn_rad", "approach"),
    [
        (0.1, Approach.SAME),
        (3.1, Approach.ONCOMING),
        (-1.5, Approach.FROM_LEFT),
        (1.5, Approach.FROM_RIGHT),
        (2 * np.pi, Approach.SAME),
    ],
)
def test_the_approach_follows_from_the_headings(turn_rad, approach):
    assert approach_of(turn_rad) == approach


def found_in(scenario):
    return causal_agents(scenario, screen_of(scenario).centers, 5)


def test_a_leader_meets_the_ego_in_the_same_direction():
    (leader,) = found_in(with_car(straight_scenario(), 25.0, 0.0, 10.0))
    assert leader.track_id == TRACK
    assert leader.approach == Approach.SAME
    assert leader.is_ahead
    assert leader.distance_m < 1.6


def test_a_follower_is_no_cause():
    assert found_in(with_car(straight_scenario(), -15.0, 0.0, 10.0)) == []


def test_a_car_beside_the_ego_has_the_distance_of_its_path():
    (car,) = found_in(with_car(straight_scenario(), 15.0, 3.5, 9.0))
    assert car.distance_m == pytest.approx(3.5, abs=0.8)
    # The ego is to the right of a car on its left.
    assert car.left_m == pytest.approx(-3.5, abs=0.8)


def test_distant_agents_are_no_cause():
    assert found_in(with_car(straight_scenario(), 15.0, 60.0, 9.0)) == []


def test_agents_of_other_kinds_are_no_cause():
    scenario = with_car(straight_scenario(), 15.0, 3.5, 0.0)
    kinds = np.array([3], dtype=np.int8)
    assert found_in(replace(scenario, agents=replace(scenario.agents, kinds=kinds))) == []
