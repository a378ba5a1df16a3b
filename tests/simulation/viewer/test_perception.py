"""What was perceived in a drive, compared with the true agents."""

from dataclasses import replace

import numpy as np
import pytest
from perceived_drives import perceived_agents, perceived_at

from driving.agents import AgentKind
from driving.perceived import ROAD_LAYERS
from driving.synthetic.scenes import scene
from planning.simple import SimplePlanner
from simulation.rollout import run_rollout
from simulation.viewer.messages import drive_message
from simulation.viewer.packing import unpack
from simulation.viewer.perception import comparison

EGO = np.array([1000.0, 500.0, np.pi / 2])
BOX = (AgentKind.VEHICLE, [1001.0, 502.0, 0.0])


@pytest.fixture(scope="module")
def bare():
    return run_rollout(replace(scene("queue"), num_frames=3), SimplePlanner())


def driven(bare, true, found):
    """Two steps with the ego at `EGO`, the same true agents and perceived boxes: pairs of kind and pose."""
    true_ids = [f"true-{i}" for i in range(len(true))]
    agents = perceived_agents([pose for _, pose in true], [kind for kind, _ in true], true_ids)
    names = ("poses", "velocities_mps", "sizes", "valid", "order", "z_m")
    twice = {name: np.repeat(getattr(agents, name), 2, axis=1) for name in names}
    ids = [f"perceived-{i}" for i in range(len(found))]
    one = perceived_at(EGO, [pose for _, pose in found], [kind for kind, _ in found], ids)
    poses = np.tile(EGO, (1, 2, 1))
    return replace(
        bare,
        ego=replace(bare.ego, rear_axle_poses=poses),
        agents=replace(agents, **twice),
        perceived=(None, one),
    )


@pytest.mark.parametrize(
    ("true", "found", "missed", "is_false"),
    [
        ([BOX], [BOX], [], [False]),
        ([BOX], [], [0], []),
        ([BOX], [(AgentKind.PEDESTRIAN, BOX[1])], [0], [True]),
        ([BOX], [(AgentKind.VEHICLE, [1001.0, 503.9, 0.0])], [], [False]),
        ([BOX], [(AgentKind.VEHICLE, [1001.0, 504.1, 0.0])], [0], [True]),
        ([(AgentKind.TRAFFIC_CONE, BOX[1])], [(AgentKind.GENERIC_OBJECT, BOX[1])], [], [False]),
        # The grid reaches 4 m ahead, which is north, and 3 m to the side.
        ([(AgentKind.VEHICLE, [1000.0, 504.5, 0.0]), (AgentKind.VEHICLE, [1002.5, 503.5, 0.0])], [], [1], []),
    ],
)
def test_agents_within_the_grid_are_missed_without_a_box_of_their_class_near(bare, true, found, missed, is_false):
    differences = comparison(driven(bare, true, found))
    assert [len(each) for each in (differences.missed[0], differences.is_false[0])] == [0, 0]
    assert differences.missed[1].tolist() == missed
    assert differences.is_false[1].tolist() == is_false


def test_boxes_roads_and_differences_are_in_the_message(bare):
    log = driven(bare, [BOX], [BOX, (AgentKind.PEDESTRIAN, [1003.0, 500.0, 0.5])])
    header, arrays = unpack(drive_message(log))
    assert header["perceived_track_ids"] == ["perceived-0", "perceived-1"]
    assert arrays["perceived.offsets"].tolist() == [0, 0, 2]
    assert arrays["perceived.points"].T + header["origin"] == pytest.approx(
        np.array([[1001.0, 502.0], [1003.0, 500.0]])
    )
    assert arrays["perceived.headings"] == pytest.approx([0.0, 0.5])
    assert arrays["perceived.kinds"].tolist() == [AgentKind.VEHICLE, AgentKind.PEDESTRIAN]
    assert arrays["perceived.false"].tolist() == [0, 1]
    assert arrays["missed.offsets"].tolist() == [0, 0, 0]
    assert header["road_grid"] == [-4.0, -3.0, 1.0, 8, 6]
    assert arrays["roads.of_step"].tolist() == [-1, 0]
    cells = arrays["roads.cells"].reshape(8, 6)
    assert [cells[0, 0] >> 4 * layer & 15 for layer in range(len(ROAD_LAYERS))] == [15, 0, 15]
    assert cells[0, 1] == 15


def test_other_drives_have_no_perception(bare):
    header, arrays = unpack(drive_message(bare))
    assert arrays["perceived.offsets"].tolist() == arrays["missed.offsets"].tolist() == [0]
    assert header["road_grid"] is None
    assert not arrays["roads.cells"].size
