"""The ground as a raster of colours in several resolutions, drawn where a drive needs it.

Sheets of 512 x 512 texels are drawn from the map when they are needed for the first time. Around the ego, each level
of detail has a window of 1024 x 1024 texels that wraps around: texel (i, j) of the plane lies at (i mod 1024, j mod
1024), so that nothing moves in memory when the ego does.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import cache, cached_property, lru_cache
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, UInt8, UInt32

from simulation.geometry.compiling import njit
from simulation.rendering.camera_tables import FINEST_TEXEL_M, NUM_LEVELS
from simulation.rendering.ground_shapes import GroundShapes, Paint, Ring
from simulation.rendering.polygon_fill import coverage, paint_rings, paint_surface

WINDOW = 1024
"""Texels of a window in x and in y."""
_BLOCK = 128
_BLOCKS = WINDOW // _BLOCK
_SHEET = 512
_LEVELS_OF_SHEET = {0: (0,), 1: (1, 2), 3: (3, 4, 5)}
"""Sheets are drawn at three levels; the levels between are averages."""
_DRAWN_AT = {level: drawn for drawn, levels in _LEVELS_OF_SHEET.items() for level in levels}
KEPT_NOISES = 16
"""Rasters of noise by seed, 1 MB each."""
MAX_SHEETS = 600
"""Of all maps of a process, 1.3 MB each."""
MARGIN_M = 4.0
"""Windows are filled that much beyond the radius that the cameras see."""

_COLOURS = np.array(
    [
        [96, 112, 62],
        [152, 148, 140],
        [178, 176, 170],
        [88, 89, 92],
        [98, 98, 99],
        [80, 81, 84],
        [222, 222, 218],
        [226, 226, 222],
        [218, 168, 52],
    ],
    dtype=np.float32,
)
"""Red, green, blue of each `Paint`."""
_GRAIN = np.array([0.16, 0.05, 0.05, 0.09, 0.09, 0.09, 0.07, 0.07, 0.07], dtype=np.float32)
"""Relative deviation of single texels."""
_PATCHES = np.array([0.14, 0.05, 0.04, 0.06, 0.07, 0.06, 0.05, 0.05, 0.05], dtype=np.float32)
"""Relative deviation over metres."""
_DRY_GRASS = (124.0, 116.0, 74.0)


_ALONG = np.arange(WINDOW, dtype=np.uint32)
# Squares of 4 x 4 texels fill a cache line, squares of 32 x 32 a page of memory: neighbours are close in memory.
COLUMN_PART = (_ALONG >> 7 << 14) | ((_ALONG >> 5 & 3) << 10) | ((_ALONG >> 2 & 7) << 4) | (_ALONG & 3)
ROW_PART = (_ALONG >> 7 << 17) | ((_ALONG >> 5 & 3) << 12) | ((_ALONG >> 2 & 7) << 7) | ((_ALONG & 3) << 2)
"""Texel (column, row) of a window is number `COLUMN_PART[column] + ROW_PART[row]`."""


class GroundWindows(NamedTuple):
    """Texels around a place."""

    texels: UInt32[np.ndarray, "levels texels"]
    """Red, green, blue and overlay from the lowest byte up, in the order of `COLUMN_PART` and `ROW_PART`."""
    offsets: Float64[np.ndarray, "levels 2"]
    """Texel coordinates of the place in each window."""


Overlay = Callable[[Float64[np.ndarray, "2"], float], Float32[np.ndarray, "512 512"]]


class KeptSheets:
    """The sheets that were used last, of all maps of a process."""

    def __init__(self, capacity: int = MAX_SHEETS) -> None:
        self.capacity = capacity
        self._sheets: OrderedDict[tuple[int, int, int, int], list[np.ndarray]] = OrderedDict()
        self._numbers = count()

    def new_number(self) -> int:
        """The first part of the keys of a map."""
        return next(self._numbers)

    def get(self, key: tuple[int, int, int, int], draw: Callable[[], list[np.ndarray]]) -> list[np.ndarray]:
        """A sheet in its levels of detail; it is drawn when it is not kept."""
        if key not in self._sheets:
            self._sheets[key] = draw()
            while len(self._sheets) > self.capacity:
                self._sheets.popitem(last=False)
        self._sheets.move_to_end(key)
        return self._sheets[key]


KEPT_SHEETS = KeptSheets()
"""Of this process. A program that renders many places in turn, such as a training, raises the capacity."""


class GroundRaster:
    """Colours of a map's ground.

    Args:
        shapes: What is painted on the ground.
        seed: Of the texture of surfaces.
        overlay: Light of lamps, or shade, of 255, by the lower left corner and the texel size of a sheet.
    """

    def __init__(self, shapes: GroundShapes, *, seed: int = 0, overlay: Overlay | None = None) -> None:
        self._shapes = shapes
        self._seed = seed
        self._overlay = overlay
        self._number = KEPT_SHEETS.new_number()
        self._texels = np.zeros((NUM_LEVELS, WINDOW * WINDOW), dtype=np.uint32)
        # Block of the plane that each block of a window holds.
        self._held = np.full((NUM_LEVELS, _BLOCKS, _BLOCKS, 2), np.iinfo(np.int64).min, dtype=np.int64)

    def windows(self, place: Float64[np.ndarray, "2"], radii_m: Float64[np.ndarray, "levels"]) -> GroundWindows:
        """Texels around a place, valid until the next call.

        Args:
            place: Global.
            radii_m: Distance from the place up to which a level is needed; 0 where it is not.
        """
        for level in range(NUM_LEVELS):
            if radii_m[level] > 0:
                self._fill(level, place, float(radii_m[level]) + MARGIN_M)
        texels = place / (FINEST_TEXEL_M * 2.0 ** np.arange(NUM_LEVELS))[:, np.newaxis]
        return GroundWindows(self._texels, np.mod(texels, WINDOW))

    def colours(
        self, level: int, corner: tuple[int, int], shape: tuple[int, int]
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Colours of a part of a level, first row in the south.

        Args:
            level: Level of detail.
            corner: Texel of the plane in x and y.
            shape: Texels in y and x.
        """
        out = np.empty((*shape, 3), dtype=np.uint8)
        size = _SHEET >> (level - _DRAWN_AT[level])
        for j in range(shape[0]):
            for i in range(shape[1]):
                x, y = corner[0] + i, corner[1] + j
                sheet = self._sheet(level, x // size, y // size)
                block = sheet[y % size // _BLOCK, x % size // _BLOCK]
                texel = block[COLUMN_PART[x % _BLOCK] + ROW_PART[y % _BLOCK]]
                out[j, i] = texel & 255, texel >> 8 & 255, texel >> 16 & 255
        return out

    def overlay_at(self, points: Float64[np.ndarray, "points 2"], level: int) -> Float32[np.ndarray, "points"]:
        """Overlay at global points, 0 to 1; they must lie within the windows."""
        columns, rows = (np.floor(points / (FINEST_TEXEL_M * 2.0**level)).astype(np.int64) % WINDOW).T
        texels = self._texels[level, COLUMN_PART[columns] + ROW_PART[rows]]
        return (texels >> np.uint32(24)).astype(np.float32) / np.float32(255)

    def _fill(self, level: int, place: Float64[np.ndarray, "2"], radius_m: float) -> None:
        block_m = FINEST_TEXEL_M * 2.0**level * _BLOCK
        at = place / block_m
        # Blocks around the place, as many as the window holds.
        first = np.rint(at).astype(np.int64) - _BLOCKS // 2
        x, y = np.meshgrid(first[0] + np.arange(_BLOCKS), first[1] + np.arange(_BLOCKS))
        gap_m = np.hypot(np.maximum(np.abs(x + 0.5 - at[0]) - 0.5, 0), np.maximum(np.abs(y + 0.5 - at[1]) - 0.5, 0))
        held = self._held[level, y % _BLOCKS, x % _BLOCKS]
        is_missing = (gap_m * block_m < radius_m) & ((held[..., 0] != x) | (held[..., 1] != y))
        for i, j in zip(x[is_missing].tolist(), y[is_missing].tolist(), strict=True):
            per_sheet = (_SHEET >> (level - _DRAWN_AT[level])) // _BLOCK
            sheet = self._sheet(level, i // per_sheet, j // per_sheet)
            start = (j % _BLOCKS * _BLOCKS + i % _BLOCKS) * _BLOCK**2
            self._texels[level, start : start + _BLOCK**2] = sheet[j % per_sheet, i % per_sheet]
            self._held[level, j % _BLOCKS, i % _BLOCKS] = i, j

    def _sheet(self, level: int, i: int, j: int) -> UInt32[np.ndarray, "blocks blocks texels"]:
        drawn = _DRAWN_AT[level]
        levels = KEPT_SHEETS.get(
            (self._number, drawn, i, j), lambda: _in_levels(self._drawn(drawn, i, j), len(_LEVELS_OF_SHEET[drawn]))
        )
        return levels[level - drawn]

    def _drawn(self, level: int, i: int, j: int) -> UInt32[np.ndarray, "512 512"]:
        texel_m = FINEST_TEXEL_M * 2.0**level
        side_m = _SHEET * texel_m
        corner = np.array([i * side_m, j * side_m])
        rings = self._shapes.rings((*corner.tolist(), *(corner + side_m).tolist()))
        fine = self._fine_noise if level < 3 else self._fine_noise * np.float32(0.5)
        noise = fine, self._broad(level, i, j)
        image = np.zeros((3, _SHEET, _SHEET), dtype=np.float32)
        paint_surface(image, _constant(1.0), noise, _style(Paint.GRASS))
        dry = np.clip(noise[1] * np.float32(0.4) + np.float32(0.2), 0.0, 1.0)
        paint_surface(image, dry, noise, (_DRY_GRASS, _style(Paint.GRASS)[1]))
        for paint in sorted(rings):
            if not rings[paint]:
                continue
            flat = _flat(rings[paint], corner, texel_m)
            if paint == Paint.PAVEMENT and level < 3:
                mask = coverage(*flat, _SHEET)
                paint_surface(image, mask, noise, _style(paint))
                paint_surface(image, mask * _joints(level), noise, _style(Paint.TRACK))
            else:
                shares = self._wear if paint >= Paint.STRIPE else _constant(0.6 if paint == Paint.TRACK else 1.0)
                paint_rings(image, flat, shares, noise, _style(paint))
        return _packed(image, _constant(0.0) if self._overlay is None else self._overlay(corner, texel_m))

    @cached_property
    def _fine_noise(self) -> np.ndarray:
        return _periodic_noise(self._seed, slope=0.6)

    @cached_property
    def _wear(self) -> np.ndarray:
        """Share of markings that is left."""
        return np.clip(1.02 - 0.16 * np.maximum(self._fine_noise - 1.0, 0.0), 0.0, 1.0).astype(np.float32)

    @cached_property
    def _broad_noise(self) -> np.ndarray:
        return _periodic_noise(self._seed + 1, slope=1.6)

    def _broad(self, level: int, i: int, j: int) -> np.ndarray:
        """The part of the broad noise, which has texels of 0.5 m, under a sheet."""
        factor = 2 ** (3 - level)
        if factor == 1:
            return self._broad_noise
        count = _SHEET // factor
        rows = (j * count + np.arange(count)) % _SHEET
        columns = (i * count + np.arange(count)) % _SHEET
        coarse = self._broad_noise[
            np.ix_(np.append(rows, (rows[-1] + 1) % _SHEET), np.append(columns, (columns[-1] + 1) % _SHEET))
        ]
        return _interpolated(coarse, factor)


def _flat(rings: list[Ring], corner: Float64[np.ndarray, "2"], texel_m: float) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *(len(ring) for ring in rings)], dtype=np.int64)
    return (np.concatenate(rings) - corner) / texel_m, offsets


@njit(cache=True)
def _interpolated(coarse: Float32[np.ndarray, "rows columns"], factor: int) -> Float32[np.ndarray, "size size"]:
    """A raster with `factor` samples for each one in both directions; the last row and column are only an end."""
    size = (len(coarse) - 1) * factor
    out = np.empty((size, size), dtype=np.float32)
    tall = np.empty(len(coarse), dtype=np.float32)
    for row in range(size):
        low, share = row // factor, np.float32(row % factor / factor)
        for column in range(len(coarse)):
            tall[column] = coarse[low, column] + share * (coarse[low + 1, column] - coarse[low, column])
        for column in range(size):
            left, share = column // factor, np.float32(column % factor / factor)
            out[row, column] = tall[left] + share * (tall[left + 1] - tall[left])
    return out


@njit(cache=True)
def _packed(
    image: Float32[np.ndarray, "3 size size"], overlay: Float32[np.ndarray, "size size"]
) -> UInt32[np.ndarray, "size size"]:
    """Texels of a sheet: red, green, blue, overlay from the lowest byte up."""
    out = np.empty(overlay.shape, dtype=np.uint32)
    for row in range(len(out)):
        red, green, blue = image[0, row], image[1, row], image[2, row]
        target, above = out[row], overlay[row]
        for column in range(len(target)):
            r, g, b = _byte(red[column]), _byte(green[column]), _byte(blue[column])
            target[column] = r | (g << np.int32(8)) | (b << np.int32(16)) | (_byte(above[column]) << np.int32(24))
    return out


@njit(cache=True, inline="always")
def _byte(value: Any) -> Any:
    return np.int32(min(max(value, np.float32(0.0)), np.float32(255.0)))


def _in_levels(sheet: UInt32[np.ndarray, "size size"], count: int) -> list[np.ndarray]:
    """A sheet at its own level of detail and at the next ones, each in blocks."""
    found = [_blocks(sheet)]
    for _ in range(count - 1):
        sheet = _halved(sheet)
        found.append(_blocks(sheet))
    return found


@njit(cache=True)
def _halved(texels: UInt32[np.ndarray, "size size"]) -> UInt32[np.ndarray, "half half"]:
    """Means of 2 x 2 texels."""
    size = len(texels) // 2
    out = np.empty((size, size), dtype=np.uint32)
    pair, half = np.uint32(0x00FF00FF), np.uint32(0x00020002)
    two, eight = np.uint32(2), np.uint32(8)
    for row in range(size):
        upper, lower, target = texels[2 * row], texels[2 * row + 1], out[row]
        for column in range(size):
            a, b, c, d = upper[2 * column], upper[2 * column + 1], lower[2 * column], lower[2 * column + 1]
            even = ((a & pair) + (b & pair) + (c & pair) + (d & pair) + half) >> two & pair
            odd = (
                (a >> eight & pair) + (b >> eight & pair) + (c >> eight & pair) + (d >> eight & pair) + half
            ) >> two
            target[column] = even | (odd & pair) << eight
    return out


@njit(cache=True)
def _blocks(texels: UInt32[np.ndarray, "size size"]) -> UInt32[np.ndarray, "blocks blocks texels"]:
    """Blocks by y and x, each with its texels in the order of `COLUMN_PART` and `ROW_PART`."""
    count = len(texels) // _BLOCK
    out = np.empty((count, count, _BLOCK * _BLOCK), dtype=np.uint32)
    for row in range(len(texels)):
        for column in range(len(texels)):
            place = COLUMN_PART[column % _BLOCK] + ROW_PART[row % _BLOCK]
            out[row // _BLOCK, column // _BLOCK, place] = texels[row, column]
    return out


@cache
def _constant(value: float) -> Float32[np.ndarray, "512 512"]:
    return np.full((_SHEET, _SHEET), value, dtype=np.float32)


@lru_cache(maxsize=KEPT_NOISES)
def _periodic_noise(seed: int, *, slope: float) -> Float32[np.ndarray, "512 512"]:
    """Noise with mean 0 and deviation 1 whose amplitude falls with frequency; its opposite edges match."""
    white = np.random.default_rng([seed, _SHEET]).normal(size=(_SHEET, _SHEET))
    frequency = np.hypot(np.fft.fftfreq(_SHEET)[:, np.newaxis], np.fft.fftfreq(_SHEET)) * _SHEET
    spectrum = np.fft.fft2(white) / np.maximum(frequency, 1.0) ** slope
    spectrum[0, 0] = 0.0
    noise = np.fft.ifft2(spectrum).real
    return (noise / noise.std()).astype(np.float32)


@cache
def _joints(level: int) -> np.ndarray:
    """Mask of the joints between slabs of 2 m."""
    at_m = (np.arange(_SHEET) + 0.5) * FINEST_TEXEL_M * 2.0**level % 2.0
    is_joint = at_m < 0.07
    return np.where(is_joint | is_joint[:, np.newaxis], np.float32(0.3), np.float32(0.0))


def _style(paint: Paint) -> tuple[tuple[float, float, float], tuple[float, float]]:
    """Colour and deviations of a paint."""
    red, green, blue = _COLOURS[paint].tolist()
    return (red, green, blue), (float(_GRAIN[paint]), float(_PATCHES[paint]))
