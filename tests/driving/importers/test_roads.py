import numpy as np
import pytest
import shapely

from driving import IntersectionKind, TurnKind
from driving.importers.links import lane_network
from driving.importers.pieces import piece_between
from driving.importers.places import NOWHERE
from driving.importers.roads import Areas, map_of, parted
from driving.synthetic.curves import arc

AWAY = np.full((1, 3), -1e3)
"""A pose that is on no lane."""


def piece(key, points, *, is_connector=False, **links):
    """A piece 4 m wide along a line of two points."""
    start, end = np.array(points, dtype=float)
    ahead = (end - start) / np.hypot(*(end - start))
    left = 2.0 * np.array([-ahead[1], ahead[0]])
    return piece_between(
        key=key,
        is_connector=is_connector,
        left=np.stack([start + left, end + left]),
        right=np.stack([start - left, end - left]),
        **links,
    )


def crossing(**fields):
    """A lane that branches at x = 40 into a lane straight ahead and a lane to the left."""
    pieces = [
        piece("a", ((0, 0), (40, 0)), successors=["ahead", "left"], speed_limit_mps=20.0),
        piece("ahead", ((40, 0), (60, 0)), is_connector=True, successors=["b"]),
        piece_between(
            key="left",
            is_connector=True,
            left=arc((40.0, 10.0), 8.0, -np.pi / 2, np.pi / 2),
            right=arc((40.0, 10.0), 12.0, -np.pi / 2, np.pi / 2),
            successors=["c"],
        ),
        piece("b", ((60, 0), (100, 0))),
        piece("c", ((50, 10), (50, 50))),
    ]
    settings = {"areas": Areas(), "metadata": {"source": "test"}, **fields}
    return map_of(name="test", place=NOWHERE, network=lane_network(pieces, AWAY), **settings)


def test_limits_are_those_of_the_source_or_the_rule():
    graph = crossing(lane_speed_mps=10.0)
    turns = graph.lanes.turn_kinds[graph.lanes.num_lanes :].tolist()
    assert sorted(turns) == [TurnKind.STRAIGHT, TurnKind.LEFT]
    limits = dict(zip(turns, graph.lanes.speed_limit_mps[graph.lanes.num_lanes :], strict=True))
    assert limits == {TurnKind.STRAIGHT: 10.0, TurnKind.LEFT: pytest.approx(30 / 3.6)}
    assert graph.lanes.speed_limit_mps[: graph.lanes.num_lanes].tolist() == [20.0, 10.0, 10.0]
    assert graph.metadata["speed_limit"].startswith("1 of 5 lanes and connectors have the source's limit")


def test_connectors_of_one_crossing_share_an_intersection():
    graph = crossing()
    assert graph.intersections.kinds.tolist() == [IntersectionKind.DEFAULT]
    assert set(graph.lanes.intersection_ids[graph.lanes.num_lanes :]) == {graph.intersections.ids[0]}
    assert len(graph.roadblocks) == 3
    assert len(graph.roadblock_connectors) == 2


def test_ids_are_unique_over_all_layers():
    areas = Areas(drivable=[shapely.box(0, -9, 99, 9)], crosswalks=[shapely.box(38, -2, 40, 2)])
    graph = crossing(areas=areas)
    layers = (
        graph.lanes.areas,
        graph.roadblocks,
        graph.roadblock_connectors,
        graph.intersections,
        graph.crosswalks,
        graph.road_segments,
        graph.generic_drivable_areas,
    )
    ids = np.concatenate([layer.ids for layer in layers])
    assert len(np.unique(ids)) == len(ids) == 5 + 3 + 2 + 1 + 1 + 3 + 1


def test_areas_of_several_parts_become_several_rows():
    apart = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 0, 6, 1)])
    assert len(crossing(areas=Areas(walkways=[apart])).walkways) == 2


def test_a_map_without_drivable_area_states_it():
    assert crossing().metadata["drivable_area"] == "the source has none: lanes and intersections only"
    assert "drivable_area" not in crossing(areas=Areas(drivable=[shapely.box(0, 0, 1, 1)])).metadata


def test_overlaps_go_to_the_smaller_polygon():
    wide, narrow = parted([shapely.box(0, 0, 10, 4), shapely.box(8, 0, 12, 4)])
    assert wide.area == pytest.approx(32.0)
    assert narrow.area == pytest.approx(16.0)
    assert wide.intersection(narrow).area == 0.0
