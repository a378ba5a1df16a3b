import numpy as np

from simulation.rendering.mesh_parts import Material
from simulation.rendering.meshes import NEAR
from simulation.rendering.people import RUBBER, bicycle_mesh, pedestrian_mesh


def test_the_feet_of_a_pedestrian_stand_apart_and_the_head_is_on_top():
    mesh = pedestrian_mesh((0.5, 0.55, 1.75), np.random.default_rng(2), NEAR)
    feet = mesh.vertices_m[mesh.vertices_m[:, 2] < 0.01]
    assert np.ptp(feet[:, 0]) > 0.3
    head = mesh.vertices_m[mesh.vertices_m[:, 2] > 0.9 * 1.75]
    assert np.abs(head[:, :2]).max() < 0.15


def test_pedestrians_of_different_seeds_walk_with_different_strides():
    meshes = [pedestrian_mesh((0.6, 0.6, 1.7), np.random.default_rng(seed), NEAR) for seed in range(10)]
    knees = {round(float(mesh.vertices_m[4, 0]), 2) for mesh in meshes}
    assert len(knees) > 4


def test_the_wheels_of_a_bicycle_are_at_its_ends_and_its_rider_is_above_them():
    mesh = bicycle_mesh((1.8, 0.7, 1.7), np.random.default_rng(0), NEAR)
    tyres = mesh.vertices_m[mesh.triangles[mesh.materials == Material.TYRE]].reshape(-1, 3)
    assert tyres[:, 0].min() < -0.85
    assert tyres[:, 0].max() > 0.85
    assert tyres[:, 2].max() < 0.8
    assert (mesh.colours[mesh.materials == Material.TYRE] == RUBBER).all()
    rider = mesh.vertices_m[mesh.vertices_m[:, 2] > 1.2]
    assert np.abs(rider[:, 0]).max() < 0.6
