"""Values of CommonRoad XML: numbers, exact values and intervals, points, shapes and the boxes around them."""

from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import box_corners, global_from_local, local_from_global
from driving.importers.numbers import MAX_MAGNITUDE

SHAPES = ("rectangle", "circle", "polygon")
"""Elements of a shape or of an inexact position."""

MIN_FILL = 0.49
"""Smallest part of its box that a shape may cover. A triangle covers half of it; less is no box."""


class Box(NamedTuple):
    """A rectangle in the plane."""

    center: Float64[np.ndarray, "2"]
    heading: float
    length_m: float
    width_m: float


def number(text: str | None, where: str) -> float:
    """A number of the file, finite and of at most `MAX_MAGNITUDE`.

    Raises:
        ValueError: When the text is none.
    """
    try:
        value = float(text or "")
    except ValueError as error:
        raise ValueError(f"expected a number in the {where}, got {text!r}") from error
    if not abs(value) <= MAX_MAGNITUDE:
        raise ValueError(f"expected a number of at most {MAX_MAGNITUDE:.0e} in the {where}, got {text!r}")
    return value


def quantity(element: ElementTree.Element, tag: str) -> tuple[float, bool] | None:
    """The value of a child, and whether it is the middle of an interval; None when there is no such child.

    Raises:
        ValueError: When the child holds neither an exact value nor an interval.
    """
    child = element.find(tag)
    if child is None:
        return None
    if child.find("exact") is not None:
        return number(child.findtext("exact"), tag), False
    start, end = number(child.findtext("intervalStart"), tag), number(child.findtext("intervalEnd"), tag)
    return (start + end) / 2, True


def point(element: ElementTree.Element, where: str) -> Float64[np.ndarray, "2"]:
    """The x and y of an element.

    Raises:
        ValueError: When one of them is no number.
    """
    return np.array([number(element.findtext("x"), where), number(element.findtext("y"), where)])


def position(element: ElementTree.Element) -> tuple[Float64[np.ndarray, "2"], bool]:
    """The position of a state, and whether it is the centroid of an area.

    Raises:
        ValueError: When the state has no position, or one that is neither a point nor an area.
    """
    child = element.find("position")
    if child is None:
        raise ValueError("no position")
    exact = child.find("point")
    if exact is not None:
        return point(exact, "position"), False
    return np.array(area_of(child, "position").centroid.coords[0]), True


def rectangle_of(element: ElementTree.Element, where: str) -> Box | None:
    """The box of a shape that is one rectangle or one circle; None for other shapes.

    Raises:
        ValueError: When a number is missing.
    """
    shapes = [child for child in element if child.tag in SHAPES]
    if len(shapes) != 1 or shapes[0].tag == "polygon":
        return None
    shape = shapes[0]
    center = shape.find("center")
    middle = np.zeros(2) if center is None else point(center, where)
    if shape.tag == "circle":
        diameter_m = 2 * number(shape.findtext("radius"), where)
        return Box(middle, 0.0, diameter_m, diameter_m)
    heading = number(shape.findtext("orientation", "0"), where)
    return Box(middle, heading, number(shape.findtext("length"), where), number(shape.findtext("width"), where))


def area_of(element: ElementTree.Element, where: str) -> shapely.Geometry:
    """The union of the rectangles, circles and polygons in an element.

    Raises:
        ValueError: When there is none, when a number is missing, or when they have no area.
    """
    areas = []
    for shape in element:
        if shape.tag == "polygon":
            points = [point(vertex, where) for vertex in shape.findall("point")]
            if len(points) >= 3:
                areas.append(shapely.make_valid(shapely.Polygon(points)))
        elif shape.tag in SHAPES:
            alone = ElementTree.Element(element.tag)
            alone.append(shape)
            box = rectangle_of(alone, where)
            assert box is not None
            if shape.tag == "circle":
                areas.append(shapely.Point(box.center).buffer(box.length_m / 2))
            else:
                corners = box_corners(np.array([*box.center, box.heading]), np.array([box.length_m, box.width_m]))
                areas.append(shapely.Polygon(corners))
    union = shapely.union_all(areas)
    if union.area <= 0:
        raise ValueError(f"the {where} has no area")
    return union


def box_around(area: shapely.Geometry, heading: float | None, where: str) -> Box:
    """The smallest box around an area.

    Args:
        area: With an area above 0.
        heading: Heading of the box; None for that of the smallest box of any heading.
        where: Name of the area, for the error.

    Raises:
        ValueError: When the area covers less than half of the box.
    """
    if heading is None:
        corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(area))
        edges = np.diff(corners[:3], axis=0)
        longest = edges[np.argmax(np.hypot(*edges.T))]
        heading = float(np.arctan2(longest[1], longest[0]))
    frame = np.array([0.0, 0.0, heading])
    points = local_from_global(shapely.get_coordinates(area), frame)
    low, high = points.min(axis=0), points.max(axis=0)
    length_m, width_m = high - low
    if area.area < MIN_FILL * length_m * width_m:
        raise ValueError(f"the {where} covers only {area.area / (length_m * width_m):.0%} of its box")
    return Box(global_from_local((low + high) / 2, frame), heading, float(length_m), float(width_m))
