import numpy as np
import pytest
from mesh_checks import is_closed, normals_of, signed_volume_m3

from simulation.rendering.mesh_parts import (
    GLASS_COLOUR,
    Material,
    Mesh,
    MeshBuilder,
    box_rings,
    column_rings,
    shifted,
    tube_rings,
    wheel_rings,
)

RED = (200, 10, 10)


def built(rings: np.ndarray, **options) -> Mesh:
    builder = MeshBuilder()
    builder.loft(rings, RED, **options)
    return builder.build()


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_box_is_closed_and_has_its_volume_in_either_order_of_its_rings(order):
    mesh = built(box_rings((1.0, 2.0, 3.0), (3.0, 5.0, 7.0))[order])
    assert len(mesh) == 12
    assert is_closed(mesh.triangles)
    assert signed_volume_m3(mesh, mesh.triangles) == pytest.approx(2.0 * 3.0 * 4.0)


def test_a_tapered_box_is_a_frustum():
    mesh = built(box_rings((-1.0, -1.0, 0.0), (1.0, 1.0, 3.0), 0.5))
    assert signed_volume_m3(mesh, mesh.triangles) == pytest.approx(3.0 * (4.0 + 1.0 + 2.0) / 3)


def test_tubes_and_wheels_have_their_radius_and_length():
    tube = tube_rings((0.0, 0.0, 0.0), (0.0, 3.0, 4.0), 0.1, points=5)
    np.testing.assert_allclose(tube.mean(axis=1), [[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(tube - tube.mean(axis=1, keepdims=True), axis=-1), 0.1)
    wheel = wheel_rings((1.0, 0.8, 0.3), 0.3, 0.2)
    np.testing.assert_allclose(np.hypot(wheel[..., 0] - 1.0, wheel[..., 2] - 0.3), 0.3 / np.cos(np.pi / 8))
    assert wheel[..., 2].min() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(np.unique(wheel[..., 1]), [0.7, 0.9])


def test_a_ring_of_sections_is_closed_without_caps():
    angles = np.arange(6) * np.pi / 3
    centres = np.stack([np.cos(angles), np.sin(angles), np.zeros(6)], axis=-1)
    sections = np.stack([1.2 * centres, 0.8 * centres, shifted(centres, up=0.2)], axis=1)
    mesh = built(sections, is_ring=True)
    assert len(mesh) == 6 * 3 * 2
    assert is_closed(mesh.triangles)
    assert signed_volume_m3(mesh, mesh.triangles) > 0


def test_side_quads_have_colours_and_materials_of_their_own_and_caps_too():
    colours = np.array([[(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4)]])
    kinds = np.array([[Material.PAINT, Material.GLASS, Material.TYRE, Material.PAINT]])
    builder = MeshBuilder()
    builder.loft(box_rings((0, 0, 0), (1, 1, 1)), colours, kinds, cap=((9, 9, 9), (8, 8, 8)))
    mesh = builder.build()
    assert mesh.colours[:, 0].tolist() == [1, 1, GLASS_COLOUR[0], GLASS_COLOUR[0], 3, 3, 4, 4, 9, 9, 8, 8]
    assert mesh.materials[:8].tolist() == [0, 0, 1, 1, 2, 2, 0, 0]
    normals = normals_of(mesh)
    np.testing.assert_allclose(normals[8:, 2], [-1, -1, 1, 1], atol=1e-9)


def test_plates_face_right_cross_up():
    builder = MeshBuilder()
    builder.plate((5.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.5), RED, Material.HEADLIGHT)
    mesh = builder.build()
    np.testing.assert_allclose(normals_of(mesh), [[1, 0, 0], [1, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(mesh.vertices_m.min(axis=0), [5.0, -1.0, 0.5])


def test_facades_count_metres_along_the_wall_and_above_the_ground():
    builder = MeshBuilder()
    builder.facade(
        np.array([[8.0, 0.0, 0.0], [8.0, 6.0, 0.0], [8.0, 6.0, 9.0], [8.0, 3.0, 11.0], [8.0, 0.0, 9.0]]), RED
    )
    mesh = builder.build()
    assert len(mesh) == 3
    assert (mesh.materials == Material.FACADE).all()
    np.testing.assert_allclose(normals_of(mesh), [[1.0, 0.0, 0.0]] * 3, atol=1e-9)
    np.testing.assert_allclose(mesh.uv_m, mesh.vertices_m[mesh.triangles][..., 1:])


def test_a_mesh_is_stretched_into_its_box():
    builder = MeshBuilder()
    builder.loft(column_rings(np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 4.0]]), np.ones((2, 2)), 6), RED)
    mesh = builder.build((4.0, 2.0, 1.5))
    np.testing.assert_allclose(mesh.vertices_m.min(axis=0), [-2.0, -1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(mesh.vertices_m.max(axis=0), [2.0, 1.0, 1.5], atol=1e-6)


@pytest.mark.parametrize("corners", [3, 4, 5, 6, 12])
def test_a_polygon_is_covered_once_by_triangles_that_face_its_side(corners):
    angles = np.arange(corners) * 2 * np.pi / corners
    builder = MeshBuilder()
    builder.polygon(np.stack([np.cos(angles), np.sin(angles), np.ones(corners)], axis=-1), RED)
    mesh = builder.build()
    np.testing.assert_allclose(normals_of(mesh)[:, 2], 1.0, atol=1e-6)
    # A cone of height 1 from the origin over the polygon.
    area_m2 = corners / 2 * np.sin(2 * np.pi / corners)
    assert signed_volume_m3(mesh, mesh.triangles) == pytest.approx(area_m2 / 3)
