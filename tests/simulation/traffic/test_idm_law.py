import math

import numpy as np
import pytest

from simulation.traffic.idm_law import (
    NUPLAN_AGENTS,
    NUPLAN_PLANNER,
    PDM_PROPOSALS,
    IdmParameters,
    idm_acceleration,
    improved_idm_acceleration,
)

TOWN_DRIVER = IdmParameters(min_gap_m=2.0, headway_s=1.5, accel_max_mps2=1.0, decel_max_mps2=2.0)


def published_idm(speed, gap, lead_speed, target, parameters):
    """Equations 3 and 4 of Treiber et al. 2000, with nuPlan's lower bound of the gap and its clipping."""
    min_gap, headway, a, b, exponent = parameters
    desired = min_gap + speed * headway + speed * (speed - lead_speed) / (2 * math.sqrt(a * b))
    accel = a * (1 - (speed / target) ** exponent - (desired / max(gap, min_gap)) ** 2)
    return float(np.clip(accel, -b, a))


@pytest.mark.parametrize("parameters", [NUPLAN_AGENTS, NUPLAN_PLANNER, PDM_PROPOSALS, TOWN_DRIVER])
def test_the_compiled_law_equals_the_published_one(parameters):
    rng = np.random.default_rng(0)
    for speed, lead_speed, target, gap in rng.uniform([-1.0, -5.0, 1.0, -2.0], [20.0, 20.0, 20.0, 60.0], (500, 4)):
        expected = published_idm(speed, gap, lead_speed, target, parameters)
        assert idm_acceleration(speed, gap, lead_speed, target, parameters) == pytest.approx(expected, abs=1e-12)


def test_a_standing_vehicle_on_a_free_road_accelerates_fully():
    assert idm_acceleration(0.0, 1e9, 0.0, 10.0, PDM_PROPOSALS) == pytest.approx(1.5)


def test_a_vehicle_at_its_target_speed_keeps_it_on_a_free_road():
    assert idm_acceleration(10.0, 1e9, 10.0, 10.0, NUPLAN_AGENTS) == pytest.approx(0.0, abs=1e-12)


def test_a_gap_below_the_smallest_one_counts_as_the_smallest():
    # Standing: the desired gap is the smallest one, and so is the counted one.
    assert idm_acceleration(0.0, -3.0, 0.0, 10.0, NUPLAN_PLANNER) == 0.0


@pytest.mark.parametrize(("parameters", "bound"), [(NUPLAN_AGENTS, -2.0), (NUPLAN_PLANNER, -3.0)])
def test_braking_is_bounded_by_the_comfortable_deceleration(parameters, bound):
    assert idm_acceleration(15.0, 1.0, 0.0, 10.0, parameters) == bound


@pytest.mark.parametrize(
    ("gap_m", "speed_mps", "lead_mps", "expected"),
    [
        (2.0, 0.0, 0.0, 0.0),  # In a queue at the desired gap.
        (17.0, 10.0, 10.0, 0.0),  # 2 m + 1.5 s behind an equally fast leader.
        (1.0, 0.0, 0.0, -3.0),  # At half the smallest gap: 1 - 2^2.
        (8.5, 10.0, 10.0, -3.0),
    ],
)
def test_the_improved_model_has_known_accelerations(gap_m, speed_mps, lead_mps, expected):
    accel = improved_idm_acceleration(speed_mps, gap_m, lead_mps, 0.5, TOWN_DRIVER)
    assert accel == pytest.approx(expected)


def test_the_improved_model_keeps_the_free_acceleration_behind_a_far_leader():
    assert improved_idm_acceleration(10.0, 1e6, 10.0, 0.5, TOWN_DRIVER) == pytest.approx(0.5, abs=1e-6)


def test_the_improved_model_adds_to_the_deceleration_of_a_vehicle_that_is_too_fast():
    # Desired gap 17 m, gap 8.5 m: 1 - 2^2 on top of the free deceleration.
    assert improved_idm_acceleration(10.0, 8.5, 10.0, -1.0, TOWN_DRIVER) == pytest.approx(-4.0)
    assert improved_idm_acceleration(10.0, 34.0, 10.0, -1.0, TOWN_DRIVER) == -1.0
