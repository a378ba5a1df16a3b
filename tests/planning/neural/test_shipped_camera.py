"""The shipped camera student loads, and belongs to the shipped perception network."""

import pytest

from perception.checkpoint import DESCRIPTION, Checkpoint
from planning.neural.camera_checkpoint import CameraStudent
from planning.neural.camera_planner import PERCEPTION, SHIPPED
from planning.neural.vocabulary import NUM_POSES


def test_it_loads_and_is_small():
    student = CameraStudent.load(SHIPPED)
    assert student.vocabulary.poses.shape[1] == NUM_POSES
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 10e6


def test_it_belongs_to_the_shipped_perception_network():
    if not (PERCEPTION / DESCRIPTION).is_file():
        pytest.skip(f"There is no perception network in {PERCEPTION}.")
    CameraStudent.load(SHIPPED).require(Checkpoint.load(PERCEPTION).network, PERCEPTION)
