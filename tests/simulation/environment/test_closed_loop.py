import pickle
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import simulation.environment
from driving.observation import Observation
from driving.planner import reset_planner
from driving.synthetic.scenes import SCENES, scene
from planning.registry import load_planner
from simulation.environment import ENVIRONMENT_ID
from simulation.environment.actions import CommandActions
from simulation.environment.closed_loop import NuPlanEnv
from simulation.environment.encoders import RawObservations
from simulation.metrics.score import score_simulation
from simulation.rollout import run_rollout

STAY = np.zeros(2, dtype=np.float32)


def driven(env, actions):
    """Rewards and the last info of an episode under the given actions, then the last one again."""
    rewards = []
    for step in range(150):
        _, reward, ended, truncated, info = env.step(actions[min(step, len(actions) - 1)])
        rewards.append(reward)
        assert not truncated
        if ended:
            return rewards, info
    raise AssertionError("The episode did not end after 150 steps.")


@pytest.mark.parametrize("arguments", [{}, {"actions": "trajectory"}, {"traffic": "reactive"}])
def test_gymnasiums_checker_passes_without_warnings(arguments):
    env = gymnasium.make(simulation.environment.ENVIRONMENT_ID, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


@pytest.mark.parametrize(("name", "traffic"), [("queue", "nonreactive"), ("cut_in", "reactive")])
def test_a_planner_in_the_environment_gets_the_score_of_the_benchmark(name, traffic):
    planner, scenario = load_planner("idm"), scene(name)
    expected_log = run_rollout(scenario, planner, traffic=traffic)
    expected = score_simulation(expected_log, scenario)
    env = NuPlanEnv(traffic=traffic, actions="trajectory", encoder=RawObservations)
    observation, info = env.reset(options={"scenario": name})
    assert info["scenario"] == scenario.scenario_id
    reset_planner(planner, scenario)
    ended = False
    while not ended:
        observation, _, ended, _, info = env.step(planner.plan(observation))
    assert info["score"] == expected.score
    assert info["metrics"].keys() == expected.metrics.keys()
    for metric, result in expected.metrics.items():
        np.testing.assert_equal(info["metrics"][metric], np.nan if result.score is None else result.score)
    np.testing.assert_array_equal(env.log().ego.rear_axle_poses, expected_log.ego.rear_axle_poses)
    np.testing.assert_array_equal(env.log().agents.poses, expected_log.agents.poses)


def test_the_rewards_of_an_episode_sum_to_progress_and_score():
    env = NuPlanEnv()
    _, start = env.reset(options={"scenario": "straight_road"})
    rewards, info = driven(env, [STAY])
    # No steering and 10 m/s: 149 of the 150 m of the log, whose last frame is not simulated.
    assert info["score"] == pytest.approx((5.0 * 149.0 / 150.0 + 11.0) / 16.0)
    assert start["progress"] < 0.02
    assert info["progress"] == pytest.approx(info["metrics"]["ego_progress_along_expert_route"])
    assert sum(rewards) == pytest.approx(info["progress"] - start["progress"] + info["score"])


def test_leaving_the_road_costs_once_and_makes_the_score_zero():
    env = NuPlanEnv(scenarios=["straight_road"])
    env.reset()
    left = np.array([0.0, 0.5], dtype=np.float32)
    rewards, info = driven(env, [left, left, STAY])
    assert info["off_road"]
    assert info["metrics"]["drivable_area_compliance"] == info["score"] == 0.0
    assert "drivable area" in info["violations"]["drivable_area_compliance"]
    assert [round(reward) for reward in rewards].count(-1) == 1


def test_a_hit_car_costs_and_may_end_the_episode():
    env = NuPlanEnv(scenarios=["queue"], end_at_zero=True)
    env.reset()
    rewards, info = driven(env, [np.array([0.2, 0.0], dtype=np.float32)])
    # 58 m at 10 m/s and 1.2 m/s2: 4.6 s.
    assert 40 <= len(rewards) <= 50
    assert rewards[-1] == pytest.approx(-1.0, abs=0.02)
    assert info["score"] == info["metrics"]["no_ego_at_fault_collisions"] == 0.0
    assert info["collision_score"] == 0.0
    assert env.log().num_steps == len(rewards)


def test_an_action_of_one_accelerates_towards_the_limit():
    env = NuPlanEnv(actions=CommandActions(max_accel_mps2=2.0))
    env.reset(options={"scenario": "straight_road"})
    for _ in range(20):
        env.step(np.array([1.0, 0.0], dtype=np.float32))
    log = env.log()
    assert log.ego.accelerations_mps2[0, -1, 0] == pytest.approx(2.0, abs=0.01)
    assert log.planner_name == "gymnasium"


def test_seeds_choose_scenarios_and_repeat_episodes():
    env = NuPlanEnv()
    drawn = [env.reset(seed=5)[1]["scenario"], *(env.reset()[1]["scenario"] for _ in range(6))]
    again = [env.reset(seed=5)[1]["scenario"], *(env.reset()[1]["scenario"] for _ in range(6))]
    assert drawn == again
    assert len(set(drawn)) > 2


def test_a_scenario_is_named_by_its_id_or_its_scene_and_random_traffic_by_its_seed():
    env = NuPlanEnv()
    scenario_id = scene("red_light").scenario_id
    for name in ("red_light", scenario_id):
        _, info = env.reset(options={"scenario": name, "seed": 7})
        assert (info["scenario"], info["traffic_seed"]) == (scenario_id, 7)
    assert env.scenario_names == tuple(SCENES)


@pytest.mark.parametrize(
    ("action", "got"),
    [([np.nan, 0.0], "nan"), ([1.5, 0.0], "1.5"), ([0.0], r"\[0.0\]"), ("left", "'left'"), (None, "nan")],
)
def test_wrong_actions_are_sentences_and_drive_nothing(action, got):
    env = NuPlanEnv()
    env.reset(options={"scenario": "queue"})
    env.step(STAY)
    with pytest.raises(ValueError, match=got) as caught:
        env.step(action)
    assert "not driven" in str(caught.value)
    env.step(STAY)
    assert env.log().num_steps == 2


def test_an_unknown_scenario_leaves_the_running_episode_usable():
    env = NuPlanEnv()
    env.reset(options={"scenario": "queue"})
    env.step(STAY)
    with pytest.raises(KeyError, match=r"No scenario named 'queues'\. Did you mean 'queue'"):
        env.reset(options={"scenario": "queues"})
    with pytest.raises(KeyError, match="takes the options scenario and seed, got scene"):
        env.reset(options={"scene": "queue"})
    env.step(STAY)
    assert env.log().num_steps == 2


def test_an_environment_of_make_is_usable_after_a_wrong_first_reset():
    env = gymnasium.make(ENVIRONMENT_ID)
    with pytest.raises(KeyError, match="Did you mean 'queue'"):
        env.reset(options={"scenario": "queues"})
    env.reset(options={"scenario": "queue"})
    env.step(STAY)
    assert env.unwrapped.log().num_steps == 1


def test_steps_outside_of_an_episode_are_refused():
    env = NuPlanEnv(scenarios=["straight_road"])
    with pytest.raises(RuntimeError, match=r"call reset\(\)"):
        env.step(STAY)
    with pytest.raises(RuntimeError, match=r"call reset\(\)"):
        env.log()
    env.reset()
    with pytest.raises(RuntimeError, match="no score yet"):
        _ = env.result
    driven(env, [STAY])
    assert env.result.score > 0.99
    with pytest.raises(RuntimeError, match=r"call reset\(\)"):
        env.step(STAY)
    env.reset()
    env.step(STAY)


def test_wrong_settings_name_what_is_known():
    with pytest.raises(KeyError, match="Did you mean 'reactive'"):
        NuPlanEnv(traffic="reactiv")
    with pytest.raises(KeyError, match="Did you mean 'commands'"):
        NuPlanEnv(actions="comands")
    with pytest.raises(ValueError, match=r"renders nothing.*env.unwrapped.log"):
        NuPlanEnv(render_mode="human")
    with pytest.raises(ValueError, match="With traffic open_loop the ego repeats the log"):
        NuPlanEnv(traffic="open_loop")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"traffic": 3}, "`traffic` must be a name such as `nonreactive`, got 3"),
        ({"traffic": None}, "`traffic` must be a name such as `nonreactive`, got None"),
        ({"encoder": "nearby"}, "`encoder` must be a class or a function that makes an encoder, got 'nearby'"),
        ({"encoder": dict}, r"`encoder\(\)` must be an object with `space`, `reset` and `encode`, got {}"),
        ({"weights": {"score": 2.0}}, "`weights` must be RewardWeights or None, got {'score': 2.0}"),
        ({"scenarios": "queue"}, "`scenarios` must be a list"),
        ({"data": 3}, "`data` must be the path"),
        ({"actions": 1}, "`actions` must be `commands`"),
    ],
)
def test_settings_of_wrong_types_are_sentences(wrong, sentence):
    with pytest.raises(TypeError, match=sentence):
        NuPlanEnv(**wrong)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ("queue", TypeError, "`options` must be a mapping with the keys scenario and seed, got 'queue'"),
        ([], TypeError, r"`options` must be a mapping .* got \[\]"),
        ({3: 1, "scene": 2}, KeyError, "takes the options scenario and seed, got 3, scene"),
        ({"seed": -1}, ValueError, "`seed` must be a whole number from 0, got -1"),
        *(
            ({"seed": seed}, TypeError, "`seed` must be a whole number from 0, got")
            for seed in (1.5, "7", None, [7], np.nan, True)
        ),
    ],
)
def test_a_refused_option_does_not_change_the_next_draws(options, error, sentence):
    env, other = NuPlanEnv(), NuPlanEnv()
    for one in (env, other):
        one.reset(seed=3)
    with pytest.raises(error, match=sentence):
        env.reset(seed=8, options=options)
    drawn, expected = env.reset()[1], other.reset()[1]
    assert (drawn["scenario"], drawn["traffic_seed"]) == (expected["scenario"], expected["traffic_seed"])
    assert env.reset(options={"seed": np.int64(5)})[1]["traffic_seed"] == 5


def test_raw_observations_are_those_of_planners():
    env = NuPlanEnv(encoder=RawObservations)
    observation, _ = env.reset(options={"scenario": "queue"})
    assert isinstance(observation, Observation)
    assert observation in env.observation_space
    observation, *_ = env.step(STAY)
    assert observation.iteration == 1
    with pytest.raises(NotImplementedError, match="cannot be drawn"):
        env.observation_space.sample()


def test_the_id_is_registered_once():
    assert gymnasium.spec(ENVIRONMENT_ID).id == "camber/NuPlanClosedLoop-v0"


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"options": {"scenario": 3}}, TypeError, "`scenario` must be a name or id of a scenario, got 3"),
        ({"options": {"scenario": ["queue"]}}, TypeError, "`scenario` must be a name or id of a scenario"),
        ({"seed": -1}, ValueError, "`seed` must be a whole number from 0, got -1"),
        ({"seed": 1.5}, TypeError, "`seed` must be a whole number from 0, got 1.5"),
    ],
)
def test_a_wrong_reset_is_a_sentence_and_the_episode_continues(arguments, error, sentence):
    env = NuPlanEnv(scenarios=["queue"])
    env.reset(seed=0)
    env.step(STAY)
    with pytest.raises(error, match=sentence):
        env.reset(**arguments)
    env.step(STAY)
    assert env.log().num_steps == 2


def test_it_says_where_drives_can_be_viewed():
    with pytest.raises(
        NotImplementedError, match=r"renders nothing; view `env.unwrapped.log\(\)` by scripts/view.py"
    ):
        NuPlanEnv().render()


def test_the_early_end_is_true_or_false():
    with pytest.raises(TypeError, match="`end_at_zero` must be True or False, got 'no'"):
        NuPlanEnv(end_at_zero="no")


def test_an_environment_can_be_pickled_before_and_during_an_episode():
    env = NuPlanEnv(scenarios=["queue"])
    copied = pickle.loads(pickle.dumps(env))
    for one in (env, copied):
        one.reset(seed=0)
        one.step(STAY)
    again = pickle.loads(pickle.dumps(copied))
    rewards = [one.step(np.ones(2, dtype=np.float32))[1] for one in (env, copied, again)]
    assert rewards == [rewards[0]] * 3
