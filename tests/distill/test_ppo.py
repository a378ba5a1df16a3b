from dataclasses import replace

import numpy as np
import pytest
import torch

from distill.contract import SUB_SCORES
from distill.motions import generated_motions
from distill.ppo import CandidatePolicy, PpoSettings, advantages_of, follow, train
from distill.vocabulary_building import build_vocabulary
from driving.synthetic.scenes import scene
from planning.neural.encoder import NetworkConfig
from planning.neural.network import ScoreWeights, Student, StudentNetwork
from simulation.environment.closed_loop import NuPlanEnv
from simulation.environment.encoders import RawObservations

SETTINGS = PpoSettings(iterations=2, value_iterations=1, decisions=4, candidates=16, epochs=1, minibatch=4)


@pytest.fixture
def student():
    torch.manual_seed(0)
    vocabulary = build_vocabulary(generated_motions(200, seed=0), 32, iterations=1)
    network = StudentNetwork(NetworkConfig(width=8, heads=2, encoder_layers=1, feed_forward=8), SUB_SCORES)
    return Student(network=network, vocabulary=vocabulary, weights=ScoreWeights())


def environment(**arguments):
    return NuPlanEnv(actions="trajectory", encoder=RawObservations, **arguments)


def test_advantages_are_discounted_errors_up_to_the_end_of_an_episode():
    settings = PpoSettings(discount=0.5, trace=0.5)
    rewards = torch.tensor([[1.0], [2.0], [4.0]])
    values = torch.tensor([[0.0], [1.0], [2.0], [8.0]])
    ended = torch.tensor([[False], [True], [False]])
    # Errors: 1 + 0.5 - 0, 2 - 1, 4 + 4 - 2; the first takes a quarter of the second.
    expected = torch.tensor([[1.5 + 0.25 * 1.0], [1.0], [6.0]])
    torch.testing.assert_close(advantages_of(rewards, values, ended, settings), expected)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"temperature": 0.0}, "`temperature` must be finite and above 0, got 0"),
        ({"temperature": float("nan")}, "`temperature` must be finite and above 0, got nan"),
        ({"learning_rate": -1e-3}, "`learning_rate` must be finite and above 0, got -0.001"),
        ({"value_learning_rate": float("inf")}, "`value_learning_rate` must be finite and above 0, got inf"),
        ({"minibatch": 0}, "`minibatch` must be at least 1, got 0"),
        ({"hold_steps": 41}, "`hold_steps` must be below 41, the poses of a plan, got 41"),
        ({"seed": -1}, "`seed` must be at least 0, got -1"),
        ({"discount": 1.5}, "`discount` must be from 0 to 1, got 1.5"),
        ({"iterations": 2}, "`iterations` must be at least 3 to train the policy, got 2"),
    ],
)
def test_wrong_settings_are_sentences(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        PpoSettings(**wrong)


def test_the_policy_is_a_distribution_over_the_candidates(student):
    policy = CandidatePolicy(student, SETTINGS)
    given, rows = policy.observe([scene("queue").observation_at(0), scene("cut_in").observation_at(20)])
    log_prob, value = policy(given)
    assert rows.shape == log_prob.shape == (2, 16)
    torch.testing.assert_close(log_prob.exp().sum(dim=1), torch.ones(2))
    assert value.shape == (2,)
    trained = [name for name, one in policy.network.named_parameters() if one.requires_grad]
    assert all(name.startswith("decoder.") for name in trained)


def test_a_candidate_is_followed_for_some_steps(student):
    env = environment(scenarios=["straight_road"])
    observation, _ = env.reset()
    policy = CandidatePolicy(student, SETTINGS)
    ended = False
    for decision in range(30):
        assert (observation.iteration, ended) == (5 * decision, False)
        plan = policy.plan(observation, int(policy.observe([observation])[1][0, 3]))
        np.testing.assert_allclose(plan.poses[0], observation.ego_now.rear_axle_pose, atol=1e-6)
        observation, _, ended, info = follow(env, plan, 5)
    assert ended
    assert 0.0 <= info["score"] <= 1.0


def test_training_changes_the_decoder_alone_and_repeats_with_its_seed(student):
    def trained():
        torch.manual_seed(1)
        network = StudentNetwork(student.network.config, SUB_SCORES)
        own = Student(network=network, vocabulary=student.vocabulary, weights=student.weights)
        before = {name: values.clone() for name, values in network.state_dict().items()}
        rows = []
        train(own, [environment(scenarios=["queue"]) for _ in range(2)], SETTINGS, rows.append)
        changed = {name for name, values in network.state_dict().items() if not torch.equal(values, before[name])}
        return network.state_dict(), changed, rows

    first, changed, rows = trained()
    second, _, _ = trained()
    assert changed
    assert all(name.startswith("decoder.") for name in changed)
    assert [row["iteration"] for row in rows] == [0, 1]
    for name, values in first.items():
        torch.testing.assert_close(values, second[name], rtol=0.0, atol=0.0)


def test_one_decision_of_one_environment_leaves_finite_weights(student):
    settings = replace(SETTINGS, decisions=1, minibatch=1)
    train(student, [environment(scenarios=["queue"])], settings, lambda _row: None)
    assert all(torch.isfinite(values).all() for values in student.network.parameters())
