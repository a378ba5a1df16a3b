"""What lens and sensor add to the light of a scene: noise, blur, streaks of rain, drops and dirt on the lens."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int16, Int32, Int64, UInt16

from simulation.geometry.compiling import njit
from simulation.rendering.appearance import Appearance
from simulation.rendering.lighting import WHITE

NOISE_SAMPLES = 1 << 16
LIGHT_PER_LEVEL = 8.0
"""Light per level of 255 at middle brightness of the tone curve."""
MAX_STREAKS, STREAK_HEIGHT_SHARE = 260, 0.09


class Spots(NamedTuple):
    """Pixels, counted by rows, that a drop or dirt on the lens covers."""

    targets: Int32[np.ndarray, "spots"]
    sources: Int32[np.ndarray, "spots"]
    """Pixel that is seen through the drop instead."""
    opacity: Float32[np.ndarray, "spots"]
    colour: Float32[np.ndarray, "3"]


def noise_samples(appearance: Appearance, seed: int, longest_row: int) -> Int16[np.ndarray, "samples"]:
    """Gaussian noise in units of light, long enough for a row that starts at any of `NOISE_SAMPLES`."""
    rng = np.random.default_rng([seed, 0x401])
    samples = rng.normal(0.0, LIGHT_PER_LEVEL * appearance.noise_sd, NOISE_SAMPLES + longest_row)
    return np.rint(samples).clip(-2000, 2000).astype(np.int16)


def row_starts(seed: int, time_us: int, camera: int, height: int) -> Int64[np.ndarray, "height"]:
    """First noise sample of each row, by seed, time and camera only.

    Source:
        Finaliser of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    """
    # A hash of the row number instead of a generator, whose start takes as long as the noise of an image.
    key = ((seed * 0x9E3779B97F4A7C15 + time_us) * 0xD1B54A32D192ED03 + camera * 0x8CB92BA72F3D8DD7) % (1 << 64)
    mixed = np.arange(height, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed >> np.uint64(64 - NOISE_SAMPLES.bit_length() + 1)).astype(np.int64)


def lens_spots(appearance: Appearance, seed: int, camera: int, size: tuple[int, int]) -> Spots:
    """Drops and dirt on the lens of a camera; they do not move.

    Args:
        appearance: Amount of both.
        seed: Of their places.
        camera: Number in the rig.
        size: Width and height of the image.
    """
    rng = np.random.default_rng([seed, camera, 0xD1])
    width, height = size
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    opacity, source = np.zeros((height, width)), np.arange(width * height).reshape(height, width)
    for _ in range(round(14 * appearance.dirt)):
        at, radius = rng.uniform([0, 0], [width, height]), rng.uniform(0.02, 0.09) * width
        stretch = rng.uniform(0.6, 1.6)
        distance = np.hypot((x - at[0]) * stretch, y - at[1]) / radius
        ragged = distance + 0.15 * np.sin(3 * np.arctan2(y - at[1], x - at[0]) + rng.uniform(0, 6))
        opacity = np.maximum(opacity, rng.uniform(0.3, 0.75) * appearance.dirt * np.clip(1.4 - 1.2 * ragged, 0, 1))
    for _ in range(round(22 * appearance.rain)):
        at, radius = rng.uniform([0, 0], [width, height]), rng.uniform(0.006, 0.022) * width
        dx, dy = (x - at[0]) / radius, (y - at[1]) / (radius * rng.uniform(1.0, 1.5))
        inside = dx**2 + dy**2 < 1
        # A drop turns the scene behind it upside down.
        u, v = at[0] - dx * radius * 4.0, at[1] - dy * radius * 4.0
        seen = np.clip(v, 0, height - 1).astype(np.int64) * width + np.clip(u, 0, width - 1).astype(np.int64)
        source = np.where(inside, seen, source)
        opacity = np.where(inside, np.clip(0.10 + 0.35 * (dx**2 + dy**2) ** 2, 0, 1) * 0.6, opacity)
    targets = np.flatnonzero((opacity > 0.004) | (source != np.arange(width * height).reshape(height, width)))
    grey = 0.35 * np.array(appearance.ambient) * WHITE * appearance.exposure
    return Spots(
        targets=targets.astype(np.int32),
        sources=source.ravel()[targets].astype(np.int32),
        opacity=opacity.ravel()[targets].astype(np.float32),
        colour=(grey * [1.0, 0.95, 0.85]).astype(np.float32),
    )


def rain_streaks(
    appearance: Appearance, rng: np.random.Generator, size: tuple[int, int]
) -> Float64[np.ndarray, "streaks 4"]:
    """Column, first row, height and opacity of streaks in an image of a width and height."""
    count = round(MAX_STREAKS * appearance.rain)
    width, height = size
    lengths = height * STREAK_HEIGHT_SHARE * rng.uniform(0.3, 1.0, count)
    return np.column_stack(
        [rng.uniform(0, width, count), rng.uniform(-lengths, height), lengths, rng.uniform(0.04, 0.2, count)]
    )


@njit(cache=True)
def add_spots(light: UInt16[np.ndarray, "height width 3"], spots: Spots) -> None:
    """Cover pixels of an image in place."""
    pixels = light.reshape(-1, 3)
    seen = np.empty((len(spots.targets), 3), dtype=np.float32)
    for k in range(len(spots.targets)):
        for i in range(3):
            value = np.float32(pixels[spots.sources[k], i])
            seen[k, i] = value + spots.opacity[k] * (spots.colour[i] - value)
    for k in range(len(spots.targets)):
        for i in range(3):
            pixels[spots.targets[k], i] = np.uint16(seen[k, i])


@njit(cache=True)
def add_streaks(
    light: UInt16[np.ndarray, "height width 3"],
    streaks: Float64[np.ndarray, "streaks 4"],
    colour: Float32[np.ndarray, "3"],
) -> None:
    """Draw slightly slanted streaks in place."""
    height, width = light.shape[:2]
    for k in range(len(streaks)):
        u, first, length, opacity = streaks[k]
        for step in range(int(length) + 1):
            v, x = int(first) + step, int(u + 0.12 * step)
            if 0 <= v < height and 0 <= x < width:
                for i in range(3):
                    value = float(light[v, x, i])
                    light[v, x, i] = np.uint16(value + opacity * (colour[i] - value))


@njit(cache=True)
def blur(light: UInt16[np.ndarray, "height width 3"], sd_px: float) -> None:
    """Blur in place with repeated three-tap filters of a total variance `sd_px` squared."""
    height, width = light.shape[:2]
    variance = sd_px * sd_px
    passes = int(variance / 0.5) + 1
    side = np.float32(variance / passes / 2)
    middle = np.float32(1.0) - 2 * side
    row = np.empty((width, 3), dtype=np.float32)
    before = np.empty((width, 3), dtype=np.float32)
    for _ in range(passes):
        for v in range(height):
            for u in range(width):
                left, right = max(u - 1, 0), min(u + 1, width - 1)
                for i in range(3):
                    row[u, i] = middle * light[v, u, i] + side * (light[v, left, i] + light[v, right, i])
            for u in range(width):
                for i in range(3):
                    light[v, u, i] = np.uint16(row[u, i])
        for u in range(width):
            for i in range(3):
                before[u, i] = light[0, u, i]
        for v in range(height):
            below = min(v + 1, height - 1)
            for u in range(width):
                for i in range(3):
                    here = np.float32(light[v, u, i])
                    light[v, u, i] = np.uint16(middle * here + side * (before[u, i] + light[below, u, i]))
                    before[u, i] = here
