import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
import shapely

from driving.map import AreaLayer, MapGraph
from driving.nuplan.map_writer import write_map
from driving.nuplan.maps import open_map
from driving.nuplan.stored_map import as_stored, original_of
from driving.synthetic.proving_ground import proving_ground

LINES = ("centerlines", "left_boundaries", "right_boundaries", "connector_lines")


def assert_same_coordinates(one: MapGraph, other: MapGraph) -> None:
    for name in LINES:
        np.testing.assert_array_equal(getattr(one.lanes, name).values, getattr(other.lanes, name).values)
    layers = [(one.lanes.areas, other.lanes.areas)]
    layers += [
        (getattr(one, field.name), getattr(other, field.name))
        for field in fields(MapGraph)
        if isinstance(getattr(one, field.name), AreaLayer)
    ]
    for mine, theirs in layers:
        np.testing.assert_array_equal(mine.ids, theirs.ids)
        assert shapely.to_wkb(mine.polygons).tolist() == shapely.to_wkb(theirs.polygons).tolist()


@pytest.fixture
def original():
    """A map without a source that no other test shares."""
    return replace(proving_ground().map, name="us-nv-las-vegas-strip")


def test_the_stored_form_has_the_coordinates_of_the_package(original, tmp_path):
    stored = as_stored(original)
    write_map(original, tmp_path)
    assert_same_coordinates(stored, open_map(tmp_path, original.name))


def test_the_round_trip_moves_coordinates_by_nanometres(original):
    moved_m = np.abs(as_stored(original).lanes.centerlines.values - original.lanes.centerlines.values)
    assert 0.0 < moved_m.max() < 5e-9


def test_a_map_in_stored_form_is_written_as_its_original(original, tmp_path):
    stored = as_stored(original)
    paths = [write_map(one, tmp_path / name) for name, one in (("original", original), ("stored", stored))]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert original_of(stored) is original


def test_a_changed_map_is_written_with_its_own_coordinates(original):
    changed = replace(as_stored(original), metadata={"note": "changed"})
    assert original_of(changed) is changed


def test_the_stored_form_is_made_once(original):
    assert as_stored(original) is as_stored(original)
    assert as_stored(as_stored(original)) is as_stored(original)


def test_a_map_from_a_package_stays_as_it_is(original, tmp_path):
    write_map(original, tmp_path)
    opened = open_map(tmp_path, original.name)
    assert as_stored(opened) is opened
    assert original_of(opened) is opened


def test_a_worker_receives_the_same_stored_form(original):
    stored = as_stored(original)
    received = pickle.loads(pickle.dumps(stored))
    assert_same_coordinates(received, stored)
    assert_same_coordinates(original_of(received), original)
