"""Training recipes and their variants."""

from dataclasses import replace

import pytest

from distill.recipes import RECIPES, imitation_only, recipe, tiny


def test_an_unknown_recipe_names_the_nearest():
    assert set(RECIPES) == {"tiny", "small", "base"}
    with pytest.raises(KeyError, match="Did you mean 'tiny'"):
        recipe("tinny")


def test_recipes_grow_in_network_and_steps():
    found = [recipe(name) for name in ("tiny", "small", "base")]
    for field in ("steps", "batch_states"):
        sizes = [getattr(one, field) for one in found]
        assert sizes == sorted(set(sizes))
    widths = [one.network.width for one in found]
    assert widths == sorted(set(widths))
    assert [one.use_bf16 for one in found] == [False, False, True]


def test_imitation_only_keeps_network_and_schedule():
    reduced = imitation_only(tiny())
    assert reduced.losses.teacher == {}
    assert reduced.losses.imitation == 1.0
    assert (reduced.network, reduced.steps, reduced.learning_rate) == (
        tiny().network,
        tiny().steps,
        tiny().learning_rate,
    )


def test_an_impossible_share_of_mirrored_batches_is_refused():
    with pytest.raises(ValueError, match="`mirrored_share` is a share from 0 to 1, got -1"):
        replace(recipe("tiny"), mirrored_share=-1.0)
