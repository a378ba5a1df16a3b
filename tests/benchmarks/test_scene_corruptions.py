import importlib

import numpy as np
import pytest

from simulation.generation.corner_cases.generator import CornerCaseGenerator
from simulation.generation.learned.data import scenario_scenes


@pytest.fixture(scope="module")
def scenes():
    """The first and a later instant of a corner case."""
    scenario = CornerCaseGenerator().generate(5, "lane_change_dense")
    return list(scenario_scenes(scenario, np.array([scenario.first_frame, scenario.first_frame + 40])))


@pytest.fixture
def corruptions(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    return importlib.import_module("scene_corruptions")


def test_each_corruption_changes_one_vehicle(corruptions, scenes):
    scene = scenes[0]
    for name in corruptions.CORRUPTIONS:
        other = next(
            found
            for seed in range(40)
            if (found := corruptions.corrupted(scene, name, np.random.default_rng(seed))) is not None
        )
        before, after = (
            np.column_stack([one.agents.boxes(one.window).poses, one.agents.sizes, one.agents.speeds_mps])
            for one in (scene, other)
        )
        # The order of drawing may change: compare as sets of agents.
        apart = np.abs(before[:, np.newaxis] - after[np.newaxis]).max(axis=2).min(axis=1)
        assert (apart > 1e-3).sum() == 1, name


def test_shuffled_features_keep_the_agents(corruptions, scenes):
    other = corruptions.with_shuffled_features(scenes[0], 1)
    assert other.agents is scenes[0].agents
    assert (other.piece_features != scenes[0].piece_features).any()
    np.testing.assert_array_equal(np.sort(other.piece_features, axis=0), np.sort(scenes[0].piece_features, axis=0))


def test_a_pair_on_another_map_keeps_its_places_relative_to_the_ego(corruptions, scenes):
    scene = scenes[0]
    same = corruptions.on_other_map((scene, scene), scene)
    assert same is not None
    np.testing.assert_allclose(
        same[0].agents.boxes(scene.window).poses, scene.agents.boxes(scene.window).poses, atol=0.02
    )
    moved = corruptions.on_other_map((scene, scene), scenes[1])
    if moved is not None:
        assert len(moved[0].agents) == len(moved[1].agents)
