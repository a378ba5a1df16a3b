import numpy as np
import pytest
import shapely
from prop_checks import town_map

from simulation.rendering.free_ground import CLEARANCE_M, FreeGround, kerb_stations
from simulation.rendering.placement import (
    Places,
    PropKind,
    joined_places,
    outlines,
    places_beside,
    without_overlap,
)


def places_at(*rows: tuple[PropKind, float, float, float]) -> Places:
    """Kind, x, priority and width of places on a line."""
    kinds, x, priorities, widths = (np.array(column) for column in zip(*rows, strict=True))
    count = len(kinds)
    return Places(
        kinds=kinds.astype(np.int8),
        centres=np.stack([x, np.zeros(count)], axis=-1).astype(float),
        headings=np.zeros(count),
        sizes_m=np.stack([widths, widths, np.ones(count)], axis=-1).astype(float),
        draws=np.zeros((count, 3)),
        priorities=priorities.astype(float),
    )


def test_outlines_are_rectangles_of_buildings_and_octagons_of_other_props():
    places = places_at((PropKind.BUILDING, 0.0, 1.0, 8.0), (PropKind.TREE, 30.0, 1.0, 4.0))
    building, tree = outlines(places, 0.5)
    assert building.area == pytest.approx(81.0)
    assert building.contains(shapely.Point(4.4, 4.4))
    assert not tree.contains(shapely.Point(32.4, 2.4))
    assert tree.contains(shapely.Point(30.0, 0.0).buffer(2.49))


def test_the_outline_of_a_building_turns_with_its_heading():
    places = places_at((PropKind.BUILDING, 0.0, 1.0, 8.0))._replace(
        headings=np.array([np.pi / 2]), sizes_m=np.array([[10.0, 4.0, 3.0]])
    )
    np.testing.assert_allclose(outlines(places, 0.0)[0].bounds, (-2.0, -5.0, 2.0, 5.0), atol=1e-9)


def test_the_place_of_higher_priority_stays_and_a_place_returns_when_its_rival_goes():
    tree = PropKind.TREE
    chain = places_at((tree, 0.0, 3.0, 4.0), (tree, 3.0, 2.0, 4.0), (tree, 6.0, 1.0, 4.0), (tree, 30.0, 0.0, 4.0))
    assert without_overlap(chain, np.zeros(0, dtype=object)).tolist() == [True, False, True, True]


def test_blockers_remove_the_places_that_they_touch():
    places = places_at((PropKind.TREE, 0.0, 3.0, 4.0), (PropKind.TREE, 30.0, 2.0, 4.0))
    blockers = np.array([shapely.LineString([(0.0, -9.0), (0.0, 9.0)])], dtype=object)
    assert without_overlap(places, blockers).tolist() == [False, True]


def test_places_of_a_town_keep_their_distance_from_road_and_walkways():
    graph = town_map(1)
    bounds = tuple(shapely.total_bounds(graph.lanes.areas.polygons).tolist())
    ground = FreeGround.around(graph, bounds, np.zeros((0, 2)))
    places = places_beside(ground, kerb_stations(graph, ground, bounds), bounds, 0)
    paved = shapely.union_all(ground.paved)
    shapely.prepare(paved)
    assert not shapely.intersects(paved, outlines(places, CLEARANCE_M)).any()
    assert set(places.kinds.tolist()) == {PropKind.LAMP_POST, PropKind.SIGN, PropKind.BUILDING, PropKind.TREE}
    both = joined_places([places, places])
    assert len(both.kinds) == 2 * len(places.kinds)


def test_buildings_beside_a_street_turn_their_front_to_it():
    graph = town_map(1)
    bounds = tuple(shapely.total_bounds(graph.lanes.areas.polygons).tolist())
    ground = FreeGround.around(graph, bounds, np.zeros((0, 2)))
    places = places_beside(ground, kerb_stations(graph, ground, bounds), bounds, 0)
    beside = places.take((places.kinds == PropKind.BUILDING) & (places.priorities > 5.0))
    forward = np.stack([np.sin(beside.headings), -np.cos(beside.headings)], axis=-1)
    road = shapely.union_all(ground.road)
    shapely.prepare(road)
    front, back = (
        shapely.distance(road, shapely.points(beside.centres + sign * forward * beside.sizes_m[:, 1:2] / 2))
        for sign in (1.0, -1.0)
    )
    assert (front < back).mean() > 0.95
