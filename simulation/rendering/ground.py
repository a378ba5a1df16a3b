"""The ground as a raster of colours in several resolutions, drawn where a drive needs it.

Sheets of 512 x 512 texels are drawn from the map when they are needed for the first time. Around the ego, each level
of detail has a window of 1024 x 1024 texels that wraps around: texel (i, j) of the plane lies at (i mod 1024, j mod
1024), so that nothing moves in memory when the ego does.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import cache, cached_property
from itertools import count
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, UInt8, UInt32

from driving.map import MapGraph
from simulation.rendering.camera_tables import FINEST_TEXEL_M, NUM_LEVELS
from simulation.rendering.ground_shapes import GroundShapes, Paint, Ring
from simulation.rendering.polygon_fill import coverage, paint_surface

WINDOW = 1024
"""Texels of a window in x and in y."""
_BLOCK = 128
_BLOCKS = WINDOW // _BLOCK
_SHEET = 512
_LEVELS_OF_SHEET = {0: (0,), 1: (1, 2), 3: (3, 4, 5)}
"""Sheets are drawn at three levels; the levels between are averages."""
_DRAWN_AT = {level: drawn for drawn, levels in _LEVELS_OF_SHEET.items() for level in levels}
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
        map_graph: The map.
        seed: Of the texture of surfaces.
        overlay: Light of lamps, or shade, of 255, by the lower left corner and the texel size of a sheet.
    """

    def __init__(self, map_graph: MapGraph, *, seed: int = 0, overlay: Overlay | None = None) -> None:
        self._shapes = GroundShapes(map_graph)
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
            (self._number, drawn, i, j), lambda: _mip_maps(self._drawn(drawn, i, j), len(_LEVELS_OF_SHEET[drawn]))
        )
        return levels[level - drawn]

    def _drawn(self, level: int, i: int, j: int) -> UInt8[np.ndarray, "512 512 4"]:
        texel_m = FINEST_TEXEL_M * 2.0**level
        side_m = _SHEET * texel_m
        corner = np.array([i * side_m, j * side_m])
        rings = self._shapes.rings((*corner.tolist(), *(corner + side_m).tolist()))
        fine = self._fine_noise if level < 3 else self._fine_noise * np.float32(0.5)
        noise = fine, self._broad(level, i, j)
        image = np.zeros((_SHEET, _SHEET, 3), dtype=np.float32)
        paint_surface(image, np.ones((_SHEET, _SHEET), dtype=np.float32), noise, *_style(Paint.GRASS))
        dry = np.clip(noise[1] * np.float32(0.4) + np.float32(0.2), 0.0, 1.0)
        paint_surface(image, dry, noise, _DRY_GRASS, _style(Paint.GRASS)[1])
        for paint in sorted(rings):
            if rings[paint]:
                points, offsets = _flat(rings[paint], corner, texel_m)
                mask = coverage(points, offsets, _SHEET)
                if paint == Paint.TRACK:
                    mask *= np.float32(0.6)
                elif paint >= Paint.STRIPE:
                    mask *= self._wear
                paint_surface(image, mask, noise, *_style(paint))
                if paint == Paint.PAVEMENT and level < 3:
                    paint_surface(image, mask * _joints(level), noise, *_style(Paint.TRACK))
        out = np.zeros((_SHEET, _SHEET, 4), dtype=np.uint8)
        np.clip(image, 0, 255, out=image)
        out[..., :3] = image
        if self._overlay is not None:
            out[..., 3] = self._overlay(corner, texel_m)
        return out

    @cached_property
    def _fine_noise(self) -> np.ndarray:
        return _periodic_noise(self._seed, _SHEET, slope=0.6)

    @cached_property
    def _wear(self) -> np.ndarray:
        """Share of markings that is left."""
        return np.clip(1.02 - 0.16 * np.maximum(self._fine_noise - 1.0, 0.0), 0.0, 1.0).astype(np.float32)

    @cached_property
    def _broad_noise(self) -> np.ndarray:
        return _periodic_noise(self._seed + 1, _SHEET, slope=1.6)

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
        at = np.arange(_SHEET) / factor
        low, share = at.astype(np.int64), (at % 1.0).astype(np.float32)
        tall = coarse[low] + share[:, np.newaxis] * (coarse[low + 1] - coarse[low])
        return tall[:, low] + share * (tall[:, low + 1] - tall[:, low])


def _flat(rings: list[Ring], corner: Float64[np.ndarray, "2"], texel_m: float) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *(len(ring) for ring in rings)], dtype=np.int64)
    return (np.concatenate(rings) - corner) / texel_m, offsets


def _mip_maps(sheet: UInt8[np.ndarray, "size size 4"], count: int) -> list[np.ndarray]:
    maps = [sheet]
    for _ in range(count - 1):
        parts = maps[-1].astype(np.uint16)
        mean = (parts[::2, ::2] + parts[1::2, ::2] + parts[::2, 1::2] + parts[1::2, 1::2] + 2) >> 2
        maps.append(mean.astype(np.uint8))
    return [_blocks(np.ascontiguousarray(one).view(np.uint32)[..., 0]) for one in maps]


def _blocks(texels: UInt32[np.ndarray, "size size"]) -> UInt32[np.ndarray, "blocks blocks texels"]:
    """Blocks by y and x, each with its texels in the order of `COLUMN_PART` and `ROW_PART`."""
    count = len(texels) // _BLOCK
    parts = texels.reshape(count, 4, 8, 4, count, 4, 8, 4)
    return np.ascontiguousarray(parts.transpose(0, 4, 1, 5, 2, 6, 3, 7)).reshape(count, count, _BLOCK**2)


def _periodic_noise(seed: int, size: int, *, slope: float) -> np.ndarray:
    """Noise with mean 0 and deviation 1 whose amplitude falls with frequency; its opposite edges match."""
    white = np.random.default_rng([seed, size]).normal(size=(size, size))
    frequency = np.hypot(np.fft.fftfreq(size)[:, np.newaxis], np.fft.fftfreq(size)) * size
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
