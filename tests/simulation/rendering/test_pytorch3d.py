"""Scenes in PyTorch3D; where it does not load, with a small stand-in of the same conventions."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import pytorch3d_stand_in

from driving.agents import AgentKind
from driving.geometry import poses_out_of_frame_of
from driving.rigs import ARGOVERSE2_7, NUPLAN_8, NUSCENES_6
from driving.synthetic.scenes import scene
from simulation.rendering.mesh_parts import MeshBuilder, box_rings
from simulation.rendering.pytorch3d import (
    MissingPyTorch3DError,
    RefinementSettings,
    Silhouette,
    draw,
    ground_triangles,
    in_view,
    load_pytorch3d,
    pinholes_of,
    rectified,
    rectified_image,
    refine_extrinsic,
)
from simulation.rendering.renderer import GROUND, SKY, CameraRenderer, PlacedTriangles
from simulation.rendering.snapshot import snapshot_of

RIG = NUSCENES_6.resized(sizes=(64, 36))


@pytest.fixture(params=["stand-in", "pytorch3d"])
def library(request, monkeypatch):
    """Both rasterisers; PyTorch3D where it loads."""
    if request.param == "stand-in":
        pytorch3d_stand_in.install(monkeypatch)
        return
    try:
        load_pytorch3d()
    except MissingPyTorch3DError as error:
        pytest.skip(str(error))


def snapshot_with(scenario, poses_ego, size_m, kind=AgentKind.VEHICLE):
    """The first instant of a scenario with these agents only."""
    now = scenario.observation_at(0)
    snapshot = snapshot_of(now.ego_now.rear_axle_pose, now.agents, now.traffic_lights, now.time_us)
    count = len(poses_ego)
    return replace(
        snapshot,
        track_ids=tuple(f"agent {k}" for k in range(count)),
        kinds=np.full(count, kind, dtype=np.int8),
        poses=poses_out_of_frame_of(np.asarray(poses_ego, dtype=np.float64), snapshot.ego_pose),
        sizes_m=np.tile(np.asarray(size_m, dtype=np.float64), (count, 1)),
        is_braking=np.zeros(count, dtype=bool),
        turn_signals=np.zeros(count, dtype=np.int8),
    )


@pytest.mark.parametrize("rig", [NUPLAN_8, NUSCENES_6, ARGOVERSE2_7])
def test_cameras_of_pytorch3d_project_points_to_the_pixels_of_the_rig(rig):
    rig = rectified(rig)
    points = np.random.default_rng(3).uniform([-40, -40, 0], [40, 40, 6], (200, 3))
    cameras = pinholes_of(rig)
    for camera in range(len(rig.names)):
        expected, depth = rig.project(camera, points)
        view = points @ cameras.rotations[camera] + cameras.translations_m[camera]
        np.testing.assert_allclose(view[:, 2], depth, atol=1e-9)
        is_ahead = depth > 0.5
        ratio = view[is_ahead, :2] / view[is_ahead, 2:]
        # Screen coordinates of PyTorch3D grow to the right and down, view coordinates to the left and up.
        screen = cameras.principal_points_px[camera] - cameras.focal_lengths_px[camera] * ratio
        np.testing.assert_allclose(screen - 0.5, expected[is_ahead], atol=1e-6)


def test_a_distorted_rig_is_refused_with_the_name_of_its_camera():
    with pytest.raises(ValueError, match=r"Camera CAM_F0 has distortion .* Use `rectified\(rig\)`"):
        pinholes_of(NUPLAN_8)
    pinholes_of(rectified(NUPLAN_8))


def test_rectified_images_show_each_ray_at_the_pixel_of_the_rig_without_distortion():
    rig = NUPLAN_8.resized(sizes=(96, 54))
    coordinates = np.stack(np.meshgrid(np.arange(96.0), np.arange(54.0)), axis=-1)
    straight = rectified_image(rig, 0, coordinates)
    points = np.random.default_rng(0).uniform([8, -3, 0], [30, 3, 3], (50, 3))
    distorted, _ = rig.project(0, points)
    pixels = np.rint(rectified(rig).project(0, points)[0]).astype(int)
    is_inside = ((pixels >= 0) & (pixels < [96, 54])).all(axis=1)
    assert is_inside.sum() > 20
    shown = straight[pixels[is_inside, 1], pixels[is_inside, 0]]
    assert np.abs(shown - distorted[is_inside]).max() < 1.2


def test_the_ground_faces_up_and_covers_the_plane_once():
    corners = ground_triangles().astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 2] > 0).all()
    radius = np.hypot(*corners[..., :2].reshape(-1, 2).T).max()
    polygon = 16 / 2 * np.sin(2 * np.pi / 16) * radius**2
    assert normals[:, 2].sum() / 2 == pytest.approx(polygon)


def test_triangles_in_view_are_those_with_a_part_inside_of_the_pyramid():
    rng = np.random.default_rng(1)
    centres = rng.uniform([-30, -30, 0], [30, 30, 4], (400, 1, 3))
    corners = (centres + rng.normal(0, 0.5, (400, 3, 3))).astype(np.float32)
    shown = in_view(RIG, 0, corners)
    pixels, depth = RIG.project(0, corners.reshape(-1, 3).astype(np.float64))
    is_inside = ((pixels > -0.5) & (pixels < [63.5, 35.5])).all(axis=1) & (depth > 0.1)
    assert shown[is_inside.reshape(-1, 3).any(axis=1)].all()
    assert not shown[(depth.reshape(-1, 3) < 0).all(axis=1)].any()
    assert 0.05 < shown.mean() < 0.5
    assert (in_view(RIG, 0, corners, margin=0.5) | ~shown).all()


def test_instances_and_depth_equal_those_of_the_renderer_and_a_turned_rig_differs(library):
    scenario = scene("straight_road")
    snapshot = snapshot_with(scenario, [[14.0, 2, 0.3], [30, -3, 1], [8, -2, 0]], [4.5, 1.9, 1.6])
    renderer = CameraRenderer(scenario.map, RIG)
    images = renderer.render(snapshot, (0,))
    ids, depth_m = images.instances[0], images.depth_m[0]
    triangles = renderer.triangles(snapshot)
    ((found,),) = draw([triangles], RIG, cameras=(0,))
    assert (found.instances == ids).mean() >= 0.999
    assert {0, 2, GROUND, SKY} <= set(np.unique(found.instances).tolist())
    np.testing.assert_array_equal(np.isinf(found.depth_m), found.instances == SKY)
    is_near = (depth_m < 200) & (found.depth_m < 200)
    np.testing.assert_allclose(np.median(found.depth_m[is_near] / depth_m[is_near]), 1.0, atol=1e-4)
    ((turned,),) = draw([triangles], RIG.shifted(yaw_rad=0.02), cameras=(0,))
    assert (turned.instances != ids).mean() > 0.005


def test_a_batch_of_scenes_equals_its_members_also_with_images_of_several_sizes(library):
    scenario = scene("straight_road")
    sizes = np.array([[64, 36], [48, 40]] + [[64, 36]] * 4)
    rig = NUSCENES_6.resized(sizes=sizes)
    renderer = CameraRenderer(scenario.map, rig)
    scenes = [
        renderer.triangles(snapshot_with(scenario, [[distance_m, 0, 0]], [4, 2, 2])) for distance_m in (8.0, 20.0)
    ]
    both = draw(scenes, rig, cameras=(1, 0))
    for triangles, images in zip(scenes, both, strict=True):
        assert [one.instances.shape for one in images] == [(40, 48), (36, 64)]
        (alone,) = draw([triangles], rig, cameras=(0,))
        np.testing.assert_array_equal(alone[0].instances, images[1].instances)
        np.testing.assert_array_equal(alone[0].depth_m, images[1].depth_m)
    assert (both[0][1].instances == 0).sum() > 2 * (both[1][1].instances == 0).sum() > 0


def box_triangles(centre_m, size_m, heading_rad):
    """Triangles of a box on the ground in the ego frame."""
    builder = MeshBuilder()
    half = np.array([size_m[0], size_m[1]]) / 2
    builder.loft(box_rings([-half[0], -half[1], 0.0], [half[0], half[1], size_m[2]]), (90, 90, 90))
    mesh = builder.build()
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    points = mesh.vertices_m @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + [*centre_m, 0.0]
    return points[mesh.triangles].astype(np.float32)


@pytest.fixture
def silhouettes(library):
    """Boxes before the first camera at two instants, and the pixels that show them."""
    found = []
    for places in (((9.0, 2.5, 0.3), (16.0, -4.0, 0.0)), ((12.0, -1.5, 0.0), (11.0, 4.0, 1.0))):
        corners = np.concatenate([box_triangles(place[:2], (3.0, 1.5, 2.0), place[2]) for place in places])
        agents = PlacedTriangles(corners, np.zeros(len(corners), dtype=np.int32))
        ((image,),) = draw([agents], RIG, cameras=(0,))
        found.append(Silhouette(corners=corners, mask=image.instances == 0))
    return found


def angle_to(rig, other) -> float:
    """Angle between the first cameras of two rigs [degrees]."""
    turn = rig.ego_from_camera[0, :3, :3].T @ other.ego_from_camera[0, :3, :3]
    return float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))


def test_a_wrong_extrinsic_is_corrected_from_silhouettes(silhouettes):
    wrong = RIG.shifted(pitch_rad=np.radians(1.5), yaw_rad=np.radians(-2.0))
    settings = RefinementSettings(steps=40, angle_rate_rad=0.004, blur_px=(3.0, 0.5), faces_per_pixel=12)
    refined = refine_extrinsic(wrong, 0, silhouettes, settings)
    assert angle_to(wrong, RIG) > 2.4
    assert angle_to(refined.rig, RIG) < 0.5
    assert refined.losses.shape == (40,)
    assert refined.losses[-1] < 0.5 * refined.losses[0]
    np.testing.assert_array_equal(refined.rig.ego_from_camera[1:], wrong.ego_from_camera[1:])
    np.testing.assert_array_equal(refined.shift_m, 0.0)
    # The first angle is the tilt of the camera's y axis towards z.
    assert np.degrees(refined.rotation_rad[0]) == pytest.approx(1.5, abs=0.35)


def test_a_wrong_position_is_corrected_where_it_is_refined(silhouettes):
    wrong = RIG.shifted(height_m=0.3)
    settings = RefinementSettings(
        steps=25, angle_rate_rad=0.0, position_rate_m=0.04, blur_px=(3.0, 0.5), faces_per_pixel=8
    )
    refined = refine_extrinsic(wrong, 0, silhouettes, settings)
    error_m = refined.rig.ego_from_camera[0, 2, 3] - RIG.ego_from_camera[0, 2, 3]
    assert abs(error_m) < 0.1
    np.testing.assert_array_equal(refined.rotation_rad, 0.0)


def test_silhouettes_that_cannot_be_used_are_refused(silhouettes):
    wide = replace(silhouettes[0], mask=np.ones((36, 80), dtype=bool))
    with pytest.raises(ValueError, match="mask of camera CAM_FRONT has 80 x 36 px, its images have 64 x 36 px"):
        refine_extrinsic(RIG, 0, [wide])
    behind = replace(silhouettes[0], corners=silhouettes[0].corners * np.float32([-1, 1, 1]))
    with pytest.raises(ValueError, match="No agent is in view of camera CAM_FRONT"):
        refine_extrinsic(RIG, 0, [behind])


def test_a_missing_library_is_reported_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch3d.renderer", None)
    with pytest.raises(MissingPyTorch3DError, match=r"cannot be loaded beside torch .* needs torch 2.11 or 2.12"):
        load_pytorch3d()
