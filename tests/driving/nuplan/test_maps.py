import json
import logging
import pickle
import sqlite3
import threading

import numpy as np
import pytest
import shapely

from driving.map import IntersectionKind, MapGraph, StopLineKind, TurnKind
from driving.nuplan import maps
from driving.nuplan.cache import cache_folder
from driving.nuplan.map_cache import cache_file, load_map
from driving.nuplan.map_reader import read_map
from driving.nuplan.maps import find_map, open_map

POLYGONS = "gen_lane_connectors_scaled_width_polygons"
NAME, VERSION = "us-nv-las-vegas-strip", "9.15.1915"
X0, Y0 = 664_000.0, 3_998_000.0


@pytest.fixture
def gpkg(data_root):
    return data_root / "maps" / NAME / VERSION / "map.gpkg"


@pytest.fixture
def small_map(gpkg):
    return read_map(gpkg, NAME, VERSION)


def edit(path, sql):
    with sqlite3.connect(path) as connection:
        connection.executescript(sql)
    connection.close()


def assert_same(first: MapGraph, second: MapGraph):
    assert (first.name, first.version, first.epsg) == (second.name, second.version, second.epsg)
    for name in ("lanes", "roadblocks", "intersections", "stop_lines", "crosswalks", "carparks", "road_segments"):
        ours, theirs = (getattr(graph, name) for graph in (first, second))
        ours, theirs = getattr(ours, "areas", ours), getattr(theirs, "areas", theirs)
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_array_equal(ours.kinds, theirs.kinds)
        assert shapely.equals_exact(ours.polygons, theirs.polygons, 0.0).all()
    for name in ("centerlines", "left_boundaries", "successors", "predecessors", "stop_line_ids", "connector_lines"):
        np.testing.assert_array_equal(getattr(first.lanes, name).values, getattr(second.lanes, name).values)
        np.testing.assert_array_equal(getattr(first.lanes, name).offsets, getattr(second.lanes, name).offsets)
    np.testing.assert_array_equal(first.lanes.speed_limit_mps, second.lanes.speed_limit_mps)


def test_lanes_come_before_connectors(small_map):
    assert small_map.lanes.ids.tolist() == [20, 21, 30]
    assert small_map.lanes.num_lanes == 2
    assert small_map.lanes.roadblock_ids.tolist() == [10, 11, 40]


def test_points_are_in_the_metres_of_the_utm_zone(small_map):
    assert small_map.epsg == 32611
    np.testing.assert_allclose(small_map.lanes.centerlines[0], [[X0 + x, Y0] for x in (0, 150, 300)], atol=1e-6)
    assert not shapely.has_z(small_map.lanes.areas.polygons).any()


def test_connectors_link_the_lanes(small_map):
    lanes = small_map.lanes
    assert [lanes.successors[row].tolist() for row in range(3)] == [[2], [], [1]]
    assert [lanes.predecessors[row].tolist() for row in range(3)] == [[], [2], [0]]
    assert small_map.roadblock_edges.tolist() == [[10, 11, 50]]
    assert lanes.turn_kinds[2] == TurnKind.LEFT
    assert lanes.intersection_ids.tolist() == [0, 0, 50]


def test_boundaries_run_in_driving_direction(small_map):
    lanes = small_map.lanes
    np.testing.assert_allclose(lanes.left_boundaries[1][[0, -1], 0], [X0 + 320, X0 + 700], atol=1e-6)
    np.testing.assert_allclose(lanes.left_boundaries[1][:, 1], Y0 + 2, atol=1e-6)
    assert len(lanes.right_boundaries[2]) == 0


def test_a_missing_speed_limit_is_not_a_number(small_map):
    np.testing.assert_array_equal(small_map.lanes.speed_limit_mps, [13.5, np.nan, 9.0])


def test_stop_lines_of_lights_are_a_list_in_text(small_map):
    assert small_map.lanes.has_traffic_lights.tolist() == [False, False, True]
    assert small_map.lanes.stop_line_ids[2].tolist() == [60, 61]
    assert small_map.stop_lines.kinds.tolist() == [StopLineKind.TRAFFIC_LIGHT] * 2
    assert small_map.intersections.kinds.tolist() == [IntersectionKind.TRAFFIC_LIGHT]


def test_areas_may_have_several_parts_and_layers_may_be_empty(small_map):
    assert small_map.road_segments.polygons[0].geom_type == "MultiPolygon"
    assert small_map.drivable_area.ids.tolist() == [90, 50, 80]
    assert len(small_map.walkways) == 0


def test_a_map_opened_again_is_the_same_object(data_root):
    assert open_map(data_root / "maps", NAME) is open_map(data_root / "maps", NAME)


def test_a_changed_file_is_read_again(data_root, gpkg):
    before = open_map(data_root / "maps", NAME)
    edit(gpkg, "UPDATE lanes_polygons SET speed_limit_mps = 5.0 WHERE fid = 20")
    after = open_map(data_root / "maps", NAME)
    assert (before.lanes.speed_limit_mps[0], after.lanes.speed_limit_mps[0]) == (13.5, 5.0)


def test_the_cached_map_equals_the_read_map(data_root, gpkg, monkeypatch):
    fresh = open_map(data_root / "maps", NAME)
    maps._open_maps.clear()
    monkeypatch.setattr(maps, "read_map", lambda *_: pytest.fail("was read from the file again"))
    assert_same(open_map(data_root / "maps", NAME), fresh)


def test_two_files_of_one_content_share_a_cache_entry(data_root, gpkg, tmp_path):
    copy = tmp_path / "copy.gpkg"
    copy.write_bytes(gpkg.read_bytes())
    assert cache_file(copy, NAME) == cache_file(gpkg, NAME)


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:500], lambda whole: b"", lambda whole: whole[:-700] + b"x" * 700]
)
def test_a_damaged_cache_file_is_made_again(data_root, gpkg, damage, caplog):
    fresh = open_map(data_root / "maps", NAME)
    file = cache_file(gpkg, NAME)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    maps._open_maps.clear()
    with caplog.at_level(logging.WARNING):
        assert_same(open_map(data_root / "maps", NAME), fresh)
    assert "is damaged" in caplog.text
    assert_same(load_map(gpkg, NAME, VERSION), fresh)


def test_a_flipped_bit_in_the_cache_is_detected(data_root, gpkg, caplog):
    fresh = open_map(data_root / "maps", NAME)
    file = cache_file(gpkg, NAME)
    flipped = bytearray(file.read_bytes())
    place = flipped.index(fresh.lanes.centerlines.values.tobytes()) + 9
    flipped[place] ^= 1
    file.write_bytes(bytes(flipped))
    with caplog.at_level(logging.WARNING):
        assert load_map(gpkg, NAME, VERSION) is None
    assert "is damaged" in caplog.text


def test_two_writers_at_once_leave_one_complete_file(data_root, gpkg):
    results = []

    def work():
        maps._open_maps.clear()
        results.append(open_map(data_root / "maps", NAME))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert_same(load_map(gpkg, NAME, VERSION), results[0])
    assert not [path for path in cache_folder().rglob("*") if path.name.startswith(".")]


def test_a_cache_that_cannot_be_written_is_a_warning(data_root, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("a file where a folder is needed")
    monkeypatch.setenv("CAMBER_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert open_map(data_root / "maps", NAME).lanes.ids.tolist() == [20, 21, 30]
    assert "Cannot cache the map" in caplog.text


def test_maps_are_pickled_by_reference(data_root):
    small_map = open_map(data_root / "maps", NAME)
    assert pickle.loads(pickle.dumps(small_map)) is small_map


@pytest.mark.parametrize(
    "layer",
    [
        *("lanes_polygons", "lane_connectors", "gen_lane_connectors_scaled_width_polygons", "baseline_paths"),
        *("boundaries", "lane_groups_polygons", "lane_group_connectors", "intersections", "stop_polygons"),
        *("crosswalks", "walkways", "carpark_areas", "generic_drivable_areas", "road_segments", "meta"),
    ],
)
def test_a_missing_layer_is_named(gpkg, layer):
    edit(gpkg, f"DROP TABLE {layer}")
    with pytest.raises(ValueError, match=f"has no layer `{layer}`, which nuPlan's maps have"):
        read_map(gpkg, NAME, VERSION)


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        (
            "ALTER TABLE lane_connectors DROP COLUMN entry_lane_fid",
            r"`lane_connectors` has no column \['entry_lane_fid'\]",
        ),
        ("UPDATE meta SET value = 'somewhere'", "must name projectedCoordSystem.* got somewhere"),
        ("DELETE FROM meta", "got nothing"),
        ("UPDATE crosswalks SET geom = x'00'", "`crosswalks` has a geometry that is not in GeoPackage form"),
        ("UPDATE crosswalks SET geom = x'47500001e61000000101'", "`crosswalks` has damaged geometries"),
        (
            "UPDATE lanes_polygons SET lane_group_fid = 'ten'",
            r"`lanes_polygons`, fid 20: lane_group_fid .* got 'ten'",
        ),
        ("UPDATE meta SET value = 'epsg:1'", "`lanes_polygons` is in EPSG:4326 and the map in EPSG:1, which cannot"),
    ],
)
def test_damaged_maps_are_refused_in_one_sentence(gpkg, sql, sentence):
    edit(gpkg, sql)
    with pytest.raises(ValueError, match=sentence):
        read_map(gpkg, NAME, VERSION)


def test_a_truncated_map_is_refused(gpkg):
    gpkg.write_bytes(gpkg.read_bytes()[:20_000])
    with pytest.raises(ValueError, match="is truncated"):
        read_map(gpkg, NAME, VERSION)


def test_a_connector_without_polygon_and_path_follows_its_own_line(gpkg):
    edit(gpkg, "DELETE FROM gen_lane_connectors_scaled_width_polygons; DELETE FROM baseline_paths WHERE fid = 3")
    small_map = read_map(gpkg, NAME, VERSION)
    assert small_map.metadata == {
        "repaired baseline_paths": "layer `baseline_paths`: paths made from the line (lane connector 30)",
        f"repaired {POLYGONS}": f"layer `{POLYGONS}`: polygons made 3.5 m wide (lane connector 30)",
    }
    assert small_map.lanes.areas.polygons[2].area == pytest.approx(20 * 3.5, abs=1e-3)
    np.testing.assert_allclose(small_map.lanes.centerlines[2][-1], [X0 + 320, Y0], atol=1e-6)


def with_nan(geometry):
    """The geometry with one coordinate that is not a number."""
    points = shapely.get_coordinates(geometry)
    points[1, 0] = np.nan
    with np.errstate(invalid="ignore"):
        return shapely.set_coordinates(geometry, points)


UNUSABLE_POLYGONS = {
    "NULL": None,
    "empty": shapely.Polygon(),
    "a point": shapely.Point(0, 0),
    "a line": shapely.LineString([(0, 0), (5, 0)]),
    "no area": shapely.Polygon([(0, 0), (5, 0), (9, 0), (0, 0)]),
    "one place": shapely.Polygon([(0, 0)] * 4),
    "NaN": with_nan(shapely.Polygon([(0, 0), (5, 0), (5, 5), (0, 0)])),
}
UNUSABLE_LINES = {
    "NULL": None,
    "empty": shapely.LineString(),
    "a point": shapely.Point(0, 0),
    "no length": shapely.LineString([(3, 0), (3, 0)]),
    "NaN": with_nan(shapely.LineString([(0, 0), (5, 0)])),
}


@pytest.mark.parametrize("geometry", UNUSABLE_POLYGONS.values(), ids=list(UNUSABLE_POLYGONS))
@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ("carpark_areas", "carparks"),
        ("intersections", "intersections"),
        ("stop_polygons", "stop_lines"),
        ("crosswalks", "crosswalks"),
        ("road_segments", "road_segments"),
    ],
)
def test_an_area_without_a_usable_polygon_is_ignored(gpkg, layer, name, geometry, set_geometry):
    with sqlite3.connect(gpkg) as connection:
        (fid,) = connection.execute(f"SELECT MIN(fid) FROM {layer}").fetchone()
    set_geometry(layer, geometry, fid)
    small_map = read_map(gpkg, NAME, VERSION)
    assert fid not in getattr(small_map, name).ids
    sentence = f"layer `{layer}`: no usable polygon (fid {fid})"
    assert small_map.metadata == {f"ignored {layer}": sentence}
    assert np.isfinite(shapely.bounds(small_map.drivable_area.polygons)).all()


@pytest.mark.parametrize("geometry", UNUSABLE_POLYGONS.values(), ids=list(UNUSABLE_POLYGONS))
def test_polygons_of_lanes_and_roadblocks_are_repaired(gpkg, geometry, set_geometry):
    for layer in ("lanes_polygons", "gen_lane_connectors_scaled_width_polygons"):
        set_geometry(layer, geometry)
    for layer in ("lane_groups_polygons", "lane_group_connectors"):
        set_geometry(layer, geometry)
    small_map = read_map(gpkg, NAME, VERSION)
    np.testing.assert_allclose(
        shapely.area(small_map.lanes.areas.polygons), np.array([300, 380, 20]) * 3.5, rtol=1e-6
    )
    np.testing.assert_allclose(shapely.area(small_map.roadblocks.polygons), np.array([300, 380]) * 3.5, rtol=1e-6)
    assert small_map.roadblock_connectors.ids.tolist() == [40]
    assert small_map.roadblock_edges.tolist() == [[10, 11, 50]]
    assert small_map.metadata == {
        "repaired lanes_polygons": "layer `lanes_polygons`: polygons made 3.5 m wide (fid 20, 21)",
        f"repaired {POLYGONS}": f"layer `{POLYGONS}`: polygons made 3.5 m wide (lane connector 30)",
        "repaired lane_groups_polygons": "layer `lane_groups_polygons`: polygons made from the lanes (fid 10, 11)",
        "repaired lane_group_connectors": "layer `lane_group_connectors`: polygons made from the lanes (fid 40)",
    }


def test_a_roadblock_without_polygon_and_lanes_is_ignored(gpkg):
    edit(
        gpkg,
        "INSERT INTO lane_groups_polygons (fid) VALUES (900);"
        " INSERT INTO lane_group_connectors (fid, from_lane_group_fid, to_lane_group_fid, intersection_fid)"
        " VALUES (901, 10, 11, 50)",
    )
    small_map = read_map(gpkg, NAME, VERSION)
    assert small_map.roadblocks.ids.tolist() == [10, 11]
    assert small_map.roadblock_edges.tolist() == [[10, 11, 50]]
    assert "fid 900" in small_map.metadata["ignored lane_groups_polygons"]
    assert "fid 901" in small_map.metadata["ignored lane_group_connectors"]


@pytest.mark.parametrize("geometry", UNUSABLE_LINES.values(), ids=list(UNUSABLE_LINES))
def test_a_lane_without_a_usable_path_follows_the_middle_of_its_boundaries(gpkg, geometry, set_geometry):
    whole = read_map(gpkg, NAME, VERSION)
    set_geometry("baseline_paths", geometry, 2)
    small_map = read_map(gpkg, NAME, VERSION)
    line = small_map.lanes.centerlines[1]
    np.testing.assert_allclose(line[[0, -1]], whole.lanes.centerlines[1][[0, -1]], atol=1e-6)
    np.testing.assert_allclose(line[:, 1], Y0, atol=1e-6)
    np.testing.assert_array_equal(small_map.lanes.left_boundaries[1], whole.lanes.left_boundaries[1])
    assert small_map.metadata == {
        "repaired baseline_paths": "layer `baseline_paths`: paths made from the boundaries (lane 21)"
    }


@pytest.mark.parametrize("geometry", UNUSABLE_LINES.values(), ids=list(UNUSABLE_LINES))
def test_a_connector_without_a_usable_line_has_its_baseline_path(gpkg, geometry, set_geometry):
    set_geometry("lane_connectors", geometry)
    small_map = read_map(gpkg, NAME, VERSION)
    np.testing.assert_array_equal(small_map.lanes.connector_lines[2], small_map.lanes.centerlines[2])
    assert "lines made from the baseline path (fid 30)" in small_map.metadata["repaired lane_connectors"]


def test_a_lane_without_path_and_boundaries_is_named(gpkg, set_geometry):
    set_geometry("baseline_paths", None, 2)
    set_geometry("boundaries", None, 3)
    with pytest.raises(
        ValueError, match=r"map.gpkg: layer `baseline_paths` has no path for 1 lanes, for example \[21\]"
    ):
        read_map(gpkg, NAME, VERSION)


def test_notes_are_logged_from_the_file_and_from_the_cache(data_root, gpkg, caplog):
    edit(gpkg, "UPDATE carpark_areas SET geom = NULL")
    for _ in range(2):
        maps._open_maps.clear()
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            open_map(data_root / "maps", NAME)
        (record,) = caplog.records
        assert record.getMessage() == f"{gpkg}: layer `carpark_areas`: no usable polygon (fid 80)."


@pytest.mark.parametrize(
    ("sql", "key", "sentence"),
    [
        (
            "UPDATE lanes_polygons SET lane_group_fid = ''",
            "lanes_polygons",
            "lane_group_fid names no row (fid 20, 21)",
        ),
        ("UPDATE lanes_polygons SET lane_index = NULL", "lanes_polygons", "no usable lane_index (fid 20, 21)"),
        ("UPDATE lanes_polygons SET speed_limit_mps = 0", "lanes_polygons", "no usable speed_limit_mps (fid 20, 21)"),
        ("UPDATE stop_polygons SET stop_polygon_type_fid = 300", "stop_polygons", "no usable stop_polygon_type_fid"),
        ("UPDATE lane_connectors SET turn_type_fid = -1", "lane_connectors", "no usable turn_type_fid (fid 30)"),
        ("UPDATE lane_connectors SET entry_lane_fid = 0", "lane_connectors", "entry_lane_fid names no row (fid 30)"),
        ("UPDATE lane_connectors SET exit_lane_fid = NULL", "lane_connectors", "exit_lane_fid names no row (fid 30)"),
    ],
)
def test_a_field_without_a_usable_value_is_noted(gpkg, sql, key, sentence):
    edit(gpkg, sql)
    assert sentence in read_map(gpkg, NAME, VERSION).metadata[f"ignored {key}"]


def test_lanes_without_an_index_are_no_neighbours(gpkg):
    edit(gpkg, "UPDATE lanes_polygons SET lane_group_fid = 10, lane_index = 1 WHERE fid = 20")
    edit(gpkg, "UPDATE lanes_polygons SET lane_group_fid = 10, lane_index = NULL WHERE fid = 21")
    small_map = read_map(gpkg, NAME, VERSION)
    assert [small_map.left_neighbor(row) for row in (0, 1)] == [None, None]


def test_unusable_kinds_are_unknown(gpkg):
    edit(
        gpkg,
        "UPDATE stop_polygons SET stop_polygon_type_fid = NULL; UPDATE intersections SET intersection_type_fid = 9",
    )
    small_map = read_map(gpkg, NAME, VERSION)
    assert small_map.stop_lines.kinds.tolist() == [StopLineKind.UNKNOWN] * 2
    assert small_map.intersections.kinds.tolist() == [IntersectionKind.DEFAULT]


def test_columns_that_the_devkit_does_not_read_may_be_absent(gpkg):
    edit(gpkg, "ALTER TABLE lane_connectors DROP COLUMN turn_type_fid")
    edit(gpkg, "ALTER TABLE intersections DROP COLUMN intersection_type_fid")
    small_map = read_map(gpkg, NAME, VERSION)
    assert small_map.lanes.turn_kinds.tolist() == [TurnKind.STRAIGHT, TurnKind.STRAIGHT, TurnKind.UNKNOWN]
    assert small_map.intersections.kinds.tolist() == [IntersectionKind.DEFAULT]


def test_an_unknown_location_lists_the_maps(data_root):
    with pytest.raises(
        FileNotFoundError, match=r"No map of 'atlantis' in .* Present: \['us-nv-las-vegas-strip/9.15.1915'"
    ):
        open_map(data_root / "maps", "atlantis")
    with pytest.raises(FileNotFoundError, match=r"No maps folder .*absent"):
        open_map(data_root / "absent", NAME)


def test_a_missing_version_lists_the_versions(data_root):
    (data_root / "maps" / "nuplan-maps-v1.0.json").write_text(json.dumps({NAME: {"version": "9.99"}}))
    with pytest.raises(FileNotFoundError, match=r"selects version 9.99 .* has only \['9.15.1915'\]"):
        open_map(data_root / "maps", NAME)


def test_without_a_version_file_the_only_version_is_opened(data_root, gpkg):
    (data_root / "maps" / "nuplan-maps-v1.0.json").unlink()
    assert find_map(data_root / "maps", NAME) == (gpkg, VERSION)
    second = gpkg.parent.with_name("9.16")
    second.mkdir()
    (second / "map.gpkg").write_bytes(gpkg.read_bytes())
    with pytest.raises(FileNotFoundError, match=r"has the versions \['9.15.1915', '9.16'\] .* that selects one"):
        find_map(data_root / "maps", NAME)


def test_a_damaged_version_file_is_refused(data_root):
    (data_root / "maps" / "nuplan-maps-v1.0.json").write_text('{"us-nv')
    with pytest.raises(ValueError, match=r"nuplan-maps-v1.0.json must hold .* but is damaged"):
        open_map(data_root / "maps", NAME)
