import numpy as np
import pytest

from driving.agents import AgentKind
from driving.synthetic.scenes import scene
from simulation.drawing.canvas import Canvas, draw_agents, draw_ego, draw_map, draw_path
from simulation.drawing.map_shapes import Shapes, map_shapes, region_around
from simulation.drawing.palette import LIGHT


@pytest.fixture
def canvas():
    """40 by 20 m around (100, 50), 10 pixels per metre."""
    return Canvas.blank(np.array([100.0, 50.0]), (400, 200), 10.0)


def color_at(canvas, x, y):
    (pixel,) = canvas.pixels(np.array([[x, y]]))
    return "#{:02x}{:02x}{:02x}".format(*canvas.image.getpixel((int(pixel[0]), int(pixel[1]))))


def test_north_is_up(canvas):
    assert canvas.pixels(np.array([[100.0, 50.0], [80.0, 60.0], [120.0, 40.0]])) == [(200, 100), (0, 0), (400, 200)]


def test_a_path_is_drawn_at_its_positions(canvas):
    draw_path(canvas, np.array([[90.0, 50.0], [110.0, 50.0]]), "#d55e00", 0.5)
    assert color_at(canvas, 100.0, 50.0) == "#d55e00"
    assert color_at(canvas, 100.0, 52.0) == LIGHT.ground


def test_a_path_of_one_point_draws_nothing(canvas):
    draw_path(canvas, np.array([[100.0, 50.0]]), "#d55e00", 0.5)
    assert canvas.image.getcolors() == [(400 * 200, (238, 240, 243))]


def test_a_hole_of_an_area_has_the_ground_colour(canvas):
    outline = np.array([[90.0, 42.0], [110.0, 42.0], [110.0, 58.0], [90.0, 58.0], [90.0, 42.0]])
    hole = np.array([[98.0, 48.0], [98.0, 52.0], [102.0, 52.0], [102.0, 48.0], [98.0, 48.0]])
    nothing = Shapes(points=(), values=())
    names = ("walkways", "intersections", "route", "crosswalks", "boundaries", "lanes", "connectors")
    road = Shapes(points=(hole, outline), values=(0, 0))
    draw_map(canvas, {**dict.fromkeys(names, nothing), "drivable": road})
    assert color_at(canvas, 93.0, 50.0) == LIGHT.road
    assert color_at(canvas, 100.0, 50.0) == LIGHT.ground


def test_agents_and_ego_are_drawn_at_their_poses():
    scenario = scene("queue")
    step = scenario.first_frame
    center = scenario.ego.center_poses()[0, step, :2]
    canvas = Canvas.blank(center, (1400, 1400), 10.0)
    draw_map(canvas, map_shapes(scenario.map, region_around(center[np.newaxis], 70.0), scenario.route.roadblock_ids))
    draw_agents(canvas, scenario.agents, step)
    draw_ego(canvas, scenario.ego, step, LIGHT.drives[0])
    assert color_at(canvas, *center) == LIGHT.drives[0]
    distances = np.abs(scenario.agents.poses[:, step, :2] - center).max(axis=1)
    row = int(np.nanargmin(distances))
    assert distances[row] < 70.0
    kind = AgentKind(int(scenario.agents.kinds[row]))
    assert color_at(canvas, *scenario.agents.poses[row, step, :2]) == LIGHT.kinds[kind]
