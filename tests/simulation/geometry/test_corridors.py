import numpy as np
import pytest
import shapely
import shapely.ops
from shapely.geometry import LineString, Polygon

from simulation.geometry.boxes import box_corners
from simulation.geometry.corridors import (
    box_area_distance,
    corridor_between,
    corridor_bounds,
    corridor_overlaps_area,
    corridor_overlaps_box,
)
from simulation.geometry.polygons import flatten_polygons
from simulation.geometry.polylines import chunked_line

HALF_WIDTH_M = 1.1


def shapely_corridor(line, start, end, caps):
    piece = shapely.ops.substring(LineString(line.points), start, end)
    return piece.buffer(HALF_WIDTH_M, cap_style=caps, quad_segs=64)


@pytest.mark.parametrize(("caps", "cap_m"), [("flat", 0.0), ("square", HALF_WIDTH_M)])
def test_corridors_overlap_boxes_as_finely_buffered_lines_do(bend, random_boxes, caps, cap_m):
    line = chunked_line(bend)
    rng = np.random.default_rng(4)
    disagreements, overlaps = [], 0
    for corners in random_boxes(4, 500, spread_m=30.0):
        start, end = np.sort(rng.uniform(0, line.arc[-1], 2))
        expected = shapely_corridor(line, start, end, caps)
        corridor = corridor_between(line, start, end, HALF_WIDTH_M, cap_m)
        overlap = corridor_overlaps_box(corridor, corners)
        if overlap != expected.intersects(Polygon(corners)):
            disagreements.append(expected.distance(Polygon(corners)))
        overlaps += overlap
    # GEOS simplifies the line before it widens it, by up to a hundredth of the width.
    assert all(gap < 0.02 for gap in disagreements)
    assert len(disagreements) < 5
    assert overlaps > 10


def test_corridors_overlap_areas_as_finely_buffered_lines_do(bend, origin):
    line = chunked_line(bend)
    rng = np.random.default_rng(5)
    centers = origin + rng.uniform(-10.0, 70.0, (300, 2))
    areas = np.array([shapely.Point(c).buffer(9).difference(shapely.Point(c).buffer(6)) for c in centers])
    flat = flatten_polygons(areas)
    disagreements, overlaps = [], 0
    for row, area in enumerate(areas):
        start, end = np.sort(rng.uniform(0, line.arc[-1], 2))
        expected = shapely_corridor(line, start, end, "square")
        corridor = corridor_between(line, start, end, HALF_WIDTH_M, HALF_WIDTH_M)
        overlap = corridor_overlaps_area(corridor, flat, row)
        if overlap != expected.intersects(area):
            disagreements.append(expected.distance(area))
        overlaps += overlap
    assert all(gap < 0.02 for gap in disagreements)
    assert len(disagreements) < 5
    assert overlaps > 10


STRAIGHT = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])


@pytest.mark.parametrize(
    ("x", "cap_m", "overlaps"),
    [(14.4, 0.0, True), (14.6, 0.0, False), (15.6, 1.1, True), (15.7, 1.1, False), (3.4, 0.0, False)],
)
def test_a_corridor_ends_at_its_caps(x, cap_m, overlaps):
    # From 5 m to 13.5 m; the box reaches 1 m to each side of its centre.
    corridor = corridor_between(chunked_line(STRAIGHT), 5.0, 13.5, HALF_WIDTH_M, cap_m)
    assert corridor_overlaps_box(corridor, box_corners(x, 0.0, 0.0, 2.0, 2.0)) == overlaps


def test_an_end_on_a_vertex_belongs_to_the_segment_before():
    corridor = corridor_between(chunked_line(STRAIGHT), 2.0, 10.0, HALF_WIDTH_M, 0.0)
    assert (corridor.first, corridor.last, corridor.start_m, corridor.end_m) == (0, 0, 2.0, 10.0)


def test_at_the_end_of_the_line_the_last_segment_is_the_corridor():
    corridor = corridor_between(chunked_line(STRAIGHT), 25.0, 30.0, HALF_WIDTH_M, 0.0)
    assert (corridor.first, corridor.last, corridor.start_m, corridor.end_m) == (1, 1, 0.0, 10.0)


def test_repeated_vertices_at_an_end_do_not_move_the_caps():
    repeated = np.concatenate([STRAIGHT[:1], STRAIGHT, STRAIGHT[-1:]])
    box = box_corners(-1.0, 0.0, 0.0, 1.0, 1.0)
    for points in (STRAIGHT, repeated):
        line = chunked_line(points)
        for cap_m, overlaps in ((0.0, False), (1.1, True)):
            corridor = corridor_between(line, 0.0, 20.0, HALF_WIDTH_M, cap_m)
            assert corridor_overlaps_box(corridor, box) == overlaps


def test_bounds_of_a_corridor_hold_the_vertices_of_its_piece(bend):
    line = chunked_line(bend)
    corridor = corridor_between(line, 20.0, 50.0, HALF_WIDTH_M, HALF_WIDTH_M)
    low_x, low_y, high_x, high_y = corridor_bounds(corridor)
    piece = bend[corridor.first : corridor.last + 2]
    assert (piece >= [low_x, low_y]).all()
    assert (piece <= [high_x, high_y]).all()


def test_distances_of_boxes_from_areas_equal_those_of_shapely_below_the_limit(random_boxes, origin):
    ring = shapely.Point(*origin).buffer(20).difference(shapely.Point(*origin).buffer(12))
    flat = flatten_polygons(np.array([ring]))
    for corners in random_boxes(7, 300, spread_m=40.0):
        gap = ring.distance(Polygon(corners))
        found = box_area_distance(flat, 0, corners, 8.0)
        assert found == (pytest.approx(gap, abs=1e-8) if gap < 8.0 else np.inf)
