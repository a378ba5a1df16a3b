import numpy as np
import pytest

from driving.rigs import ARGOVERSE2_7, AXLE_HEIGHT_M, NUPLAN_8, NUSCENES_6

RIGS = {"nuplan": NUPLAN_8, "nuscenes": NUSCENES_6, "argoverse2": ARGOVERSE2_7}


@pytest.mark.parametrize(("name", "count"), [("nuplan", 8), ("nuscenes", 6), ("argoverse2", 7)])
def test_rigs_have_their_cameras_above_the_road(name, count):
    rig = RIGS[name]
    assert len(set(rig.names)) == count
    heights_m = rig.ego_from_camera[:, 2, 3]
    assert (heights_m > 1.4).all()
    assert (heights_m < 2.0).all()
    turns = rig.ego_from_camera[:, :3, :3]
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (count, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turns), 1.0)


def test_images_have_the_sizes_of_the_data_sets():
    assert set(map(tuple, NUPLAN_8.image_sizes.tolist())) == {(1920, 1080)}
    assert set(map(tuple, NUSCENES_6.image_sizes.tolist())) == {(1600, 900)}
    assert ARGOVERSE2_7.image_sizes[ARGOVERSE2_7.names.index("ring_front_center")].tolist() == [1550, 2048]


@pytest.mark.parametrize(
    ("rig", "camera", "point"),
    [
        ("nuplan", "CAM_F0", (20, 0, 1.5)),
        ("nuplan", "CAM_B0", (-20, 0, 1.5)),
        ("nuplan", "CAM_L1", (-2, 15, 1.5)),
        ("nuplan", "CAM_R2", (-15, -15, 1.5)),
        ("nuscenes", "CAM_FRONT_LEFT", (10, 12, 1.5)),
        ("nuscenes", "CAM_BACK_RIGHT", (-4, -14, 1.5)),
        ("argoverse2", "ring_side_right", (0, -15, 1.5)),
        ("argoverse2", "ring_rear_left", (-15, 8, 1.5)),
    ],
)
def test_cameras_show_what_lies_in_their_direction(rig, camera, point):
    chosen = RIGS[rig]
    row = chosen.names.index(camera)
    pixels, depth = chosen.project(row, np.array([point], dtype=np.float64))
    assert depth[0] > 0
    assert (pixels[0] > 0).all()
    assert (pixels[0] < chosen.image_sizes[row]).all()


@pytest.mark.parametrize("name", RIGS)
def test_every_direction_is_seen_by_a_camera(name):
    rig = RIGS[name]
    angles_rad = np.radians(np.arange(0, 360, 2))
    points = np.stack([30 * np.cos(angles_rad), 30 * np.sin(angles_rad), np.ones_like(angles_rad)], axis=-1)
    shown = np.zeros(len(points), dtype=bool)
    for camera in range(len(rig.names)):
        pixels, depth = rig.project(camera, points)
        # Far outside the field of view the distortion polynomial folds points back into the image.
        near_axis = depth > 0.35 * np.linalg.norm(points, axis=1)
        with np.errstate(invalid="ignore"):
            shown |= near_axis & ((pixels > 0) & (pixels < rig.image_sizes[camera])).all(axis=1)
    assert shown.all()


def test_a_log_frame_lies_at_the_height_of_the_axle():
    in_log = NUPLAN_8.shifted(height_m=-AXLE_HEIGHT_M)
    assert in_log.ego_from_camera[0, 2, 3] == pytest.approx(1.50)
