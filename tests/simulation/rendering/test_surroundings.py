"""Static objects around the ego."""

import math

import numpy as np
import pytest
import shapely

from driving.agents import LightStatus
from driving.synthetic.scenes import scene
from simulation.rendering.lighting import GREEN, LIT, RED
from simulation.rendering.placement import MAX_HEIGHT_M, MAX_RADIUS_M, PropKind
from simulation.rendering.surroundings import CELL_M, PROP, RANGES_M, Surroundings, signal_lamp


@pytest.fixture(scope="module")
def junction():
    """Surroundings of a scene with signals, and the pose of its ego."""
    scenario = scene("red_light")
    return Surroundings(scenario.map, 0), scenario.logged_ego_pose(0), scenario.map


def test_objects_are_placed_in_the_frame_of_the_ego_within_their_range(junction):
    surroundings, pose, _ = junction
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    count = 0
    for models, placed in surroundings.placed(pose, {}, are_lamps_lit=False):
        assert (placed.numbers == PROP).all()
        for row, (x, y, heading) in zip(placed.rows, placed.poses, strict=True):
            corners = models.corners[models.offsets[row] : models.offsets[row + 1]].reshape(-1, 3).astype(float)
            turn = np.array([[math.cos(heading), math.sin(heading)], [-math.sin(heading), math.cos(heading)]])
            ego = corners[:, :2] @ turn + [x, y]
            assert np.hypot(*ego.T).min() < max(RANGES_M.values()) + 20
            glob = ego @ np.array([[cos, sin], [-sin, cos]]) + pose[:2]
            cells = [cell for cell in surroundings.cells(glob.min(axis=0), glob.max(axis=0)) if len(cell.props)]
            nearest = min(np.hypot(*(cell.props.centres - glob.mean(axis=0)).T).min() for cell in cells)
            assert nearest < 1.0
            count += 1
    assert count > 10


def test_each_object_belongs_to_one_cell(junction):
    surroundings, pose, _ = junction
    cells = surroundings.cells(pose[:2] - CELL_M, pose[:2] + CELL_M)
    centres = np.concatenate([cell.props.centres for cell in cells])
    assert len(np.unique(centres.round(3), axis=0)) == len(centres)


def test_signal_heads_show_the_state_of_their_connectors(junction):
    surroundings, pose, map_graph = junction
    lit = [int(map_graph.lanes.ids[row]) for row in np.flatnonzero(map_graph.lanes.has_traffic_lights)]
    shown = {}
    for status in (LightStatus.RED, LightStatus.GREEN, LightStatus.UNKNOWN):
        groups = surroundings.placed(pose, dict.fromkeys(lit, int(status)), are_lamps_lit=False)
        shown[status] = sorted(set(np.concatenate([placed.lamps for _, placed in groups]).tolist()))
    assert shown == {LightStatus.RED: [0, RED], LightStatus.GREEN: [0, GREEN], LightStatus.UNKNOWN: [0]}
    assert signal_lamp(np.array([5, 7]), {7: int(LightStatus.RED)}) == RED


def test_street_lamps_are_lit_when_wanted(junction):
    surroundings, pose, _ = junction
    groups = surroundings.placed(pose, {}, are_lamps_lit=True)
    lamps = np.concatenate([placed.lamps for _, placed in groups])
    posts = surroundings.lamp_positions(pose[:2] - 50, pose[:2] + 50)
    assert (lamps == LIT).any()
    assert len(posts) > 0


def test_shadows_reach_away_from_the_sun(junction):
    surroundings, pose, _ = junction
    low, high = pose[:2] - 60, pose[:2] + 60
    rings = surroundings.shadows(low, high, np.array([2.0, 0.0]))
    assert len(rings) > 3
    cells = surroundings.cells(low - CELL_M, high + CELL_M)
    heights = max(cell.props.heights_m.max() for cell in cells if len(cell.props))
    lengths = [np.ptp(ring[:, 0]) for ring in rings]
    assert 2.0 < max(lengths) < 2 * heights + 60
    assert any((cell.props.kinds == PropKind.BUILDING).any() for cell in cells)


def test_kept_outlines_of_shadows_equal_hulls_of_single_objects(junction):
    surroundings, pose, _ = junction
    low, high, shift = pose[:2] - 40, pose[:2] + 40, np.array([0.7, -1.1])
    hulls = []
    for cell in surroundings.cells(low - 4 * CELL_M, high + 4 * CELL_M):
        props = cell.props
        for row in range(len(props)):
            vertices = props.mesh.vertices_m[props.vertex_offsets[row] : props.vertex_offsets[row + 1]]
            hull = shapely.convex_hull(shapely.MultiPoint(vertices[:, :2].astype(float) + vertices[:, 2:] * shift))
            hulls.append(shapely.transform(hull, lambda points, props=props: points + props.origin))
    window = shapely.box(*low, *high)
    expected = sorted(hull.area for hull in hulls if hull.intersection(window).area > 0)
    for _ in range(2):
        found = [shapely.Polygon(ring) for ring in surroundings.shadows(low, high, shift)]
        assert all(one.exterior.is_ccw for one in found)
        areas = sorted(one.area for one in found if one.intersection(window).area > 0)
        assert len(areas) > 10
        np.testing.assert_allclose(areas, expected, rtol=1e-9)


def test_places_keep_the_bounds_that_limit_the_reach_of_shadows(junction):
    surroundings, pose, _ = junction
    for cell in surroundings.cells(pose[:2] - CELL_M, pose[:2] + CELL_M):
        is_place = cell.props.kinds != PropKind.SIGNAL_HEAD
        assert (cell.props.heights_m[is_place] < MAX_HEIGHT_M).all()
        assert (cell.props.radii_m[is_place] < MAX_RADIUS_M).all()
