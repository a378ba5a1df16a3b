from dataclasses import replace

import numpy as np
import pytest
import torch
from small_perception import CONFIG, random_input, ring_rig, small_network

from perception.backbones.swin import Swin, SwinConfig
from perception.network import PerceptionNetwork
from perception.pretraining import (
    FeatureDistillation,
    MaskedImageModel,
    MaskSettings,
    average_distance_px,
    pretrain,
    random_masks,
)

SWIN = SwinConfig(width=8, depths=(1, 1), heads=(1, 2))


def test_masks_hide_the_share_of_whole_patches():
    masks = random_masks(5, (128, 352), MaskSettings(share=0.5), np.random.default_rng(0))
    assert masks.shape == (5, 32, 88)
    assert (masks.reshape(5, 4, 8, 11, 8).any(axis=(2, 4)).sum(axis=(1, 2)) == 22).all()
    assert masks.mean() == pytest.approx(0.5)
    assert not np.array_equal(masks[0], masks[1])


def test_the_average_distance_of_one_masked_patch_is_known():
    mask = np.zeros((1, 32, 32), dtype=bool)
    mask[0, 8:16, 8:16] = True
    nearest = np.minimum(np.arange(32) + 1, 32 - np.arange(32))
    assert average_distance_px(mask) == pytest.approx(np.minimum.outer(nearest, nearest).mean())


def test_patches_that_do_not_fit_the_tokens_are_refused():
    with pytest.raises(ValueError, match="multiple of 4 px, got 30 px"):
        random_masks(1, (64, 64), MaskSettings(patch_px=30), np.random.default_rng(0))


def test_only_masked_pixels_count():
    torch.manual_seed(0)
    model = MaskedImageModel(Swin(SWIN)).requires_grad_(False)
    images, hidden = torch.randn(1, 3, 32, 32), torch.zeros(1, 8, 8, dtype=torch.bool)
    assert float(model(images, hidden)) == 0.0
    hidden[:, 2:4, 2:4] = True
    changed = images.clone()
    changed[:, :, 8:16, 8:16] += 100.0
    assert float(model(changed, hidden)) == pytest.approx(100.0, rel=0.05)


def test_pretraining_lowers_the_loss_on_a_smooth_image():
    ramp = torch.linspace(-1, 1, 32).expand(2, 3, 32, 32)
    losses = []
    torch.manual_seed(0)
    pretrain(
        Swin(SWIN),
        [ramp] * 40,
        MaskSettings(patch_px=8),
        learning_rate=3e-3,
        report=lambda _, loss: losses.append(loss),
    )
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


def test_nan_images_stop_the_pretraining():
    with pytest.raises(ValueError, match="stopped at step 1"):
        pretrain(Swin(SWIN), [torch.full((1, 3, 32, 32), torch.nan)], MaskSettings())


def test_distillation_moves_the_student_and_not_the_teacher():
    teacher, student = PerceptionNetwork(replace(CONFIG, bev_channels=16)), small_network().train()
    distillation = FeatureDistillation(student, teacher)
    output, gap = distillation(random_input(), student.table(ring_rig()))
    assert output.bev.shape[1] == 8
    gap.backward()
    assert student.backbone.stem[0].weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert not any(name.startswith("_teacher") for name in distillation.state_dict())


def test_a_teacher_of_other_images_is_refused():
    other = PerceptionNetwork(replace(CONFIG, image_size=(64, 64)))
    with pytest.raises(ValueError, match=r"teacher has images of \(64, 64\) px"):
        FeatureDistillation(small_network(), other)
