import sqlite3

import numpy as np
import pytest
import shapely

from driving.map import StopLineKind
from driving.nuplan.database import reading
from driving.nuplan.geopackage import NOT_THERE, REFERENCE, Column, Effect, LayerReader, Shape


@pytest.fixture
def path(data_root):
    return next(data_root.glob("maps/*/*/map.gpkg"))


@pytest.fixture
def reader(path):
    with reading(path) as connection:
        yield LayerReader(connection, path)


@pytest.mark.parametrize(
    ("column", "raw", "value"),
    [
        (Column(missing=0), 3, 3),
        (Column(missing=0), "3", 3),
        (Column(missing=0), "", None),
        (Column(missing=0), None, None),
        (Column(missing=0.0), 13.5, 13.5),
        (Column(missing=0.0), float("inf"), None),
        (Column(missing=0.0, is_positive=True), 0, None),
        (Column(missing=0.0, is_positive=True), -3.0, None),
        (Column(missing=5, choices=StopLineKind), 2, 2),
        (Column(missing=5, choices=StopLineKind), 6, None),
        (Column(missing=""), "", ""),
        (Column(missing=""), 60, "60"),
        (Column(missing=""), None, None),
    ],
)
def test_fields_are_read_by_the_type_of_their_column(column, raw, value):
    assert column.value(raw) == value


@pytest.mark.parametrize("raw", ["ten", 1e300, float("inf"), b"\x80"])
def test_a_field_of_another_type_is_refused(raw):
    with pytest.raises((ValueError, OverflowError)):
        Column(missing=0).value(raw)


def test_a_wrong_field_is_named(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE lane_connectors SET exit_lane_fid = 'left'")
    sentence = "fid 30: exit_lane_fid must be a number, got 'left'"
    with reading(path) as connection, pytest.raises(ValueError, match=sentence):
        LayerReader(connection, path).read("lane_connectors", Shape.LINE, {"exit_lane_fid": REFERENCE})


def test_a_geometry_that_is_text_is_refused(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE crosswalks SET geom = 'POLYGON'")
    with reading(path) as connection, pytest.raises(ValueError, match=r"not in GeoPackage form \(fid 70\)"):
        LayerReader(connection, path).read("crosswalks", Shape.AREA)


def test_an_optional_column_may_be_absent(reader):
    layer = reader.read("crosswalks", Shape.AREA, {"width": Column(missing=2.5, is_optional=True)})
    assert layer.columns["width"].tolist() == [2.5]
    assert reader.notes == {}


def test_lines_and_areas_are_usable_only_in_layers_of_their_shape(reader):
    assert reader.read("crosswalks", Shape.AREA).has_geometry.tolist() == [True]
    assert reader.read("crosswalks", Shape.LINE).has_geometry.tolist() == [False]
    assert reader.read("boundaries", Shape.AREA).has_geometry.tolist() == [False] * 5


@pytest.mark.parametrize(("width_m", "is_usable"), [(0.0, False), (0.002, False), (0.004, True)])
def test_a_polygon_needs_a_mean_width_of_a_millimetre(path, set_geometry, width_m, is_usable):
    # Area 20 w over a boundary of about 40 m.
    set_geometry("crosswalks", shapely.box(0, 0, 20, width_m))
    with reading(path) as connection:
        layer = LayerReader(connection, path).read("crosswalks", Shape.AREA)
    assert layer.has_geometry.tolist() == [is_usable]


def test_notes_list_three_ids(reader):
    reader.note(Effect.IGNORED, "walkways", [], "no usable polygon")
    assert reader.notes == {}
    reader.note(Effect.IGNORED, "walkways", [1, 2, 3, 4, 5, 6, 7], "no usable polygon")
    reader.note(Effect.IGNORED, "walkways", [8], "no usable kind")
    assert reader.notes == {
        "ignored walkways": "layer `walkways`: no usable polygon (fid 1, 2, 3 and 4 more); no usable kind (fid 8)"
    }


def test_references_to_nothing_are_noted_unless_they_are_meant(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE lanes_polygons SET left_boundary_fid = 99 WHERE fid = 20")
        connection.execute("UPDATE lanes_polygons SET left_boundary_fid = ? WHERE fid = 21", (NOT_THERE,))
    with reading(path) as connection:
        reader = LayerReader(connection, path)
        layer = reader.read("lanes_polygons", Shape.AREA, {"left_boundary_fid": REFERENCE})
        reader.note_dangling(layer, "left_boundary_fid", np.array([1, 2, 3]))
    sentence = "layer `lanes_polygons`: left_boundary_fid names no row (fid 20)"
    assert reader.notes == {"ignored lanes_polygons": sentence}
