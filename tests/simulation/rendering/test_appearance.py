"""Named and random appearances."""

import numpy as np
import pytest

from simulation.rendering.appearance import (
    APPEARANCE_KEY,
    APPEARANCES,
    NIGHT,
    Appearance,
    appearance_in,
    appearance_of,
    appearance_to_json,
)


def test_random_appearances_repeat_by_seed_and_cover_day_and_night():
    drawn = [appearance_of(seed) for seed in range(60)]
    assert drawn == [appearance_of(seed) for seed in range(60)]
    assert 0 < sum(one.sun_elevation_rad < 0 for one in drawn) < 30
    assert any(one.rain > 0 for one in drawn)
    assert any(one.blur_px > 0 for one in drawn)
    assert len({one.exposure for one in drawn}) == 60


def test_lamps_are_lit_at_night_and_not_by_day():
    assert NIGHT.has_headlights
    assert NIGHT.lit_windows > 0
    assert not APPEARANCES["day"].has_headlights


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rain": 1.5}, "Appearance.rain must be between 0 and 1, got 1.5"),
        ({"fog_per_m": -0.1}, "Appearance.fog_per_m must be a number of at least 0, got -0.1"),
        ({"noise_sd": np.nan}, "Appearance.noise_sd must be a number of at least 0, got nan"),
        ({"exposure": 0.0}, "Appearance.exposure must be a positive number, got 0.0"),
    ],
)
def test_impossible_values_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        Appearance(**values)


@pytest.mark.parametrize("name", APPEARANCES)
def test_metadata_of_a_scenario_hold_an_appearance(name):
    looks = APPEARANCES[name]
    assert appearance_in({APPEARANCE_KEY: appearance_to_json(looks), "origin": "test"}) == looks
    assert appearance_in({"origin": "test"}) is None


@pytest.mark.parametrize("text", ["night", "[1, 2]", '{"colour": 3}'])
def test_a_wrong_entry_of_the_metadata_is_named(text):
    with pytest.raises(ValueError, match="'appearance' is no appearance"):
        appearance_in({APPEARANCE_KEY: text})
