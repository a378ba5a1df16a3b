import pytest
from PIL import Image

from driving.agents import AgentKind, LightStatus
from driving.synthetic.scenes import SCENES, scene
from simulation.drawing.birds_eye import draw_scenario
from simulation.drawing.palette import LIGHT


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


def test_agents_and_lights_have_the_colours_of_the_palette(tmp_path):
    draw_scenario(scene("red_light"), 30, tmp_path / "picture.png")
    found = colors_of(tmp_path / "picture.png")
    assert LIGHT.kinds[AgentKind.VEHICLE] in found
    assert {LIGHT.lights[LightStatus.GREEN], LIGHT.lights[LightStatus.RED]} <= found


def test_an_empty_road_has_no_agent(tmp_path):
    draw_scenario(scene("straight_road"), 0, tmp_path / "picture.png")
    assert LIGHT.kinds[AgentKind.VEHICLE] not in colors_of(tmp_path / "picture.png")


def test_an_unknown_iteration_is_refused(tmp_path):
    with pytest.raises(IndexError, match="has iterations 0 to 150"):
        draw_scenario(scene("queue"), 151, tmp_path / "picture.png")


def test_a_failed_picture_leaves_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        draw_scenario(scene("queue"), 0, tmp_path / "nowhere" / "picture.png")
    assert list(tmp_path.iterdir()) == []
