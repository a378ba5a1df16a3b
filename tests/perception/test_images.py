import numpy as np
import pytest
import torch

from driving.rigs import ARGOVERSE2_7, NUPLAN_8, NUSCENES_6
from perception.images import BadImageError, checked_image, fit_rig, network_images


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 6), np.uint8), r"CAM_F0 has a grey image of shape \(4, 6\). Convert it to RGB"),
        (np.zeros((4, 6, 4), np.uint8), r"CAM_F0 has an image of shape \(4, 6, 4\)"),
        (np.zeros((4, 6, 3), np.uint16), "CAM_F0 has 16 bits per channel, expected 8"),
        (np.zeros((4, 6, 3)), "CAM_F0 has float64 pixels, expected uint8"),
        (np.full((4, 6, 3), np.nan), "CAM_F0 has NaN or infinite values in 24 pixels"),
        (np.zeros((6, 4, 3), np.uint8), "CAM_F0 has an image of 4 x 6 px, but its rig says 6 x 4"),
    ],
)
def test_unfit_images_name_the_camera_and_what_to_do(image, message):
    with pytest.raises(BadImageError, match=message):
        checked_image(image, "CAM_F0", (6, 4))


def test_images_are_centred_scaled_and_channels_come_first():
    images = network_images(np.full((2, 4, 6, 3), 255, dtype=np.uint8))
    assert images.shape == (2, 3, 4, 6)
    assert torch.allclose(images, torch.tensor((1 - 0.45) / 0.25))


@pytest.mark.parametrize("rig", [NUPLAN_8, NUSCENES_6, ARGOVERSE2_7])
def test_the_fitted_rig_projects_to_the_pixel_that_the_fitted_image_shows(rig):
    fitted = fit_rig(rig, (128, 352))
    assert (fitted.rig.image_sizes == [352, 128]).all()
    camera = len(rig.names) - 1
    axis = rig.ego_from_camera[camera][:3, 2]
    point = (rig.ego_from_camera[camera][:3, 3] + 20 * axis - [0, 0, 1.0])[np.newaxis]
    before, after = rig.project(camera, point)[0][0], fitted.rig.project(camera, point)[0][0]
    width, height = rig.image_sizes[camera]
    image = np.zeros((height, width, 3), dtype=np.uint8)
    u, v = np.rint(before).astype(int)
    image[v - 8 : v + 9, u - 8 : u + 9] = 255
    small = fitted.image(camera, image)[..., 0].astype(float)
    rows, columns = np.nonzero(small > 127)
    assert [columns.mean(), rows.mean()] == pytest.approx(after.tolist(), abs=0.6)


def test_missing_cameras_become_black_and_are_flagged():
    rig = NUSCENES_6.resized(scale=0.25)
    fitted = fit_rig(rig, (64, 176))
    images = [np.full((225, 400, 3), 200, dtype=np.uint8) for _ in rig.names]
    images[2] = None
    prepared, present = fitted.prepare(images)
    assert present.tolist() == [True, True, False, True, True, True]
    assert prepared[2].max() == 0
    assert prepared[0].min() == 200
    with pytest.raises(ValueError, match="has 6 cameras, got 2 images"):
        fitted.prepare(images[:2])
