"""Visible triangles, against intersections of each pixel's ray with boxes."""

import numpy as np
import pytest
import shapely

from driving.rigs import ARGOVERSE2_7, NUPLAN_8, NUSCENES_6
from simulation.rendering.camera_tables import camera_tables
from simulation.rendering.mesh_parts import Material
from simulation.rendering.rasteriser import Triangles, draw_triangles

# Corners of a unit cube by bits of x, y, z, and its faces, counter-clockwise from outside.
CORNERS = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=np.float64) - [0.5, 0.5, 0.0]
FACES = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
INDICES = np.array([t for a, b, c, d in FACES for t in ((a, b, c), (a, c, d))])


def boxes(poses, sizes) -> tuple[Triangles, np.ndarray]:
    """Boxes on the ground in the ego frame, as triangles and corners."""
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    local = CORNERS * sizes[:, np.newaxis]
    x = poses[:, :1] + cos[:, np.newaxis] * local[..., 0] - sin[:, np.newaxis] * local[..., 1]
    y = poses[:, 1:2] + sin[:, np.newaxis] * local[..., 0] + cos[:, np.newaxis] * local[..., 1]
    corners = np.stack([x, y, local[..., 2]], axis=-1)
    triangles = corners[:, INDICES].reshape(-1, 3, 3).astype(np.float32)
    centres = corners.mean(axis=1)
    radii = np.linalg.norm(corners - centres[:, np.newaxis], axis=-1).max(axis=1)
    return (
        Triangles(
            corners=triangles,
            offsets=np.arange(len(poses) + 1, dtype=np.int32) * 12,
            spheres=np.column_stack([centres, radii + 1e-3]).astype(np.float32),
            materials=np.full(len(triangles), Material.PAINT, dtype=np.uint8),
            uv_m=np.zeros((len(triangles), 3, 2), dtype=np.float32),
        ),
        corners,
    )


def drawn(rig, camera, triangles):
    tables = camera_tables(rig, camera)
    near, shown = np.empty(tables.rays_x.shape, np.float32), np.empty(tables.rays_x.shape, np.int32)
    draw_triangles(tables, triangles, near, shown, np.empty((len(triangles.corners), 6), np.float32))
    return near, np.where(shown >= 0, shown // 12, -1)


def expected(rig, camera, poses, sizes):
    """Depth and box of each pixel: the slab test of its ray and each box, in float64."""
    tables = camera_tables(rig, camera)
    rays = np.stack([tables.rays_x, tables.rays_y, np.ones_like(tables.rays_x)], axis=-1).astype(np.float64)
    pose = rig.ego_from_camera[camera]
    directions, start = rays @ pose[:3, :3].T, pose[:3, 3]
    depth, box = np.full(rays.shape[:2], np.inf), np.full(rays.shape[:2], -1)
    for row, ((x, y, heading), size) in enumerate(zip(poses, sizes, strict=True)):
        cos, sin = np.cos(heading), np.sin(heading)
        turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        local, at = directions @ turn.T, turn @ (start - [x, y, 0])
        low, high = np.array([-0.5, -0.5, 0]) * size, np.array([0.5, 0.5, 1]) * size
        with np.errstate(divide="ignore"):
            first, second = (low - at) / local, (high - at) / local
        enter, leave = np.minimum(first, second).max(axis=-1), np.maximum(first, second).min(axis=-1)
        is_hit = (enter < leave) & (enter > 0) & (enter < depth)
        depth, box = np.where(is_hit, enter, depth), np.where(is_hit, row, box)
    return depth, box


@pytest.mark.parametrize("rig", [NUPLAN_8.resized(sizes=(192, 108)), NUSCENES_6.resized(sizes=(160, 90))])
@pytest.mark.parametrize("seed", range(3))
def test_pixels_show_the_box_and_the_depth_that_their_rays_hit(rig, seed):
    rng = np.random.default_rng(seed)
    angle, distance = rng.uniform(-np.pi, np.pi, 60), rng.uniform(4, 60, 60)
    poses = np.column_stack([distance * np.cos(angle), distance * np.sin(angle), rng.uniform(-4, 4, 60)])
    sizes = rng.uniform([0.5, 0.5, 1.0], [12.0, 3.0, 9.0], (60, 3))
    # No camera inside of a box, which the slab test would show from within.
    keep = np.hypot(*poses[:, :2].T) - np.hypot(*sizes[:, :2].T) / 2 > 3.0
    triangles, _ = boxes(poses[keep], sizes[keep])
    for camera in (0, 2, 5):
        near, found = drawn(rig, camera, triangles)
        depth, box = expected(rig, camera, poses[keep], sizes[keep])
        assert (box >= 0).mean() > 0.05
        # Rays that touch an edge within rounding.
        assert (found != box).mean() < 2e-4
        both = (found == box) & (box >= 0)
        np.testing.assert_allclose(1 / near[both], depth[both], rtol=2e-3)


def test_surfaces_have_no_holes_where_their_triangles_meet():
    rig = NUPLAN_8.resized(sizes=(192, 108))
    triangles, _ = boxes(np.array([[3.4, 0.0, 0.3]]), np.array([[1.2, 40.0, 30.0]]))
    _, found = drawn(rig, 0, triangles)
    assert (found == 0).all()


@pytest.mark.parametrize(("rig", "camera"), [(NUPLAN_8, 0), (NUPLAN_8, 3), (ARGOVERSE2_7, 1)])
def test_outlines_of_projected_corners_hold_their_own_box_only_and_not_when_the_rig_is_turned(rig, camera):
    rig = rig.resized(scale=0.25)
    ahead = rig.ego_from_camera[camera, :2, 2]
    yaw = np.arctan2(ahead[1], ahead[0])
    poses = np.array([[14 * np.cos(yaw + a), 14 * np.sin(yaw + a), 0.4 * k] for k, a in enumerate((-0.4, 0.0, 0.4))])
    triangles, corners = boxes(poses, np.array([[4.5, 1.9, 1.6], [4.2, 1.8, 1.5], [0.6, 0.6, 1.7]]))
    _, found = drawn(rig, camera, triangles)
    pixels = shapely.points(np.stack(np.meshgrid(*map(np.arange, found.shape[::-1])), axis=-1).astype(float))

    def wrong_pixels(projecting) -> int:
        count = 0
        for row in range(len(corners)):
            ends = (
                corners[row][[0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]],
                corners[row][[1, 3, 0, 2, 5, 7, 4, 6, 4, 5, 6, 7]],
            )
            edges = np.concatenate([ends[0] + s * (ends[1] - ends[0]) for s in np.linspace(0, 1, 30)])
            outline = shapely.convex_hull(shapely.MultiPoint(projecting.project(camera, edges)[0]))
            # Pixels nearer to the outline than the sag of an edge are left out.
            inside = shapely.contains(shapely.buffer(outline, -0.3), pixels)
            outside = ~shapely.contains(shapely.buffer(outline, 0.3), pixels)
            count += int((inside & (found != row)).sum() + (outside & (found == row)).sum())
        return count

    assert wrong_pixels(rig) == 0
    assert wrong_pixels(rig.shifted(yaw_rad=np.radians(0.2))) > 30
    assert wrong_pixels(rig.shifted(pitch_rad=np.radians(0.2))) > 30


def test_boxes_behind_the_camera_are_not_drawn():
    triangles, _ = boxes(np.array([[-9.0, 0.0, 0.0]]), np.array([[4.0, 2.0, 1.5]]))
    _, found = drawn(NUPLAN_8.resized(sizes=(64, 36)), 0, triangles)
    assert (found == -1).all()


def test_rays_beyond_the_monotone_range_of_the_lens_show_no_box():
    # `CameraRig.project` folds these points back into the image.
    rig = NUPLAN_8.resized(sizes=(64, 36))
    poses = np.array([[1.67 + 1.5, 2.4, 0.0]])
    pixels, depth = rig.project(0, np.array([[1.67 + 1.5, 2.4, 1.83]]))
    assert depth[0] > 0
    assert 0 < pixels[0, 0] < 64
    triangles, _ = boxes(poses, np.array([[0.5, 0.5, 1.5]]))
    _, found = drawn(rig, 0, triangles)
    assert (found == -1).all()
