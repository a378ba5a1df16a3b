import numpy as np

from driving.agents import LightStatus
from driving.rigs import NUSCENES_6
from driving.synthetic.scenes import scene
from perception.contract import IGNORED_SIGNAL
from perception.images import fit_rig
from perception.signal_targets import SignalView, head_centres, signal_target
from perception.targets import governing_signal
from simulation.rendering.surroundings import Surroundings

RED = scene("red_light")
SURROUNDINGS = Surroundings(RED.map, seed=0)
RIG = fit_rig(NUSCENES_6, (128, 352)).rig
FRONT, BACK = (SignalView(RIG, RIG.names.index(name), 8) for name in ("CAM_FRONT", "CAM_BACK"))
NOWHERE = 16 * 44
FRAMES = range(RED.first_frame, len(RED.time_us))


def state_at(frame):
    pose = RED.ego.rear_axle_poses[0, frame]
    return governing_signal(RED.map, RED.route, pose, RED.traffic_lights.at(frame))


BEFORE_RED = next(frame for frame in FRAMES if state_at(frame) == LightStatus.RED)


def target(view, frame=BEFORE_RED, lights=None):
    where = RED.map, RED.route, RED.ego.rear_axle_poses[0, frame]
    return signal_target(where, lights or RED.traffic_lights.at(frame), SURROUNDINGS, view)


def test_the_place_is_the_pixel_of_the_signal_head():
    found = target(FRONT)
    assert found.state == LightStatus.RED
    row, column = divmod(found.place, 44)
    # Above the horizon, near the middle of the image.
    assert 0 <= row < 6
    assert 12 < column < 32


def test_a_head_that_the_camera_does_not_show_is_no_target():
    assert target(BACK) == (IGNORED_SIGNAL, IGNORED_SIGNAL)


def test_without_a_signal_the_place_is_nowhere():
    none = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int8))
    assert target(FRONT, lights=none) == (LightStatus.UNKNOWN, NOWHERE)


def test_heads_stand_ahead_at_the_height_of_their_lamps():
    pose = RED.ego.rear_axle_poses[0, BEFORE_RED]
    ids, _ = RED.traffic_lights.at(BEFORE_RED)
    heads = head_centres(SURROUNDINGS, ids, pose)
    assert len(heads) > 0
    assert (heads[:, 0] > 0).any()
    assert ((heads[:, 2] > 3.0) & (heads[:, 2] < 6.5)).all()
    assert len(head_centres(SURROUNDINGS, np.array([-1]), pose)) == 0
