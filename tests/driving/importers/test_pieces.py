import numpy as np
import pytest
import shapely

from driving.importers.notes import ImportNotes
from driving.importers.pieces import (
    built_areas,
    built_piece,
    cut,
    joined,
    one_polygon,
    part_of,
    piece_along,
    piece_between,
    piece_inside,
    points_at,
    without_repeats,
)


def line(*points):
    return np.array(points, dtype=float)


def straight(key="a", start=0.0, end=40.0, **fields):
    return piece_between(
        key=key, is_connector=False, left=line((start, 2), (end, 2)), right=line((start, -2), (end, -2)), **fields
    )


def test_the_centerline_is_the_mean_of_the_boundaries():
    piece = straight()
    np.testing.assert_allclose(piece.centerline[:, 1], 0.0)
    assert len(piece.centerline) == 21
    assert piece.length_m == pytest.approx(40.0)
    assert piece.polygon.area == pytest.approx(160.0)


def test_a_ribbon_has_the_widths_of_its_ends():
    piece = piece_along(key="a", is_connector=True, centerline=line((0, 0), (10, 0), (20, 0)), widths_m=(2.0, 4.0))
    np.testing.assert_allclose(piece.left, [[0, 1.0], [10, 1.5], [20, 2.0]])
    assert piece.polygon.area == pytest.approx(60.0)


def test_a_lane_polygon_is_cut_off_at_the_end_of_a_linked_centerline():
    polygon = shapely.box(-5.0, -2.0, 50.0, 2.0)
    linked = piece_inside(key="a", centerline=line((0, 0), (40, 0)), polygon=polygon, successors=["b"])
    assert linked.polygon.bounds == pytest.approx((-5.0, -2.0, 40.0, 2.0))
    assert linked.beyond_end.area == pytest.approx(40.0)
    assert linked.beyond_start is None
    np.testing.assert_allclose(linked.left[1:-1, 1], 2.0)


def test_cutting_and_joining_keep_the_length():
    whole = straight()
    halves = [cut(whole, 0.0, 0.3), cut(whole, 0.3, 1.0)]
    assert [half.length_m for half in halves] == pytest.approx([12.0, 28.0])
    again = joined("b", halves)
    assert again.length_m == pytest.approx(40.0)
    assert again.polygon.area == pytest.approx(160.0)
    assert cut(whole, 0.0, 1.0) is whole


def test_joined_pieces_have_the_lowest_limit():
    parts = [straight(speed_limit_mps=8.0), straight("b", 40.0, 80.0), straight("c", 80.0, 90.0, speed_limit_mps=5.0)]
    assert joined("d", parts).speed_limit_mps == 5.0
    assert joined("d", parts[1:2]).speed_limit_mps is None


def test_points_at_fractions_of_a_bent_line():
    bent = line((0, 0), (3, 0), (3, 1))
    np.testing.assert_allclose(
        points_at(bent, np.array([0.0, 0.375, 0.875, 1.0])), line((0, 0), (1.5, 0), (3, 0.5), (3, 1))
    )
    np.testing.assert_allclose(part_of(bent, 0.25, 1.0), line((1, 0), (3, 0), (3, 1)))


def test_repeated_points_are_removed_and_the_last_one_stays():
    kept = without_repeats(line((0, 0), (0, 0), (0.01, 0), (1, 0), (1.01, 0)))
    np.testing.assert_array_equal(kept, line((0, 0), (1.01, 0)))


def test_separate_areas_are_bridged_and_holes_are_filled():
    apart = one_polygon([shapely.box(0, 0, 1, 1), shapely.box(1.4, 0, 2, 1)])
    assert 1.6 < apart.area < 2.01
    ring = one_polygon([shapely.box(0, 0, 9, 9).difference(shapely.box(3, 3, 6, 6))])
    assert ring.area == pytest.approx(81.0)
    with pytest.raises(ValueError, match="A piece of road has no area"):
        one_polygon([shapely.LineString([(0, 0), (1, 0)])])


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        (line((0, 0), (0, 0)), line((0, 0), (9, 0)), "needs at least 2 distinct points, got 1"),
        (line((0, 0), (np.nan, 0)), line((0, 0), (9, 0)), "points that are not finite"),
        (line((0, 0), (2e5, 0)), line((0, 1), (2e5, 1)), "is longer than 100 km"),
        (line((0, 0), (9, 0)), line((0, 0), (9, 0)), "has no area"),
        (line((0, 0), (9, 0)), line((9, 0), (0, 0)), "enclose no area"),
    ],
)
def test_a_degenerate_piece_is_left_out_with_the_reason(left, right, reason):
    notes = ImportNotes()
    assert built_piece("7", lambda: piece_between(key="7", is_connector=False, left=left, right=right), notes) is None
    (note,) = notes.notes
    assert note.sentence.startswith("lanes of the map that cannot be built: 7 (")
    assert reason in note.sentence


def test_areas_without_surface_are_left_out_with_the_reason():
    notes = ImportNotes()
    outlines = {
        "square": lambda: shapely.box(0, 0, 1, 1),
        "bow tie": lambda: shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]),
        "line": lambda: shapely.Polygon([(0, 0), (1, 1), (0, 0)]),
        "two points": lambda: shapely.Polygon([(0, 0), (1, 1)]),
        "infinite": lambda: shapely.Polygon([(0, 0), (np.inf, 1), (1, 0)]),
    }
    assert len(built_areas(outlines, "crosswalks", notes)) == 2
    (note,) = notes.notes
    assert note.count == 3
    assert note.sentence.startswith("crosswalks that cannot be built: line (no area), two points (")
