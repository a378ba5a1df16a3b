import json

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest
from PIL import Image

from driving import AgentKind
from driving.checks import check_scenario
from driving.importers import argoverse2
from driving.importers.notes import NoteKind, notes_of

PITTSBURGH = np.array([583710.007, 4477260.0])
"""Where the city frame begins, in UTM zone 17N."""


def at(x, y):
    """A place of the source in the UTM zone."""
    return PITTSBURGH + np.array([x, y])


def rewrite(path, change):
    """Change the columns of a feather file."""
    columns = pyarrow.feather.read_table(path).to_pydict()
    pyarrow.feather.write_feather(pa.table(change(columns)), path)


def test_a_log_becomes_a_recording_at_10_hz(av2_log):
    recording = argoverse2.import_recording(av2_log)
    assert recording.log_name == "argoverse2-0a0b0c0d-mini"
    assert recording.map.name == "av2-pittsburgh-0a0b0c0d"
    assert recording.map.epsg == 32617
    assert set(np.diff(recording.time_us)) == {100_000}
    assert len(recording.time_us) == 40
    np.testing.assert_allclose(recording.ego.rear_axle_poses[0, 0], [*at(10, 2), 0.0], atol=2e-3)
    np.testing.assert_allclose(recording.ego.velocities_mps[0], np.tile([10.0, 0.0], (40, 1)), atol=1e-6)
    assert recording.metadata["ego_size"].startswith("recorded car 4.80 x 1.90 m")


def test_boxes_move_from_the_ego_to_the_global_frame(av2_log):
    agents = argoverse2.import_recording(av2_log).agents
    assert agents.track_ids == ("lead", "cone")
    assert agents.kinds.tolist() == [AgentKind.VEHICLE, AgentKind.TRAFFIC_CONE]
    np.testing.assert_allclose(agents.poses[0, 0], [*at(30, 2), 0.0], atol=2e-3)
    np.testing.assert_allclose(agents.velocities_mps[0], np.tile([10.0, 0.0], (40, 1)), atol=1e-6)
    np.testing.assert_allclose(agents.poses[1, :, :2], np.tile(at(5, 10), (40, 1)), atol=2e-3)
    assert (agents.velocities_mps[1] == 0).all()


def test_the_box_of_the_ego_is_no_agent(av2_log):
    assert "ego" not in argoverse2.import_recording(av2_log).agents.track_ids


def test_segments_become_lanes_connectors_and_roadblocks(av2_log):
    graph = argoverse2.import_recording(av2_log).map
    # Four lanes of one direction in two roadblocks, one of the other; two ways through the junction.
    assert graph.lanes.num_lanes == 5
    assert len(graph.lanes) == 7
    assert len(graph.roadblocks) == 3
    assert len(graph.roadblock_connectors) == 1
    assert len(graph.intersections) == 1
    assert len(graph.crosswalks) == 1
    assert len(graph.generic_drivable_areas) == 1
    # Leftmost first, and not the lane that leads the other way.
    left, right = graph.lane_rows_at(at(15, 6)), graph.lane_rows_at(at(15, 2))
    assert graph.lanes.lane_index[left].tolist() == [0]
    assert graph.lanes.lane_index[right].tolist() == [1]
    assert graph.right_neighbor(int(left[0])) == int(right[0])
    assert graph.lanes.roadblock_ids[graph.lane_rows_at(at(15, 10))[0]] != graph.lanes.roadblock_ids[left[0]]


def test_bike_lanes_are_drivable_area_only(av2_log):
    graph = argoverse2.import_recording(av2_log).map
    point = at(15, -1)
    assert len(graph.lane_rows_at(point)) == 0
    assert graph.drivable_area.contains(point[np.newaxis]).all()


def test_the_route_has_the_roadblocks_of_the_ego_path(av2_log):
    recording = argoverse2.import_recording(av2_log)
    graph = recording.map
    before, behind = (int(graph.lanes.roadblock_ids[graph.lane_rows_at(at(x, 2))[0]]) for x in (15, 60))
    assert recording.missions[0].roadblock_ids == (before, int(graph.roadblock_connectors.ids[0]), behind)
    np.testing.assert_array_equal(recording.missions[0].goal_pose, recording.ego.rear_axle_poses[0, -1])


def test_a_short_log_gives_a_short_scenario_with_a_hint(av2_log):
    recording = argoverse2.import_recording(av2_log)
    (scenario,) = recording.scenarios()
    check_scenario(scenario, recorded=True)
    assert (scenario.first_frame, scenario.num_frames) == (5, 35)
    assert scenario.scenario_type == "following_lane_with_lead"
    (hint,) = [note for note in notes_of(recording.metadata) if note.kind == NoteKind.HINT]
    assert "the scenario has 3.4 s, nuPlan's have 15 s" in hint.sentence
    assert "--allow-short" in hint.sentence


def test_assumptions_are_stated(av2_log):
    recording = argoverse2.import_recording(av2_log)
    assert "0 of 7 lanes and connectors have the source's limit" in recording.map.metadata["speed_limit"]
    assert "583710.007, 4477260.000" in recording.metadata["place"]
    assert recording.metadata["traffic_lights"] == "unknown, no rows"
    assert len(recording.traffic_lights.statuses) == 0


def test_a_gap_of_one_frame_is_interpolated_and_a_longer_one_is_not(av2_log):
    path = av2_log / "annotations.feather"

    def without_some(columns):
        times = sorted(set(columns["timestamp_ns"]))
        gone = {times[5], times[20], times[21]}
        kept = [
            row
            for row, (time, track) in enumerate(zip(columns["timestamp_ns"], columns["track_uuid"], strict=True))
            if track != "lead" or time not in gone
        ]
        return {name: [column[row] for row in kept] for name, column in columns.items()}

    rewrite(path, without_some)
    agents = argoverse2.import_recording(av2_log).agents
    assert np.flatnonzero(~agents.valid[0]).tolist() == [20, 21]
    assert np.isnan(agents.poses[0, 20]).all()
    np.testing.assert_allclose(agents.velocities_mps[0, 19], [10.0, 0.0], atol=1e-6)


def test_calibration_and_images_become_cameras(av2_log):
    calibration = av2_log / "calibration"
    calibration.mkdir()
    names = {"sensor_name": ["ring_front_center"]}
    pixels = {"fx_px": [1700.0], "fy_px": [1700.0], "cx_px": [775.0], "cy_px": [1024.0], "k1": [-0.2]}
    size = {"height_px": [2048], "width_px": [1550]}
    pyarrow.feather.write_feather(pa.table({**names, **pixels, **size}), calibration / "intrinsics.feather")
    # Looks along x: camera z is ego x, camera x is ego -y.
    mount = {"qw": [0.5], "qx": [-0.5], "qy": [0.5], "qz": [-0.5], "tx_m": [1.6], "ty_m": [0.0], "tz_m": [1.4]}
    pyarrow.feather.write_feather(pa.table({**names, **mount}), calibration / "egovehicle_SE3_sensor.feather")
    image = av2_log / "sensors" / "cameras" / "ring_front_center" / "1600000000500000000.jpg"
    image.parent.mkdir(parents=True)
    Image.new("RGB", (1550, 2048), "red").save(image)

    cameras = argoverse2.import_recording(av2_log).cameras
    assert cameras.rig.names == ("ring_front_center",)
    assert cameras.time_us.tolist() == [1_600_000_000_500_000]
    assert cameras.image(0).shape == (2048, 1550, 3)
    np.testing.assert_allclose(cameras.global_from_ego[0, :2, 3], at(15, 2), atol=2e-3)
    pixel, depth = cameras.rig.project(0, np.array([[11.6, 0.0, 1.4]]))
    np.testing.assert_allclose(pixel, [[775.0, 1024.0]])
    np.testing.assert_allclose(depth, [10.0])


def test_logs_are_found_by_folder_or_file(av2_log):
    assert argoverse2.find_logs(av2_log.parent) == [av2_log]
    assert argoverse2.find_logs(av2_log) == [av2_log]
    assert argoverse2.find_logs(av2_log / "annotations.feather") == [av2_log]


def test_a_folder_without_logs_raises_an_error_with_the_expected_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No Argoverse 2 sensor log in .* a log is a folder with"):
        argoverse2.find_logs(tmp_path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("annotations.feather", "has no annotations.feather: logs of the test split have no boxes"),
        ("city_SE3_egovehicle.feather", "has no city_SE3_egovehicle.feather"),
        ("map/log_map_archive_0a0b0c0d-mini____PIT_city_1.json", "has no map/log_map_archive"),
    ],
)
def test_a_missing_file_is_named(av2_log, name, sentence):
    (av2_log / name).unlink()
    with pytest.raises(FileNotFoundError, match=sentence):
        argoverse2.import_recording(av2_log)


def test_empty_annotations_are_refused(av2_log):
    rewrite(av2_log / "annotations.feather", lambda columns: {name: column[:0] for name, column in columns.items()})
    with pytest.raises(ValueError, match="holds no box"):
        argoverse2.import_recording(av2_log)


def test_a_truncated_file_is_refused(av2_log):
    path = av2_log / "annotations.feather"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="is no complete feather file with the columns"):
        argoverse2.import_recording(av2_log)


def test_a_file_without_a_column_is_refused(av2_log):
    rewrite(
        av2_log / "annotations.feather", lambda columns: {name: columns[name] for name in columns if name != "qw"}
    )
    with pytest.raises(ValueError, match=r"is no complete feather file with the columns .*qw"):
        argoverse2.import_recording(av2_log)


def differences(recording):
    return [str(note) for note in notes_of(recording.metadata) if note.is_difference]


def replaced(column, old, new):
    """A change of the values of one column."""
    return lambda columns: {**columns, column: [new if value == old else value for value in columns[column]]}


def test_boxes_of_an_unknown_category_are_left_out_with_a_note(av2_log):
    rewrite(av2_log / "annotations.feather", replaced("category", "REGULAR_VEHICLE", "UFO"))
    recording = argoverse2.import_recording(av2_log)
    assert recording.agents.track_ids == ("cone",)
    assert differences(recording) == ["left out (40): boxes of unknown category: UFO"]


def test_boxes_without_an_ego_pose_are_left_out_with_a_note(av2_log):
    def later(columns):
        times = sorted(set(columns["timestamp_ns"]))
        moved = [
            time + 1 if time == times[3] and track == "lead" else time
            for time, track in zip(columns["timestamp_ns"], columns["track_uuid"], strict=True)
        ]
        return {**columns, "timestamp_ns": moved}

    rewrite(av2_log / "annotations.feather", later)
    recording = argoverse2.import_recording(av2_log)
    assert differences(recording) == ["left out: boxes without an ego pose of their time: REGULAR_VEHICLE"]
    # The gap of one frame is interpolated.
    assert recording.agents.valid[0].all()


def test_rows_with_empty_values_are_left_out_with_a_note(av2_log):
    def emptied(columns):
        return {**columns, "length_m": [None if row == 1 else value for row, value in enumerate(columns["length_m"])]}

    rewrite(av2_log / "annotations.feather", emptied)
    assert differences(argoverse2.import_recording(av2_log)) == [
        "left out: rows with empty values: annotations.feather"
    ]


def test_a_column_of_text_where_numbers_belong_is_refused(av2_log):
    rewrite(av2_log / "annotations.feather", lambda columns: {**columns, "tx_m": ["far"] * len(columns["tx_m"])})
    with pytest.raises(ValueError, match=r"annotations.feather: column tx_m must hold numbers, .* got string"):
        argoverse2.import_recording(av2_log)


def test_a_gap_in_the_ego_poses_cuts_the_recording_with_a_note(av2_log):
    def without_the_end(columns):
        start = min(columns["timestamp_ns"])
        kept = [
            row
            for row, time in enumerate(columns["timestamp_ns"])
            if time < start + 3_600_000_000 or time > start + 3_880_000_000
        ]
        return {name: [column[row] for row in kept] for name, column in columns.items()}

    rewrite(av2_log / "city_SE3_egovehicle.feather", without_the_end)
    recording = argoverse2.import_recording(av2_log)
    # The last pose before the gap is 3.57 s after the first box.
    assert len(recording.time_us) == 36
    poses, frames, *_ = differences(recording)
    assert "ego poses outside the longest stretch without a gap of more than 0.25 s" in poses
    assert frames.startswith("left out (4): frames of boxes outside the time of the ego poses")


def test_ego_poses_without_a_rotation_are_left_out_with_a_note(av2_log):
    def without_rotation(columns):
        return {**columns, "qw": [0.0 if row == 7 else value for row, value in enumerate(columns["qw"])]}

    rewrite(av2_log / "city_SE3_egovehicle.feather", without_rotation)
    (note,) = differences(argoverse2.import_recording(av2_log))
    assert note == "left out: ego poses without a finite pose and a time of their own"


def test_boxes_outside_the_time_of_all_ego_poses_are_refused(av2_log):
    rewrite(
        av2_log / "annotations.feather",
        lambda columns: {**columns, "timestamp_ns": [time + 10**12 for time in columns["timestamp_ns"]]},
    )
    with pytest.raises(ValueError, match=r"The ego poses of log .* do not cover the time of any box"):
        argoverse2.import_recording(av2_log)


def test_a_lane_without_area_is_left_out_with_a_note(av2_log):
    path = next((av2_log / "map").glob("*.json"))
    document = json.loads(path.read_text())
    document["lane_segments"]["8"]["left_lane_boundary"] = [{"x": 1.0, "y": 2.0, "z": 0.0}] * 2
    document["pedestrian_crossings"]["1"]["edge2"] = document["pedestrian_crossings"]["1"]["edge1"]
    path.write_text(json.dumps(document))
    recording = argoverse2.import_recording(av2_log)
    assert recording.map.lanes.num_lanes == 4
    lanes, crosswalks = differences(recording)
    assert lanes.startswith("left out: lanes of the map that cannot be built: 8 (A boundary of road piece '8'")
    assert crosswalks == "left out: crosswalks that cannot be built: 1 (no area)"


def test_a_map_of_an_unknown_city_is_refused(av2_log):
    path = next((av2_log / "map").glob("*.json"))
    path.rename(path.with_name("log_map_archive_x____XYZ_city_1.json"))
    with pytest.raises(ValueError, match="names no known city, but 'XYZ'"):
        argoverse2.import_recording(av2_log)


def test_a_map_without_lanes_for_cars_is_refused(av2_log):
    path = next((av2_log / "map").glob("*.json"))
    document = json.loads(path.read_text())
    for segment in document["lane_segments"].values():
        segment["lane_type"] = "BIKE"
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="The map holds no lane for vehicles"):
        argoverse2.import_recording(av2_log)


def test_a_log_that_is_too_short_is_refused_with_the_required_length(av2_log):
    def first_second(columns):
        last = min(columns["timestamp_ns"]) + 1_000_000_000
        kept = [row for row, time in enumerate(columns["timestamp_ns"]) if time <= last]
        return {name: [column[row] for row in kept] for name, column in columns.items()}

    rewrite(av2_log / "annotations.feather", first_second)
    with pytest.raises(ValueError, match=r"has 11 steps of 0.1 s with an ego; a scenario in nuPlan's form needs 35"):
        argoverse2.import_recording(av2_log)
