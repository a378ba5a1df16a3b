import pytest
from adversarial_cases import TRACK, screen_of, straight_scenario, with_car

from simulation.generation.adversarial.changes import AgentChange
from simulation.generation.adversarial.courses import agent_course
from simulation.generation.adversarial.screening import HARMLESS, IMPOSSIBLE, NOT_AT_FAULT, PASSED, UNAVOIDABLE


def screened(scenario, **numbers):
    screen = screen_of(scenario)
    course = agent_course(scenario, 0)
    return screen.evaluate(course, AgentChange(manoeuvre="test", track_id=TRACK, **numbers))


@pytest.fixture(scope="module")
def leader():
    """A leader 20 m ahead of the ego, both at 10 m/s."""
    return with_car(straight_scenario(), 20.0, 0.0, 10.0)


def blocked(ahead_m, left_m):
    """A car that stands beside the ego's path from the beginning."""
    screen = screen_of(with_car(straight_scenario(), 20.0, 0.0, 10.0))
    course = agent_course(screen.scenario, 0)
    here = float(course.along_m[screen.scenario.first_frame])
    change = AgentChange(manoeuvre="stand", track_id=TRACK, stands_m=here - 20.0 + ahead_m, left_m=left_m)
    return screen.evaluate(course, change, blocks=True)


def test_a_car_on_half_of_the_lane_blocks_the_ego():
    result = blocked(28.0, 1.2)
    assert result.is_worth_a_drive
    # 28 m to its centre, without half of its length, the ego's front and the gap in which planners stop.
    assert result.blocked_m == pytest.approx(28.0 - 2.4 - 4.05 - 2.0, abs=1.1)


@pytest.mark.parametrize(
    ("ahead_m", "left_m", "value"),
    [
        # Only the opposite lane is free beside a car on the right.
        (28.0, -1.2, UNAVOIDABLE),
        # More than 0.2 of 150 m before it.
        (45.0, 1.2, PASSED),
        (28.0, 9.0, IMPOSSIBLE),
    ],
)
def test_other_places_block_no_planner_or_leave_no_way(ahead_m, left_m, value):
    assert value <= blocked(ahead_m, left_m).value < value + 3.0


def test_an_unchanged_leader_needs_no_reaction(leader):
    result = screened(leader)
    assert HARMLESS <= result.value < IMPOSSIBLE
    assert result.contact_step == -1


def test_a_braking_leader_is_worth_a_drive(leader):
    result = screened(leader, event_s=3.0, accel_mps2=3.0, target_mps=0.0)
    assert result.is_worth_a_drive
    assert result.contact_step > 40


def test_a_leader_that_brakes_harder_than_tyres_allow_is_impossible(leader):
    result = screened(leader, event_s=3.0, accel_mps2=12.0, target_mps=0.0)
    assert result.value > IMPOSSIBLE


def test_a_wall_right_ahead_leaves_no_way_out():
    scenario = with_car(straight_scenario(), 14.0, 0.0, 10.0)
    result = screened(scenario, event_s=1.0, accel_mps2=7.5, target_mps=0.0, time_shift_s=-0.6)
    assert UNAVOIDABLE <= result.value < NOT_AT_FAULT


def test_a_car_that_hits_the_ego_from_behind_is_not_its_fault():
    result = screened(with_car(straight_scenario(), -12.0, 0.0, 13.0))
    assert result.value == NOT_AT_FAULT


def test_a_course_through_the_ego_is_not_free(leader):
    assert screen_of(leader).is_free(agent_course(leader, 0))
    slow = with_car(straight_scenario(), 20.0, 0.0, 2.0)
    assert not screen_of(slow).is_free(agent_course(slow, 0))


def test_a_car_that_leaves_the_road_is_implausible(leader):
    result = screened(leader, event_s=3.0, left_m=-15.0, shift_s=5.0)
    assert result.value > IMPOSSIBLE
