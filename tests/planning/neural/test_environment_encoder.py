import warnings

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env

from driving.synthetic.scenes import scene
from planning.neural.environment_encoder import StudentEncoder
from planning.neural.features import FEATURE_NAMES, FeatureBuilder
from simulation.environment import ENVIRONMENT_ID
from simulation.environment.closed_loop import NuPlanEnv
from simulation.environment.vector import NuPlanVectorEnv


def test_observations_are_the_students_features():
    scenario = scene("red_light")
    env = NuPlanEnv(encoder=StudentEncoder)
    observed, _ = env.reset(options={"scenario": "red_light"})
    expected = FeatureBuilder().build(scenario.observation_at(0))
    assert set(observed) == set(FEATURE_NAMES)
    for name, values in observed.items():
        np.testing.assert_array_equal(values, getattr(expected, name), err_msg=name)


def test_gymnasiums_checker_accepts_the_encoder():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(ENVIRONMENT_ID, encoder=StudentEncoder).unwrapped)


def test_a_vector_stacks_the_features():
    envs = NuPlanVectorEnv(2, encoder=StudentEncoder, scenarios=["queue"])
    observed, _ = envs.reset(seed=0)
    assert observed["agents"].shape == (2, *envs.single_observation_space["agents"].shape)
    assert observed["agents_mask"].sum(axis=1).tolist() == [3, 3]
