from xml.etree import ElementTree

import numpy as np
import pytest
from recording_sources import lanelet

from driving.importers.commonroad_map import read_map, read_place
from driving.importers.notes import ImportNotes
from driving.importers.places import NOWHERE

AWAY = np.full((1, 3), -1e3)
"""A pose that is on no lane."""


def sign(sign_id, *values):
    added = "".join(f"<additionalValue>{value}</additionalValue>" for value in values)
    return (
        f'<trafficSign id="90"><trafficSignElement><trafficSignID>{sign_id}</trafficSignID>{added}'
        "</trafficSignElement></trafficSign>"
    )


def read(*elements, country="ZAM"):
    """The map of a file with two lanelets and more elements, and the notes."""
    lanes = lanelet(1, (0, 50), 0.0, '<successor ref="2"/>') + lanelet(2, (50, 150), 0.0)
    root = ElementTree.fromstring(
        f'<commonRoad benchmarkID="{country}_Test-1_1_T-1">{lanes}{"".join(elements)}</commonRoad>'
    )
    notes = ImportNotes()
    return read_map(root, "test", NOWHERE, AWAY, notes), [str(note) for note in notes.notes]


@pytest.mark.parametrize(
    ("country", "sign_id", "value", "limit_mps"),
    [("BEL", "C43", "8.333", 8.333), ("C-USA", "R2-1", "30mph", 13.4112), ("FRA", "274", "13.89", 13.89)],
)
def test_the_signs_of_a_country_limit_their_lanelets(country, sign_id, value, limit_mps):
    graph, notes = read(sign(sign_id, value), country=country)
    np.testing.assert_allclose(graph.lanes.speed_limit_mps, limit_mps)
    assert notes == []


@pytest.mark.parametrize(
    ("element", "note"),
    [
        (sign("R15", "8.333"), "signs with a number that are no known speed limit of DEU: '8.333' of sign R15 90"),
        (sign("274", "thirty"), "speed limits that are no number with a known unit: 'thirty' of sign 274 90"),
        (sign("274"), "speed limit signs without a value: sign 274 90"),
    ],
)
def test_a_sign_that_cannot_be_read_leaves_the_default_with_a_note(element, note):
    graph, notes = read(element, country="DEU")
    np.testing.assert_allclose(graph.lanes.speed_limit_mps, 50 / 3.6)
    assert notes == [f"left out: {note}"]


def test_signs_without_a_number_need_no_note():
    assert read(sign("306"), sign("310", "Garching"), country="DEU")[1] == []


def test_the_lowest_of_several_limits_holds():
    own = lanelet(3, (0, 50), 10.0, "<speedLimit>5</speedLimit>")
    graph, _ = read(sign("274", "8"), own)
    assert sorted(graph.lanes.speed_limit_mps.tolist()) == [5.0, 8.0, 8.0, 8.0]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lanelet(3, (5, 5), 10.0), "3 (A boundary of road piece '3' needs at least 2 distinct points, got 1.)"),
        (lanelet(3, (0,), 10.0), "3 (its leftBound needs at least 2 points, got 1)"),
        (lanelet(3, ("x", 5), 10.0), "3 (expected a number in the leftBound, got 'x')"),
        (lanelet(3, (0, "inf"), 10.0), "3 (expected a number of at most 1e+09 in the leftBound, got 'inf')"),
        (lanelet(3, (0, 1e8), 10.0), "3 (A boundary of road piece '3' is longer than 100 km.)"),
        ('<lanelet id="3"/>', "3 (its leftBound needs at least 2 points, got 0)"),
    ],
)
def test_a_broken_lanelet_is_left_out_with_a_note(broken, reason):
    graph, notes = read(broken)
    assert graph.lanes.num_lanes == 2
    assert notes == [f"left out: lanes of the map that cannot be built: {reason}"]


def test_a_second_lanelet_of_one_id_is_left_out_with_a_note():
    graph, notes = read(lanelet(2, (0, 50), 30.0))
    assert graph.lanes.num_lanes == 2
    assert notes == ["left out: lanelets with the id of an earlier lanelet: 2"]


def test_a_self_intersecting_lanelet_keeps_a_valid_polygon():
    left = "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in ((0, 20), (10, 24), (20, 20), (30, 24)))
    right = "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in ((0, 22), (10, 20), (20, 24), (30, 20)))
    graph, notes = read(f'<lanelet id="3"><leftBound>{left}</leftBound><rightBound>{right}</rightBound></lanelet>')
    assert graph.lanes.num_lanes == 3
    assert all(polygon.is_valid and polygon.area > 0 for polygon in graph.lanes.areas.polygons)
    assert notes == []


def test_a_file_without_lanelets_is_refused():
    with pytest.raises(ValueError, match="The map holds no lane for vehicles"):
        read_map(ElementTree.fromstring("<commonRoad/>"), "test", NOWHERE, AWAY, ImportNotes())


@pytest.mark.parametrize(
    ("latitude", "longitude", "count"), [("999", "999", 0), ("x", "0", 1), ("89", "0", 1), ("nan", "nan", 1)]
)
def test_an_unknown_location_is_replaced_by_a_made_up_place(latitude, longitude, count):
    root = ElementTree.fromstring(
        f"<commonRoad><location><gpsLatitude>{latitude}</gpsLatitude><gpsLongitude>{longitude}</gpsLongitude>"
        "</location></commonRoad>"
    )
    notes = ImportNotes()
    assert read_place(root, notes) is NOWHERE
    assert len(notes.notes) == count
