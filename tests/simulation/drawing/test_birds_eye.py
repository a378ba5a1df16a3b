import pytest
from PIL import Image

from driving.synthetic.scenes import SCENES, scene
from simulation.drawing.birds_eye import KIND_COLORS, draw_scenario


def colors_of(path) -> set[str]:
    with Image.open(path) as image:
        counted = image.convert("RGB").getcolors(maxcolors=1_000_000)
    return {"#{:02x}{:02x}{:02x}".format(*color) for _, color in counted}


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_can_be_drawn(name, tmp_path):
    path = tmp_path / "picture.png"
    draw_scenario(scene(name), 30, path)
    assert [child.name for child in tmp_path.iterdir()] == ["picture.png"]
    with Image.open(path) as image:
        assert image.size == (990, 990)


def test_agents_and_lights_are_seen_by_their_colours(tmp_path):
    draw_scenario(scene("red_light"), 30, tmp_path / "picture.png")
    found = colors_of(tmp_path / "picture.png")
    assert KIND_COLORS[0] in found
    assert {"#009e73", "#d55e00"} <= found


def test_an_empty_road_shows_no_agent(tmp_path):
    draw_scenario(scene("straight_road"), 0, tmp_path / "picture.png")
    assert KIND_COLORS[0] not in colors_of(tmp_path / "picture.png")


def test_other_iterations_do_not_exist(tmp_path):
    with pytest.raises(IndexError, match="has iterations 0 to 150"):
        draw_scenario(scene("queue"), 151, tmp_path / "picture.png")


def test_a_failed_picture_leaves_nothing_behind(tmp_path):
    with pytest.raises(FileNotFoundError):
        draw_scenario(scene("queue"), 0, tmp_path / "nowhere" / "picture.png")
    assert list(tmp_path.iterdir()) == []
