import numpy as np
import pytest

from simulation.rendering.mesh_parts import Material
from simulation.rendering.scenery import (
    LAMP_ARM_M,
    SIGN_RADIUS_M,
    block_building,
    broadleaf_tree,
    conifer_tree,
    gabled_building,
    lamp_post,
    sign_post,
)


@pytest.mark.parametrize("template", [block_building(), gabled_building(), broadleaf_tree(0), conifer_tree(1)])
def test_templates_of_buildings_and_trees_fill_a_unit_box(template):
    np.testing.assert_allclose(template.mesh.vertices_m.min(axis=0), [-0.5, -0.5, 0.0], atol=1e-6)
    np.testing.assert_allclose(template.mesh.vertices_m.max(axis=0), [0.5, 0.5, 1.0], atol=1e-6)
    assert set(template.tints.tolist()) >= {0}


def test_gabled_buildings_have_walls_on_four_sides_and_a_roof_of_two_slopes():
    mesh = gabled_building().mesh
    assert len(mesh) == 14
    assert (mesh.materials == Material.FACADE).sum() == 10
    slopes = mesh.vertices_m[mesh.triangles[mesh.materials == Material.PAINT]]
    assert slopes[..., 2].max() == pytest.approx(1.0)


def test_variants_of_trees_differ_and_conifers_are_pointed():
    first, second = broadleaf_tree(0).mesh, broadleaf_tree(2).mesh
    assert not np.allclose(first.vertices_m, second.vertices_m)
    for tree, bound in ((conifer_tree(0), 0.1), (broadleaf_tree(0), 0.3)):
        top = tree.mesh.vertices_m[tree.mesh.vertices_m[:, 2] > 0.99]
        assert np.ptp(top[:, 0]) < bound
        assert (tree.mesh.materials == Material.FOLIAGE).sum() > 30


def test_lamps_and_signs_stay_within_their_radius_of_the_post():
    for template, radius_m in ((lamp_post(), LAMP_ARM_M + 0.02), (sign_post(), SIGN_RADIUS_M + 0.02)):
        assert np.hypot(*template.mesh.vertices_m[:, :2].T).max() <= radius_m
        assert template.mesh.vertices_m[:, 2].max() == pytest.approx(1.0, abs=0.01)
