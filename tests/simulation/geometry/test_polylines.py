import numpy as np
import pytest
import shapely
import shapely.ops
from shapely.geometry import LineString, Polygon

from driving.geometry import arc_lengths as plain_arc_lengths
from simulation.geometry.polylines import arc_lengths, corridor_overlaps, interpolate, project


def test_compiled_and_plain_arc_lengths_are_equal(bend):
    np.testing.assert_allclose(arc_lengths(bend), plain_arc_lengths(bend), rtol=0, atol=1e-12)


def test_projection_and_interpolation_agree_with_shapely(bend, origin):
    arc, line = arc_lengths(bend), LineString(bend)
    rng = np.random.default_rng(3)
    for point in origin + rng.uniform(-40, 60, (300, 2)):
        assert project(bend, arc, *point) == pytest.approx(line.project(shapely.Point(point)), abs=1e-7)
    for along in np.linspace(-3, arc[-1] + 3, 50):
        x, y, _ = interpolate(bend, arc, along)
        expected = line.interpolate(np.clip(along, 0, arc[-1]))
        assert (x, y) == pytest.approx((expected.x, expected.y), abs=1e-7)


@pytest.mark.parametrize("caps", ["flat", "square"])
def test_corridors_overlap_boxes_as_finely_buffered_lines_do(bend, caps, random_boxes):
    arc, line = arc_lengths(bend), LineString(bend)
    rng = np.random.default_rng(4)
    disagreements = []
    for corners in random_boxes(4, 500, spread_m=45.0):
        start, end = np.sort(rng.uniform(0, arc[-1], 2))
        corridor = shapely.ops.substring(line, start, end).buffer(1.1, cap_style=caps, quad_segs=64)
        ours = corridor_overlaps(bend, arc, start, end, 1.1, caps == "square", corners)
        gap = corridor.distance(Polygon(corners))
        if ours != corridor.intersects(Polygon(corners)):
            disagreements.append(gap)
    # GEOS simplifies the line before it widens it, by up to a hundredth of the width.
    assert all(gap < 0.02 for gap in disagreements)
    assert len(disagreements) < 5
