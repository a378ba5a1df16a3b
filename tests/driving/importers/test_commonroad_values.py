from xml.etree import ElementTree

import numpy as np
import pytest
import shapely

from driving.importers.commonroad_values import area_of, box_around, number, position, quantity, rectangle_of


def xml(text):
    return ElementTree.fromstring(text)


def polygon(*points):
    return "<polygon>" + "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in points) + "</polygon>"


CIRCLE = "<circle><radius>2</radius><center><x>10</x><y>0</y></center></circle>"
SQUARE = polygon((0, 0), (2, 0), (2, 2), (0, 2))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ten", "got 'ten'"),
        ("", "got ''"),
        (None, "got None"),
        ("nan", "number of at most 1e.09"),
        ("1e10", "number of at most 1e.09"),
    ],
)
def test_texts_that_are_no_numbers_are_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        number(text, "test")


def test_an_interval_has_its_middle_as_value():
    state = xml(
        "<state><time><exact>3</exact></time>"
        "<velocity><intervalStart>2</intervalStart><intervalEnd>5</intervalEnd></velocity><yaw/></state>"
    )
    assert quantity(state, "time") == (3.0, False)
    assert quantity(state, "velocity") == (3.5, True)
    assert quantity(state, "acceleration") is None
    with pytest.raises(ValueError, match="expected a number in the yaw"):
        quantity(state, "yaw")


def test_a_position_is_a_point_or_the_centroid_of_an_area():
    exact = xml("<state><position><point><x>1</x><y>2</y></point></position></state>")
    np.testing.assert_array_equal(position(exact)[0], [1.0, 2.0])
    assert not position(exact)[1]
    center, is_area = position(xml(f"<state><position>{CIRCLE}</position></state>"))
    np.testing.assert_allclose(center, [10.0, 0.0], atol=1e-9)
    assert is_area
    for broken, reason in (("<state/>", "no position"), ("<state><position/></state>", "position has no area")):
        with pytest.raises(ValueError, match=reason):
            position(xml(broken))


def test_a_rectangle_keeps_its_center_and_orientation():
    shape = xml(
        "<shape><rectangle><length>4.5</length><width>2</width><orientation>0.5</orientation>"
        "<center><x>1</x><y>-1</y></center></rectangle></shape>"
    )
    box = rectangle_of(shape, "shape")
    assert (*box.center, *box[1:]) == (1.0, -1.0, 0.5, 4.5, 2.0)
    circle = rectangle_of(xml(f"<shape>{CIRCLE}</shape>"), "shape")
    assert (*circle.center, *circle[1:]) == (10.0, 0.0, 0.0, 4.0, 4.0)
    assert rectangle_of(xml(f"<shape>{SQUARE}</shape>"), "shape") is None
    assert rectangle_of(xml(f"<shape>{CIRCLE}{CIRCLE}</shape>"), "shape") is None


def test_the_area_of_a_group_is_the_union():
    assert area_of(xml(f"<shape>{SQUARE}{SQUARE}</shape>"), "shape").area == pytest.approx(4.0)
    assert area_of(xml(f"<shape>{SQUARE}{CIRCLE}</shape>"), "shape").area == pytest.approx(4.0 + 4 * np.pi, rel=0.01)
    bow_tie = polygon((0, 0), (2, 2), (2, 0), (0, 2))
    assert area_of(xml(f"<shape>{bow_tie}</shape>"), "shape").area == pytest.approx(2.0)


@pytest.mark.parametrize(
    "shape",
    ["", polygon((0, 0), (1, 1)), polygon((0, 0), (0, 0), (0, 0)), polygon((0, 0), (1, 1), (2, 2)), "<sphere/>"],
)
def test_shapes_without_an_area_are_refused(shape):
    with pytest.raises(ValueError, match="the shape has no area"):
        area_of(xml(f"<shape>{shape}</shape>"), "shape")


@pytest.mark.parametrize("heading", [0.0, 0.7, -2.0])
def test_the_box_around_a_rotated_rectangle_is_the_rectangle(heading):
    turned = shapely.affinity.rotate(shapely.box(-3.0, -1.0, 3.0, 1.0), heading, origin=(0, 0), use_radians=True)
    moved = shapely.affinity.translate(turned, 20.0, -5.0)
    for box in (box_around(moved, heading, "shape"), box_around(moved, None, "shape")):
        np.testing.assert_allclose(box.center, [20.0, -5.0])
        np.testing.assert_allclose([box.length_m, box.width_m], [6.0, 2.0])
        assert np.sin(box.heading - heading) == pytest.approx(0.0, abs=1e-9)


def test_a_shape_that_covers_little_of_its_box_is_refused():
    corner = shapely.union(shapely.box(0, 0, 10, 1), shapely.box(0, 0, 1, 10))
    with pytest.raises(ValueError, match="the shape covers only 19% of its box"):
        box_around(corner, 0.0, "shape")
    triangle = shapely.Polygon([(0, 0), (4, 0), (0, 3)])
    assert box_around(triangle, None, "shape").length_m * box_around(triangle, None, "shape").width_m < 12.1
