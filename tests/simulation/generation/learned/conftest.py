import numpy as np
import pytest
import torch

from driving.agents import AgentKind
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.learned.checkpoint import Checkpoint, untrained
from simulation.generation.learned.data import scene_at
from simulation.generation.learned.facts import Levels
from simulation.generation.learned.network import NONE_CLASS, SceneNetworkConfig
from simulation.generation.learned.scene import Boxes, Scene
from simulation.geometry.lane_anchors import anchored_poses, lane_lengths


@pytest.fixture(scope="session")
def street():
    return corner_map(3)


@pytest.fixture(scope="session")
def lane_row(street):
    """The longest lane."""
    return int(np.argmax(lane_lengths(street)[: street.lanes.num_lanes]))


@pytest.fixture(scope="session")
def boxes(street, lane_row):
    """An ego at 60 m of its lane, a leader 20 m ahead, a follower 15 m behind, a parked car, a pedestrian, a cone."""
    along = np.array([60.0, 80.0, 45.0, 50.0, 70.0, 65.0])
    lateral = np.array([0.1, -0.2, 0.0, -7.0, -9.5, -6.0])
    heading = np.array([0.0, 0.01, 0.0, 0.0, 3.0, 0.0])
    poses = anchored_poses(street, np.full(6, lane_row), along, lateral, heading)
    sizes = np.array([[5.176, 2.297], [4.5, 1.9], [4.6, 1.8], [4.4, 1.8], [0.5, 0.5], [0.4, 0.4]])
    speeds = np.array([8.0, 6.0, 7.0, 0.0, 1.2, 0.0])
    kinds = [AgentKind.VEHICLE] * 4 + [AgentKind.PEDESTRIAN, AgentKind.TRAFFIC_CONE]
    return Boxes(poses, sizes, speeds, np.array(kinds, dtype=np.int8))


@pytest.fixture(scope="session")
def scene(street, boxes) -> Scene:
    found = scene_at(street, boxes, 0)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def config():
    return SceneNetworkConfig(width=16, heads=2, piece_layers=1, row_layers=1, near_width=8)


@pytest.fixture(scope="session")
def quiet(config) -> Checkpoint:
    """Random weights that rarely draw an agent, as untrained ones would fill the map."""
    made = untrained(Levels(density=(0.5, 2.0), speed=(0.3, 0.6)), seed=1, config=config)
    with torch.no_grad():
        made.network.class_out[-1].bias[NONE_CLASS] += 2.5
    return made
