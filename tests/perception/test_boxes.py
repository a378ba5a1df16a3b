import numpy as np
import pytest
from small_perception import GRID

from perception.boxes import Boxes, decode_parameters, encode_boxes
from perception.contract import CENTRE_CLASSES, CLASS_OF_KIND


def boxes():
    return Boxes(
        classes=np.array([0, 1, 1]),
        poses=np.array([[3.1, -2.2, 2.5], [-4.6, 5.05, -0.3], [50.0, 0.0, 0.0]]),
        sizes_m=np.array([[4.5, 1.9, 1.6], [0.5, 0.6, 1.8], [0.5, 0.6, 1.8]]),
        velocities_mps=np.array([[-4.0, 3.0], [0.0, 1.2], [0.0, 0.0]]),
    )


def test_decoding_inverts_encoding_at_every_cell_around_a_centre():
    heat, values, where = encode_boxes(GRID, boxes())
    assert where.sum() == 18
    cells = np.argwhere(where)
    classes = np.where(cells[:, 1] > 16, 1, 0)
    decoded = decode_parameters(GRID, cells, classes, values[:, where].T.astype(np.float64))
    expected = boxes().take(classes)
    assert decoded.poses == pytest.approx(expected.poses, abs=1e-5)
    assert decoded.sizes_m == pytest.approx(expected.sizes_m, rel=1e-5)
    assert decoded.velocities_mps == pytest.approx(expected.velocities_mps, abs=1e-5)
    assert (heat == 1).sum(axis=(1, 2)).tolist() == [1, 1, 0, 0]


def test_the_heatmap_falls_with_distance_and_is_one_in_the_cell_of_the_centre():
    heat, _, _ = encode_boxes(GRID, boxes())
    row, column = GRID.cells_of(np.array([[3.1, -2.2]]))[0]
    assert heat[0, row, column] == 1
    assert heat[0, row + 2, column] == pytest.approx(np.exp(-1 / (2 * 0.9**2)))


def test_a_cell_between_two_boxes_has_the_parameters_of_the_closer_one():
    pair = Boxes(
        classes=np.array([1, 1]),
        poses=np.array([[0.25, 0.25, 0.0], [0.25, 1.2, 0.0]]),
        sizes_m=np.ones((2, 3)),
        velocities_mps=np.array([[1.0, 0.0], [2.0, 0.0]]),
    )
    _, values, _ = encode_boxes(GRID, pair)
    assert values[7, 16, 16:19].tolist() == [1.0, 2.0, 2.0]


def test_every_kind_but_the_ego_has_a_class():
    assert len(CLASS_OF_KIND) == 7
    assert set(CLASS_OF_KIND.values()) == set(range(len(CENTRE_CLASSES)))
