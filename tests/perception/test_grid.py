import numpy as np
import pytest

from perception.grid import BevGrid


def test_the_first_index_grows_forward_and_the_second_to_the_left():
    grid = BevGrid()
    assert grid.shape == (128, 128)
    assert grid.centres()[0, 0] == pytest.approx([-31.75, -31.75])
    assert grid.centres()[127, 0] == pytest.approx([31.75, -31.75])
    assert grid.cells_of(np.array([[0.1, -0.1], [-32.1, 40.0]])).tolist() == [[64, 63], [-1, 144]]


def test_points_on_the_upper_edge_are_outside():
    assert BevGrid().contains(np.array([[-32.0, 0.0], [32.0, 0.0]])).tolist() == [True, False]


def test_a_coarser_grid_covers_the_same_rectangle():
    assert BevGrid(x_min_m=-24.0, x_max_m=40.0).coarser(2).shape == (64, 64)


def test_part_of_a_cell_is_refused():
    with pytest.raises(ValueError, match=r"whole number of cells along y, got -32\.0 to 31\.7 m"):
        BevGrid(y_max_m=31.7)
