import gymnasium
import numpy as np
import pytest

import simulation.environment
from driving.trajectory import Trajectory
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


@pytest.mark.parametrize(
    ("shift_m", "times", "fault"),
    [(60.0, 9, r"starts 60\.00 m from the ego"), (0.0, 2, r"ends after 0\.05 s; 0\.10 s are needed")],
)
def test_a_wrong_trajectory_object_moves_no_member(shift_m, times, fault):
    envs = NuPlanVectorEnv(2, scenarios=["queue"], actions="trajectory", encoder=RawObservations)
    observed, _ = envs.reset(seed=0)
    time_s = np.linspace(0.0, 0.05 * (times - 1), times)
    poses = np.repeat(observed[0].ego_now.rear_axle_pose[np.newaxis], times, axis=0)
    good = Trajectory(time_s=np.arange(9.0), poses=np.repeat(poses[:1], 9, axis=0))
    wrong = Trajectory(time_s=time_s, poses=poses + np.array([shift_m, 0.0, 0.0]))
    with pytest.raises(ValueError, match=rf"Member 1: The plan {fault}.* No member moved"):
        envs.step([good, wrong])
    envs.step([good, good])
    assert [member.log().num_steps for member in envs.envs] == [1, 1]


def test_a_member_that_was_reset_in_the_same_step_is_checked_in_the_next():
    envs = gymnasium.make_vec(
        simulation.environment.ENVIRONMENT_ID, num_envs=2, scenarios=["queue"], autoreset_mode="SameStep"
    )
    envs.reset(seed=0)
    for _ in range(150):
        _, _, ended, _, _ = envs.step(STAY[:2])
    assert ended.all()
    with pytest.raises(ValueError, match="Member 1: An action is 2 numbers"):
        envs.step([STAY[0], [np.nan, 0.0]])
    envs.step(STAY[:2])
    assert [member.log().num_steps for member in envs.envs] == [1, 1]


def test_an_ended_member_without_autoreset_is_refused_before_any_moves():
    envs = NuPlanVectorEnv(2, scenarios=["queue"], autoreset_mode="Disabled")
    with pytest.raises(RuntimeError, match=r"call reset\(\)"):
        envs.step(STAY[:2])
    envs.reset(seed=0)
    for _ in range(150):
        envs.step(STAY[:2])
    with pytest.raises(RuntimeError, match="The episode has ended"):
        envs.step(STAY[:2])


def test_raw_observations_are_not_copied():
    envs = NuPlanVectorEnv(2, encoder=RawObservations, scenarios=["queue"])
    observed, _ = envs.reset(seed=0)
    assert [one.iteration for one in observed] == [0, 0]
    assert observed[0].map is observed[1].map
    observed, *_ = envs.step(STAY[:2])
    assert [one.iteration for one in observed] == [1, 1]


@pytest.mark.parametrize(
    ("seeds", "error", "match"),
    [
        ([1, -1], ValueError, r"`seed\[1\]` must be a whole number from 0, got -1"),
        ([1, "2"], TypeError, r"`seed\[1\]` must be a whole number from 0, got '2'"),
        ([1], ValueError, "length must match num_envs=2"),
    ],
)
def test_a_wrong_seed_resets_no_member(seeds, error, match):
    vector = NuPlanVectorEnv(2)
    vector.reset(seed=3)
    before = [member._rollout for member in vector.envs]
    with pytest.raises(error, match=match):
        vector.reset(seed=seeds)
    assert [member._rollout for member in vector.envs] == before
    vector.reset(seed=np.array([4, 5]))
    first = [member._rollout.scenario.scenario_id for member in vector.envs]
    vector.reset(seed=np.int64(4))
    assert [member._rollout.scenario.scenario_id for member in vector.envs] == first


def test_a_vector_needs_a_member():
    with pytest.raises(ValueError, match="at least 1 member"):
        NuPlanVectorEnv(0)


@pytest.mark.parametrize("options", [{"scenario": "zz"}, {"scene": "queue"}, {"scenario": 3}, 3])
def test_a_refused_reset_leaves_all_members_as_they_are(options):
    envs = NuPlanVectorEnv(2, end_at_zero=True)
    envs.reset(seed=0)
    ended = np.zeros(2, dtype=bool)
    while not ended.any():
        ended = envs.step(np.array([[1.0, 0.3], [0.0, 0.0]]))[2]
    assert not ended.all()
    before = [member._rollout.iteration for member in envs.envs]
    with pytest.raises((KeyError, TypeError)):
        envs.reset(options=options)
    with pytest.raises(ValueError, match="length must match num_envs=2"):
        envs.reset(seed=[1])
    assert [member._rollout.iteration for member in envs.envs] == before
    # The ended member starts again, and the other one drives on.
    envs.step(STAY[:2])
    expected = [0 if has_ended else step + 1 for has_ended, step in zip(ended, before, strict=True)]
    assert [member._rollout.iteration for member in envs.envs] == expected


def test_the_callers_options_keep_their_mask():
    envs = NuPlanVectorEnv(2, scenarios=["queue"])
    envs.reset(seed=0)
    envs.step(STAY[:2])
    options = {"reset_mask": np.array([True, False]), "scenario": "queue"}
    envs.reset(options=options)
    assert list(options) == ["reset_mask", "scenario"]
    assert [member._rollout.iteration for member in envs.envs] == [0, 1]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: NuPlanVectorEnv("3"), "`num_envs` must be a whole number, got '3'"),
        (lambda: NuPlanVectorEnv(True), "`num_envs` must be a whole number, got True"),
        (lambda: NuPlanVectorEnv(2).reset(seed=1.5), "`seed` must be a whole number from 0, got 1.5"),
        (lambda: NuPlanVectorEnv(2).reset(seed=np.array(1.5)), "`seed` must be a whole number from 0, got array"),
        (lambda: NuPlanVectorEnv(2).step(np.array(3.0)), "Expected an action of each member, got array"),
        (lambda: NuPlanVectorEnv(2).step(None), "Expected an action of each member, got None. No member moved"),
    ],
)
def test_wrong_types_are_sentences(call, sentence):
    with pytest.raises(TypeError, match=sentence):
        call()
