import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from simulation.generation.condition import SceneCondition
from simulation.generation.learned.checkpoint import CALIBRATED, SHIPPED, Checkpoint
from simulation.generation.learned.facts import Levels, facts_of, training_condition
from simulation.generation.learned.pieces import NUM_STATIC, PROFILE_M
from simulation.generation.learned.training import RECIPES, Trainer, base, tiny
from simulation.generation.learned.window import NUM_FEATURES, NUM_LIGHT


@pytest.fixture
def recipe(config):
    return replace(tiny(), network=config, steps=4, batch_size=2, warmup_steps=1, log_every=2)


def test_a_resumed_training_ends_as_an_uninterrupted_one(recipe, scene, tmp_path):
    whole = Trainer(recipe, [scene], tmp_path / "whole")
    whole.run()
    Trainer(recipe, [scene], tmp_path / "parts").run(stop_at=2)
    resumed = Trainer(recipe, [scene], tmp_path / "parts")
    assert resumed.step == 2
    resumed.run()
    for mine, theirs in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_losses_fall(recipe, scene, tmp_path):
    found = []
    trainer = Trainer(replace(recipe, steps=30, learning_rate=1e-2), [scene], tmp_path)
    trainer.run(lambda step, means: found.append(means["total"]))
    assert found[-1] < found[0] - 1.0


def test_nan_stops_the_training_with_a_sentence(recipe, scene, tmp_path):
    trainer = Trainer(recipe, [scene], tmp_path)
    with torch.no_grad():
        trainer.network.class_out[-1].bias[0] = float("nan")
    with pytest.raises(ValueError, match=r"Training stopped at step 0: .* is NaN or infinite"):
        trainer.run()


def test_no_scene_is_one_sentence(recipe, tmp_path):
    with pytest.raises(ValueError, match="No scene to learn from"):
        Trainer(recipe, [], tmp_path)


def test_another_configuration_is_refused(recipe, scene, tmp_path):
    Trainer(recipe, [scene], tmp_path).run(stop_at=1)
    with pytest.raises(ValueError, match="another batch_size"):
        Trainer(replace(recipe, batch_size=3), [scene], tmp_path)


def test_a_checkpoint_is_read_back(recipe, scene, tmp_path):
    trainer = Trainer(recipe, [scene], tmp_path)
    trainer.run()
    trainer.save(data="hand-made")
    found = Checkpoint.load(tmp_path)
    assert found.metadata["steps"] == 4
    assert found.metadata["data"] == "hand-made"
    assert found.levels == trainer.levels
    for mine, theirs in zip(trainer.network.parameters(), found.network.parameters(), strict=True):
        torch.testing.assert_close(mine.detach().half().float(), theirs)


def test_another_vocabulary_is_one_sentence(quiet, tmp_path):
    quiet.save(tmp_path)
    path = tmp_path / "scenes.json"
    described = json.loads(path.read_text())
    described["vocabulary"]["speed"] = 12
    path.write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"another vocabulary: speed is 12, expected 61. Train it again"):
        Checkpoint.load(tmp_path)


def test_a_missing_checkpoint_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Train one with scripts/train_generator.py"):
        Checkpoint.load(tmp_path)


def test_levels_are_terciles(scene):
    facts = facts_of(scene)
    levels = Levels.of([replace(facts, vehicles_per_100_m=float(one), speed_share=0.5) for one in range(10)])
    assert levels.density == (3.0, 6.0)
    assert levels.level("density", replace(facts, vehicles_per_100_m=7.0)) == "high"
    assert levels.level("speed", replace(facts, speed_share=float("nan"))) is None


def test_conditions_of_a_training_hold_for_the_scene(scene):
    levels = Levels(density=(0.5, 1.0), speed=(0.3, 0.6))
    rng = np.random.default_rng(0)
    found = [training_condition(rng, facts_of(scene), levels) for _ in range(60)]
    assert any(one == SceneCondition() for one in found)
    assert {one.parked for one in found} == {None, 1}


def test_recipes_have_names():
    assert list(RECIPES) == ["tiny", "base"]


def test_the_wide_recipe_trains_and_resumes(scene, tmp_path):
    short = replace(base(), steps=2, batch_size=1, warmup_steps=1)
    Trainer(short, [scene], tmp_path / "resumed").run(stop_at=1)
    resumed = Trainer(short, [scene], tmp_path / "resumed")
    assert resumed.step == 1
    resumed.run()
    whole = Trainer(short, [scene], tmp_path / "whole")
    whole.run()
    for mine, theirs in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_training_begins_with_given_weights(recipe, quiet, scene, tmp_path):
    trainer = Trainer(recipe, [scene], tmp_path, start=quiet.network)
    for mine, theirs in zip(trainer.network.parameters(), quiet.network.parameters(), strict=True):
        torch.testing.assert_close(mine.detach(), theirs)
    assert all(one.requires_grad for one in trainer.network.parameters())
    with pytest.raises(ValueError, match=r"The network to begin with is .*width=16"):
        Trainer(tiny(), [scene], tmp_path / "other", start=quiet.network)


def test_lights_and_walkways_are_hidden_in_a_share_of_the_scenes(recipe, scene, tmp_path):
    lit = replace(scene)
    walkways = NUM_STATIC + len(PROFILE_M)
    shown = np.isin(np.arange(NUM_FEATURES), [walkways, NUM_FEATURES - 1])
    vars(lit)["piece_features"] = scene.piece_features + shown
    counts = []
    for share in (0.0, 0.5, 1.0):
        trainer = Trainer(replace(recipe, batch_size=12, bare_share=share), [lit], tmp_path / str(share))
        found = [one.scene.piece_features for one in trainer.batch(0)]
        hidden = [features[:, -NUM_LIGHT:].sum() == 0 for features in found]
        assert hidden == [(features[:, walkways] == 0).all() for features in found]
        counts.append(sum(hidden))
    assert counts[0] == 0
    assert 0 < counts[1] < 12
    assert counts[2] == 12


@pytest.mark.parametrize("folder", [SHIPPED, CALIBRATED])
def test_networks_of_the_package_load_and_are_small(folder):
    assert Checkpoint.load(folder).metadata["seed"] == 0
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5e6
