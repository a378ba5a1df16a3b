import gymnasium
import numpy as np
import pytest

import simulation.environment
from simulation.environment.closed_loop import NuPlanEnv
from simulation.environment.encoders import RawObservations
from simulation.environment.vector import NuPlanVectorEnv

STAY = np.zeros((3, 2), dtype=np.float32)


def test_members_equal_single_environments():
    envs = gymnasium.make_vec(simulation.environment.ENVIRONMENT_ID, num_envs=3)
    assert isinstance(envs, NuPlanVectorEnv)
    observed, infos = envs.reset(seed=4)
    singles = [NuPlanEnv() for _ in range(3)]
    for number, single in enumerate(singles):
        alone, info = single.reset(seed=4 + number)
        assert infos["scenario"][number] == info["scenario"]
        np.testing.assert_array_equal(observed["agents"][number], alone["agents"])
    rewards = []
    for _ in range(150):
        observed, reward, ended, _, infos = envs.step(STAY)
        rewards.append(reward)
    assert ended.all()
    for number, single in enumerate(singles):
        alone = [single.step(STAY[0]) for _ in range(150)]
        np.testing.assert_array_equal([step[1] for step in alone], np.array(rewards)[:, number])
        assert infos["score"][number] == alone[-1][4]["score"]
    # The next step resets, whatever the action is.
    observed, reward, ended, _, infos = envs.step(np.full((3, 2), np.nan))
    assert not ended.any()
    assert not reward.any()


def test_a_wrong_action_moves_no_member():
    envs = NuPlanVectorEnv(3, scenarios=["queue"])
    envs.reset(seed=0)
    wrong = STAY.copy()
    wrong[2, 0] = np.nan
    with pytest.raises(ValueError, match=r"Member 2: An action is 2 numbers .* No member moved"):
        envs.step(wrong)
    with pytest.raises(ValueError, match="3 members need as many actions, got 2"):
        envs.step(STAY[:2])
    envs.step(STAY)
    assert [member.log().num_steps for member in envs.envs] == [1, 1, 1]


def test_raw_observations_are_not_copied():
    envs = NuPlanVectorEnv(2, encoder=RawObservations, scenarios=["queue"])
    observed, _ = envs.reset(seed=0)
    assert [one.iteration for one in observed] == [0, 0]
    assert observed[0].map is observed[1].map
    observed, *_ = envs.step(STAY[:2])
    assert [one.iteration for one in observed] == [1, 1]


def test_a_vector_needs_a_member():
    with pytest.raises(ValueError, match="at least 1 member"):
        NuPlanVectorEnv(0)
