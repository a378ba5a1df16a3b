import numpy as np
import pytest

from simulation.rendering.mesh_parts import Material
from simulation.rendering.meshes import FAR, NEAR
from simulation.rendering.vehicles import PAINTS, SHAPES, TRAILER_FROM_M, vehicle_mesh


def roof_share(size_m: tuple[float, float, float], seed: int) -> float:
    """Share of the length above which the mesh is higher than 0.9 of its height."""
    mesh = vehicle_mesh(size_m, np.random.default_rng(seed), NEAR)
    x = mesh.vertices_m[mesh.vertices_m[:, 2] > 0.9 * size_m[2], 0]
    return float(np.ptp(x) / size_m[0])


def test_shares_of_paints_add_up_to_one():
    assert sum(share for share, _ in PAINTS) == pytest.approx(1.0)


def test_shapes_run_from_the_rear_to_the_front():
    for shape in SHAPES.values():
        rear_low, rear_high, front_high, front_low = shape.cabin
        assert 0.0 < rear_low <= rear_high < front_high <= front_low < 1.0


def test_the_length_and_height_decide_between_car_van_truck_and_bus():
    assert all(roof_share((4.5, 1.8, 1.45), seed) < 0.5 for seed in range(8))
    assert all(roof_share((6.0, 2.1, 2.6), seed) > 0.6 for seed in range(8))
    assert all(roof_share((10.0, 2.5, 3.4), seed) > 0.6 for seed in range(8))


def test_articulated_trucks_have_six_wheels_and_a_gap_behind_the_cab():
    size_m = (TRAILER_FROM_M + 2.0, 2.55, 3.9)
    mesh = vehicle_mesh(size_m, np.random.default_rng(1), NEAR)
    tyres = mesh.vertices_m[mesh.triangles[mesh.materials == Material.TYRE]].reshape(-1, 3)
    x = np.unique(np.round(tyres[tyres[:, 2] < 0.05, 0], 1))
    assert len(x[np.r_[True, np.diff(x) > 0.8]]) == 3
    high = np.sort(np.unique(mesh.vertices_m[mesh.vertices_m[:, 2] > 0.5 * size_m[2], 0]))
    assert 0.5 < np.diff(high[high > 0.5 * high.max()]).max() < 1.2


def test_a_far_bus_keeps_its_windows():
    meshes = [vehicle_mesh((12.0, 2.5, 3.2), np.random.default_rng(seed), FAR) for seed in range(12)]
    assert any(np.sum(mesh.materials == Material.GLASS) == 8 for mesh in meshes)
