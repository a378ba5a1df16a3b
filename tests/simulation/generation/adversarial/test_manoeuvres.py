import numpy as np
import pytest
from adversarial_cases import causal, straight_course

from driving.agents import AgentKind
from simulation.generation.adversarial.causal import Approach
from simulation.generation.adversarial.manoeuvres import BLOCKS, MANOEUVRES, attacks_of


def contact_attack(agent):
    (attack,) = [attack for attack in attacks_of(agent) if not attack.blocks]
    return attack


@pytest.mark.parametrize("name", MANOEUVRES)
@pytest.mark.parametrize("approach", Approach)
def test_a_manoeuvre_has_at_most_five_numbers_with_ascending_ranges(name, approach):
    ranges = MANOEUVRES[name](causal(straight_course(), approach, left_m=-3.0, distance_m=3.0))
    assert 1 <= len(ranges) <= 5
    assert all(one.low <= one.high for one in ranges.values())


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_has_at_most_five_numbers_with_ascending_ranges(name):
    ranges, fixed = BLOCKS[name]
    found = ranges(causal(straight_course(), left_m=-3.0, distance_m=3.0))
    assert 1 <= len(found) <= 5
    assert all(one.low <= one.high for one in found.values())
    assert not set(found) & set(fixed)


def names(*, blocks=False, **numbers):
    kind, approach = numbers.pop("kind", AgentKind.VEHICLE), numbers.pop("approach", Approach.SAME)
    course = straight_course(numbers.pop("speed_mps", 10.0), kind)
    attacks = attacks_of(causal(course, approach, **numbers))
    return [attack.manoeuvre for attack in attacks if attack.blocks == blocks]


def test_manoeuvres_fit_the_agent():
    assert names() == ["brake"]
    assert names(distance_m=3.5, left_m=3.5) == ["swerve"]
    assert names(speed_mps=0.0) == ["pull_out"]
    assert names(approach=Approach.ONCOMING, distance_m=3.5) == ["swerve"]
    assert names(approach=Approach.FROM_LEFT) == ["timing", "run", "brake"]
    assert names(kind=AgentKind.PEDESTRIAN, speed_mps=0.0) == ["cross"]


def test_blocks_fit_the_agent():
    assert names(blocks=True) == ["brake"]
    assert names(blocks=True, distance_m=3.5, left_m=3.5) == ["swerve"]
    assert names(blocks=True, speed_mps=0.0) == ["pull_out"]
    assert names(blocks=True, kind=AgentKind.PEDESTRIAN, speed_mps=0.0) == ["cross"]
    assert names(blocks=True, is_placed=True) == ["stand"]
    assert names(is_placed=True) == []


def test_a_block_ends_in_standstill_and_fails_in_modes_of_its_own():
    contact, block = attacks_of(causal(straight_course()))
    assert block.change(np.array([0.5, 0.5, 0.5])).target_mps == 0.0
    assert block.manoeuvre == contact.manoeuvre
    assert block.cell != contact.cell


def test_a_point_of_the_unit_cube_is_a_change():
    attack = contact_attack(causal(straight_course()))
    change = attack.change(np.array([0.5, 0.0, 1.0, 1.0]))
    assert change.manoeuvre == "brake"
    assert change.time_shift_s == 0.0
    assert change.event_s == pytest.approx(0.3)
    assert change.accel_mps2 == 7.5
    # Half of the speed at the event.
    assert change.target_mps == pytest.approx(5.0)
    assert change.numbers()["accel_mps2"] == 7.5


def test_a_swerve_leads_to_the_side_of_the_ego():
    attack = contact_attack(causal(straight_course(), distance_m=3.5, left_m=-3.5))
    assert attack.ranges["left_m"].low == -4.5
    assert attack.ranges["left_m"].high == -0.5


@pytest.mark.parametrize(
    ("approach", "left_m", "expected"),
    [
        (Approach.FROM_LEFT, -5.0, -np.pi / 2),
        (Approach.FROM_RIGHT, -5.0, np.pi / 2),
        # The ego's path is to the left of an agent to the right of the ego.
        (Approach.SAME, 5.0, np.pi / 2),
        (Approach.SAME, -5.0, -np.pi / 2),
        (Approach.ONCOMING, 5.0, -np.pi / 2),
    ],
)
def test_a_pedestrian_crosses_towards_the_ego(approach, left_m, expected):
    course = straight_course(0.0, AgentKind.PEDESTRIAN)
    attack = contact_attack(causal(course, approach, left_m=left_m, distance_m=5.0))
    middle = sum(attack.ranges["cross_rad"]) / 2
    assert middle == pytest.approx(expected)
