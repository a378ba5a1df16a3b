import numpy as np
import pytest
import shapely
from mesh_checks import normals_of
from prop_checks import maps, paved_ground, town_map

from driving.geometry import wrap_angle
from driving.map import MapGraph, TurnKind
from driving.synthetic.proving_ground import proving_ground
from simulation.rendering.free_ground import FreeGround
from simulation.rendering.mesh_parts import Material
from simulation.rendering.placement import PropKind
from simulation.rendering.props import place_props
from simulation.rendering.signals import LAMPS, head_mesh, sight_lines, signal_heads

EVERYWHERE = (-1e9, -1e9, 1e9, 1e9)


def heads_of(graph: MapGraph, lit: list[int] | None = None):
    ground = FreeGround.around(graph, EVERYWHERE, np.zeros((0, 2)))
    return signal_heads(graph, ground, EVERYWHERE, lit or [])


@pytest.mark.parametrize("name", ["town", "hand-made"])
def test_each_connector_with_lights_has_one_head_and_no_other_has(name):
    graph = maps()[name]
    ids = sorted(connector for head in heads_of(graph) for connector in head.connector_ids)
    lit = graph.lanes.ids[graph.lanes.has_traffic_lights]
    assert len(lit) > 0
    assert ids == sorted(lit.tolist())


def test_the_connectors_of_a_head_start_on_one_street_and_left_turns_have_a_head_of_their_own():
    graph = town_map(1)
    for head in heads_of(graph):
        rows = [graph.lane_row(connector) for connector in head.connector_ids]
        assert len({int(graph.lanes.roadblock_ids[graph.lanes.predecessors[row][0]]) for row in rows}) == 1
        assert len({graph.lanes.turn_kinds[row] in (TurnKind.LEFT, TurnKind.UTURN) for row in rows}) == 1


@pytest.mark.parametrize("name", ["town", "second town", "hand-made"])
def test_heads_face_the_approaching_traffic_and_are_ahead_of_the_stop_line(name):
    graph = maps()[name]
    for head in heads_of(graph):
        for connector in head.connector_ids:
            line = graph.lanes.centerlines[graph.lane_row(connector)]
            heading = np.arctan2(*(line[1] - line[0])[::-1])
            assert abs(wrap_angle(heading - head.heading)) < 0.2
        forward = np.array([np.cos(head.heading), np.sin(head.heading)])
        assert (head.position - head.stop) @ forward > -2.0
        mesh = head_mesh(head, head.position)
        lamps = np.isin(mesh.materials, [int(material) for material, _ in LAMPS])
        np.testing.assert_allclose(normals_of(mesh)[lamps, :2], [-forward] * lamps.sum(), atol=1e-4)


def test_red_is_above_yellow_and_yellow_above_green():
    mesh = head_mesh(heads_of(town_map(1))[0], np.zeros(2))
    heights = mesh.vertices_m[mesh.triangles].mean(axis=1)[:, 2]
    red, yellow, green = (heights[mesh.materials == material] for material, _ in LAMPS)
    assert len(red) == len(yellow) == len(green) == 6
    assert red.min() > yellow.max() > green.max()
    assert yellow.min() > green.max()


def test_heads_stand_off_the_road_or_hang_above_five_metres():
    for seed in (1, 5):
        graph = town_map(seed)
        road = paved_ground(graph)
        for head in heads_of(graph):
            mesh = head_mesh(head, np.zeros(2))
            low = mesh.vertices_m[mesh.vertices_m[:, 2] < 5.0].astype(np.float64)
            if len(low):
                assert shapely.distance(road, shapely.multipoints(low[:, :2])) > 0.45
            assert head.is_above_road == (head.mast is not None)


def test_most_heads_of_towns_stand_on_posts_and_no_two_at_one_place():
    heads = [head for seed in (1, 5) for head in heads_of(town_map(seed))]
    assert np.mean([not head.is_above_road for head in heads]) > 0.9
    for seed in (1, 5):
        positions = np.array([head.position for head in heads_of(town_map(seed))])
        away = np.linalg.norm(positions[:, np.newaxis] - positions, axis=-1) + 9.0 * np.eye(len(positions))
        assert away.min() > 0.9


def test_a_head_hangs_above_the_lane_where_all_ground_is_paved():
    graph = proving_ground().map
    site = proving_ground().sites["crossroads"]
    stop = graph.lanes.centerlines[graph.lane_row(site.connectors("west_to_east")[0])][0]
    paved = np.array(
        [shapely.Point(stop).buffer(15.0), shapely.Point(stop + np.array((30.0, 0.0))).buffer(22.0)], dtype=object
    )
    ground = FreeGround(road=paved, walkways=paved[:0], kept_free=np.zeros((0, 2)))
    x, y = stop
    heads = signal_heads(graph, ground, (x - 1, y - 1, x + 1, y + 1), ())
    assert heads
    assert all(head.is_above_road for head in heads)
    for head in heads:
        mesh = head_mesh(head, np.zeros(2))
        above = mesh.vertices_m[
            shapely.intersects_xy(shapely.union_all(paved), *mesh.vertices_m[:, :2].T.astype(float))
        ]
        assert len(above)
        assert above[:, 2].min() > 5.0
        assert head.mast is not None
        assert len(mesh) <= 60


def test_connectors_that_the_map_does_not_flag_get_heads_on_request():
    graph = proving_ground().map
    site = proving_ground().sites["t_junction"]
    turning = site.connectors("south_to_west", "south_to_east")
    flagged = {connector for head in heads_of(graph) for connector in head.connector_ids}
    assert not flagged & set(turning)
    heads = heads_of(graph, [*turning, 987_654_321])
    assert {connector for head in heads for connector in head.connector_ids} == flagged | set(turning)


def test_lanes_get_no_head_although_a_source_lists_them():
    graph = proving_ground().map
    assert len(heads_of(graph, [int(graph.lanes.ids[0])])) == len(heads_of(graph))


def test_no_tree_and_no_building_is_between_the_stop_line_and_the_head():
    graph = town_map(1)
    props = place_props(graph, 0)
    strips = shapely.union_all(sight_lines(heads_of(graph)))
    centres = shapely.points(props.centres[np.isin(props.kinds, [PropKind.BUILDING, PropKind.TREE])])
    assert not shapely.intersects(strips, centres).any()


def test_heads_of_a_town_remember_their_connectors_as_props():
    graph = town_map(1)
    props = place_props(graph, 0)
    rows = np.flatnonzero(props.kinds == PropKind.SIGNAL_HEAD)
    ids = np.concatenate([props.connector_ids[row] for row in rows])
    assert sorted(ids.tolist()) == sorted(graph.lanes.ids[graph.lanes.has_traffic_lights].tolist())
    assert all(len(props.connector_ids[row]) == 0 for row in np.flatnonzero(props.kinds != PropKind.SIGNAL_HEAD))
    for row in rows:
        part = slice(props.triangle_offsets[row], props.triangle_offsets[row + 1])
        assert Material.SIGNAL_RED in props.mesh.materials[part]
