import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driving.geometry import arc_lengths
from simulation.generation.town.paths import curvature, direction, gentlest, quintic, section


def test_a_direction_is_the_unit_vector_of_its_heading():
    np.testing.assert_allclose(direction(np.pi / 2), [0.0, 1.0], atol=1e-15)
    assert np.hypot(*direction(0.3)) == pytest.approx(1.0)


def test_a_quintic_between_poses_in_line_is_straight():
    points = quintic(np.array([0.0, 0.0, 0.0]), np.array([10.0, 0.0, 0.0]))
    assert points[[0, -1]] == pytest.approx(np.array([[0.0, 0.0], [10.0, 0.0]]))
    assert points[:, 1] == pytest.approx(0.0)


headings = st.floats(-3.0, 3.0)


@given(headings, headings, st.floats(0.7, 1.9))
def test_a_quintic_leaves_and_arrives_in_the_directions_of_its_poses(first, last, stretch):
    start, end = np.array([1.0, 2.0, first]), np.array([31.0, -8.0, last])
    points = quintic(start, end, stretch, samples=4001)
    out, into = points[1] - points[0], points[-1] - points[-2]
    assert np.cos(np.arctan2(out[1], out[0]) - first) == pytest.approx(1.0, abs=1e-6)
    assert np.cos(np.arctan2(into[1], into[0]) - last) == pytest.approx(1.0, abs=1e-6)


def test_the_curvature_of_a_turn_is_zero_at_both_ends():
    points = gentlest(np.array([0.0, 0.0, 0.0]), np.array([12.0, 12.0, np.pi / 2]))
    bend = curvature(points)
    assert abs(bend[1]) < 0.01
    assert abs(bend[-2]) < 0.01
    # A quarter circle of 12 m has a curvature of 1/12; smooth ends raise it to less than the double.
    assert 1 / 12 < bend.max() < 2 / 12
    assert bend.min() > -0.02


def test_the_gentlest_curve_bends_less_than_those_of_other_tangents():
    start, end = np.array([0.0, 0.0, 0.0]), np.array([15.0, 9.0, 1.2])
    best = np.abs(curvature(gentlest(start, end))).max()
    assert all(best <= np.abs(curvature(quintic(start, end, stretch))).max() for stretch in (0.7, 1.0, 1.3, 1.9))


def test_the_curvature_at_an_end_can_be_given():
    ring = np.array([10.0, 0.0, np.pi / 2])
    points = quintic(np.array([20.0, -8.0, np.pi]), ring, 1.0, (0.0, 0.1), samples=4001)
    assert curvature(points)[-5] == pytest.approx(0.1, abs=0.003)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_circle_has_the_curvature_of_its_radius_and_the_sign_of_its_direction(side):
    angle = side * np.linspace(0.0, 1.0, 50)
    circle = 5.0 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    assert curvature(circle)[5:-5] == pytest.approx(side * 0.2, rel=1e-3)


def test_a_section_keeps_the_vertices_between_its_ends():
    line = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    assert section(line, 1.0, 5.0).tolist() == [[1.0, 0.0], [3.0, 0.0], [3.0, 2.0]]


@given(st.floats(0.0, 3.0), st.floats(0.5, 3.5))
def test_a_section_has_the_length_between_its_arc_lengths(start_m, length_m):
    line = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    assert arc_lengths(section(line, start_m, start_m + length_m))[-1] == pytest.approx(length_m, abs=1e-5)
