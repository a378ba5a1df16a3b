"""Panorama of the sky: gradient, clouds, sun, stars, and a far line of trees at the horizon."""

import numpy as np
from jaxtyping import UInt32

from simulation.rendering.appearance import Appearance
from simulation.rendering.camera_tables import SKY_COLUMNS, SKY_ROWS
from simulation.rendering.lighting import WHITE


def sky_panorama(appearance: Appearance, seed: int) -> UInt32[np.ndarray, "rows columns"]:
    """Light of the sky, 10 bits each for red, green and blue from the lowest bit up, in steps of 4.

    Column 0 is the east, columns run counter-clockwise; rows run by the square root of the elevation.
    """
    rng = np.random.default_rng([seed, 0x5C1])
    elevation = ((np.arange(SKY_ROWS) + 0.5) / SKY_ROWS) ** 2 * np.pi / 2
    azimuth = (np.arange(SKY_COLUMNS) + 0.5) / SKY_COLUMNS * 2 * np.pi
    zenith, horizon = np.array(appearance.zenith), np.array(appearance.horizon)
    up = np.sin(elevation)[:, np.newaxis]
    sky = (horizon + (1 - np.exp(-3.0 * up)) * (zenith - horizon))[:, np.newaxis] * np.ones((1, SKY_COLUMNS, 1))

    sun = np.array([appearance.sun_azimuth_rad, appearance.sun_elevation_rad])
    toward_sun = np.sin(elevation)[:, np.newaxis] * np.sin(sun[1]) + np.cos(elevation)[:, np.newaxis] * np.cos(
        sun[1]
    ) * np.cos(azimuth - sun[0])
    clear = 1 - appearance.cloud_cover
    glow = np.array(appearance.sun_colour) * (0.3 + 0.7 * clear)
    sky += (0.55 * np.exp(-(1 - toward_sun) * 14) + 0.9 * np.exp(-(1 - toward_sun) * 160))[..., np.newaxis] * glow

    density = _clouds(rng, elevation, azimuth)
    limit = np.quantile(density, 1 - 0.75 * appearance.cloud_cover) if appearance.cloud_cover > 0 else np.inf
    cloud = np.clip((density - limit) * 1.3, 0.0, 1.0) * np.clip(elevation[:, np.newaxis] / 0.12, 0.0, 1.0)
    lit = 0.55 * horizon + 0.35 * np.array(appearance.ambient) + 0.35 * np.array(appearance.sun_colour)
    shade = np.clip(1.05 - 0.18 * (density - limit), 0.6, 1.1) if np.isfinite(limit) else np.ones_like(density)
    sky += (0.85 * cloud)[..., np.newaxis] * (lit * shade[..., np.newaxis] - sky)

    disc = np.clip((toward_sun - np.cos(0.022)) / (1 - np.cos(0.018)), 0, 1) * (1 - 0.9 * cloud)
    sky += disc[..., np.newaxis] * np.array(appearance.sun_colour) * 4.0
    if appearance.sun_elevation_rad < -0.1:
        stars = (rng.random((SKY_ROWS, SKY_COLUMNS)) > 0.9985) * (1 - cloud) * rng.uniform(0.05, 0.35)
        sky += stars[..., np.newaxis]

    hidden = 1 - np.exp(-appearance.fog_per_m * 100.0 / np.maximum(up, 0.04))
    sky += hidden[..., np.newaxis] * (0.97 * horizon - sky)
    _draw_far_trees(sky, rng, elevation, appearance)
    steps = np.clip(sky * (WHITE * appearance.exposure / 4), 0, 1023).astype(np.uint32)
    return steps[..., 0] | steps[..., 1] << np.uint32(10) | steps[..., 2] << np.uint32(20)


def _clouds(rng: np.random.Generator, elevation: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
    """Density of mean 0 and deviation 1, from noise on a plane above."""
    size = 512
    frequency = np.hypot(np.fft.fftfreq(size)[:, np.newaxis], np.fft.fftfreq(size)) * size
    spectrum = np.fft.fft2(rng.normal(size=(size, size))) / np.maximum(frequency, 3.0) ** 1.7
    plane = np.fft.ifft2(spectrum).real
    plane = (plane - plane.mean()) / plane.std()
    # Perspective of a layer of clouds, flattened so that it stays finite at the horizon.
    distance = (1.0 / np.tan(np.maximum(elevation, 0.01) * 0.8 + 0.12))[:, np.newaxis]
    x, y = distance * np.cos(azimuth) * 26.0, distance * np.sin(azimuth) * 26.0
    left, low = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, high = (left + 1) % size, (low + 1) % size
    dx, dy = x - left, y - low
    left, low = left % size, low % size
    lower = plane[low, left] * (1 - dx) + plane[low, right] * dx
    upper = plane[high, left] * (1 - dx) + plane[high, right] * dx
    return lower * (1 - dy) + upper * dy


def _draw_far_trees(sky: np.ndarray, rng: np.random.Generator, elevation: np.ndarray, appearance: Appearance) -> None:
    """A hazy silhouette, 0.5 to 2 degrees high."""
    waves = np.arange(1, 200)
    phases, heights = rng.uniform(0, 2 * np.pi, len(waves)), rng.normal(size=len(waves)) / waves**0.75
    turn = (np.arange(SKY_COLUMNS) + 0.5) / SKY_COLUMNS * 2 * np.pi
    line = (heights[:, np.newaxis] * np.cos(waves[:, np.newaxis] * turn + phases[:, np.newaxis])).sum(axis=0)
    top = np.radians(1.2 + 0.45 * np.clip(line / line.std(), -1.8, 2.5))
    share = np.clip((top - elevation[:, np.newaxis]) / np.radians(0.12) + 0.5, 0.0, 1.0)
    clear = float(np.exp(-appearance.fog_per_m * 400.0)) * 0.75
    light = np.array(appearance.ambient) + 0.3 * np.array(appearance.sun_colour)
    trees = np.array(appearance.horizon) + clear * (
        np.array([0.20, 0.25, 0.17]) * light - np.array(appearance.horizon)
    )
    sky += share[..., np.newaxis] * (trees - sky)
