import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_checks import is_closed, normals_of, parts_of, signed_volume_m3

from driving.agents import AgentKind
from simulation.rendering.mesh_parts import Material
from simulation.rendering.meshes import FAR, NEAR, NUM_LOOKS, agent_mesh

SIZES_M = {
    AgentKind.VEHICLE: (4.6, 1.85, 1.5),
    AgentKind.PEDESTRIAN: (0.5, 0.55, 1.75),
    AgentKind.BICYCLE: (1.8, 0.65, 1.7),
    AgentKind.TRAFFIC_CONE: (0.4, 0.4, 0.7),
    AgentKind.BARRIER: (2.0, 0.5, 1.0),
    AgentKind.CZONE_SIGN: (0.6, 0.6, 1.6),
    AgentKind.GENERIC_OBJECT: (1.0, 1.2, 0.9),
    AgentKind.EGO: (5.18, 2.3, 1.78),
}
VEHICLES_M = [(4.1, 1.8, 1.5), (4.7, 1.9, 1.7), (5.0, 2.0, 2.1), (5.8, 2.0, 1.8), (6.2, 2.1, 2.6)]
VEHICLES_M += [(8.0, 2.5, 3.4), (11.9, 2.55, 3.2), (16.5, 2.55, 3.9)]
MAX_NEAR = {AgentKind.PEDESTRIAN: 150}
LAMPS = {Material.HEADLIGHT, Material.TAIL_LIGHT}
CASES = [*SIZES_M.items(), *((AgentKind.VEHICLE, size) for size in VEHICLES_M)]


def mesh_of(kind, size_m=None, seed=3, detail=NEAR):
    return agent_mesh(kind, np.array(SIZES_M[kind] if size_m is None else size_m), seed, detail)


@pytest.mark.parametrize(("kind", "size_m"), CASES)
@pytest.mark.parametrize("seed", range(6))
def test_meshes_are_valid_and_keep_the_budget_of_triangles(kind, size_m, seed):
    for detail, budget in ((NEAR, MAX_NEAR.get(kind, 250)), (FAR, 24)):
        mesh = mesh_of(kind, size_m, seed, detail)
        assert len(mesh) <= budget
        assert mesh.triangles.min() == 0
        assert mesh.triangles.max() == len(mesh.vertices_m) - 1
        assert len(mesh.colours) == len(mesh.materials) == len(mesh.uv_m) == len(mesh)
        assert set(mesh.materials.tolist()) <= {int(material) for material in Material}
        assert not mesh.uv_m.any()
        assert np.isfinite(normals_of(mesh)).all()


@given(
    kind=st.sampled_from(list(AgentKind)),
    size_m=st.tuples(*[st.floats(0.05, 20.0)] * 3),
    seed=st.integers(0, 1000),
    detail=st.sampled_from([NEAR, FAR]),
)
@settings(deadline=None, max_examples=60)
def test_a_mesh_of_any_size_touches_the_six_faces_of_its_box_and_stays_inside(kind, size_m, seed, detail):
    mesh = agent_mesh(kind, np.array(size_m), seed, detail)
    length, width, height = size_m
    np.testing.assert_allclose(mesh.vertices_m.min(axis=0), [-length / 2, -width / 2, 0.0], atol=0.011)
    np.testing.assert_allclose(mesh.vertices_m.max(axis=0), [length / 2, width / 2, height], atol=0.011)


@pytest.mark.parametrize(("kind", "size_m"), CASES)
def test_closed_parts_are_oriented_outward_and_make_up_most_of_a_mesh(kind, size_m):
    mesh = mesh_of(kind, size_m)
    closed = [part for part in parts_of(mesh) if is_closed(part)]
    assert all(signed_volume_m3(mesh, part) > 0 for part in closed)
    assert sum(map(len, closed)) > 0.65 * len(mesh)


@pytest.mark.parametrize("size_m", VEHICLES_M)
@pytest.mark.parametrize("detail", [NEAR, FAR])
def test_vehicles_have_red_lamps_at_the_rear_and_white_lamps_in_front(size_m, detail):
    mesh = mesh_of(AgentKind.VEHICLE, size_m, detail=detail)
    centres, normals = mesh.vertices_m[mesh.triangles].mean(axis=1), normals_of(mesh)
    for material, sign in ((Material.TAIL_LIGHT, -1.0), (Material.HEADLIGHT, 1.0)):
        rows = mesh.materials == material
        assert rows.any()
        np.testing.assert_allclose(centres[rows, 0], sign * size_m[0] / 2, atol=0.05)
        np.testing.assert_allclose(normals[rows, 0], sign, atol=1e-6)


@pytest.mark.parametrize("size_m", VEHICLES_M)
def test_indicators_blink_on_their_side_on_both_ends_of_a_vehicle(size_m):
    mesh = mesh_of(AgentKind.VEHICLE, size_m)
    centres = mesh.vertices_m[mesh.triangles].mean(axis=1)
    for material, sign in ((Material.INDICATOR_LEFT, 1.0), (Material.INDICATOR_RIGHT, -1.0)):
        rows = mesh.materials == material
        assert (sign * centres[rows, 1] > 0.2 * size_m[1]).all()
        assert set(np.sign(centres[rows, 0]).tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("size_m", [*VEHICLES_M[:5], VEHICLES_M[6]])
def test_cars_and_buses_have_windows_above_their_wheels(size_m):
    for seed in range(8):
        mesh = mesh_of(AgentKind.VEHICLE, size_m, seed)
        heights = mesh.vertices_m[mesh.triangles][..., 2]
        assert heights[mesh.materials == Material.GLASS].min() > 0.35 * size_m[2]
        assert heights[mesh.materials == Material.TYRE].max() < 0.6 * size_m[2]
        assert heights[mesh.materials == Material.TYRE].min() == 0.0


def test_bicycles_have_a_lamp_at_either_end():
    for detail in (NEAR, FAR):
        mesh = mesh_of(AgentKind.BICYCLE, detail=detail)
        assert set(mesh.materials.tolist()) >= LAMPS


def test_a_mesh_depends_on_its_seed_only_and_is_kept():
    first, again = mesh_of(AgentKind.VEHICLE, seed=5), mesh_of(AgentKind.VEHICLE, seed=5 + NUM_LOOKS)
    assert first is again
    paints = {tuple(mesh_of(AgentKind.VEHICLE, seed=seed).colours[2]) for seed in range(NUM_LOOKS)}
    assert len(paints) > 20
    shirts = {tuple(mesh_of(AgentKind.PEDESTRIAN, seed=seed).colours[-8]) for seed in range(NUM_LOOKS)}
    assert len(shirts) > 1


def test_cars_have_the_colours_of_real_traffic():
    paint = np.array([mesh_of(AgentKind.VEHICLE, seed=seed).colours[2] for seed in range(NUM_LOOKS)], dtype=int)
    saturation = paint.max(axis=1) - paint.min(axis=1)
    assert 0.6 < np.mean(saturation < 25) < 0.95


def test_a_size_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match=r"size of a BICYCLE must be finite, got \[1.8, nan, 1.6\]"):
        agent_mesh(AgentKind.BICYCLE, np.array([1.8, np.nan, 1.6]), 0)
