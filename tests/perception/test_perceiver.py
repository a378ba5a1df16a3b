import numpy as np
import pytest
from small_perception import ring_rig, small_network

from driving.cameras import CameraFrames
from driving.ego import EgoMotion
from perception.perceiver import CameraHealth, Perceiver

RIG = ring_rig()
START_US = 5_000_000


class NoiseImages:
    """Noise of camera and frame, except for the given faults by frame."""

    def __init__(self, faults):
        self.faults, self.calls = faults, 0

    def images(self, frames):
        self.calls += 1
        return [self.faults[frame] if frame in self.faults else noise(frame) for frame in frames]


def noise(seed):
    return np.random.default_rng(seed).integers(0, 255, (32, 64, 3), dtype=np.uint8)


def frames(steps, faults=None, speed=10.0, skipped=()):
    """All cameras every 0.1 s; row 4 s + c is camera c at step s."""
    rows = [4 * step + camera for step in range(steps) for camera in range(4)]
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, 0, 3] = [row // 4 * 0.1 * speed for row in rows]
    kept = [row for row in rows if row not in skipped]
    return CameraFrames(
        rig=RIG,
        cameras=np.array([row % 4 for row in kept]),
        time_us=np.array([START_US + row // 4 * 100_000 for row in kept]),
        global_from_ego=poses[kept],
        source=NoiseImages(faults or {}),
    )


def ego(step, steps=22):
    time_us = START_US + (np.arange(steps) - (steps - 1) + step) * 100_000
    zeros = np.zeros((1, steps))
    return EgoMotion(
        time_us=time_us,
        rear_axle_poses=np.zeros((1, steps, 3)),
        velocities_mps=np.zeros((1, steps, 2)),
        accelerations_mps2=np.zeros((1, steps, 2)),
        steering_rad=zeros,
        yaw_rate_radps=zeros,
        yaw_acceleration_radps2=zeros,
    )


def test_the_network_runs_at_its_rate_and_the_tracks_have_the_times_of_the_ego():
    perceiver, shown = Perceiver(small_network()), frames(6)
    scenes = [perceiver.perceive(shown.until(START_US + step * 100_000), ego(step)) for step in range(5)]
    assert [scene.image_time_us - START_US for scene in scenes] == [0, 0, 200_000, 200_000, 400_000]
    assert scenes[-1].agents.num_steps == 22
    assert scenes[-1].signal.sum() == pytest.approx(1.0)
    assert scenes[-1].grid.road.shape == (4, 32, 32)
    assert set(scenes[-1].health.values()) == {CameraHealth.SEEN}
    assert scenes[-1].ego_pose == pytest.approx([4.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("fault", "health", "sentence"),
    [
        (None, CameraHealth.MISSING, "Camera CAM_90 is left out: it delivered no image"),
        (np.zeros((32, 64, 3), np.uint8), CameraHealth.BLACK, "Camera CAM_90 is left out: its image is black"),
        (np.full((32, 64, 3), np.nan, np.float32), CameraHealth.UNREADABLE, "Camera CAM_90 has NaN or infinite"),
        (np.zeros((16, 64, 3), np.uint8), CameraHealth.UNREADABLE, "Camera CAM_90 has an image of 64 x 16 px"),
    ],
)
def test_a_faulty_camera_is_left_out_and_named(fault, health, sentence):
    scene = Perceiver(small_network()).perceive(frames(1, {1: fault}), ego(0))
    assert scene.health == {**dict.fromkeys(RIG.names, CameraHealth.SEEN), "CAM_90": health}
    assert len(scene.notes) == 1
    assert scene.notes[0].startswith(sentence)
    assert scene.image_time_us == START_US


def test_an_unreadable_file_does_not_affect_the_other_cameras():
    class Truncated(NoiseImages):
        def images(self, frames):
            if 2 in frames:
                raise ValueError("Camera CAM_180: image cannot be read.")
            return super().images(frames)

    shown = frames(1)
    object.__setattr__(shown, "source", Truncated({}))
    scene = Perceiver(small_network()).perceive(shown, ego(0))
    assert scene.notes == ("Camera CAM_180: image cannot be read.",)
    assert list(scene.health.values()).count(CameraHealth.SEEN) == 3


def test_a_frozen_camera_is_found_when_the_ego_moves_and_not_when_it_stands():
    same = {row: noise(1) for row in range(1, 24, 4)}
    for speed, health in ((10.0, CameraHealth.FROZEN), (0.0, CameraHealth.SEEN)):
        perceiver, shown = Perceiver(small_network()), frames(6, same, speed=speed)
        for step in range(5):
            scene = perceiver.perceive(shown.until(START_US + step * 100_000), ego(step))
        assert scene.health["CAM_90"] == health


def test_without_any_camera_the_last_scene_is_kept_and_every_camera_named():
    perceiver, shown = Perceiver(small_network()), frames(1)
    empty = Perceiver(small_network()).perceive(shown.until(0), ego(0))
    assert empty.grid is None
    assert empty.agents.num_agents == 0
    assert len(empty.notes) == 4
    first = perceiver.perceive(shown, ego(0))
    later = perceiver.perceive(shown, ego(15))
    assert later.image_time_us == first.image_time_us
    assert set(later.health.values()) == {CameraHealth.OLD}
    assert later.notes[0] == "Camera CAM_0 is left out: its newest image is 1.5 s old."


def test_an_image_that_is_older_than_those_of_the_other_cameras_is_left_out():
    scene = Perceiver(small_network()).perceive(frames(6, skipped=(5, 9, 13, 17, 21)), ego(5))
    assert scene.health["CAM_90"] == CameraHealth.OLD
    assert list(scene.health.values()).count(CameraHealth.SEEN) == 3


def test_the_past_is_used_and_forgotten_by_a_reset():
    def last_bev(steps, perceiver):
        shown = frames(8)
        for step in steps:
            scene = perceiver.perceive(shown.until(START_US + step * 100_000), ego(step))
        return scene.bev

    perceiver = Perceiver(small_network())
    with_past = last_bev([0, 5], perceiver)
    perceiver.reset()
    alone = last_bev([5], perceiver)
    assert not np.allclose(with_past, alone, atol=1e-4)
    assert np.allclose(alone, last_bev([5], Perceiver(small_network())), atol=1e-6)
