import numpy as np
import pytest
import shapely

from driving.map import TurnKind
from driving.synthetic.curves import arc, parallel, straight
from driving.synthetic.drafts import (
    SEAM_M,
    AreaDrafts,
    LaneDraft,
    merged_surface,
    strip,
    surface_between,
    translated,
)


def lane(centerline, half_width_m):
    return LaneDraft(
        lane_id=1,
        roadblock_id=2,
        index=0,
        centerline=centerline,
        left_boundary=parallel(centerline, half_width_m),
        right_boundary=parallel(centerline, -half_width_m),
        speed_limit_mps=10.0,
    )


def test_a_lane_draft_has_the_poses_of_its_ends_and_the_surface_between_its_boundaries():
    draft = lane(straight((0.0, 0.0), (0.0, 20.0)), 1.75)
    assert draft.start_pose == pytest.approx([0.0, 0.0, np.pi / 2])
    assert draft.end_pose == pytest.approx([0.0, 20.0, np.pi / 2])
    assert draft.polygon.equals(shapely.box(-1.75, 0.0, 1.75, 20.0))
    assert draft.width_at_m(0) == draft.width_at_m(-1) == pytest.approx(3.5)


def test_the_width_of_a_lane_draft_is_that_at_the_vertex():
    line = straight((0.0, 0.0), (20.0, 0.0))
    half_width_m = np.linspace(1.5, 2.0, len(line))
    draft = lane(line, half_width_m)
    assert (draft.width_at_m(0), draft.width_at_m(-1)) == pytest.approx((3.0, 4.0))
    assert draft.polygon.area == pytest.approx(3.5 * 20.0)


def test_a_lane_draft_is_a_lane_unless_it_names_the_lanes_that_it_connects():
    draft = lane(straight((0.0, 0.0), (5.0, 0.0)), 1.0)
    assert (draft.from_lane, draft.to_lane, draft.stop_line_ids) == (None, None, ())
    assert draft.turn_kind == TurnKind.STRAIGHT


def test_area_drafts_keep_the_order_of_their_addition():
    areas = AreaDrafts()
    first, second = shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)
    assert areas.add(12, first, 3) == 12
    assert areas.add(5, second) == 5
    assert (areas.ids, areas.polygons, areas.kinds) == ([12, 5], [first, second], [3, 0])
    assert AreaDrafts().ids == []


def test_a_strip_has_its_width():
    assert strip(straight((0.0, 0.0), (12.0, 5.0)), 3.0).area == pytest.approx(13.0 * 3.0)
    quarter = strip(arc((0.0, 0.0), 10.0, 0.0, np.pi / 2, spacing_m=0.05), 4.0)
    assert quarter.area == pytest.approx(np.pi / 4 * (12.0**2 - 8.0**2), rel=1e-3)


def test_the_surface_of_a_tight_bend_is_valid():
    line = arc((0.0, 0.0), 1.0, 0.0, np.pi, spacing_m=0.1)
    left, right = parallel(line, 3.0), parallel(line, -3.0)
    folded = shapely.Polygon(np.concatenate([left, right[::-1]]))
    assert not folded.is_valid
    surface = surface_between(left, right)
    assert surface.is_valid
    assert surface.area > 0.5 * np.pi / 2 * 4.0**2


def test_a_narrow_slit_between_surfaces_is_closed():
    parts = [shapely.box(0, 0, 10, 4), shapely.box(10 + 1.6 * SEAM_M, 0, 20, 4)]
    whole = merged_surface(parts)
    assert whole.area == pytest.approx(20.0 * 4.0)
    assert whole.contains(shapely.union_all(parts).buffer(-1e-6))


def test_surfaces_far_apart_are_covered_by_their_hull():
    parts = [shapely.box(0, 0, 1, 1), shapely.box(9, 0, 10, 1)]
    assert merged_surface(parts).equals(shapely.box(0, 0, 10, 1))


def test_a_translated_polygon_moves_by_the_offset():
    assert translated(shapely.box(0, 0, 2, 1), (664_400.0, -3.0)).bounds == (664_400.0, -3.0, 664_402.0, -2.0)
