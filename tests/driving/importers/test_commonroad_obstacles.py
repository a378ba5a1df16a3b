from xml.etree import ElementTree

import numpy as np
import pytest

from driving.importers.commonroad_obstacles import headings_along, read_obstacles
from driving.importers.notes import ImportNotes


def polygon(*points):
    vertices = "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in points)
    return f"<shape><polygon>{vertices}</polygon></shape>"


def rectangle(length_m, width_m):
    return f"<shape><rectangle><length>{length_m}</length><width>{width_m}</width></rectangle></shape>"


CAR_SHAPE = rectangle(4.5, 2)


def state(step, x, tag="state", heading="<orientation><exact>0</exact></orientation>", place=None):
    place = place or f"<point><x>{x}</x><y>1</y></point>"
    time = f"<time><exact>{step}</exact></time><velocity><exact>10</exact></velocity>"
    return f"<{tag}><position>{place}</position>{heading}{time}</{tag}>"


def occupancy(step, points):
    return f"<occupancy>{polygon(*points)}<time><exact>{step}</exact></time></occupancy>"


def obstacle(body, tag="dynamicObstacle", shape=CAR_SHAPE, kind="car", key="8"):
    return f'<{tag} id="{key}"><type>{kind}</type>{shape}{body}</{tag}>'


def read(*obstacles):
    """The obstacles of a file, and the notes."""
    notes = ImportNotes()
    root = ElementTree.fromstring(f"<commonRoad>{''.join(obstacles)}</commonRoad>")
    return read_obstacles(root, notes), [str(note) for note in notes.notes]


def test_a_trajectory_gives_exact_states():
    (car,), notes = read(
        obstacle(f"{state(0, 5, 'initialState')}<trajectory>{state(2, 7)}{state(1, 6)}</trajectory>")
    )
    assert car.steps.tolist() == [0.0, 1.0, 2.0]
    np.testing.assert_array_equal(car.poses, [[5.0, 1.0, 0.0], [6.0, 1.0, 0.0], [7.0, 1.0, 0.0]])
    np.testing.assert_array_equal(car.sizes, np.tile([4.5, 2.0], (3, 1)))
    assert car.may_be_ego
    assert not car.is_static
    assert notes == []


def test_occupancies_give_boxes_with_headings_along_the_motion():
    # Rectangles of 6 x 2.4 m that move along y by 1.2 m a step, as a car of 12 m/s.
    sets = "".join(
        occupancy(step, [(x, 1.2 * step + y) for x, y in ((-1.2, -3), (1.2, -3), (1.2, 3), (-1.2, 3))])
        for step in range(1, 5)
    )
    (car,), notes = read(obstacle(f"<occupancySet>{sets}</occupancySet>"))
    np.testing.assert_allclose(car.poses[:, :2], [[0.0, 1.2 * step] for step in range(1, 5)], atol=1e-9)
    np.testing.assert_allclose(car.poses[:, 2], np.pi / 2)
    np.testing.assert_allclose(car.sizes, np.tile([6.0, 2.4], (4, 1)))
    assert not car.may_be_ego
    assert notes == [
        "changed (4): occupied areas are replaced by boxes around them with headings along the motion: 8"
    ]


def test_an_obstacle_with_one_state_has_one_state():
    (car,), _ = read(obstacle(state(20, 5, "initialState")))
    assert car.steps.tolist() == [20.0]
    assert not car.is_static


@pytest.mark.parametrize("tag", ["staticObstacle", "environmentObstacle"])
def test_static_obstacles_hold_for_all_times(tag):
    (parked,), _ = read(obstacle(state(0, 5, "initialState"), tag, kind="parkedVehicle"))
    assert parked.is_static


@pytest.mark.parametrize(("role", "is_static"), [("static", True), ("dynamic", False)])
def test_the_role_of_format_2018b_decides(role, is_static):
    (car,), _ = read(obstacle(f"<role>{role}</role>{state(0, 5, 'initialState')}", "obstacle"))
    assert car.is_static == is_static


def test_areas_and_intervals_are_replaced_by_their_middle_with_a_note():
    place = "<circle><radius>1</radius><center><x>5</x><y>3</y></center></circle>"
    heading = "<orientation><intervalStart>0.1</intervalStart><intervalEnd>0.3</intervalEnd></orientation>"
    (car,), notes = read(obstacle(state(0, 0, "initialState", heading, place)))
    np.testing.assert_allclose(car.poses, [[5.0, 3.0, 0.2]], atol=1e-9)
    assert notes == ["changed: states given as areas and intervals are replaced by their middle: 8"]


def test_an_offset_rectangle_moves_and_turns_the_box():
    shape = (
        "<shape><rectangle><length>4</length><width>2</width><orientation>0.5</orientation>"
        "<center><x>1.5</x><y>0</y></center></rectangle></shape>"
    )
    heading = f"<orientation><exact>{np.pi / 2}</exact></orientation>"
    (car,), _ = read(obstacle(state(0, 5, "initialState", heading), shape=shape))
    np.testing.assert_allclose(car.poses, [[5.0, 2.5, np.pi / 2 + 0.5]])


def test_the_polygon_of_a_moving_obstacle_gets_a_box_along_its_x_axis():
    shape = polygon((-1, -1), (3, -1), (3, 1), (-1, 1))
    (car,), notes = read(obstacle(state(0, 5, "initialState"), shape=shape))
    np.testing.assert_allclose(car.poses, [[6.0, 1.0, 0.0]])
    np.testing.assert_allclose(car.sizes, [[4.0, 2.0]])
    assert notes == []


@pytest.mark.parametrize(
    ("shape", "size", "outline"),
    [
        ("<shape><circle><radius>0.5</radius></circle></shape>", (1, 1), "circle, box 1 x 1 m"),
        (polygon((-2, -1), (2, -1), (0, 1)), (4, 2), "polygon, box 4 x 2 m"),
        (polygon((-2, -1), (2, -1), (2, 0), (0, 0), (0, 1), (-2, 1)), (4, 2), "polygon, box 4 x 2 m"),
        (polygon((-2, -1), (2, 0), (1.5, 2), (-2.5, 1)), (4.5, 3), "polygon, box 4.5 x 3 m"),
        (
            "<shape><rectangle><length>4</length><width>2</width></rectangle>"
            "<circle><radius>1</radius><center><x>2</x><y>0</y></center></circle></shape>",
            (5, 2),
            "rectangle and circle, box 5 x 2 m",
        ),
    ],
)
def test_a_shape_that_is_no_rectangle_gets_a_box_and_a_note(shape, size, outline):
    (car,), notes = read(obstacle(state(0, 5, "initialState"), shape=shape))
    np.testing.assert_allclose(car.sizes, [size])
    assert notes == [f"changed: shapes that are no rectangle are replaced by boxes around them: 8 ({outline})"]


def test_rectangles_given_as_polygons_and_groups_leave_no_note():
    # Corners rounded to 1 cm; and two halves of one rectangle.
    turned = polygon((2.08, 0.65), (-1.85, -1.1), (-2.08, -0.65), (1.85, 1.1))
    halves = "".join(
        f"<rectangle><length>2</length><width>2</width><center><x>{x}</x><y>0</y></center></rectangle>"
        for x in (-1, 1)
    )
    obstacles, notes = read(
        obstacle(state(0, 5, "initialState"), "staticObstacle", shape=turned, kind="parkedVehicle"),
        obstacle(state(0, 5, "initialState"), shape=f"<shape>{halves}</shape>", key="9"),
    )
    np.testing.assert_allclose(obstacles[1].sizes, [[4, 2]])
    assert notes == []


def test_states_without_orientation_have_headings_along_the_motion():
    states = "".join(state(step, 5 - step, heading="") for step in range(3))
    (car,), notes = read(obstacle(f"<trajectory>{states}</trajectory>"))
    np.testing.assert_allclose(np.abs(car.poses[:, 2]), np.pi)
    assert notes == ["assumed: headings along the motion for states without orientation: 8"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (obstacle(state(0, 5), kind="ufo"), "unknown type 'ufo'; known: bicycle, building, bus"),
        (obstacle("<role>ghost</role>", "obstacle"), "unknown role 'ghost'"),
        (obstacle(""), "no state"),
        (obstacle(state(0, 5, "initialState"), shape=""), "no shape"),
        (obstacle(state(0, 5, "initialState"), shape="<shape/>"), "the shape has no area"),
        (
            obstacle(state(0, 5, "initialState"), shape="<shape><circle><radius>0</radius></circle></shape>"),
            "a shape of 0 x 0 m; lengths and widths of 0.01 m to 1000 m are possible",
        ),
        (obstacle(state(0, 5, "initialState"), shape=rectangle(1e-9, 2)), "a shape of 1e-09 x 2 m; "),
        (obstacle(state(0, 5, "initialState"), shape=rectangle(2e6, 2)), "a shape of 2e+06 x 2 m; "),
        (obstacle(state(0, 5, "initialState"), shape=polygon((0, 0), (2e6, 0), (0, 2e6))), "a shape of 2e+06 x "),
        (obstacle(state(0, 5, "initialState", heading="")), "no orientation and no motion"),
    ],
)
def test_an_obstacle_that_cannot_be_read_is_left_out_with_the_reason(text, reason):
    good = obstacle(state(0, 5, "initialState"), key="9")
    obstacles, notes = read(text, good)
    assert [one.obstacle_id for one in obstacles] == ["9"]
    assert notes[-1].startswith(f"left out: obstacles that cannot be read: 8 ({reason}")


def test_a_state_that_cannot_be_read_costs_one_state():
    states = f"{state(0, 5)}{state(1, 'far')}{state(2, 7)}{state(2, 8)}"
    (car,), notes = read(obstacle(f"<trajectory>{states}</trajectory>"))
    assert car.poses[:, 0].tolist() == [5.0, 7.0]
    assert notes == [
        "left out: states of obstacles that cannot be read: 8 (expected a number in the position, got 'far')",
        "left out: states of obstacles at a time step that the obstacle has already: 8",
    ]


def test_phantom_obstacles_are_left_out_with_a_note():
    obstacles, notes = read('<phantomObstacle id="5"><occupancySet/></phantomObstacle>')
    assert obstacles == []
    assert notes == ["left out: phantom obstacles, which stand for unobserved areas: 5"]


def test_headings_follow_the_motion_and_stay_while_standing():
    positions = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0]])
    np.testing.assert_allclose(headings_along(positions, np.full(7, np.nan)), np.full(7, np.pi / 2))
    known = np.array([0.3, *[np.nan] * 6])
    np.testing.assert_allclose(headings_along(positions, known), [0.3, *[np.pi / 2] * 6])
