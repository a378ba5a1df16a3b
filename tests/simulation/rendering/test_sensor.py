"""Noise, blur, drops and streaks."""

from dataclasses import replace

import numpy as np

from simulation.rendering.appearance import DAY, RAIN
from simulation.rendering.sensor import (
    LIGHT_PER_LEVEL,
    NOISE_SAMPLES,
    Spots,
    add_spots,
    add_streaks,
    blur,
    lens_spots,
    noise_samples,
    rain_streaks,
    row_starts,
)
from simulation.rendering.shading import develop


def test_noise_has_its_deviation_at_middle_brightness_and_depends_on_time_and_camera_only():
    appearance = replace(DAY, noise_sd=3.0)
    samples = noise_samples(appearance, 5, 300)
    light = np.full((60, 100, 3), 600, dtype=np.uint16)
    images = []
    for time_us, camera in ((0, 0), (0, 0), (1, 0), (0, 1)):
        image = np.empty((60, 100, 3), dtype=np.uint8)
        develop(light, samples, row_starts(5, time_us, camera, 60), image)
        images.append(image)
    # The slope of the tone curve at 600 of 2048 is above that at the middle.
    assert 3.0 < images[0].std() < 5.5
    assert (images[0] == images[1]).all()
    assert (images[0] != images[2]).mean() > 0.5
    assert (images[0] != images[3]).mean() > 0.5
    assert len(samples) == NOISE_SAMPLES + 300
    assert abs(samples.std() / LIGHT_PER_LEVEL - 3.0) < 0.05


def test_rows_start_anywhere_in_the_noise_and_apart_from_each_other():
    starts = np.concatenate([row_starts(seed, 1_600_000_000_000_000 + seed, 1, 2000) for seed in range(5)])
    assert 0 <= starts.min() < 50
    assert NOISE_SAMPLES - 50 < starts.max() < NOISE_SAMPLES
    counts = np.bincount(starts // (NOISE_SAMPLES // 16), minlength=16)
    assert counts.min() > 500
    assert abs(np.corrcoef(starts[:-1], starts[1:])[0, 1]) < 0.05


def test_the_tone_curve_grows_from_black_to_white():
    light = np.arange(0, 4096, 16, dtype=np.uint16).repeat(3).reshape(1, -1, 3)
    image = np.empty(light.shape, dtype=np.uint8)
    develop(light, np.zeros(NOISE_SAMPLES, dtype=np.int16), np.zeros(1, dtype=np.int64), image)
    assert (np.diff(image[0, :, 0].astype(int)) >= 0).all()
    assert image[0, 0, 0] == 0
    assert image[0, 64, 0] == 192
    assert image[0, -1, 0] == 255


def test_blur_keeps_the_light_and_spreads_it_by_its_deviation():
    for sd_px in (0.5, 1.2):
        light = np.zeros((21, 21, 3), dtype=np.uint16)
        light[10, 10] = 40_000
        blur(light, sd_px)
        share = light[..., 1] / light[..., 1].sum()
        assert abs(light[..., 1].sum() / 40_000 - 1) < 0.01
        offset = np.arange(21) - 10
        assert abs((share.sum(axis=0) * offset**2).sum() - sd_px**2) < 0.05
        assert abs((share.sum(axis=1) * offset**2).sum() - sd_px**2) < 0.05


def test_spots_show_their_source_under_their_colour():
    light = np.array([[[100, 0, 0], [0, 200, 0]]], dtype=np.uint16)
    spots = Spots(
        targets=np.array([0, 1], dtype=np.int32),
        sources=np.array([1, 0], dtype=np.int32),
        opacity=np.array([0.0, 0.5], dtype=np.float32),
        colour=np.array([0, 0, 80], dtype=np.float32),
    )
    add_spots(light, spots)
    assert light.tolist() == [[[0, 200, 0], [50, 0, 40]]]


def test_a_clean_dry_lens_has_no_spots_and_dirt_and_rain_cover_a_part_of_it():
    assert len(lens_spots(DAY, 0, 0, (64, 48)).targets) == 0
    dirty = lens_spots(replace(DAY, dirt=0.8), 0, 0, (64, 48))
    assert 0 < len(dirty.targets) < 64 * 48
    assert (dirty.targets == dirty.sources).all()
    wet = lens_spots(RAIN, 0, 0, (64, 48))
    assert (wet.targets != wet.sources).any()
    assert wet.sources.min() >= 0
    assert wet.sources.max() < 64 * 48


def test_streaks_stay_within_the_image_and_brighten_towards_their_colour():
    light = np.zeros((48, 64, 3), dtype=np.uint16)
    streaks = rain_streaks(RAIN, np.random.default_rng(0), (64, 48))
    add_streaks(light, streaks, np.array([500, 500, 500], dtype=np.float32))
    assert 0 < light.max() < 500
    assert 0.02 < (light > 0).mean() < 0.6
