import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

import driving.nuplan.writer
from driving.cameras import CameraFrames, CameraRig
from driving.nuplan.data import DataRoot
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.log_rate import at_log_rate
from driving.nuplan.log_scenes import scene_bounds
from driving.nuplan.log_tables import quaternions_of, tokens, track_token
from driving.nuplan.logs import headings_of
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_log, write_scenarios, write_world
from driving.recording import Mission, Tag
from driving.synthetic.scenes import SCENES


def read_back(folder):
    root = DataRoot.find(folder)
    every_tag = ScenarioFilter(remove_invalid_goals=False)
    return [open_scenario(entry) for entry in list_scenarios(root, every_tag) if entry.scenario_type != "unknown"]


def rows(path, query):
    connection = sqlite3.connect(path)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def assert_same(scenario, again):
    assert (again.scenario_id, again.scenario_type) == (scenario.scenario_id, scenario.scenario_type)
    assert (again.log_name, again.map_name) == (scenario.log_name, scenario.map_name)
    assert again.time_us.tolist() == scenario.time_us.tolist()
    assert (again.first_frame, again.num_frames) == (scenario.first_frame, scenario.num_frames)
    assert again.about_track == scenario.about_track
    for name in ("rear_axle_poses", "velocities_mps", "accelerations_mps2"):
        np.testing.assert_array_equal(getattr(again.ego, name), getattr(scenario.ego, name))
    agents = again.agents
    assert agents.track_ids == scenario.agents.track_ids
    assert agents.kinds.tolist() == scenario.agents.kinds.tolist()
    for name in ("poses", "velocities_mps", "sizes", "valid", "heights_m", "z_m"):
        np.testing.assert_array_equal(getattr(agents, name), getattr(scenario.agents, name))
    for step in range(len(scenario.time_us)):
        boxes, others = scenario.agents.rows_at(step), agents.rows_at(step)
        assert boxes.tolist() == others.tolist()
    lights, others = scenario.traffic_lights, again.traffic_lights
    assert lights.offsets.tolist() == others.offsets.tolist()
    assert lights.lane_connector_ids.tolist() == others.lane_connector_ids.tolist()
    assert lights.statuses.tolist() == others.statuses.tolist()
    assert again.route.roadblock_ids == scenario.route.roadblock_ids
    np.testing.assert_allclose(again.route.goal_pose, scenario.route.goal_pose, rtol=0, atol=1e-9)
    np.testing.assert_allclose(again.route.centerline, scenario.route.centerline, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def red_light():
    return SCENES["red_light"]()


def test_written_recordings_are_read_back_unchanged(tmp_path):
    recordings = [SCENES[name]() for name in ("red_light", "construction", "pedestrian_crossing")]
    paths = write_world(recordings, tmp_path)
    assert [path.stem for path in paths] == [recording.log_name for recording in recordings]
    scenarios = {scenario.scenario_id: scenario for recording in recordings for scenario in recording.scenarios()}
    again = read_back(tmp_path)
    assert len(again) == 3
    for scenario in again:
        assert_same(scenarios[scenario.scenario_id], scenario)


def test_scenarios_of_nuplan_files_can_be_written_and_read_again(golden, tmp_path):
    entries = list_scenarios(DataRoot.find(golden / "world1"))[:2]
    scenarios = [open_scenario(entry) for entry in entries]
    write_scenarios(scenarios, tmp_path)
    for scenario, again in zip(scenarios, read_back(tmp_path), strict=True):
        assert_same(scenario, again)
        np.testing.assert_allclose(again.cameras.global_from_ego, scenario.cameras.global_from_ego, atol=1e-9)


def test_equal_input_gives_equal_bytes(tmp_path):
    for folder in ("a", "b"):
        write_world([SCENES["red_light"]()], tmp_path / folder)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    # A log, four maps, one raster, and the list of maps.
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_a_world_is_extended(red_light, tmp_path):
    write_world([red_light], tmp_path)
    write_world([SCENES["queue"]()], tmp_path)
    assert len(read_back(tmp_path)) == 2
    write_world([red_light], tmp_path, split="trainval")
    assert (tmp_path / "nuplan-v1.1" / "splits" / "trainval" / f"{red_light.log_name}.db").is_file()


@pytest.mark.parametrize("tag_frames", [(0,), (60,), (270,), (0, 270), (1, 30, 268)])
def test_tagged_frames_have_two_scenes_before_and_two_after(red_light, tag_frames):
    tags = tuple(Tag(frame=frame, scenario_type="changing_lane") for frame in tag_frames)
    missions = tuple(replace(red_light.missions[0], first_frame=frame) for frame in (0, 4, 150))
    bounds = scene_bounds(replace(red_light, tags=tags, missions=missions))
    covered = [frame for start, stop in bounds for frame in range(start, stop)]
    assert covered == list(range(271))
    for frame in tag_frames:
        place = next(number for number, (start, stop) in enumerate(bounds) if start <= frame < stop)
        assert 2 <= place < len(bounds) - 2


def test_each_scenario_has_the_route_of_its_own_mission(red_light, tmp_path):
    first = red_light.missions[0]
    # Off the path, so that no frame has this pose.
    goal = first.goal_pose + np.array([0.25, 0.5, 3.0])
    recording = replace(
        red_light,
        missions=(
            first,
            Mission(first_frame=80, roadblock_ids=first.roadblock_ids[:2], goal_pose=goal),
            Mission(first_frame=100, roadblock_ids=(), goal_pose=None),
        ),
        tags=tuple(Tag(frame=frame, scenario_type="changing_lane") for frame in (60, 80, 100)),
    )
    (path,) = write_world([recording], tmp_path)
    routes = {scenario.anchor_frame + scenario.start_time_us: scenario.route for scenario in read_back(tmp_path)}
    early, middle, late = (routes[key] for key in sorted(routes))
    assert early.roadblock_ids == first.roadblock_ids
    assert middle.roadblock_ids == first.roadblock_ids[:2]
    np.testing.assert_allclose(middle.goal_pose[:2], goal[:2], rtol=0, atol=1e-9)
    assert np.cos(middle.goal_pose[2] - goal[2]) == pytest.approx(1.0)
    assert late.goal_pose is None
    assert late.roadblock_ids == ()
    assert rows(path, "SELECT COUNT(*) FROM lidar_pc") == [(541,)]
    assert " ".join(str(one) for one in first.roadblock_ids) in {
        row[0] for row in rows(path, "SELECT roadblock_ids FROM scene")
    }


def test_frames_boxes_and_images_are_linked_both_ways(red_light, tmp_path):
    path = tmp_path / f"{red_light.log_name}.db"
    write_log(red_light, path)
    for table in ("lidar_pc", "lidar_box"):
        wrong = rows(
            path,
            f"SELECT COUNT(*) FROM {table} AS a INNER JOIN {table} AS b ON a.next_token = b.token"
            " WHERE b.prev_token != a.token",
        )
        assert wrong == [(0,)]
    # The devkit fails on NULL where a scenario reaches the end of its log.
    assert rows(path, "SELECT prev_token FROM lidar_pc ORDER BY rowid LIMIT 1") == [(bytes(8),)]
    assert rows(path, "SELECT next_token FROM lidar_pc ORDER BY rowid DESC LIMIT 1") == [(bytes(8),)]
    assert rows(path, "SELECT channel FROM lidar") == [("MergedPointCloud",)]
    assert rows(path, "SELECT map_version, logfile FROM log") == [(red_light.map.name, red_light.log_name)]


def test_scenarios_of_one_log_become_one_log(tmp_path):
    recording = replace(
        SCENES["red_light"](),
        tags=tuple(Tag(frame=frame, scenario_type="changing_lane") for frame in (60, 61, 100)),
    )
    scenarios = recording.scenarios()
    (path,) = write_scenarios(scenarios[::-1], tmp_path)
    again = {scenario.scenario_id: scenario for scenario in read_back(tmp_path)}
    for scenario in scenarios:
        assert again[scenario.scenario_id].num_frames == scenario.num_frames
        np.testing.assert_allclose(
            again[scenario.scenario_id].ego.rear_axle_poses[:, -151:],
            scenario.ego.rear_axle_poses[:, -151:],
            atol=1e-9,
        )
    assert path.stem == recording.log_name
    assert rows(path, "SELECT COUNT(*) FROM scenario_tag") == [(3,)]


@pytest.mark.parametrize(
    "stamps",
    [
        lambda time_us, noise: time_us,
        lambda time_us, noise: time_us + (time_us - time_us[0]) // 5_000,
        lambda time_us, noise: time_us - (time_us - time_us[0]) // 5_000,
        lambda time_us, noise: time_us + noise.integers(-1_500, 1_500, len(time_us)),
        lambda time_us, noise: time_us + noise.integers(-9_000, 9_000, len(time_us)),
    ],
    ids=["regular", "slow", "fast", "jitter", "strong jitter"],
)
def test_jittering_sweep_times_give_the_same_frames(red_light, tmp_path, stamps):
    # Where the frame 3 s before the tagged one misses the window, the tagged frame is none of the scenario's.
    noise = np.random.default_rng(0)
    dense = at_log_rate(red_light)
    logs = []
    for hour in range(3):
        time_us = stamps(dense.time_us, noise)
        ego = replace(dense.ego, time_us=time_us)
        logs.append(replace(dense, log_name=f"log-{hour}", time_us=time_us, ego=ego))
    write_world(logs, tmp_path / "first")
    scenarios = read_back(tmp_path / "first")
    write_scenarios(scenarios, tmp_path / "second")
    for scenario, again in zip(scenarios, read_back(tmp_path / "second"), strict=True):
        assert_same(scenario, again)


def test_scenarios_that_differ_at_the_same_time_are_refused(red_light, tmp_path):
    scenario = red_light.scenarios()[0]
    moved = replace(
        scenario, scenario_id="0" * 16, ego=replace(scenario.ego, rear_axle_poses=scenario.ego.rear_axle_poses + 0.1)
    )
    with pytest.raises(ValueError, match="have different poses of the ego at the same time"):
        write_scenarios([scenario, moved], tmp_path)
    rerouted = replace(scenario, route=replace(scenario.route, roadblock_ids=()))
    with pytest.raises(ValueError, match="have different routes from the same frame on"):
        write_scenarios([scenario, rerouted], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_untagged_scenario_keeps_its_token_and_gets_no_tag(red_light, tmp_path):
    scenario = replace(red_light.scenarios()[0], scenario_type="unknown", scenario_id="0" * 16)
    scenario = replace(scenario, anchor_frame=30, first_frame=30, num_frames=201)
    (path,) = write_scenarios([scenario], tmp_path)
    assert rows(path, "SELECT COUNT(*) FROM scenario_tag") == [(0,)]
    chosen = ScenarioFilter(scenario_tokens=(scenario.scenario_id,))
    (entry,) = list_scenarios(DataRoot.find(tmp_path), chosen)
    again = open_scenario(entry)
    assert (again.scenario_type, again.num_frames) == ("unknown", 201)
    assert again.start_time_us == scenario.start_time_us


def test_track_ids_that_are_no_tokens_become_a_hash(tmp_path):
    recording = SCENES["queue"]()
    names = ("car/1", "0123456789abcdef", "ABCDEF0123456789")
    write_world([replace(recording, agents=replace(recording.agents, track_ids=names))], tmp_path)
    (again,) = read_back(tmp_path)
    assert "0123456789abcdef" in again.agents.track_ids
    assert all(len(track_id) == 16 for track_id in again.agents.track_ids)
    assert not {"car/1", "ABCDEF0123456789"} & set(again.agents.track_ids)


def about(recording, *track_ids):
    """The recording with one tag a track, all of the same type at the same frame."""
    tag = replace(recording.tags[0], token=None)
    return replace(recording, tags=tuple(replace(tag, track_id=track_id) for track_id in track_ids))


def test_the_agent_of_a_tag_is_read_back_and_written_again(tmp_path):
    recording = SCENES["queue"]()
    second = recording.agents.track_ids[1]
    write_world([about(recording, second)], tmp_path / "first")
    scenarios = read_back(tmp_path / "first")
    assert [scenario.about_track for scenario in scenarios] == [second]
    write_scenarios(scenarios, tmp_path / "second")
    assert_same(scenarios[0], read_back(tmp_path / "second")[0])


def test_a_track_without_a_token_has_the_id_of_its_boxes(tmp_path):
    recording = SCENES["queue"]()
    recording = replace(recording, agents=replace(recording.agents, track_ids=("car/1", "car/2", "car/3")))
    write_world([about(recording, "car/2")], tmp_path)
    (again,) = read_back(tmp_path)
    assert again.about_track == track_token(recording.log_name, "car/2").hex()
    row = again.agents.track_ids.index(again.about_track)
    np.testing.assert_array_equal(again.agents.poses[row], recording.scenarios()[0].agents.poses[1])


def test_of_several_tags_the_smallest_track_of_the_scenarios_type_is_returned(tmp_path):
    recording = SCENES["queue"]()
    low, middle, high = sorted(recording.agents.track_ids)
    many = about(recording, high, None, middle)
    other = replace(many.tags[0], scenario_type="accelerating_at_crosswalk", track_id=low)
    write_world([replace(many, tags=(*many.tags, other))], tmp_path)
    (again,) = read_back(tmp_path)
    assert (again.scenario_type, again.about_track) == (recording.tags[0].scenario_type, middle)


def test_a_tag_without_agent_or_with_an_unobserved_agent_names_no_track(red_light, tmp_path):
    write_world([red_light], tmp_path / "absent")
    assert read_back(tmp_path / "absent")[0].about_track is None
    agents, first = red_light.agents, red_light.agents.track_ids[0]
    # Seen in the last second of the recording only, which is after the scenario and its future.
    unseen = np.zeros_like(agents.valid)
    unseen[0, : len(red_light.time_us) - 5] = True
    blank = {
        name: np.where(unseen[..., np.newaxis], np.nan, getattr(agents, name))
        for name in ("poses", "velocities_mps", "sizes")
    }
    late = replace(agents, valid=agents.valid & ~unseen, z_m=np.where(unseen, np.nan, agents.z_m), **blank)
    recording = about(replace(red_light, agents=late), first)
    assert recording.scenarios()[0].about_track is None
    write_world([recording], tmp_path / "unseen")
    assert read_back(tmp_path / "unseen")[0].about_track is None


def test_tokens_are_all_different():
    made = tokens("log", "lidar_box", 50_000)
    assert len(set(made)) == 50_000
    assert {len(token) for token in made} == {8}
    assert made[0] != tokens("log", "track", 1)[0]


def test_metadata_of_a_recording_is_stored(red_light, tmp_path):
    path = tmp_path / "log.db"
    write_log(replace(red_light, metadata={"velocities": "central differences"}), path)
    assert rows(path, "SELECT key, value FROM recording_metadata") == [("velocities", "central differences")]


# ---------------------------------------------------------------------- cameras


@pytest.fixture
def filmed(red_light, tmp_path):
    """Two images at frames, of an ego that tilts at the second, and one between frames."""
    Image.new("RGB", (1920, 1120), (200, 100, 50)).save(tmp_path / "one.jpg")
    poses = red_light.ego.rear_axle_poses[0, [40, 41]]
    transforms = np.tile(np.eye(4), (3, 1, 1))
    transforms[0, :3, :3] = Rotation.from_euler("z", poses[0, 2]).as_matrix()
    transforms[1, :3, :3] = Rotation.from_euler("xyz", [0.02, 0.03, poses[1, 2]]).as_matrix()
    transforms[:2, :2, 3] = poses[:, :2]
    transforms[2, :2, 3] = poses[1, :2] + 1.0
    transforms[:, 2, 3] = 1.5
    rig = CameraRig(
        names=("CAM_F0",),
        intrinsics=np.array([[[1545.0, 0.0, 960.0], [0.0, 1545.0, 560.0], [0.0, 0.0, 1.0]]]),
        distortion=np.array([[-0.35, 0.15, 0.001, 0.002, -0.03]]),
        ego_from_camera=np.array([[[0.0, 0, 1, 1.7], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]]]),
        image_sizes=np.array([[1920, 1120]]),
    )
    frames = CameraFrames(
        rig=rig,
        cameras=np.zeros(3, dtype=np.int64),
        time_us=red_light.time_us[[40, 41, 41]] + np.array([0, 0, 40_000]),
        global_from_ego=transforms,
        paths=("one.jpg", "never_downloaded.jpg", "one.jpg"),
        root=str(tmp_path),
    )
    return replace(red_light, cameras=frames)


@pytest.mark.parametrize("mode", ["copy", "link", "none"])
def test_rig_and_images_are_read_back(filmed, tmp_path, mode):
    (path,) = write_world([filmed], tmp_path / "world", images=mode)
    (again,) = read_back(tmp_path / "world")
    cameras, others = filmed.cameras, again.cameras
    assert others.rig.names == ("CAM_F0",)
    for name in ("intrinsics", "distortion", "ego_from_camera", "image_sizes"):
        np.testing.assert_allclose(getattr(others.rig, name), getattr(cameras.rig, name), atol=1e-12)
    assert others.time_us.tolist() == cameras.time_us.tolist()
    np.testing.assert_allclose(others.global_from_ego, cameras.global_from_ego, atol=1e-9)
    np.testing.assert_allclose(
        again.ego.rear_axle_poses[0, again.first_frame],
        filmed.scenarios()[0].logged_ego_pose(0),
        rtol=0,
        atol=1e-9,
    )
    are_there = [others.path(image).is_file() for image in range(3)]
    assert are_there == ([False] * 3 if mode == "none" else [True, False, True])
    assert others.path(0).is_symlink() == (mode == "link")
    if mode == "copy":
        shutil.rmtree(tmp_path / "world" / "nuplan-v1.1" / "splits")
        assert others.image(2).shape == (1120, 1920, 3)
    else:
        # The image at a level frame shares its ego pose, which the devkit's camera filter requires.
        shared = rows(
            path, "SELECT COUNT(*) FROM image AS i INNER JOIN lidar_pc AS f ON f.ego_pose_token = i.ego_pose_token"
        )
        assert shared == [(1,)]


# ---------------------------------------------------------------------- wrong input


def nan_pose(recording):
    poses = recording.agents.poses.copy()
    poses[0, 5] = np.nan
    return replace(recording, agents=replace(recording.agents, poses=poses))


def nan_ego(recording):
    poses = recording.ego.rear_axle_poses.copy()
    poses[0, 7, 2] = np.nan
    return replace(recording, ego=replace(recording.ego, rear_axle_poses=poses))


def with_tags(*tags):
    return lambda recording: replace(recording, tags=tags)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (nan_pose, "has no finite pose at frame 5, where it is marked valid"),
        (nan_ego, "poses of the ego are not finite at 1 frames, first at 7"),
        (lambda one: replace(one, log_name="a/b"), "Log name 'a/b' is not valid"),
        (
            lambda one: replace(one, time_us=one.time_us[::-1].copy()),
            "time stamps must increase, frame 1 is not after",
        ),
        (lambda one: replace(one, missions=()), "missions must start at frame 0"),
        (
            with_tags(Tag(frame=999, scenario_type="changing_lane")),
            "a tag is at frame 999, the log has frames 0 to 270",
        ),
        (
            with_tags(Tag(frame=9, scenario_type="x", token="abc")),
            "'abc' is not a token. Use 16 lower-case hex digits",
        ),
        (
            with_tags(
                Tag(frame=9, scenario_type="x", token="0" * 16), Tag(frame=9, scenario_type="y", token="1" * 16)
            ),
            "frame 9 is tagged as 0000000000000000 and as 1111111111111111",
        ),
        (
            with_tags(
                Tag(frame=9, scenario_type="x", token="0" * 16), Tag(frame=10, scenario_type="y", token="0" * 16)
            ),
            "two frames have the token 0000000000000000",
        ),
        (with_tags(Tag(frame=9, scenario_type="x", track_id="absent")), "names track absent, which the log lacks"),
        (
            lambda one: replace(one, agents=replace(one.agents, track_ids=("same",) * one.agents.num_agents)),
            "track ids must be unique",
        ),
    ],
)
def test_a_recording_that_the_format_cannot_store_is_refused_before_writing(tmp_path, spoil, sentence):
    recording = spoil(SCENES["queue"]())
    with pytest.raises(ValueError, match=sentence):
        write_world([recording], tmp_path / "world")
    assert not (tmp_path / "world").exists()


def test_two_logs_of_one_name_are_refused(red_light, tmp_path):
    with pytest.raises(ValueError, match="Logs need different names, several have the name"):
        write_world([red_light, red_light], tmp_path)
    with pytest.raises(ValueError, match="nothing to write"):
        write_world([], tmp_path)


def test_a_folder_below_a_file_is_refused_in_one_sentence(red_light, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"Cannot write to .*world: .*file is a file. Choose another folder"):
        write_world([red_light], tmp_path / "file" / "world")


def test_a_folder_without_permission_is_refused_in_one_sentence(red_light, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(PermissionError, match=r"Cannot write .*: no permission for"):
        write_world([red_light], tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_failed_write_leaves_no_partial_file(red_light, tmp_path, monkeypatch):
    path = tmp_path / "log.db"
    path.write_text("the old file")

    def fail(connection, *args):
        connection.execute("CREATE TABLE log (token BLOB)")
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(driving.nuplan.writer, "fill_log", fail)
    with pytest.raises(OSError, match=r"database or disk is full\. Is the disk full"):
        write_log(red_light, path)
    assert [file.name for file in tmp_path.iterdir()] == ["log.db"]
    assert path.read_text() == "the old file"


def test_headings_are_read_back_to_the_last_digit():
    rng = np.random.default_rng(0)
    quarters = np.array([0.0, np.pi / 2, -np.pi / 2, -np.pi, np.pi])
    headings = np.concatenate(
        [
            quarters,
            rng.uniform(-np.pi, np.pi, 2000),
            np.pi / 2 + rng.normal(0.0, 1e-6, 200),
            rng.normal(0.0, 1e-3, 200),
        ]
    )
    quaternions = quaternions_of(headings)
    np.testing.assert_array_equal(headings_of(quaternions), headings)
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1.0, atol=1e-14)
    np.testing.assert_allclose(quaternions[:, 1:3], 0.0, atol=1.5e-8)
