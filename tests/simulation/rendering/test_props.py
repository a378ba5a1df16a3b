import numpy as np
import pytest
import shapely
from mesh_checks import is_closed, normals_of
from prop_checks import maps, paved_ground, town_map, vertices_of

from driving.map import MapGraph
from driving.synthetic.roads import RoadBuilder
from simulation.rendering.free_ground import CLEARANCE_M
from simulation.rendering.mesh_parts import Material
from simulation.rendering.placement import PropKind
from simulation.rendering.props import place_props
from simulation.rendering.signals import ARM_LOW_M

BUDGET = {
    PropKind.SIGNAL_HEAD: 60,
    PropKind.LAMP_POST: 24,
    PropKind.SIGN: 24,
    PropKind.BUILDING: 20,
    PropKind.TREE: 60,
}


def middle_of(graph: MapGraph) -> np.ndarray:
    x_min, y_min, x_max, y_max = shapely.total_bounds(graph.lanes.areas.polygons)
    return np.array([(x_min + x_max) / 2, (y_min + y_max) / 2])


def region_around(point: np.ndarray, half_m: float) -> tuple[float, float, float, float]:
    return (*(point - half_m).tolist(), *(point + half_m).tolist())


@pytest.mark.parametrize("name", ["town", "second town", "hand-made", "no drivable area", "no lane polygons"])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_prop_is_on_the_road(name, seed):
    graph = maps()[name]
    start = graph.lanes.centerlines[graph.lanes.num_lanes // 3][0]
    props = place_props(graph, seed, region_around(start, 200.0))
    assert len(props) > 50
    vertices = props.mesh.vertices_m.astype(np.float64) + np.append(props.origin, 0.0)
    is_low = vertices[:, 2] < 5.0
    hulls = [shapely.convex_hull(shapely.multipoints(vertices_of(props, row)[:, :2])) for row in range(len(props))]
    road = paved_ground(graph)
    shapely.prepare(road)
    assert shapely.distance(road, shapely.points(vertices[is_low, :2])).min() > CLEARANCE_M - 1e-3
    stands = np.flatnonzero(props.heights_m < ARM_LOW_M)
    assert not shapely.intersects(road, np.array(hulls)[stands]).any()


def test_a_town_has_all_kinds_within_their_budgets_of_triangles():
    props = place_props(town_map(1), 3)
    counts = np.diff(props.triangle_offsets)
    for kind, budget in BUDGET.items():
        assert (props.kinds == kind).sum() >= 8
        assert counts[props.kinds == kind].max() <= budget
    heights = props.heights_m[props.kinds == PropKind.BUILDING]
    assert 6.0 <= heights.min() < 10.0
    assert 20.0 < heights.max() <= 30.0


def test_there_are_hundreds_of_props_around_a_place_in_a_town():
    graph = town_map(1)
    props = place_props(graph, 3)
    counts = [len(props.near(graph.lanes.centerlines[row][0], 150.0)) for row in range(0, graph.lanes.num_lanes, 5)]
    assert 150 < np.median(counts) < 600


def test_props_are_equal_by_map_and_seed_and_differ_by_seed():
    graph, region = town_map(1), region_around(middle_of(town_map(1)), 120.0)
    first, again, other = (place_props(graph, seed, region) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.mesh.vertices_m, again.mesh.vertices_m)
    np.testing.assert_array_equal(first.mesh.colours, again.mesh.colours)
    assert first.centres.shape != other.centres.shape or not np.allclose(first.centres, other.centres)


def test_a_prop_is_the_same_in_every_region_around_it():
    graph = town_map(1)
    whole, part = place_props(graph, 2), place_props(graph, 2, region_around(middle_of(graph), 80.0))
    inside = (np.abs(whole.centres - middle_of(graph)) <= 80.0).all(axis=1)
    rows = np.column_stack([whole.kinds, np.round(whole.centres, 3)])[inside]
    expected = set(map(tuple, rows.tolist()))
    found = set(map(tuple, np.column_stack([part.kinds, np.round(part.centres, 3)]).tolist()))
    assert len(expected) > 20
    assert found == expected


def test_props_do_not_overlap():
    props = place_props(town_map(1), 0)
    hulls = np.array(
        [shapely.convex_hull(shapely.multipoints(vertices_of(props, row)[:, :2])) for row in range(len(props))]
    )
    hulls = hulls[props.kinds != PropKind.SIGNAL_HEAD]
    first, second = shapely.STRtree(hulls).query(hulls, predicate="intersects")
    assert (first == second).all()


def test_instances_are_consecutive_and_their_circles_enclose_them():
    props = place_props(town_map(1), 0, region_around(middle_of(town_map(1)), 100.0))
    owners = props.instance_of_triangle
    assert (np.diff(owners) >= 0).all()
    np.testing.assert_array_equal(np.bincount(owners), np.diff(props.triangle_offsets))
    for row in range(len(props)):
        vertices = vertices_of(props, row)
        away = np.hypot(*(vertices[:, :2] - props.centres[row]).T)
        assert away.max() == pytest.approx(props.radii_m[row], abs=1e-3)
        assert vertices[:, 2].max() == pytest.approx(props.heights_m[row], abs=1e-5)
        assert vertices[:, 2].min() == pytest.approx(0.0, abs=1e-6) or props.kinds[row] == PropKind.SIGNAL_HEAD


def test_props_near_a_point_are_those_with_a_vertex_or_circle_in_reach():
    props = place_props(town_map(1), 0)
    point = middle_of(town_map(1)) + 30.0
    rows = props.near(point, 60.0)
    away = np.hypot(*(props.centres - point).T) - props.radii_m
    np.testing.assert_array_equal(rows, np.flatnonzero(away <= 60.0))
    mesh, owners = props.mesh_of(rows)
    taken = props.triangle_rows(rows)
    np.testing.assert_array_equal(mesh.vertices_m[mesh.triangles], props.mesh.vertices_m[props.mesh.triangles[taken]])
    np.testing.assert_array_equal(owners, np.repeat(rows, np.diff(props.triangle_offsets)[rows]))
    np.testing.assert_array_equal(mesh.materials, props.mesh.materials[taken])


def test_facades_are_measured_in_metres():
    props = place_props(town_map(1), 0)
    rows = np.flatnonzero(props.mesh.materials == Material.FACADE)
    corners = props.mesh.vertices_m[props.mesh.triangles[rows]].astype(np.float64)
    np.testing.assert_allclose(props.mesh.uv_m[rows][..., 1], corners[..., 2], atol=1e-3)
    across = np.hypot(*np.moveaxis(corners[:, 1, :2] - corners[:, 0, :2], -1, 0))
    along = np.abs(props.mesh.uv_m[rows, 1, 0] - props.mesh.uv_m[rows, 0, 0])
    np.testing.assert_allclose(along, across, atol=2e-2)
    normals = normals_of(props.mesh)
    centres = props.centres[props.instance_of_triangle[rows]] - props.origin
    assert (np.einsum("ti,ti->t", normals[rows, :2], corners.mean(axis=1)[:, :2] - centres) > 0).all()


def test_lamps_shine_down_towards_the_road():
    graph = town_map(1)
    props = place_props(graph, 0)
    rows = np.flatnonzero(props.mesh.materials == Material.LAMP)
    np.testing.assert_allclose(normals_of(props.mesh)[rows], [[0.0, 0.0, -1.0]] * len(rows), atol=1e-5)
    lamps = props.mesh.vertices_m[props.mesh.triangles[rows]].mean(axis=1)[:, :2] + props.origin
    posts = props.centres[props.instance_of_triangle[rows]]
    road = paved_ground(graph)
    shapely.prepare(road)
    closer = shapely.distance(road, shapely.points(lamps)) < shapely.distance(road, shapely.points(posts))
    assert closer.mean() > 0.95


def test_positions_to_keep_free_have_no_prop_within_three_metres():
    graph = town_map(1)
    props = place_props(graph, 0)
    wanted = props.centres[props.kinds == PropKind.TREE][:20]
    cleared = place_props(graph, 0, keep_free=wanted)
    points = cleared.mesh.vertices_m[:, :2] + cleared.origin
    for position in wanted:
        assert np.hypot(*(points - position).T).min() > 3.0 - 1e-3


def test_a_map_without_lanes_has_no_props():
    graph = RoadBuilder(origin=(0.0, 0.0)).build()
    for region in (None, (-100.0, -100.0, 100.0, 100.0)):
        props = place_props(graph, 0, region)
        assert len(props) == len(props.mesh) == 0
        assert len(props.near(np.zeros(2), 100.0)) == 0
        mesh, owners = props.mesh_of(np.zeros(0, dtype=np.int64))
        assert len(mesh) == len(owners) == 0


def test_crowns_of_trees_are_closed():
    props = place_props(town_map(1), 0)
    row = int(np.flatnonzero(props.kinds == PropKind.TREE)[0])
    triangles = props.mesh.triangles[props.triangle_offsets[row] : props.triangle_offsets[row + 1]]
    leaves = props.mesh.materials[props.triangle_offsets[row] : props.triangle_offsets[row + 1]] == Material.FOLIAGE
    assert is_closed(triangles[leaves])
