from dataclasses import replace

import numpy as np
import pytest

from driving.cameras import CameraFrames, CameraRig
from driving.synthetic.scenes import scene
from simulation.ego.dynamics import states_of
from simulation.rollout import TRAFFIC, Rollout
from simulation.sensors.logged import LoggedSensors
from simulation.traffic.tracks import TrackWindow, arrays_of_tracks


def observed(scenario, iteration, with_images=False):
    window = TrackWindow(scenario.agents.track_ids, arrays_of_tracks(scenario.agents))
    sensors = LoggedSensors(scenario, with_images=with_images)
    return sensors.observe(iteration, states_of(scenario.ego), window)


def assert_equal(ours, expected):
    for name, value in vars(expected).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(ours, name), value, err_msg=name)


def test_an_ego_on_the_log_observes_what_the_log_holds():
    scenario = scene("pedestrian_crossing")
    for iteration in (0, 40):
        ours, expected = observed(scenario, iteration), scenario.observation_at(iteration)
        assert (ours.iteration, ours.time_us) == (iteration, expected.time_us)
        for part in ("agents", "traffic_lights"):
            assert_equal(getattr(ours, part), getattr(expected, part))
        np.testing.assert_array_equal(ours.ego.rear_axle_poses, expected.ego.rear_axle_poses)
        assert ours.agents.track_ids == expected.agents.track_ids
        assert ours.cameras is None


def filmed(name, count=5):
    """A scene with an image at each of the first steps."""
    scenario = scene(name)
    rig = CameraRig(
        names=("front",),
        intrinsics=np.eye(3)[np.newaxis],
        distortion=np.zeros((1, 5)),
        ego_from_camera=np.eye(4)[np.newaxis],
        image_sizes=np.array([[64, 48]]),
    )
    frames = CameraFrames(
        rig=rig,
        cameras=np.zeros(count, dtype=np.int64),
        time_us=scenario.time_us[scenario.first_frame : scenario.first_frame + count],
        global_from_ego=np.tile(np.eye(4), (count, 1, 1)),
        paths=tuple(f"{number}.jpg" for number in range(count)),
    )
    return replace(scenario, cameras=frames)


def test_images_end_with_the_present_step():
    cameras = observed(filmed("straight_road"), 2, with_images=True).cameras
    assert cameras.paths == ("0.jpg", "1.jpg", "2.jpg")
    assert cameras.is_logged


@pytest.mark.parametrize("traffic", sorted(TRAFFIC))
def test_logged_images_are_observed_in_open_loop_only(traffic):
    observation = Rollout(filmed("straight_road"), traffic=traffic).observation()
    if traffic == "open_loop":
        assert observation.cameras.paths == ("0.jpg",)
    else:
        assert observation.cameras is None
