import numpy as np
import pytest
from adversarial_cases import screen_of, straight_scenario, with_car

from simulation.generation.adversarial.causal import causal_agents
from simulation.generation.adversarial.changes import AgentChange
from simulation.generation.adversarial.limits import excess
from simulation.generation.adversarial.manoeuvres import LEARNED_POLICY, policy_attacks
from simulation.generation.adversarial.policy_rollouts import PolicyMotions, rolled_out_course, with_drive
from simulation.generation.adversarial.screening import IMPOSSIBLE

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


def test_an_agent_is_moved_from_a_step_at_which_it_is_observed():
    scenario = with_car(straight_scenario(), 45.0, 0.0, 10.0)
    scenario.agents.valid[0, STEP] = False
    with pytest.raises(ValueError, match="is not observed at step 60"):
        rolled_out_course(scenario, 0, STEP, seed=1)


@pytest.fixture(scope="module")
def leader():
    """A screen, and its leader 30 m ahead of the ego as a causal agent."""
    screen = screen_of(with_car(straight_scenario(), 30.0, 0.0, 10.0))
    (agent,) = causal_agents(screen.scenario, screen.centers, 8)
    return screen, agent


def policy(agent, **numbers):
    values = {"event_s": 3.0, "aggressiveness": -3.0, **numbers}
    return AgentChange(manoeuvre=LEARNED_POLICY, track_id=agent.track_id, **values)


def test_a_policy_that_prefers_braking_slows_down_after_the_event(leader):
    screen, agent = leader
    motion = PolicyMotions(screen.scenario, screen.states).motion(agent.course, policy(agent))
    speed = np.hypot(*np.diff(motion.poses[:, :2], axis=0).T) / 0.1
    event = screen.scenario.first_frame + 30
    assert speed[: event - 5] == pytest.approx(10.0, abs=0.1)
    assert speed[event + 20] < 6.0
    assert event < motion.visible_step < event + 20
    assert not motion.valid[screen.scenario.frames.stop :].any()


def test_the_screen_finds_policies_within_the_limits_possible(leader):
    screen, agent = leader
    (attack,) = policy_attacks([agent], 2)
    assert attack.size <= 5
    change = attack.change(np.array([0.2, 0.3, 0.5, 0.4]))
    screened = screen.evaluate(agent.course, change)
    assert screened.value < IMPOSSIBLE
    assert excess(screened.motion.poses, screened.motion.valid, agent.course.kind) <= 1.0
    again = screen_of(screen.scenario).evaluate(agent.course, change)
    np.testing.assert_array_equal(again.motion.poses, screened.motion.poses)


def test_a_policy_beyond_the_limits_is_refused(leader, monkeypatch):
    screen, agent = leader
    monkeypatch.setattr("simulation.generation.adversarial.screening.excess", lambda *_: 1.5)
    assert screen.evaluate(agent.course, policy(agent)).value >= IMPOSSIBLE


def test_a_policy_without_an_observed_event_is_impossible(leader):
    screen, agent = leader
    assert screen.evaluate(agent.course, policy(agent, event_s=60.0)).value >= IMPOSSIBLE


def test_agents_beside_the_path_or_at_rest_have_no_policy(leader):
    from dataclasses import replace

    _, agent = leader
    assert policy_attacks([agent], 0) == []
    assert policy_attacks([replace(agent, distance_m=3.5)], 2) == []
    assert policy_attacks([replace(agent, course=replace(agent.course, moves=False))], 2) == []
