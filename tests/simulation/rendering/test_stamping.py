import numpy as np
import pytest
from mesh_checks import normals_of

from simulation.rendering.mesh_parts import MeshBuilder, box_rings
from simulation.rendering.scenery import ROOF, WALL, block_building
from simulation.rendering.stamping import Copies, joined, ranges, stamped, template_of

RED, GREY = (200, 10, 10), (90, 90, 90)


def copies_of(centres: list, headings: list, scales: list, colours: list) -> Copies:
    return Copies(
        np.array(centres, dtype=float),
        np.array(headings, dtype=float),
        np.array(scales, dtype=float),
        np.array(colours, dtype=np.uint8),
    )


def test_copies_are_scaled_turned_and_moved():
    builder = MeshBuilder()
    builder.loft(box_rings((0.0, -0.5, 0.0), (1.0, 0.5, 1.0)), RED)
    template = template_of(builder.build())
    mesh = stamped(
        template, copies_of([[0, 0], [10, 20]], [0, np.pi / 2], [[1, 1, 1], [4, 2, 3]], np.zeros((2, 0, 3)))
    )
    assert len(mesh) == 24
    second = mesh.vertices_m[8:]
    np.testing.assert_allclose(second.min(axis=0), [9.0, 20.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(second.max(axis=0), [11.0, 24.0, 3.0], atol=1e-6)
    assert mesh.triangles[12:].min() == 8


def test_tinted_triangles_take_the_colour_of_the_copy_and_the_others_keep_theirs():
    builder = MeshBuilder()
    builder.plate((0, 0, 1), (1, 0, 0), (0, 1, 0), RED)
    builder.plate((0, 0, 2), (1, 0, 0), (0, 1, 0), GREY)
    template = template_of(builder.build(), RED)
    mesh = stamped(template, copies_of([[0, 0]] * 2, [0, 0], np.ones((2, 3)), [[[1, 2, 3]], [[4, 5, 6]]]))
    assert mesh.colours.tolist() == [[1, 2, 3]] * 2 + [[*GREY]] * 2 + [[4, 5, 6]] * 2 + [[*GREY]] * 2


def test_facades_are_measured_after_scaling():
    colours = [[[10, 20, 30], [40, 50, 60]]]
    mesh = stamped(block_building(), copies_of([[0, 0]], [0.3], [[20.0, 8.0, 15.0]], colours))
    walls = mesh.uv_m[:8].reshape(4, -1, 2)
    np.testing.assert_allclose(walls[..., 0].max(axis=1), [20.0, 8.0, 20.0, 8.0], atol=1e-5)
    np.testing.assert_allclose(walls[..., 1].max(axis=1), 15.0, atol=1e-5)
    assert {WALL, ROOF}.isdisjoint(map(tuple, mesh.colours.tolist()))


def test_joined_meshes_keep_their_triangles():
    builder = MeshBuilder()
    builder.plate((0, 0, 1), (1, 0, 0), (0, 1, 0), RED)
    one = builder.build()
    both = joined([one, one])
    np.testing.assert_allclose(normals_of(both), [[0, 0, 1]] * 4)
    assert both.triangles[2:].min() == 4
    assert len(joined([])) == 0


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [([0, 5], [2, 8], [0, 1, 5, 6, 7]), ([4, 1], [4, 2], [1]), ([], [], [])],
)
def test_ranges_are_concatenated(begins, ends, expected):
    rows = ranges(np.array(begins, dtype=np.int64), np.array(ends, dtype=np.int64))
    assert rows.tolist() == expected
