import json
import logging
import math
import pickle
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from driving.agents import LightStatus
from driving.nuplan.data import DataRoot
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.listing import listing_arrays, listing_line
from driving.nuplan.logs import headings_of
from driving.nuplan.scenarios import list_scenarios, open_scenario, summarize

START_US = 1_626_000_000_000_000
X0, Y0 = 664_000.0, 3_998_000.0
ANCHOR_ROW = 500


def frame_token(row: int) -> str:
    return (1_000_000 + row).to_bytes(8, "big").hex()


def only_entry(data_root: Path):
    (entry,) = list_scenarios(DataRoot.find(data_root))
    return entry


def test_a_scenario_runs_from_3_s_before_to_12_s_after_its_tag(data_root):
    scenario = open_scenario(only_entry(data_root))
    assert scenario.num_frames == 151
    assert scenario.start_time_us == START_US + ANCHOR_ROW * 50_000 - 3_000_000
    assert scenario.time_us[scenario.anchor_frame] == START_US + ANCHOR_ROW * 50_000
    assert np.all(np.diff(scenario.time_us) == 100_000)


def test_22_steps_come_before_it_and_80_after_it(data_root):
    scenario = open_scenario(only_entry(data_root))
    assert scenario.first_frame == 22
    assert len(scenario.time_us) == 22 + 151 + 80


def test_ego_poses_are_those_of_the_lidar_sweeps(data_root):
    scenario = open_scenario(only_entry(data_root))
    np.testing.assert_array_equal(scenario.logged_ego_pose(0), [X0 + 220.0, Y0, 0.0])
    np.testing.assert_array_equal(scenario.ego.velocities_mps[0, 0], [10.0, 0.0])
    np.testing.assert_array_equal(scenario.ego.accelerations_mps2[0, 0], [0.25, 0.0])
    assert scenario.ego.steering_rad.max() == 0.0


def test_boxes_are_ordered_by_kind_as_the_devkit_lists_them(data_root):
    agents = open_scenario(only_entry(data_root)).agents
    first = [agents.track_ids[agents.rows_at(step)[0]] for step in range(4)]
    car = (5_000_000).to_bytes(8, "big").hex()
    assert first == [car] * 4  # the file has the cone first in every second frame


def test_static_objects_have_no_velocity_and_headings_are_not_wrapped(data_root):
    agents = open_scenario(only_entry(data_root)).agents
    cone = int(np.flatnonzero(agents.kinds == 3)[0])
    assert agents.velocities_mps[cone].max() == 0.0
    assert agents.poses[cone, 0, 2] == 3.5
    np.testing.assert_array_equal(agents.sizes[cone, 0], [0.4, 0.5])
    assert agents.heights_m[cone] == 0.8


def test_lights_change_with_the_tagged_frame(data_root):
    scenario = open_scenario(only_entry(data_root))
    assert scenario.traffic_lights.ids_showing(scenario.anchor_frame - 1, LightStatus.GREEN) == {30}
    assert scenario.traffic_lights.ids_showing(scenario.anchor_frame, LightStatus.RED) == {30}


def test_route_and_goal_are_those_of_the_scene(data_root):
    route = open_scenario(only_entry(data_root)).route
    assert route.roadblock_ids == (10, 40, 11)
    np.testing.assert_array_equal(route.goal_pose, [X0 + 499.5, Y0, 0.0])
    assert route.centerline[-1, 0] == pytest.approx(X0 + 700, abs=1e-6)


def test_cameras_need_no_image_files(data_root):
    cameras = open_scenario(only_entry(data_root)).cameras
    assert cameras.rig.names == ("CAM_F0",)
    np.testing.assert_array_equal(cameras.rig.distortion[0], [-0.3, 0.1, 0, 0, 0])
    # The camera looks along the ego's x axis: its own z axis.
    np.testing.assert_allclose(cameras.rig.ego_from_camera[0] @ [0, 0, 10, 1], [11.5, 0, 1.6, 1], atol=1e-12)
    assert cameras.path(0).relative_to(data_root / "nuplan-v1.1" / "sensor_blobs").parts[1] == "CAM_F0"
    with pytest.raises(FileNotFoundError, match="sensor blobs are downloaded separately"):
        cameras.image(0)


def test_entries_and_scenarios_can_be_pickled(data_root):
    entry = only_entry(data_root)
    scenario = open_scenario(entry)
    assert pickle.loads(pickle.dumps(entry)) == entry
    assert len(pickle.dumps(scenario.map)) < 1000
    assert pickle.loads(pickle.dumps(scenario)).map is scenario.map


def test_a_file_without_an_index_gives_the_same_scenario(data_root, change):
    with_index = listing_arrays(open_scenario(only_entry(data_root)))
    change("DROP INDEX boxes_of_frame; DROP INDEX lights_of_frame")
    without = listing_arrays(open_scenario(only_entry(data_root)))
    again = listing_arrays(open_scenario(only_entry(data_root)))
    for name, values in with_index.items():
        np.testing.assert_array_equal(without[name], values)
        np.testing.assert_array_equal(again[name], values)


def test_reading_writes_nothing_beside_the_log(data_root, log_file):
    before = sorted(path.name for path in data_root.rglob("*"))
    open_scenario(only_entry(data_root))
    assert sorted(path.name for path in data_root.rglob("*")) == before


def test_a_write_ahead_log_is_read_without_its_side_files(data_root, log_file):
    connection = sqlite3.connect(log_file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    open_scenario(only_entry(data_root))
    assert sorted(path.suffix for path in log_file.parent.iterdir()) == [".db"]


def test_frames_outside_the_middle_scenes_are_no_scenarios(data_root, change):
    change("UPDATE scenario_tag SET lidar_pc_token = (SELECT token FROM lidar_pc WHERE rowid = 400)")
    with pytest.raises(ValueError, match=r"No scenario passes the filter: .*0 scenarios after valid scenes"):
        list_scenarios(DataRoot.find(data_root))


def test_of_two_tags_the_alphabetically_last_one_is_the_type(data_root, change):
    change("INSERT INTO scenario_tag SELECT x'77', lidar_pc_token, 'on_carpark', NULL FROM scenario_tag")
    assert only_entry(data_root).scenario_type == "on_carpark"


def test_a_frame_without_a_tag_is_20_s_from_itself_on(data_root):
    chosen = ScenarioFilter(scenario_tokens=((1_000_400).to_bytes(8, "big").hex(),))
    (entry,) = list_scenarios(DataRoot.find(data_root), chosen)
    assert (entry.scenario_type, summarize(entry).frames) == ("unknown", 201)
    assert summarize(entry).start_time_us == START_US + 400 * 50_000


def test_an_expanded_scenario_is_one_frame(data_root):
    chosen = replace(ScenarioFilter.tagged(), expand_scenarios=True)
    (entry,) = list_scenarios(DataRoot.find(data_root), chosen)
    scenario = open_scenario(entry)
    assert (scenario.num_frames, scenario.first_frame, scenario.anchor_frame) == (1, 22, 22)


def test_scenes_without_a_goal_have_scenarios_only_on_request(data_root, change):
    change("UPDATE scene SET goal_ego_pose_token = NULL")
    with pytest.raises(ValueError, match="No scenario passes"):
        list_scenarios(DataRoot.find(data_root))
    chosen = replace(ScenarioFilter.tagged(), remove_invalid_goals=False)
    (entry,) = list_scenarios(DataRoot.find(data_root), chosen)
    assert summarize(entry).goal_pose is None
    assert open_scenario(entry).route.goal_pose is None


def test_a_scenario_cut_off_by_its_log_names_the_missing_frames(data_root, change):
    change("DELETE FROM lidar_pc WHERE rowid > 641")
    entry = only_entry(data_root)
    with pytest.raises(ValueError, match=f"{entry.token}.*cut off by the end of its log.*101 of 151 frames"):
        open_scenario(entry)
    assert summarize(entry).is_short
    short = open_scenario(entry, allow_short=True)
    assert (short.num_frames, len(short.time_us)) == (101, 22 + 101)


def test_a_missing_sweep_in_the_middle_of_a_log_is_no_cut(data_root, change):
    change("DELETE FROM lidar_pc WHERE rowid IN (600, 601)")
    scenario = open_scenario(only_entry(data_root))
    assert scenario.num_frames == 150


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("UPDATE ego_pose SET x = NULL WHERE rowid = 521", "the ego pose at 1626000026000000 us is missing"),
        ("UPDATE lidar_box SET yaw = NULL WHERE rowid = 1041", "the box of track 00000000004c4b4[01] at 16260000260"),
        ("UPDATE scene SET roadblock_ids = '10 left 11'", "roadblock ids must be integers.*left"),
        ("UPDATE category SET name = 'tram' WHERE rowid = 1", "the unknown category 'tram'"),
        ("UPDATE lidar SET channel = 'other'", "has no lidar 'MergedPointCloud'"),
        (
            "UPDATE lidar_pc SET timestamp = NULL WHERE rowid = 900",
            r"table `lidar_pc`: rows are frames without a time stamp",
        ),
        ("DROP TABLE lidar_box", "not in nuPlan's format: no such table: lidar_box"),
        ("ALTER TABLE ego_pose DROP COLUMN qz", "not in nuPlan's format: no such column: p.qz"),
        (
            "UPDATE camera SET rotation = x'80045d942e'",
            "table `camera`, camera CAM_F0, column rotation must have shape",
        ),
        ("UPDATE log SET map_version = NULL", r"table `log`: rows name no map in `map_version` \(0000000000895440\)"),
        ("UPDATE lidar SET log_token = x'00'", r"table `lidar`: rows refer to no log, .* \(00000000007a1200\)"),
        (
            "UPDATE scene SET name = NULL WHERE rowid = 5",
            r"table `scene`: rows have no name; .* \(00000000003d0904\)",
        ),
        (
            "UPDATE lidar_pc SET timestamp = 1626000026000000 WHERE rowid IN (522, 523)",
            "two frames at 1626000026000000 us",
        ),
        ("UPDATE ego_pose SET qw = 0 WHERE rowid = 521", r"ego pose at 1626000026000000 us.*`ego_pose`, frame"),
        ("UPDATE ego_pose SET vx = 'fast' WHERE rowid = 521", "ego pose at 1626000026000000 us is .* not a number"),
        ("UPDATE lidar_box SET width = 0 WHERE rowid = 1041", "or a size of 0 .table `lidar_box`"),
        ("UPDATE log SET map_version = 'atlantis'", "No map of 'atlantis' in .*Present: .*las-vegas"),
    ],
)
def test_damaged_logs_are_refused_in_one_sentence(data_root, change, sql, sentence):
    change(sql)
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        open_scenario(only_entry(data_root))


@pytest.mark.parametrize("column", ["x", "y", "yaw", "length", "width"])
def test_a_listing_refuses_boxes_without_a_pose(data_root, change, column):
    change(f"UPDATE lidar_box SET {column} = NULL WHERE rowid = 1041")
    with pytest.raises(ValueError, match=r"the box of track .* at 1626000026000000 us has a pose"):
        summarize(only_entry(data_root))


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("UPDATE lidar_pc SET lidar_token = NULL WHERE rowid = 900", "`lidar_pc`: rows are frames of no lidar"),
        ("UPDATE scenario_tag SET agent_track_token = ''", "`scenario_tag`: rows refer to an agent that is not in"),
        ("INSERT INTO scenario_tag VALUES (x'77', NULL, 'on_carpark', NULL)", "rows tag no frame and are ignored"),
        (
            "INSERT INTO scenario_tag SELECT x'77', token, NULL, NULL FROM lidar_pc LIMIT 1",
            "rows have no type and are ignored",
        ),
        ("UPDATE track SET category_token = NULL WHERE rowid = 2", "`lidar_box`: 253 boxes of no listed track"),
        ("UPDATE lidar_box SET track_token = NULL WHERE rowid = 1041", "1 boxes of no listed track are ignored, the"),
        (
            "UPDATE lidar_box SET lidar_pc_token = '' WHERE rowid = 1041",
            "rows belong to no frame and are ignored (row",
        ),
        ("UPDATE lidar_box SET height = NULL WHERE rowid = 1041", "1 boxes have no height; 1.6 m is assumed"),
        ("UPDATE lidar_box SET z = 'high' WHERE rowid = 1041", "1 boxes have no z; 0.0 m is assumed"),
        ("UPDATE traffic_light_status SET lane_connector_id = NULL", "253 rows name no connector; ignored"),
        ("UPDATE traffic_light_status SET status = ''", "253 rows have no status; it is unknown"),
        ("UPDATE scene SET roadblock_ids = '11 40 10'", "the route is not connected from 11 to 40, 40 to 10."),
        ("UPDATE scene SET roadblock_ids = '10 99'", "map us-nv-las-vegas-strip lacks roadblocks 99 of the route."),
        ("UPDATE scene SET roadblock_ids = NULL", "table `scene` names no roadblocks for scenario"),
        ("UPDATE camera SET rotation = NULL", "`camera`: camera CAM_F0 has no rotation and is ignored"),
        ("UPDATE image SET filename_jpg = NULL WHERE rowid = 261", "`image`: 1 images without a camera, time, file"),
        (
            "UPDATE image SET ego_pose_token = NULL WHERE rowid = 261",
            "`image`: 1 images without a camera, time, file",
        ),
        ("DROP TABLE traffic_light_status", "has no table `traffic_light_status`: no light is observed"),
    ],
)
def test_ignored_rows_are_logged(data_root, change, caplog, sql, sentence):
    change(sql)
    with caplog.at_level(logging.WARNING):
        scenario = open_scenario(only_entry(data_root))
    assert sentence in caplog.text
    assert scenario.num_frames == 151


@pytest.mark.parametrize("table", ["camera", "image"])
def test_a_log_without_cameras_can_be_opened(data_root, change, caplog, table):
    change(f"DROP TABLE {table}")
    assert open_scenario(only_entry(data_root)).cameras is None
    assert caplog.text == ""


def test_a_log_without_tags_holds_scenarios_of_unknown_type(data_root, change):
    change("DROP TABLE scenario_tag")
    chosen = ScenarioFilter(scenario_tokens=(frame_token(ANCHOR_ROW),))
    (entry,) = list_scenarios(DataRoot.find(data_root), chosen)
    assert (entry.scenario_type, open_scenario(entry).about_track) == ("unknown", None)


def test_a_goal_that_is_not_made_of_numbers_is_no_goal(data_root, change, caplog):
    change("UPDATE ego_pose SET qz = NULL WHERE rowid = 1000")
    assert open_scenario(only_entry(data_root)).route.goal_pose is None
    assert "rows have a goal pose that is not made of numbers and have no goal" in caplog.text


@pytest.mark.parametrize(
    "name", ["a#b", "50%", "what?", "two words", "it's", 'say "yes"', "Zürich ☂", "[0-9]*", "a&b=c;d"]
)
def test_folders_may_have_any_name(data_root, tmp_path_factory, name):
    root = data_root.rename(tmp_path_factory.mktemp("odd") / name)
    (log,) = (root / "nuplan-v1.1" / "splits" / "mini").glob("*.db")
    log.rename(log.with_name(f"{name}.db"))
    entry = only_entry(root)
    assert entry.log_name == name
    assert open_scenario(entry).num_frames == 151


class Intruder:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of a stranger ran')",)


def test_a_rotation_of_zeros_is_refused(data_root, log_file):
    with sqlite3.connect(log_file) as connection:
        connection.execute("UPDATE camera SET rotation = ?", (pickle.dumps([0.0] * 4),))
    with pytest.raises(
        ValueError, match=r"camera CAM_F0, column rotation must hold finite numbers and no quaternion of"
    ):
        open_scenario(only_entry(data_root))


def test_code_in_a_pickled_column_is_not_executed(data_root, log_file):
    with sqlite3.connect(log_file) as connection:
        connection.execute("UPDATE camera SET translation = ?", (pickle.dumps(Intruder()),))
    with pytest.raises(ValueError, match=r"camera CAM_F0, column translation: .*could run code"):
        open_scenario(only_entry(data_root))


def test_headings_are_those_of_the_quaternions():
    half = math.radians(30) / 2
    quaternions = np.array([[math.cos(half), 0, 0, math.sin(half)], [0, 0, 0, 2.0], [1, 0, 0, 0]])
    np.testing.assert_allclose(headings_of(quaternions), [math.radians(30), math.pi, 0], atol=1e-15)


@pytest.mark.parametrize("reference", ["world1"])
def test_listing_and_arrays_equal_those_of_the_devkit(golden, reference):
    folder = golden / reference
    entries = list_scenarios(DataRoot.find(folder))
    expected = (folder / "listing" / "listing.jsonl").read_text().splitlines()
    assert [listing_line(summarize(entry)) for entry in entries] == expected
    for entry in entries:
        arrays = listing_arrays(open_scenario(entry))
        with np.load(folder / "listing" / f"{entry.token}.npz") as reference_arrays:
            for name in reference_arrays.files:
                np.testing.assert_array_equal(arrays[name], reference_arrays[name])


def test_a_listing_line_has_the_keys_in_order(data_root):
    line = json.loads(listing_line(summarize(only_entry(data_root))))
    assert list(line) == [
        *("token", "scenario_type", "log_name", "map_name", "frames", "start_time_us", "goal", "roadblock_ids")
    ]
    assert line["roadblock_ids"] == ["10", "40", "11"]
    assert re.fullmatch("[0-9a-f]{16}", line["token"])
