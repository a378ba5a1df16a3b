"""The shipped camera student loads, and belongs to the shipped perception network."""

from perception.checkpoint import SHIPPED as SHIPPED_NETWORK
from perception.checkpoint import Checkpoint
from planning.neural.camera_checkpoint import CameraStudent
from planning.neural.camera_planner import SHIPPED
from planning.neural.vocabulary import NUM_POSES


def test_it_loads_and_is_small():
    student = CameraStudent.load(SHIPPED)
    assert student.vocabulary.poses.shape[1] == NUM_POSES
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 10e6


def test_it_belongs_to_the_shipped_perception_network():
    CameraStudent.load(SHIPPED).require(Checkpoint.load(SHIPPED_NETWORK).network, SHIPPED_NETWORK)
