"""Rendered images as nuPlan sensor blobs."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from driving.cameras import CameraRig
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world
from driving.recording import Tag
from driving.rigs import NUPLAN_8
from driving.synthetic.scenes import SCENES
from simulation.rendering.faults import parse_fault
from simulation.rendering.snapshot import snapshot_of
from simulation.sensors.rendered import CameraSettings, logged_images, renderer_for
from simulation.sensors.sensor_blobs import QUALITY, blob_folder, log_path, render_log
from simulation.viewer.cameras import projected_boxes

EVERY_STEPS = 40


def two_cameras(size):
    """Front and rear camera of nuPlan's rig."""
    rig = NUPLAN_8.resized(sizes=size)
    return CameraRig(
        names=rig.names[:2],
        intrinsics=rig.intrinsics[:2],
        distortion=rig.distortion[:2],
        ego_from_camera=rig.ego_from_camera[:2],
        image_sizes=rig.image_sizes[:2],
    )


SETTINGS = CameraSettings(rig=two_cameras((192, 108)), appearance="dusk", seed=5, every_steps=EVERY_STEPS)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A drive with two scenarios, written and rendered: entries before, folder, result."""
    folder = tmp_path_factory.mktemp("rendered")
    recording = SCENES["queue"]()
    first = recording.tags[0]
    recording = replace(recording, tags=(first, Tag(frame=first.frame + 3, scenario_type="changing_lane")))
    write_world([recording], folder / "plain", fill_locations=False)
    entries = list_scenarios(DataRoot.find(folder / "plain"))
    log_file = DataRoot.find(folder / "plain").log_files[0]
    result = render_log(log_file, entries[:1], folder / "seen", SETTINGS)
    return entries, folder, result


@pytest.fixture(scope="module")
def scenario(rendered):
    """The first scenario with its images."""
    entries, folder, _ = rendered
    seen = list_scenarios(DataRoot.find(folder / "seen", folder / "plain" / "maps"))
    return open_scenario(next(entry for entry in seen if entry.token == entries[0].token))


def test_a_scenario_is_read_back_with_files_for_each_step(rendered, scenario):
    _, folder, result = rendered
    frames = scenario.cameras
    assert frames.is_logged
    assert frames.rig.names == ("CAM_F0", "CAM_B0")
    np.testing.assert_allclose(frames.rig.intrinsics, SETTINGS.rig.intrinsics)
    np.testing.assert_allclose(frames.rig.ego_from_camera, SETTINGS.rig.ego_from_camera, atol=1e-12)
    steps = [step for step in range(scenario.num_frames) if step % EVERY_STEPS == 0]
    expected = scenario.time_us[scenario.first_frame + np.array(steps)]
    assert sorted(set(frames.time_us.tolist())) == expected.tolist()
    assert result.images == frames.num_frames == 2 * len(steps)
    assert (result.scenarios, result.left_out) == (1, ())
    log_name = scenario.log_name
    files = sorted(path.relative_to(folder / "seen" / "nuplan-v1.1") for path in (folder / "seen").rglob("*.jpg"))
    assert len(files) == result.images
    assert {path.parts[:3] for path in files} == {
        ("sensor_blobs", log_name, "CAM_F0"),
        ("sensor_blobs", log_name, "CAM_B0"),
    }


def test_images_equal_the_rendered_ones_up_to_compression(scenario):
    drawn = logged_images(scenario, SETTINGS)
    poses = scenario.ego.rear_axle_poses[0]
    for frame in range(scenario.cameras.num_frames):
        step = int(np.searchsorted(scenario.time_us, scenario.cameras.time_us[frame])) - scenario.first_frame
        camera = int(scenario.cameras.cameras[frame])
        image = drawn.newest(step, poses).image(camera)
        packed = io.BytesIO()
        Image.fromarray(image).save(packed, "JPEG", quality=QUALITY)
        np.testing.assert_array_equal(scenario.cameras.image(frame), np.asarray(Image.open(packed)))
        assert np.abs(image.astype(int) - scenario.cameras.image(frame)).mean() < 5


def test_boxes_enclose_their_instances(scenario):
    checked = 0
    frames = scenario.cameras
    for frame in range(frames.num_frames):
        step, camera = int(np.searchsorted(scenario.time_us, frames.time_us[frame])), int(frames.cameras[frame])
        snapshot = snapshot_of(
            scenario.ego.rear_axle_poses[0, step],
            scenario.agents.steps(0, step + 1),
            scenario.traffic_lights.steps(step, step + 1),
            int(scenario.time_us[step]),
        )
        (instances,) = renderer_for(scenario.map, SETTINGS).render(snapshot, (camera,)).instances
        for box in projected_boxes(scenario, frames, frame):
            rows, columns = np.nonzero(instances == snapshot.track_ids.index(box["track"]))
            corners = np.array(box["corners"])
            if len(rows) < 40:
                continue
            low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()])
            assert (low > corners.min(axis=0) - 1.5).all()
            assert (high < corners.max(axis=0) + 1.5).all()
            inside = np.clip(corners, -0.5, np.array(SETTINGS.rig.image_sizes[camera]) - 0.5)
            # At least the nearest agent is seen whole.
            checked += bool((np.abs(low - inside.min(axis=0)) < 2.5).all())
    assert checked


def test_boxes_of_the_written_log_stand_on_the_road(scenario):
    agents = scenario.agents
    expected = np.broadcast_to(agents.heights_m[:, np.newaxis] / 2, agents.z_m.shape)
    np.testing.assert_allclose(agents.z_m[agents.valid], expected[agents.valid])


def test_the_same_settings_give_the_same_files(rendered, tmp_path):
    entries, folder, _ = rendered
    log_file = DataRoot.find(folder / "plain").log_files[0]
    render_log(log_file, entries[:1], tmp_path, SETTINGS)
    for place in (log_path(tmp_path, log_file), *blob_folder(tmp_path, log_file).rglob("*.jpg")):
        assert place.read_bytes() == (folder / "seen" / place.relative_to(tmp_path)).read_bytes()


def test_scenarios_that_overlap_share_their_images(rendered, tmp_path):
    entries, folder, _ = rendered
    log_file = DataRoot.find(folder / "plain").log_files[0]
    settings = replace(SETTINGS, rig=two_cameras((48, 27)), every_steps=3)
    result = render_log(log_file, entries, tmp_path, settings)
    assert result.scenarios == 2
    # One starts 3 steps after the other.
    alone = render_log(log_file, entries[:1], tmp_path / "alone", settings)
    assert 0 <= result.images - alone.images <= 2 * 2


def test_a_scenario_that_cannot_be_opened_is_named(rendered, tmp_path):
    entries, folder, _ = rendered
    log_file = DataRoot.find(folder / "plain").log_files[0]
    broken = replace(entries[1], time_us=entries[1].time_us + 1)
    settings = replace(SETTINGS, rig=two_cameras((48, 27)))
    result = render_log(log_file, [entries[0], broken], tmp_path, settings)
    assert result.scenarios == 1
    assert broken.token in result.left_out[0]
    with pytest.raises(ValueError, match=r"No scenario of .* can be opened"):
        render_log(log_file, [broken], tmp_path / "none", settings)


def test_faults_are_refused(rendered, tmp_path):
    entries, folder, _ = rendered
    settings = replace(SETTINGS, faults=(parse_fault("CAM_F0:black"),))
    with pytest.raises(ValueError, match="Sensor blobs have no faults"):
        render_log(DataRoot.find(folder / "plain").log_files[0], entries, tmp_path, settings)
