"""The network of the camera student reads the grids where the candidates are."""

import numpy as np
import pytest
import torch
from small_camera_student import empty_scenes, small_student

from distill.contract import SUB_SCORES
from planning.neural.camera_candidates import camera_candidates
from planning.neural.camera_checkpoint import CameraStudent
from planning.neural.camera_network import CameraStudentNetwork, camera_batch
from planning.neural.decoder import IMITATION
from simulation.ego.vocabulary_tracking import fit_vocabulary


@pytest.fixture(scope="module")
def student():
    return small_student()


def batch_of(student, scenes):
    rows = np.repeat(np.arange(8)[np.newaxis], len(scenes.ego), axis=0)
    return camera_batch(scenes, camera_candidates(fit_vocabulary(student.vocabulary.poses), scenes, rows))


def test_there_is_one_logit_per_head_and_candidate(student):
    logits = student.network(batch_of(student, empty_scenes(3)))
    assert set(logits) == {*SUB_SCORES, IMITATION}
    assert logits[IMITATION].shape == (3, 8)


def test_samples_are_the_values_of_the_cells(student):
    network = student.network
    scenes = empty_scenes()
    grid = network.config.grid
    cells = 0.5 * (np.arange(scenes.grids.shape[2]) + 0.5) + grid.x_min_m
    grids = scenes.grids.copy()
    # Drivable holds x of each cell, lane lines its y.
    grids[0, 0], grids[0, 1] = cells[:, np.newaxis], cells[np.newaxis]
    scenes = scenes._replace(grids=grids)
    batch = batch_of(student, scenes)
    points = torch.tensor([[-3.0, 2.0], [4.25, -6.0]]).expand(1, 8, 8, 2, 2)
    from planning.neural.camera_network import _sampled

    found = _sampled(batch.grids, network._places(points))
    assert found[0, 0, 0, :, :2].numpy() == pytest.approx(points[0, 0, 0].numpy(), abs=1e-4)


def test_occupancy_is_interpolated_between_the_instants_of_the_forecast():
    known = torch.tensor([0.0, 1.0, 2.0, 3.0]).expand(1, 1, 8, 1, 4)
    found = CameraStudentNetwork._occupancy(known, torch.tensor([0.25]))
    assert found.flatten().numpy() == pytest.approx([0.75, 1.25, 1.75, 2.25, 2.75, 3.0, 3.0, 3.0])


def test_only_the_sampled_cells_and_their_neighbours_matter(student):
    scenes = empty_scenes(speed_mps=2.0)
    before = student.network(batch_of(student, scenes))["drivable_area"]
    for place, differs in (((slice(16, 24), slice(14, 18)), True), ((slice(0, 2), slice(0, 2)), False)):
        grids = scenes.grids.copy()
        grids[0, 0][place] = 1.0
        after = student.network(batch_of(student, scenes._replace(grids=grids)))["drivable_area"]
        assert bool((after != before).any()) == differs


def test_a_checkpoint_keeps_the_student_and_names_what_does_not_fit(student, tmp_path):
    student.save(tmp_path)
    read = CameraStudent.load(tmp_path)
    scenes = empty_scenes(2)
    first, second = (each.network(batch_of(each, scenes))["progress"] for each in (student, read))
    assert torch.equal(first, second)
    assert read.weights == student.weights
    with pytest.raises(FileNotFoundError, match=r"No camera student in .*train_camera_student"):
        CameraStudent.load(tmp_path / "none")
    path = tmp_path / "camera_student.json"
    path.write_text(path.read_text().replace("camera_student.1", "camera_student.0"))
    with pytest.raises(ValueError, match=r"has format camber\.camera_student\.0"):
        CameraStudent.load(tmp_path)
