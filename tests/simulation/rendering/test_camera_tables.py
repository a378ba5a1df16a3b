"""Rays, ground points and mirror pixels of cameras, against `CameraRig.project`."""

import numpy as np
import pytest

from driving.cameras import CameraRig, camera_poses, monotone_radius
from driving.rigs import NUPLAN_8, NUSCENES_6
from simulation.rendering.camera_tables import (
    NO_RAY,
    NUM_LEVELS,
    SKY,
    camera_tables,
    level_radii_m,
    mirror_pixels,
)

RIGS = [NUPLAN_8.resized(sizes=(96, 54)), NUSCENES_6.resized(sizes=(64, 36))]


def pinhole(*, distortion=(0.0, 0.0, 0.0, 0.0, 0.0), focal_px=40.0, pitch_rad=0.0, height_m=1.5) -> CameraRig:
    return CameraRig(
        names=("FRONT",),
        intrinsics=np.array([[[focal_px, 0.0, 31.5], [0.0, focal_px, 23.5], [0.0, 0.0, 1.0]]]),
        distortion=np.array([distortion]),
        ego_from_camera=camera_poses(np.array([[1.0, 0.2, height_m]]), np.zeros(1), np.array([pitch_rad])),
        image_sizes=np.array([[64, 48]]),
    )


@pytest.mark.parametrize("rig", RIGS)
@pytest.mark.parametrize("camera", [0, 3])
def test_rays_project_to_their_own_pixels(rig, camera):
    tables = camera_tables(rig, camera)
    rays = np.stack([tables.rays_x, tables.rays_y, np.ones_like(tables.rays_x)], axis=-1).reshape(-1, 3)
    pose = rig.ego_from_camera[camera]
    pixels, _ = rig.project(camera, rays * 7.0 @ pose[:3, :3].T + pose[:3, 3])
    height, width = tables.rays_x.shape
    expected = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(pixels, expected, atol=2e-3)


@pytest.mark.parametrize("rig", RIGS)
def test_ground_points_project_to_their_own_pixels_at_their_depth(rig):
    tables = camera_tables(rig, 1)
    v, u = np.nonzero(tables.level < NUM_LEVELS)
    points = np.column_stack([tables.place[v, u], np.zeros(len(u))]).astype(np.float64)
    pixels, depth = rig.project(1, points)
    np.testing.assert_allclose(pixels, np.column_stack([u, v]), atol=0.02)
    np.testing.assert_allclose(depth, tables.ground_depth[v, u], rtol=1e-4)


def test_the_lower_half_of_a_level_camera_is_ground_and_finer_when_near():
    tables = camera_tables(pinhole(), 0)
    assert (tables.level[:24] == SKY).all()
    assert np.isinf(tables.ground_depth[:24]).all()
    assert np.isfinite(tables.ground_depth[24:]).all()
    column = tables.level[26:, 32].astype(int)
    assert (np.diff(column) <= 0).all()
    assert column[0] > column[-1]
    radii = level_radii_m(tables)
    assert (radii[radii > 0] > 0.5).all()


def test_the_distorted_radius_of_nuplans_lens_grows_up_to_1_27():
    assert monotone_radius(NUPLAN_8.distortion[0]) == pytest.approx(1.265, abs=0.005)
    assert monotone_radius(np.zeros(5)) == np.inf


def test_pixels_that_no_ray_reaches_are_marked():
    tables = camera_tables(pinhole(distortion=(-0.3, 0.0, 0.0, 0.0, 0.0), focal_px=25.0), 0)
    assert tables.level[0, 0] == NO_RAY
    assert np.isnan(tables.rays_x[0, 0])
    assert tables.level[24, 32] != NO_RAY


def test_mirror_pixels_show_the_ray_that_the_ground_reflects():
    mirrored = mirror_pixels(camera_tables(pinhole(), 0))
    # The horizon lies between rows 23 and 24.
    assert mirrored[30, 10] == 17 * 64 + 10
    assert (mirrored[:24] == -1).all()


def test_a_camera_below_the_ground_is_refused():
    with pytest.raises(ValueError, match=r"Camera FRONT must be above the ground .* got z = -0.1"):
        camera_tables(pinhole(height_m=-0.1), 0)
