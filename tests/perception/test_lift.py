from dataclasses import replace

import numpy as np
import pytest
import torch
from small_perception import GRID, ring_rig

from driving.cameras import monotone_radius
from driving.rigs import NUPLAN_8
from perception.grid import BevGrid
from perception.images import fit_rig
from perception.lift import (
    LiftPoints,
    PullLift,
    SplatLift,
    lift_table,
    pixel_rays,
    present_weights,
    stack_tables,
    visible_pixels,
)

FEATURES = GRID.coarser(2)
GROUND = LiftPoints(offsets_m=((0.0, 0.0, 0.0),))


def test_a_pull_is_the_bilinear_value_at_the_projected_point():
    rig = ring_rig((0.0,))
    table = lift_table(rig, FEATURES, 8, GROUND)
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(8.0), indexing="ij")
    features = (10 * rows + columns).flatten()
    pulled = (features[table.pixels[0]] * table.weights[0]).sum(dim=-1).view(*FEATURES.shape)
    point = FEATURES.centres()[13, 9]
    (u, v), _ = rig.project(0, np.array([[*point, 0.0]]))[0][0], None
    expected = 10 * ((v + 0.5) / 8 - 0.5) + (u + 0.5) / 8 - 0.5
    assert float(pulled[13, 9]) == pytest.approx(expected, abs=1e-4)


def test_weights_are_averaged_over_the_cameras_that_show_a_point_and_zero_behind():
    table = lift_table(ring_rig((0.0, 10.0)), FEATURES, 8, GROUND)
    both = torch.tensor([True, True])
    sums = present_weights(table, 0, both).sum(dim=-1).view(*FEATURES.shape)
    assert float(sums[14, 8]) == pytest.approx(1.0)
    assert float(sums[2, 8]) == 0.0


def test_a_missing_camera_is_left_out_of_the_average():
    rig = ring_rig((0.0, 10.0))
    table = lift_table(rig, FEATURES, 8, GROUND)
    alone = lift_table(ring_rig((10.0,)), FEATURES, 8, GROUND)
    without_first = present_weights(table, 0, torch.tensor([False, True]))
    features = torch.randn(2, 4 * 8)
    expected = (features[1][alone.pixels[0]] * alone.weights[0]).sum(dim=-1)
    pulled = (features.flatten()[table.pixels[0]] * without_first).sum(dim=-1)
    assert torch.allclose(pulled, expected, atol=1e-5)


def test_gradients_of_the_pull_equal_those_of_a_plain_gather():
    table = lift_table(ring_rig(), FEATURES, 8)
    lift = PullLift(FEATURES, 6, 5, 7)
    features = torch.randn(2, 4, 5, 4, 8, requires_grad=True)
    present = torch.tensor([[True, True, True, True], [True, False, True, True]])
    out = lift(features, table, present)
    rows = features.permute(0, 1, 3, 4, 2).flatten(1, 3)
    plain = []
    for sample in range(2):
        weights = present_weights(table, 0, present[sample])
        points = (rows[sample][table.pixels[0]] * weights[..., None]).sum(dim=1)
        seen = weights.sum(dim=-1).view(-1, 6)
        plain.append((lift.mix(points.view(len(seen), -1)) + lift.mix_seen(seen)).T.unflatten(1, FEATURES.shape))
    expected = torch.stack(plain)
    assert torch.allclose(out, expected, atol=1e-5)
    weight = torch.randn_like(out)
    (first,) = torch.autograd.grad((out * weight).sum(), features, retain_graph=True)
    (second,) = torch.autograd.grad((expected * weight).sum(), features)
    assert torch.allclose(first, second, atol=1e-4)


def test_a_batch_of_rigs_equals_its_members():
    rigs = [ring_rig(), ring_rig().shifted(pitch_rad=0.1), ring_rig((0.0, 5.0, 10.0, 15.0))]
    tables = [lift_table(rig, FEATURES, 8) for rig in rigs]
    lift, present = PullLift(FEATURES, 6, 5, 7), torch.ones(3, 4, dtype=torch.bool)
    features = torch.randn(3, 4, 5, 4, 8, requires_grad=True)
    out = lift(features, stack_tables(tables), present)
    out.square().sum().backward()
    for row, table in enumerate(tables):
        one = features[row : row + 1].detach().requires_grad_()
        alone = lift(one, table, present[:1])
        alone.square().sum().backward()
        assert torch.allclose(out[row], alone[0], atol=1e-5)
        assert torch.allclose(features.grad[row], one.grad[0], atol=1e-3)
    with pytest.raises(ValueError, match="as many cameras"):
        stack_tables([tables[0], lift_table(ring_rig((0.0,)), FEATURES, 8)])


def test_images_of_different_sizes_are_refused_by_name():
    rig = ring_rig((0.0, 90.0))
    rig = replace(rig, image_sizes=np.array([[64, 32], [32, 32]]))
    with pytest.raises(ValueError, match="CAM_0 64 x 32, CAM_90 32 x 32"):
        lift_table(rig, FEATURES, 8)


def test_rays_are_the_inverse_of_the_projection_also_with_distortion():
    rig = fit_rig(NUPLAN_8, (128, 352)).rig
    pixels = np.array([[175.0, 60.0], [30.0, 100.0], [340.0, 20.0]])
    rays = pixel_rays(rig, 2, pixels)
    projected, visible = visible_pixels(rig, 2, rig.ego_from_camera[2][:3, 3] + 7.0 * rays)
    assert visible.all()
    assert projected == pytest.approx(pixels, abs=0.05)


def test_points_beyond_the_monotone_range_of_the_distortion_are_not_visible():
    """A barrel polynomial folds back, so that a point far to the side would land inside of the image."""
    distortion = np.array([-0.35, 0.0, 0.0, 0.0, 0.0])
    assert monotone_radius(distortion) == pytest.approx(np.sqrt(1 / (3 * 0.35)))
    assert monotone_radius(np.zeros(5)) == np.inf
    rig = replace(ring_rig((0.0,)), distortion=distortion[np.newaxis])
    points = np.array([[10.0, 5.0, 1.5], [10.0, 16.0, 1.5]])
    pixels, visible = visible_pixels(rig, 0, points)
    assert 0 < pixels[1, 0] < 64
    assert visible.tolist() == [True, False]


def test_a_splat_moves_features_to_the_cells_along_the_ray_and_keeps_their_sum():
    table = lift_table(ring_rig((0.0,)), FEATURES, 8, with_splat=True)
    lift = SplatLift(FEATURES, 5, 6)
    assert lift(torch.randn(2, 1, 5, 4, 8), table, torch.ones(2, 1, dtype=torch.bool)).shape == (2, 6, 16, 16)
    cells = table.splat_cells[0]
    outside = FEATURES.shape[0] * FEATURES.shape[1]
    ahead = cells[cells < outside] // FEATURES.shape[1]
    assert len(ahead) > 0
    assert int(ahead.min()) >= 8


def test_a_rig_of_another_resolution_samples_the_same_scene():
    """The table follows the intrinsics: a gradient image at twice the resolution gives the same values."""
    grid = BevGrid(x_min_m=2.0, x_max_m=10.0, y_min_m=-4.0, y_max_m=4.0, cell_m=1.0)
    small, large = ring_rig((0.0,)), ring_rig((0.0,)).resized(scale=2.0)
    values = []
    for rig, stride in ((small, 8), (large, 16)):
        table = lift_table(rig, grid, stride, GROUND)
        values.append((torch.arange(32.0)[table.pixels[0]] * table.weights[0]).sum(dim=-1))
    assert torch.allclose(values[0], values[1], atol=1e-4)
