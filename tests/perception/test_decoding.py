import numpy as np
import pytest
import torch
from small_perception import GRID, random_input, ring_rig, small_network

from perception.boxes import Boxes, encode_boxes
from perception.decoding import Detections, decode_boxes, decode_grid

BOXES = Boxes(
    classes=np.array([0, 1, 2]),
    poses=np.array([[3.1, -2.2, 2.5], [-4.6, 5.05, -0.3], [6.0, 6.0, 1.0]]),
    sizes_m=np.array([[4.5, 1.9, 1.6], [0.5, 0.6, 1.8], [1.8, 0.6, 1.7]]),
    velocities_mps=np.array([[-4.0, 3.0], [0.0, 1.2], [2.0, 2.0]]),
)


def output_of(heat, values):
    """An output of the network with the given probabilities of centres and box parameters."""
    network = small_network()
    with torch.no_grad():
        output = network(random_input(batch=1), network.table(ring_rig()))
    logits = torch.logit(torch.from_numpy(heat).clamp(1e-4, 0.99))
    return output._replace(centres=logits[None], boxes=torch.from_numpy(values)[None])


def test_targets_are_decoded_to_the_boxes_that_made_them():
    heat, values, _ = encode_boxes(GRID, BOXES)
    (found,) = decode_boxes(output_of(heat, values), GRID, min_score=0.5)
    order = np.argsort(found.boxes.classes)
    assert found.boxes.classes[order].tolist() == [0, 1, 2]
    assert found.boxes.poses[order] == pytest.approx(BOXES.poses, abs=1e-5)
    assert found.boxes.velocities_mps[order] == pytest.approx(BOXES.velocities_mps, abs=1e-5)


def test_of_two_close_vehicles_the_better_one_stays_and_close_pedestrians_both_stay():
    heat = np.zeros((4, *GRID.shape), dtype=np.float32)
    heat[0, 10, 10], heat[0, 12, 10] = 0.9, 0.8
    heat[1, 20, 20], heat[1, 22, 20] = 0.7, 0.6
    (found,) = decode_boxes(output_of(heat, np.zeros((9, *GRID.shape), dtype=np.float32)), GRID, min_score=0.3)
    assert found.scores == pytest.approx([0.9, 0.7, 0.6], abs=1e-3)
    assert found.boxes.classes.tolist() == [0, 1, 1]


def test_grids_are_probabilities():
    heat, values, _ = encode_boxes(GRID, BOXES)
    grid = decode_grid(output_of(heat, values), GRID)
    assert grid.road.shape == (4, *GRID.shape)
    assert grid.flow_m.shape == (3, 2, *GRID.shape)
    assert 0 < grid.road.min() <= grid.road.max() < 1


def test_no_detections_are_a_valid_value():
    assert len(Detections.none().take(np.zeros(0, dtype=bool)).scores) == 0


def test_only_the_largest_of_neighbouring_cells_becomes_a_box_also_at_the_border():
    heat = np.full((4, *GRID.shape), 0.01, dtype=np.float32)
    heat[0, 0, 0], heat[0, 1, 1], heat[0, 20, 31] = 0.9, 0.5, 0.8
    output = output_of(heat, np.zeros((9, *GRID.shape), dtype=np.float32))
    (found,) = decode_boxes(output, GRID)
    corner = np.array([GRID.x_min_m, GRID.y_min_m])
    assert found.boxes.poses[:, :2] == pytest.approx(corner + np.array([[0.25, 0.25], [10.25, 15.75]]))
    assert found.scores == pytest.approx([0.9, 0.8])
