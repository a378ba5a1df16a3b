import numpy as np
from adversarial_cases import screen_of, straight_scenario, with_car

from simulation.generation.adversarial.limits import excess
from simulation.generation.adversarial.policy_rollouts import rolled_out_course, with_drive

STEP = 60


def poses_of(course):
    return course.path.poses(course.along_m) + np.array([*course.origin, 0.0])


def test_the_agent_follows_its_log_up_to_the_step_and_the_model_from_it_on():
    scenario = with_car(straight_scenario(), 45.0, 0.0, 10.0)
    course = rolled_out_course(scenario, 0, STEP, seed=1)
    logged, made = scenario.agents.poses[0], poses_of(course)
    np.testing.assert_allclose(made[: STEP - 10, :2], logged[: STEP - 10, :2], atol=0.05)
    assert np.abs(made[-1, :2] - logged[-1, :2]).max() > 1.0
    assert excess(made, course.valid, course.kind) <= 1.0
    assert (course.row, course.first) == (0, 0)


def test_equal_seeds_give_equal_courses():
    scenario = with_car(straight_scenario(), 45.0, 0.0, 10.0)
    first, again, other = (rolled_out_course(scenario, 0, STEP, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.along_m, again.along_m)
    assert (first.along_m != other.along_m).any()


def test_the_drive_becomes_the_log_from_iteration_0_on():
    screen = screen_of(straight_scenario())
    states = screen.states.copy()
    states[:, 1] += 2.0
    first = screen.scenario.first_frame
    changed = with_drive(screen.scenario, states).ego.rear_axle_poses[0]
    logged = screen.scenario.ego.rear_axle_poses[0]
    np.testing.assert_array_equal(changed[:first], logged[:first])
    np.testing.assert_allclose(changed[first : first + len(states), 1], states[:, 1])
