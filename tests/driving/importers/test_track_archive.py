import gzip
import json

import numpy as np
import pytest
import shapely
from PIL import Image

from driving import AgentKind
from driving.checks import check_scenario
from driving.importers import track_archive
from driving.importers.notes import notes_of
from driving.importers.places import NOWHERE

ORIGIN = np.array(NOWHERE.offset_m)


def at(x, y):
    """A place of the source in the UTM zone."""
    return ORIGIN + np.array([x, y])


@pytest.fixture
def scene(archive):
    return archive / "tracks" / "drive.npz"


def differences(recording):
    return [str(note) for note in notes_of(recording.metadata) if note.is_difference]


def rewrite(path, **changes):
    """Change arrays of an npz file; None removes one."""
    with np.load(path) as old:
        arrays = {name: old[name] for name in old.files}
    arrays.update(changes)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def test_a_scene_becomes_a_recording(scene):
    recording = track_archive.import_recording(scene)
    assert recording.log_name == "drive-testville"
    assert recording.map.name == "testville-drive"
    np.testing.assert_allclose(recording.ego.rear_axle_poses[0, 0], [*at(5, 2), 0.0])
    np.testing.assert_allclose(recording.ego.velocities_mps[0], np.tile([10.0, 0.0], (40, 1)), atol=1e-6)
    assert recording.metadata["driving_side"] == "left"
    assert "made up" in recording.metadata["place"]
    # Noon of the archive's day.
    assert recording.time_us[0] == 1583064000_000_000
    check_scenario(recording.scenarios()[0], recorded=True)


def test_agents_are_observed_while_they_are_valid(scene):
    agents = track_archive.import_recording(scene).agents
    assert agents.track_ids == ("parked", "walker")
    assert agents.kinds.tolist() == [AgentKind.VEHICLE, AgentKind.PEDESTRIAN]
    assert agents.valid[0].all()
    assert np.flatnonzero(agents.valid[1]).tolist() == list(range(11))
    np.testing.assert_allclose(agents.velocities_mps[1, :11], np.tile([0.0, 1.5], (11, 1)), atol=1e-6)
    assert np.isnan(agents.poses[1, 11:]).all()


def test_lanes_end_with_their_centerline_and_connectors_get_the_remainder(scene):
    graph = track_archive.import_recording(scene).map
    (row,) = graph.lane_rows_at(at(15, 2))
    # Lane a is drawn up to x = 34, but its centerline ends at 30.
    assert graph.lanes.areas.polygons[row].bounds[2] == pytest.approx(ORIGIN[0] + 30)
    (connector,) = graph.connector_rows_at(at(32, 3.9))
    assert graph.lanes.areas.polygons[connector].area == pytest.approx(20 * 4.0)


def test_adjacent_lanes_are_one_roadblock(scene):
    graph = track_archive.import_recording(scene).map
    (left,), (right,) = graph.lane_rows_at(at(80, 5.5)), graph.lane_rows_at(at(80, 2))
    assert graph.left_neighbor(int(right)) == int(left)
    assert graph.lanes.lane_index[left] == 0


def test_the_drivable_area_is_kept_around_the_lanes_only(scene):
    (area,) = track_archive.import_recording(scene).map.generic_drivable_areas.polygons
    np.testing.assert_allclose(shapely.bounds(area) - np.tile(ORIGIN, 2), [-30, -1, 190, 8])


def test_the_metadata_states_a_missing_drivable_area(scene, archive):
    (archive / "maps" / "drivable_area_testville.geojson").unlink()
    recording = track_archive.import_recording(scene)
    assert recording.map.metadata["drivable_area"] == "the source has none: lanes and intersections only"


def test_own_data_can_name_its_place_limits_and_neighbors(scene, archive):
    path = archive / "maps" / "drive.json"
    document = json.loads(path.read_text())
    document["origin"] = [1.3, 103.8]
    document["lanes"]["b"].update(speed_limit_mps=19.4, right_neighbor="c")
    path.unlink()
    path.with_suffix(".json.gz").write_bytes(gzip.compress(json.dumps(document).encode()))
    recording = track_archive.import_recording(scene)
    graph = recording.map
    assert graph.epsg == 32648
    origin = recording.ego.rear_axle_poses[0, 0, :2] - [5, 2]
    (row,) = graph.lane_rows_at(origin + np.array([80, 2]))
    assert graph.speed_limit_mps(int(row)) == 19.4
    assert graph.right_neighbor(int(row)) is not None
    assert graph.metadata["neighbors"] == "as given"


def test_nuscenes_maps_lie_where_they_were_recorded(scene, archive):
    (archive / "maps" / "drive.json").rename(archive / "maps" / "singapore-onenorth.json")
    rewrite(scene, map_name=np.array("singapore-onenorth"))
    recording = track_archive.import_recording(scene)
    assert recording.map.epsg == 32648
    assert recording.metadata["driving_side"] == "left"


def test_a_path_that_jumps_at_its_end_is_cut_before(scene):
    with np.load(scene) as arrays:
        position = arrays["position"].copy()
    position[0, 37:, 1] += 1.2
    rewrite(scene, position=position)
    recording = track_archive.import_recording(scene)
    # The jump is the step from 36 to 37; the two steps before it are left out as well.
    assert len(recording.time_us) == 35
    assert differences(recording) == ["left out (5): last steps, as the ego's path jumps there"]


def test_images_beside_the_archive_become_cameras(scene, archive):
    folder = archive / "camera" / "drive_1"
    folder.mkdir(parents=True)
    Image.new("RGB", (4, 3), "blue").save(folder / "CAM_FRONT.jpg")
    ego = np.eye(4)
    ego[0, 3] = 5.0
    camera = {
        "file": "CAM_FRONT.jpg",
        "width": 4,
        "height": 3,
        "timestamp_us": 1583064000_000_000,
        "intrinsic": np.eye(3).tolist(),
        "cam_to_ego": np.eye(4).tolist(),
    }
    (folder / "frame.json").write_text(
        json.dumps(
            {
                "lidar_timestamp_us": 1583064000_000_000,
                "ego_to_global": ego.tolist(),
                "cameras": {"CAM_FRONT": camera},
            }
        )
    )
    cameras = track_archive.import_recording(scene).cameras
    assert cameras.rig.names == ("CAM_FRONT",)
    assert cameras.image(0).shape == (3, 4, 3)
    np.testing.assert_allclose(cameras.global_from_ego[0, :2, 3], at(5, 0))


def test_rules_of_a_scene_at_2_hz_agree_with_its_notes(scene):
    with np.load(scene) as old:
        arrays = dict(old)
    slow = {name: arrays[name][:, ::5] for name in ("position", "heading", "valid")}
    rewrite(scene, t=arrays["t"][::5], **slow)
    recording = track_archive.import_recording(scene)
    assert "changed: agents given every 0.50 s are interpolated linearly to 0.1 s" in differences(recording)
    assert recording.metadata["agents"].startswith("boxes of the archive, interpolated to a grid of 0.1 s;")
    assert "as poses 0.50 s apart are interpolated linearly" in recording.metadata["ego_path"]


def test_scenes_are_found_in_the_archive_or_its_folder(archive, scene):
    assert track_archive.find_scenes(archive) == [scene]
    assert track_archive.find_scenes(archive / "tracks") == [scene]
    assert track_archive.find_scenes(scene) == [scene]


def test_a_folder_without_scenes_raises_an_error_with_the_expected_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No track archive in .*: it holds tracks/"):
        track_archive.find_scenes(tmp_path)


def test_a_missing_map_is_named(scene, archive):
    (archive / "maps" / "drive.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"No map drive.json or drive.json.gz"):
        track_archive.import_recording(scene)


def test_a_missing_array_is_named(scene):
    rewrite(scene, heading=None)
    with pytest.raises(ValueError, match=r"needs the arrays .*; heading are missing"):
        track_archive.import_recording(scene)


def test_arrays_of_different_shapes_are_refused(scene):
    rewrite(scene, heading=np.zeros((3, 7)))
    with pytest.raises(ValueError, match=r"heading must have the shape \(3, 40\), got \(3, 7\)"):
        track_archive.import_recording(scene)


def test_agents_of_an_unknown_type_are_left_out_with_a_note(scene):
    rewrite(scene, type=np.array(["VEHICLE", "TANK", "PEDESTRIAN"]))
    recording = track_archive.import_recording(scene)
    assert recording.agents.track_ids == ("walker",)
    assert differences(recording) == ["left out: agents of unknown type 'TANK': parked"]


def test_an_ego_that_is_never_seen_is_refused(scene):
    with np.load(scene) as arrays:
        valid = arrays["valid"].copy()
    valid[0] = False
    rewrite(scene, valid=valid)
    with pytest.raises(ValueError, match=r"drive\.npz: track 0, the ego, is never valid"):
        track_archive.import_recording(scene)


def test_poses_that_are_not_finite_are_refused(scene):
    with np.load(scene) as arrays:
        position = arrays["position"].copy()
    position[0, 12] = np.nan
    rewrite(scene, position=position)
    with pytest.raises(ValueError, match="The ego's poses must be finite; that of sample 12"):
        track_archive.import_recording(scene)


def test_a_truncated_archive_is_refused(scene):
    scene.write_bytes(scene.read_bytes()[:300])
    with pytest.raises(ValueError, match="is no complete npz file of plain arrays"):
        track_archive.import_recording(scene)


def test_pickled_objects_are_refused(scene):
    rewrite(scene, type=np.array([{"a": 1}, None, 2], dtype=object))
    with pytest.raises(ValueError, match="is no complete npz file of plain arrays"):
        track_archive.import_recording(scene)


def test_a_broken_map_is_refused(scene, archive):
    (archive / "maps" / "drive.json").write_text('{"lanes": {"a": {"kind": "lane"}}}')
    with pytest.raises(ValueError, match="is no map of a track archive: KeyError"):
        track_archive.import_recording(scene)
    (archive / "maps" / "drive.json").write_text('{"lanes": ')
    with pytest.raises(ValueError, match="is no complete json file"):
        track_archive.import_recording(scene)
