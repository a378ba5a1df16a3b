import json
import re
from dataclasses import fields

import pytest

from driving.agents import AgentKind, LightStatus
from simulation.drawing.palette import DARK, LIGHT, RARITY_STOPS, SERIES, Palette, blended, page_palettes


def luminance(color):
    """Relative luminance of sRGB, between 0 and 1 (WCAG 2.1)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_the_page_has_the_same_colours(repository):
    written = repository / "simulation" / "viewer" / "web" / "src" / "palette.json"
    hint = "run `python -m simulation.drawing.palette > simulation/viewer/web/src/palette.json` and build the page"
    assert json.loads(written.read_text()) == page_palettes(), hint


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_all_colours_are_hexadecimal(palette):
    for field in fields(Palette):
        value = getattr(palette, field.name)
        colors = [value] if isinstance(value, str) else value.values() if isinstance(value, dict) else value
        for color in colors:
            assert re.fullmatch(r"#[0-9a-f]{6}([0-9a-f]{2})?", color), field.name


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_every_kind_and_light_has_a_colour_and_drives_differ(palette):
    assert set(palette.kinds) == set(AgentKind)
    assert set(palette.lights) == set(LightStatus)
    assert len(set(palette.drives)) == 4


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_scales_are_monotonic_in_luminance(palette):
    for scale in (palette.scores, palette.rarity):
        steps = [luminance(color) for color in scale]
        assert steps == sorted(steps, reverse=palette is LIGHT)
    assert len(palette.rarity) == len(RARITY_STOPS)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_text_is_readable_on_the_ground(palette):
    assert contrast(palette.text, palette.ground) > 7


def test_series_have_distinct_colours():
    assert len(set(SERIES)) == len(SERIES) == 8


@pytest.mark.parametrize(
    ("over", "expected"),
    [("#ff0000", "#ff0000"), ("#ff000000", "#000000"), ("#ff000080", "#800000"), ("#00ff00ff", "#00ff00")],
)
def test_a_translucent_colour_is_blended_with_black(over, expected):
    assert blended(over, "#000000") == expected
