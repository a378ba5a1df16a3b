import json
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
import shapely

from driving.map import AreaLayer, IntersectionKind, Ragged, StopLineKind, polygon_array
from driving.nuplan.drivable_raster import drivable_raster
from driving.nuplan.map_reader import read_map
from driving.nuplan.map_writer import OFFICIAL_LOCATIONS, write_map, write_official_placeholders
from driving.nuplan.maps import open_map
from driving.synthetic.curves import straight
from driving.synthetic.roads import RoadBuilder

LAYERS = (
    "roadblocks",
    "roadblock_connectors",
    "intersections",
    "stop_lines",
    "crosswalks",
    "walkways",
    "carparks",
    "road_segments",
    "generic_drivable_areas",
)


def crossing(name="town-0001", version="1.0", lanes_forward=2):
    """A road of two lanes each way through a junction with lights."""
    builder = RoadBuilder(name=name, version=version)
    west = builder.add_road(straight((-120.0, 0.0), (-15.0, 0.0)), lanes_forward=lanes_forward, lanes_backward=1)
    east = builder.add_road(
        straight((15.0, 0.0), (120.0, 0.0)), lanes_forward=2, lanes_backward=1, speed_limit_mps=None
    )
    junction = builder.add_intersection(IntersectionKind.TRAFFIC_LIGHT)
    stop = builder.add_stop_line(west.forward_lanes, StopLineKind.TRAFFIC_LIGHT)
    for before, after in zip(west.forward_lanes, east.forward_lanes, strict=False):
        builder.add_connector(before, after, junction, traffic_light_stop_line=stop)
    builder.add_connector(east.backward_lanes[0], west.backward_lanes[0], junction)
    builder.add_crosswalk((-14.0, -8.0), (-14.0, 8.0))
    builder.add_walkway(straight((-120.0, 8.0), (120.0, 8.0)))
    builder.add_carpark(shapely.box(30, 20, 50, 40))
    builder.add_drivable_area(shapely.box(35, 4, 40, 20))
    return builder.build()


@pytest.fixture(scope="module")
def town():
    return crossing()


def same_rows(ragged, other, tolerance=0.0):
    assert ragged.offsets.tolist() == other.offsets.tolist()
    np.testing.assert_allclose(other.values, ragged.values, rtol=0, atol=tolerance)


def test_a_written_map_is_read_back_unchanged(town, tmp_path):
    again = read_map(write_map(town, tmp_path), town.name, town.version)
    assert (again.name, again.version, again.epsg) == (town.name, town.version, town.epsg)
    for name in LAYERS:
        layer, other = getattr(town, name), getattr(again, name)
        assert layer.ids.tolist() == other.ids.tolist(), name
        assert layer.kinds.tolist() == other.kinds.tolist(), name
        assert np.max(shapely.hausdorff_distance(layer.polygons, other.polygons), initial=0) < 1e-6, name
    assert again.roadblock_edges.tolist() == town.roadblock_edges.tolist()
    lanes, others = town.lanes, again.lanes
    assert lanes.num_lanes == others.num_lanes == 6
    for name in ("ids", "roadblock_ids", "lane_index", "turn_kinds", "intersection_ids", "has_traffic_lights"):
        assert getattr(lanes, name).tolist() == getattr(others, name).tolist(), name
    np.testing.assert_array_equal(lanes.speed_limit_mps, others.speed_limit_mps)
    for name in ("successors", "predecessors", "stop_line_ids"):
        same_rows(getattr(lanes, name), getattr(others, name))
    for name in ("centerlines", "left_boundaries", "right_boundaries", "connector_lines"):
        same_rows(getattr(lanes, name), getattr(others, name), tolerance=1e-6)
    assert np.max(shapely.hausdorff_distance(lanes.areas.polygons, others.areas.polygons)) < 1e-6


def test_rows_are_read_back_in_the_order_of_their_ids(town, tmp_path):
    swapped = replace(
        town,
        walkways=AreaLayer(
            ids=np.array([9, 4]), polygons=polygon_array([town.walkways.polygons[0], town.crosswalks.polygons[0]])
        ),
    )
    again = read_map(write_map(swapped, tmp_path), "town-0001", "1.0")
    assert again.walkways.ids.tolist() == [4, 9]
    assert again.walkways.polygons[1].distance(town.walkways.polygons[0]) == 0


def test_holes_and_multi_polygons_are_read_back(town, tmp_path):
    west, south = shapely.bounds(town.walkways.polygons[0])[:2]
    ring = shapely.box(west, south, west + 20, south + 20).difference(
        shapely.box(west + 5, south + 5, west + 9, south + 9)
    )
    pair = shapely.MultiPolygon([ring, shapely.box(west + 30, south, west + 40, south + 5)])
    changed = replace(town, carparks=AreaLayer(ids=np.array([5, 6]), polygons=polygon_array([ring, pair])))
    again = read_map(write_map(changed, tmp_path), "town-0001", "1.0").carparks
    assert shapely.area(again.polygons) == pytest.approx([384.0, 434.0], abs=1e-4)


def test_gis_programs_can_open_all_layers(town, tmp_path):
    with sqlite3.connect(write_map(town, tmp_path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (0x47504B47,)
        listed = dict(connection.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall())
        geometries = {row[0] for row in connection.execute("SELECT table_name FROM gpkg_geometry_columns")}
        lines = connection.execute("SELECT COUNT(*), COUNT(DISTINCT fid) FROM boundaries").fetchone()
    connection.close()
    assert listed.pop("meta") == "attributes"
    assert geometries == set(listed)
    assert len(listed) == 16
    # Per road 3 lines of two lanes forward and 2 of the lane back; 3 of two neighbouring connectors, 2 of the third.
    assert lines == (15, 15)


def test_equal_maps_are_equal_bytes_and_kept(town, tmp_path):
    first = write_map(town, tmp_path / "a")
    second = write_map(crossing(), tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    before = sorted((path, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file())
    write_map(crossing(), tmp_path / "a")
    assert sorted((path, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()) == before


def test_a_different_map_of_the_same_name_is_refused(town, tmp_path):
    path = write_map(town, tmp_path)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=r"is a different map. Write to another folder, or give the map another"):
        write_map(crossing(lanes_forward=3), tmp_path)
    with pytest.raises(ValueError, match=r"has version 1.0 of map town-0001, so that version 2.0 cannot be added"):
        write_map(crossing(version="2.0"), tmp_path)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []


def test_placeholders_fill_the_official_locations_and_real_maps_replace_them(town, tmp_path):
    write_map(town, tmp_path)
    write_official_placeholders(tmp_path)
    listed = json.loads((tmp_path / "nuplan-maps-v1.0.json").read_text())
    assert set(listed) == {"town-0001", *OFFICIAL_LOCATIONS}
    for name, (version, epsg) in OFFICIAL_LOCATIONS.items():
        assert listed[name]["version"] == version
        blank = read_map(tmp_path / name / version / "map.gpkg", name, version)
        assert (len(blank.lanes), blank.epsg) == (0, epsg)
    real = crossing(name="us-nv-las-vegas-strip", version="9.15.1915")
    path = write_map(real, tmp_path)
    write_official_placeholders(tmp_path)
    assert len(read_map(path, real.name, real.version).lanes) == 9


def test_metadata_of_a_map_is_stored(town, tmp_path):
    noted = replace(town, metadata={"speed_limit": "assumed", "projectedCoordSystem": "epsg:1"})
    with sqlite3.connect(write_map(noted, tmp_path)) as connection:
        meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    connection.close()
    assert meta["speed_limit"] == "assumed"
    assert meta["projectedCoordSystem"] == "epsg:32611"


def test_an_unchanged_map_is_copied_and_a_changed_one_is_written(town, tmp_path):
    path = write_map(town, tmp_path / "a")
    opened = open_map(tmp_path / "a", "town-0001")
    before = path.stat()
    write_map(opened, tmp_path / "a")
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)
    assert write_map(opened, tmp_path / "b").read_bytes() == path.read_bytes()
    changed = replace(opened, crosswalks=AreaLayer.empty())
    assert len(read_map(write_map(changed, tmp_path / "c"), "town-0001", "1.0").crosswalks) == 0
    with pytest.raises(ValueError, match="is a different map"):
        write_map(changed, tmp_path / "a")
    shutil.rmtree(tmp_path / "a")
    assert len(read_map(write_map(opened, tmp_path / "d"), "town-0001", "1.0").crosswalks) == 1


def with_ids(town, layer, ids):
    areas = getattr(town, layer)
    return replace(town, **{layer: AreaLayer(ids=np.array(ids), polygons=areas.polygons[: len(ids)])})


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda town: replace(town, name="../town"), "'../town' is not a valid folder name"),
        (lambda town: replace(town, version=""), "Map version '' is not a valid folder name"),
        (lambda town: with_ids(town, "crosswalks", [-1]), "crosswalks have id -1, ids must be from 0 to"),
        (lambda town: with_ids(town, "crosswalks", [2**53]), "crosswalks have id 9007199254740992"),
        (
            lambda town: with_ids(town, "roadblock_connectors", town.roadblocks.ids[:2].tolist()),
            "are used by a roadblock and by a roadblock connector",
        ),
        (lambda town: with_ids(town, "road_segments", [5, 5]), r"ids \[5\] are used twice among the road segments"),
        (
            lambda town: replace(
                town, walkways=AreaLayer(ids=np.array([3]), polygons=polygon_array([shapely.Polygon()]))
            ),
            r"walkways \[3\] have no geometry",
        ),
        (
            lambda town: replace(
                town, walkways=AreaLayer(ids=np.array([3]), polygons=polygon_array([shapely.box(0, 0, 1, 2e7)]))
            ),
            "walkways do not lie in the UTM zone of EPSG 32611",
        ),
        (
            lambda town: replace(
                town,
                lanes=replace(
                    town.lanes,
                    successors=Ragged.from_rows(
                        [np.array([1]), *[town.lanes.successors[row] for row in range(1, 9)]],
                        np.zeros(0, dtype=np.int64),
                    ),
                ),
            ),
            "is linked to one of its own kind",
        ),
        (
            lambda town: replace(
                town, lanes=replace(town.lanes, has_traffic_lights=np.zeros(len(town.lanes), dtype=bool))
            ),
            "must name stop lines if and only if it has traffic lights",
        ),
    ],
)
def test_a_map_that_the_format_cannot_store_is_refused_before_writing(town, tmp_path, spoil, sentence):
    with pytest.raises(ValueError, match=sentence):
        write_map(spoil(town), tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_the_raster_is_1_on_drivable_area():
    # 30 m by 20 m with a hole, and a square over the hole's left half.
    area = shapely.box(1000, 2000, 1030, 2020).difference(shapely.box(1010, 2005, 1020, 2015))
    patch = shapely.box(1010, 2005, 1015, 2015)
    raster = drivable_raster(AreaLayer(ids=np.array([1, 2]), polygons=polygon_array([patch, area])))
    assert raster.cells.shape == (40, 50)

    def is_drivable(x, y):
        column, row = (raster.cell_from_global @ [x, y, 0, 1])[:2].astype(int)
        return bool(raster.cells[row, column])

    points = [(1005, 2010), (1012, 2010), (1018, 2010), (1025, 2017), (995, 2010), (1025, 2023)]
    assert [is_drivable(*point) for point in points] == [True, True, False, True, False, False]
    assert drivable_raster(AreaLayer.empty()) is None
