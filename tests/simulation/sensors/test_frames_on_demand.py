"""Camera frames that are computed when they are read."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from driving.cameras import CameraFrames
from driving.rigs import NUSCENES_6
from simulation.sensors.frames_on_demand import FramesOnDemand


class Source:
    """Black images."""

    def images(self, frames):
        return [np.zeros((900, 1600, 3), dtype=np.uint8) for _ in frames]


def made(calls):
    """Frames of two cameras; appends to `calls` when they are computed."""
    calls.append(1)
    return CameraFrames(
        rig=NUSCENES_6,
        cameras=np.arange(2),
        time_us=np.array([5, 5]),
        global_from_ego=np.tile(np.eye(4), (2, 1, 1)),
        source=Source(),
        is_logged=False,
    )


def test_nothing_is_computed_before_the_first_read_and_then_once():
    calls = []
    frames = FramesOnDemand(lambda: made(calls))
    assert isinstance(frames, CameraFrames)
    assert not frames.is_logged
    assert calls == []
    assert frames.num_frames == 2
    assert frames.cameras.tolist() == [0, 1]
    assert calls == [1]
    assert type(frames) is CameraFrames


@pytest.mark.parametrize(
    "read",
    [
        lambda frames: frames.image(1),
        lambda frames: frames.source,
        lambda frames: frames.until(5),
        lambda frames: replace(frames, time_us=frames.time_us + 1),
        lambda frames: pickle.loads(pickle.dumps(frames)),
    ],
    ids=["image", "source", "until", "replace", "pickle"],
)
def test_the_first_read_may_be_of_any_kind(read):
    calls = []
    frames = FramesOnDemand(lambda: made(calls))
    read(frames)
    assert calls == [1]
    assert frames.image(0).shape == (900, 1600, 3)
