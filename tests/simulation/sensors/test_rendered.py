"""Rendered cameras in a rollout."""

import json
from dataclasses import replace

import numpy as np
import pytest

from driving.cameras import MissingImageError
from driving.rigs import NUSCENES_6
from driving.synthetic.scenes import scene
from planning.simple import SimplePlanner
from simulation.rendering.appearance import DAY, NIGHT, appearance_to_json
from simulation.rendering.faults import parse_fault
from simulation.rollout import Rollout
from simulation.sensors.rendered import CameraSettings

RIG = NUSCENES_6.resized(sizes=(48, 27))
SETTINGS = CameraSettings(rig=RIG)


@pytest.fixture(scope="module")
def queue():
    return scene("queue")


def observations(scenario, settings, steps):
    """Observations of a drive at some steps, and the finished rollout."""
    rollout, planner = Rollout(scenario, cameras=settings), SimplePlanner()
    planner.reset(scenario.map, scenario.route)
    found = []
    while rollout.iteration <= max(steps):
        if rollout.iteration in steps:
            found.append(rollout.observation())
        rollout.advance(planner.plan(rollout.observation()))
    return found, rollout


def test_there_is_one_frame_of_each_camera_and_it_is_the_present_one(queue):
    (observation,), _ = observations(queue, SETTINGS, [7])
    frames = observation.cameras
    assert not frames.is_logged
    assert frames.cameras.tolist() == list(range(6))
    assert set(frames.time_us.tolist()) == {observation.time_us}
    pose = observation.ego_now.rear_axle_pose
    np.testing.assert_allclose(frames.global_from_ego[:, :2, 3], np.tile(pose[:2], (6, 1)))
    assert frames.image(0).shape == (27, 48, 3)


def test_images_show_where_the_ego_is_now(queue):
    (first, later), _ = observations(queue, SETTINGS, [0, 40])
    assert np.abs(first.cameras.image(0).astype(int) - later.cameras.image(0)).mean() > 2


def test_an_image_is_the_same_whenever_it_is_read(queue):
    (early, late), _ = observations(queue, SETTINGS, [3, 9])
    (again,), _ = observations(queue, SETTINGS, [3])
    after = early.cameras.images([0, 4])
    late.cameras.image(2)
    for image, other in zip(after, again.cameras.images([0, 4]), strict=True):
        np.testing.assert_array_equal(image, other)


def test_without_settings_a_closed_loop_has_no_cameras(queue):
    assert Rollout(queue).observation().cameras is None


def test_slower_cameras_keep_their_last_time(queue):
    found, _ = observations(queue, replace(SETTINGS, every_steps=5), [4, 5, 9])
    times = [(each.time_us - int(each.cameras.time_us[0])) // 100_000 for each in found]
    assert times == [4, 0, 4]


def faulty(scenario, fault, steps):
    found, _ = observations(scenario, replace(SETTINGS, faults=(parse_fault(fault),)), steps)
    return [each.cameras for each in found]


def test_a_missing_camera_has_no_image_and_names_itself(queue):
    (frames,) = faulty(queue, "CAM_BACK:missing", [2])
    with pytest.raises(MissingImageError, match="Camera CAM_BACK delivered no image"):
        frames.image(3)
    images = frames.images(range(6))
    assert [image is None for image in images] == [False, False, False, True, False, False]


def test_a_black_and_a_nan_camera(queue):
    (before, frames) = faulty(queue, "CAM_FRONT:black:0.3-1", [2, 3])
    assert before.image(0).any()
    assert not frames.image(0).any()
    (frames,) = faulty(queue, "CAM_FRONT:nan", [2])
    assert frames.image(0).dtype == np.float32
    assert np.isnan(frames.image(0)).all()


def test_a_frozen_camera_repeats_its_image_with_new_times(queue):
    start, later = faulty(queue, "CAM_FRONT:frozen:0.5-4", [5, 30])
    np.testing.assert_array_equal(start.image(0), later.image(0))
    assert later.time_us[0] == later.time_us[1]
    assert np.abs(start.image(1).astype(int) - later.image(1)).max() > 0


def test_a_late_camera_shows_the_past_with_the_time_of_the_past(queue):
    (past,), _ = observations(queue, SETTINGS, [20])
    (late,) = faulty(queue, "CAM_FRONT:late=0.5", [25])
    np.testing.assert_array_equal(late.image(0), past.cameras.image(0))
    assert late.time_us[0] == past.time_us
    assert late.time_us[1] - late.time_us[0] == 500_000
    np.testing.assert_array_equal(late.global_from_ego[0], past.cameras.global_from_ego[0])


def test_planners_get_the_shifted_calibration_while_the_true_rig_is_drawn(queue):
    shifted = RIG.shifted(pitch_rad=0.02)
    (shifted_drive,), _ = observations(queue, replace(SETTINGS, calibration=shifted), [1])
    (true,), _ = observations(queue, SETTINGS, [1])
    assert shifted_drive.cameras.rig is shifted
    np.testing.assert_array_equal(shifted_drive.cameras.image(0), true.cameras.image(0))


def test_settings_survive_json_to_the_last_digit():
    settings = CameraSettings(
        rig=RIG,
        calibration=RIG.shifted(yaw_rad=0.01),
        appearance="night",
        seed=4,
        faults=(parse_fault("CAM_BACK:nan"),),
    )
    for each in (settings, replace(settings, calibration=None, appearance=settings.resolved_appearance)):
        again = CameraSettings.from_json(json.loads(json.dumps(each.to_json())))
        assert again.to_json() == each.to_json()
        np.testing.assert_array_equal(again.rig.ego_from_camera, each.rig.ego_from_camera)
        assert again.resolved_appearance == each.resolved_appearance


def test_an_appearance_by_scenario_is_that_of_its_metadata_and_a_clear_day_without(queue):
    settings = replace(SETTINGS, appearance="by_scenario")
    with_night = queue.with_metadata(appearance=appearance_to_json(NIGHT))
    assert settings.for_scenario(with_night).resolved_appearance == NIGHT
    assert settings.for_scenario(queue).resolved_appearance == DAY
    assert SETTINGS.for_scenario(with_night) is SETTINGS
    with pytest.raises(ValueError, match="needs a scenario"):
        _ = settings.resolved_appearance


def test_images_of_a_scenario_at_night_are_darker(queue):
    settings = replace(SETTINGS, appearance="by_scenario")
    with_night = queue.with_metadata(appearance=appearance_to_json(NIGHT))
    means = []
    for scenario in (queue, with_night):
        (seen,), _ = observations(scenario, settings, [1])
        means.append(float(np.mean(seen.cameras.image(0))))
    assert means[1] < means[0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"appearance": "nigth"}, "No appearance named 'nigth'. Did you mean 'night'"),
        ({"every_steps": 0}, "at least 1 step"),
        ({"calibration": NUSCENES_6}, "must have the cameras and image sizes of the rig"),
        ({"faults": (parse_fault("CAM_F0:black"),)}, "No camera named 'CAM_F0'"),
    ],
)
def test_wrong_settings_are_a_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(SETTINGS, **changes)
