import numpy as np
import pytest

from simulation.rendering.meshes import FAR, NEAR
from simulation.rendering.objects import CONCRETE, ORANGE, WHITE, barrier_mesh, cone_mesh, generic_mesh, sign_mesh


def colours_of(mesh) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in mesh.colours.tolist()}


def test_a_cone_is_orange_and_white_and_narrow_at_the_top():
    for detail in (NEAR, FAR):
        mesh = cone_mesh((0.4, 0.4, 0.8), np.random.default_rng(0), detail)
        assert colours_of(mesh) >= {ORANGE, WHITE}
        assert np.abs(mesh.vertices_m[mesh.vertices_m[:, 2] > 0.79, :2]).max() < 0.08


def test_barriers_are_of_concrete_or_striped():
    found = [colours_of(barrier_mesh((2.0, 0.5, 1.0), np.random.default_rng(seed), NEAR)) for seed in range(12)]
    assert {CONCRETE} in found
    assert {ORANGE, WHITE} in found


@pytest.mark.parametrize("size_m", [(3.0, 0.5, 1.0), (0.5, 3.0, 1.0)])
def test_the_wall_of_a_barrier_runs_along_the_longer_side(size_m):
    mesh = barrier_mesh(size_m, np.random.default_rng(1), NEAR)
    top = mesh.vertices_m[mesh.vertices_m[:, 2] > 0.99]
    assert np.ptp(top[:, np.argmax(size_m)]) == pytest.approx(3.0)
    assert np.ptp(top[:, np.argmin(size_m)]) < 0.3


def test_the_board_of_a_sign_faces_along_x():
    mesh = sign_mesh((0.3, 0.8, 1.6), np.random.default_rng(1), NEAR)
    board = mesh.vertices_m[mesh.vertices_m[:, 2] > 1.0]
    assert np.ptp(board[:, 1]) == pytest.approx(0.8, abs=0.01)
    assert np.ptp(board[:, 0]) < 0.15


def test_generic_objects_have_several_shapes():
    counts = {len(generic_mesh((1.0, 1.0, 1.0), np.random.default_rng(seed), NEAR)) for seed in range(12)}
    assert len(counts) == 3
