"""Colour of each pixel, once it is known what it shows; then the sensor: noise, tone, eight bits."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int16, Int32, Int64, UInt8, UInt16, UInt32

from simulation.geometry.compiling import njit
from simulation.rendering.camera_tables import NO_RAY, SKY, SKY_COLUMNS, Camera
from simulation.rendering.ground import COLUMN_PART, ROW_PART, WINDOW, GroundWindows
from simulation.rendering.lighting import MAX_LIGHT, Light, Scene
from simulation.rendering.mesh_parts import Material

_FACADE, _SHADOW, _LAMP = int(Material.FACADE), int(Material.SHADOW), int(Material.LAMP)
SHADOW_LIGHT = 0.5
"""Share of the light below a vehicle."""
FOG_STEPS, FOG_STEP_M = 1024, 0.5
"""Table of the fog by depth."""
_GREEN = 16
"""Excess of green over blue of grass."""
_LANES = 0x00FF00FF
_MASK = WINDOW - 1
_PAIR, _COLUMN, _LAST = np.int32(0x00FF00FF), np.int32(_MASK), np.int32(MAX_LIGHT)
_BATCH = 128
"""Ground pixels that are shaded together."""


class Air(NamedTuple):
    """What lies between a surface and the camera, and around them."""

    haze: UInt16[np.ndarray, "steps"]
    """Share of fog by depth, of 256."""
    gloss: UInt16[np.ndarray, "steps"]
    """Share of mirrored light on wet ground by depth, of 256; all 0 when it is dry."""
    sky: UInt32[np.ndarray, "rows columns"]
    sky_turn: float
    """Column of the panorama straight ahead of the ego."""
    lit_windows: float
    """Share of windows with light."""
    window_range_m: float
    """Windows are drawn up to this depth and fade from half of it."""


class Extras(NamedTuple):
    """Tables of a camera that only some appearances need."""

    beam: UInt8[np.ndarray, "height width"]
    """Light of the headlights on the ground, of 255."""
    mirror: Int32[np.ndarray, "height width"]
    """Pixel, counted by rows, that shows the mirror image of the ground pixel's ray; -1 outside of the image."""
    runs: Int64[np.ndarray, "runs 4"]
    """`ground_runs` of the camera."""


class Ground(NamedTuple):
    """Ground texels and the place of the ego in them."""

    texels: UInt32[np.ndarray, "texels"]
    """Of all levels."""
    column_part: UInt32[np.ndarray, "columns"]
    row_part: UInt32[np.ndarray, "rows"]
    frames: Float32[np.ndarray, "levels 4"]
    """Texel coordinates of the ego (made positive), and cosine and sine of its heading over the texel size."""


def ground_frame(windows: GroundWindows, heading_rad: float, texel_m: Float32[np.ndarray, "levels"]) -> Ground:
    """Prepare windows for look-ups from the ego frame."""
    frames = np.empty((len(texel_m), 4), dtype=np.float32)
    # Truncation to integers rounds down only when coordinates are positive.
    frames[:, :2] = windows.offsets + 16 * WINDOW
    frames[:, 2], frames[:, 3] = math.cos(heading_rad) / texel_m, math.sin(heading_rad) / texel_m
    return Ground(windows.texels.reshape(-1), COLUMN_PART, ROW_PART, frames)


@njit(cache=True, error_model="numpy")
def _spread(texel: Any) -> Any:
    """The four bytes of a texel in lanes of 16 bits."""
    return (texel & _LANES) | ((texel & 0xFF00FF00) << 24)


@njit(cache=True, error_model="numpy")
def _interpolated(texels: np.ndarray, parts: tuple[np.ndarray, np.ndarray], first: int, x: Any, y: Any) -> int:
    """Colour between the centres of four texels, in lanes of 16 bits."""
    columns, rows = parts
    x, y = x - np.float32(0.5), y - np.float32(0.5)
    i, j = int(x), int(y)
    dx, dy = int((x - np.float32(i)) * np.float32(256)), int((y - np.float32(j)) * np.float32(256))
    both = dx * dy >> 8
    left, right = np.uint64(columns[i & _MASK]), np.uint64(columns[(i + 1) & _MASK])
    low, high = np.uint64(first) + np.uint64(rows[j & _MASK]), np.uint64(first) + np.uint64(rows[(j + 1) & _MASK])
    mixed = (
        _spread(np.int64(texels[low + left])) * (256 - dx - dy + both)
        + _spread(np.int64(texels[low + right])) * (dx - both)
        + _spread(np.int64(texels[high + left])) * (dy - both)
        + _spread(np.int64(texels[high + right])) * both
    )
    return mixed >> 8


@njit(cache=True, error_model="numpy")
def _averaged(
    texels: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray],
    first: int,
    place: tuple[Any, Any],
    step: tuple[Any, Any],
) -> int:
    """Mean of four texels along the footprint of a pixel, in lanes of 16 bits."""
    columns, rows = parts
    sx, sy = step
    x, y = place[0] - np.float32(1.5) * sx, place[1] - np.float32(1.5) * sy
    start = np.uint64(first)
    total = 0
    for _ in range(4):
        number = start + np.uint64(columns[int(x) & _MASK]) + np.uint64(rows[int(y) & _MASK])
        total += _spread(np.int64(texels[number]))
        x, y = x + sx, y + sy
    return total >> 2


@njit(cache=True, error_model="numpy")
def shade(
    camera: Camera,
    extras: Extras,
    visible: tuple[Float32[np.ndarray, "height width"], Int32[np.ndarray, "height width"], np.ndarray],
    world: tuple[Scene, Ground, Light, Air],
    out: UInt16[np.ndarray, "height width 3"],
) -> None:
    """Light that reaches each pixel.

    Args:
        camera: Tables of the camera.
        extras: Further tables.
        visible: `nearness`, `shown` and `walls` of `draw_triangles`.
        world: Everything around.
        out: Result, 0 to `MAX_LIGHT`.
    """
    nearness, shown, walls = visible
    scene, ground, light, air = world
    height, width = shown.shape
    fog_r, fog_g, fog_b = int(light.fog[0]), int(light.fog[1]), int(light.fog[2])
    # An albedo of 255 reflects all light.
    ground_r, ground_g, ground_b = (
        int(light.ground[0] * 256 / 255),
        int(light.ground[1] * 256 / 255),
        int(light.ground[2] * 256 / 255),
    )
    lamp_r, lamp_g, lamp_b = int(light.lamp[0]), int(light.lamp[1]), int(light.lamp[2])
    beam_r, beam_g, beam_b = int(light.beam[0]), int(light.beam[1]), int(light.beam[2])
    has_lamps = lamp_r != 0 or beam_r > 0
    has_beam = beam_r > 0
    is_wet = air.gloss[0] + air.gloss[-1] > 0
    turn = int(air.sky_turn)
    per_metre = np.float32(1 / FOG_STEP_M)
    last_step = np.float32(FOG_STEPS - 1)
    zero = np.float32(0.0)
    flat = out.reshape(height * width, 3)
    places, strides, depths, levels = camera.place, camera.stride, camera.ground_depth, camera.level
    frames, texels = ground.frames, ground.texels
    parts = ground.column_part, ground.row_part
    haze_table, gloss_table, sky_table = air.haze, air.gloss, air.sky
    beams, mirrors = extras.beam, extras.mirror
    if not is_wet:
        # Also the pixels that objects cover, as a test of each pixel takes more time.
        colours_of_light = (
            (np.int32(ground_r), np.int32(ground_g), np.int32(ground_b)),
            (np.int32(lamp_r), np.int32(lamp_g), np.int32(lamp_b)),
            (np.int32(beam_r), np.int32(beam_g), np.int32(beam_b)),
            (np.int32(fog_r), np.int32(fog_g), np.int32(fog_b)),
        )
        _shade_ground(
            extras.runs,
            (places.reshape(-1), strides.reshape(-1), depths.reshape(-1), beams.reshape(-1)),
            (texels, frames),
            (haze_table, colours_of_light),
            out.reshape(-1),
        )
    rays_x, rays_y = camera.rays_x, camera.rays_y
    looks = scene.looks
    window_range_m = np.float32(air.window_range_m)
    fading = np.float32(2.0 / max(air.window_range_m, 1e-3))
    panes = (
        int(light.sky[0]),
        int(light.sky[1]),
        int(light.sky[2]),
        int(light.emission[_LAMP, 0]),
        int(air.lit_windows * 1024),
    )
    materials, colours = scene.materials, scene.colours
    for v in range(height):
        for u in range(width):
            t = shown[v, u]
            level = int(levels[v, u])
            is_ground = t < 0
            if is_ground and level < SKY and not is_wet:
                continue
            shadow = 256
            if t >= 0:
                material = materials[t]
                if material == _SHADOW:
                    is_ground = True
                    shadow = int(256 * SHADOW_LIGHT)
            if not is_ground:
                depth = np.float32(1.0) / nearness[v, u]
                r, g, b = int(colours[t, 0]), int(colours[t, 1]), int(colours[t, 2])
                if material == _FACADE and depth < window_range_m:
                    x, y = rays_x[v, u], rays_y[v, u]
                    r, g, b = _with_windows(
                        (r, g, b),
                        (
                            depth * (walls[t, 0] * x + walls[t, 1] * y + walls[t, 2]),
                            depth * (walls[t, 3] * x + walls[t, 4] * y + walls[t, 5]),
                        ),
                        np.float32(2.0) - depth * fading,
                        int(looks[t]),
                        panes,
                    )
                haze = int(haze_table[int(min(depth * per_metre, last_step))])
            elif level < SKY:
                gx, gy, sx, sy = places[v, u, 0], places[v, u, 1], strides[v, u, 0], strides[v, u, 1]
                cos, sin = frames[level, 2], frames[level, 3]
                x, y = frames[level, 0] + cos * gx - sin * gy, frames[level, 1] + sin * gx + cos * gy
                first = level * (WINDOW * WINDOW)
                if sx == zero and sy == zero:
                    texel = _interpolated(texels, parts, first, x, y)
                else:
                    texel = _averaged(texels, parts, first, (x, y), (cos * sx - sin * sy, sin * sx + cos * sy))
                step = int(min(depths[v, u] * per_metre, last_step))
                haze = int(haze_table[step])
                light_r, light_g, light_b = ground_r, ground_g, ground_b
                if has_lamps:
                    lamp = texel >> 48 & 255
                    beam = int(beams[v, u]) if has_beam else 0
                    light_r += (lamp * lamp_r + beam * beam_r) >> 8
                    light_g += (lamp * lamp_g + beam * beam_g) >> 8
                    light_b += (lamp * lamp_b + beam * beam_b) >> 8
                if shadow < 256:
                    light_r, light_g, light_b = light_r * shadow >> 8, light_g * shadow >> 8, light_b * shadow >> 8
                r = (texel & 255) * light_r >> 8
                g = (texel >> 32 & 255) * light_g >> 8
                b = (texel >> 16 & 255) * light_b >> 8
                if is_wet:
                    gloss = int(gloss_table[step])
                    if (texel >> 32 & 255) > (texel >> 16 & 255) + _GREEN:
                        # Grass holds no film of water.
                        gloss = gloss >> 2
                    source = mirrors[v, u]
                    mr, mg, mb = fog_r, fog_g, fog_b
                    if source >= 0:
                        mr, mg, mb = int(flat[source, 0]), int(flat[source, 1]), int(flat[source, 2])
                    r, g, b = r + ((mr - r) * gloss >> 8), g + ((mg - g) * gloss >> 8), b + ((mb - b) * gloss >> 8)
            elif level == NO_RAY:
                r, g, b, haze = 0, 0, 0, 0
            else:
                column = (int(places[v, u, 0]) + turn) & (SKY_COLUMNS - 1)
                sky = sky_table[int(places[v, u, 1]), column]
                r, g, b, haze = (sky & 1023) << 2, (sky >> 10 & 1023) << 2, (sky >> 20 & 1023) << 2, 0
            out[v, u, 0] = min(r + ((fog_r - r) * haze >> 8), MAX_LIGHT)
            out[v, u, 1] = min(g + ((fog_g - g) * haze >> 8), MAX_LIGHT)
            out[v, u, 2] = min(b + ((fog_b - b) * haze >> 8), MAX_LIGHT)


# Ground pixels in batches: every loop compiles to vector instructions, for which all numbers must stay 32 bits wide.


def ground_runs(camera: Camera) -> Int64[np.ndarray, "runs 4"]:
    """Runs of ground pixels of one level, all interpolated or all averaged.

    Returns:
        First pixel, counted by rows, number of pixels, level, and 1 for averages, else 0.
    """
    pixels = np.flatnonzero(camera.level < SKY)
    levels = camera.level.ravel()[pixels].astype(np.int64)
    is_averaged = (camera.stride.reshape(-1, 2)[pixels] != 0).any(axis=1)
    is_end = (np.diff(pixels) != 1) | (np.diff(levels) != 0) | (np.diff(is_averaged) != 0)
    starts = np.concatenate([np.zeros(min(len(pixels), 1), dtype=np.int64), np.flatnonzero(is_end) + 1])
    counts = np.diff(np.append(starts, len(pixels)))
    return np.stack([pixels[starts], counts, levels[starts], is_averaged[starts].astype(np.int64)], axis=1)


@njit(cache=True, error_model="numpy")
def _shade_ground(
    runs: Int64[np.ndarray, "runs 4"],
    tables: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    ground: tuple[np.ndarray, np.ndarray],
    light: tuple[np.ndarray, tuple[Any, ...]],
    out: np.ndarray,
) -> None:
    """Light of all ground pixels, if it is dry. Tables and result are flat."""
    places, strides, depths, beams = tables
    texels, frames = ground
    haze_table, colours = light
    values = np.empty((8, _BATCH), dtype=np.int32)
    a, b, c, d = values[0], values[1], values[2], values[3]
    even, odd, haze, beam = values[4], values[5], values[6], values[7]
    beam[:] = 0
    per_metre, last_step = np.float32(1 / FOG_STEP_M), np.float32(FOG_STEPS - 1)
    has_beam = colours[2][0] > 0
    for run in range(len(runs)):
        level = runs[run, 2]
        window = texels[level * WINDOW * WINDOW : (level + 1) * WINDOW * WINDOW]
        frame = frames[level, 0], frames[level, 1], frames[level, 2], frames[level, 3]
        for start in range(runs[run, 0], runs[run, 0] + runs[run, 1], _BATCH):
            stop = min(start + _BATCH, runs[run, 0] + runs[run, 1])
            count = stop - start
            corners = a[:count], b[:count], c[:count], d[:count]
            if runs[run, 3]:
                _averages(places[2 * start : 2 * stop], strides[2 * start : 2 * stop], window, frame, corners)
                _mix_averages(corners, even[:count], odd[:count])
            else:
                _corners(places[2 * start : 2 * stop], window, frame, corners, even[:count], odd[:count])
                _mix_corners(corners, even[:count], odd[:count])
            depth, share = depths[start:stop], haze[:count]
            for k in range(count):
                share[k] = haze_table[np.uint32(min(depth[k] * per_metre, last_step))]
            if has_beam:
                beam[:count] = beams[start:stop]
            _light_ground(even[:count], odd[:count], share, beam[:count], colours, out[3 * start : 3 * stop])


@njit(cache=True, error_model="numpy", inline="always")
def _number(column: Any, row: Any) -> Any:
    """`COLUMN_PART[column] + ROW_PART[row]` as arithmetic."""
    i, j = np.int32(column & _COLUMN), np.int32(row & _COLUMN)
    across = np.int32(i >> 7 << 14) | np.int32((i >> 5 & 3) << 10) | np.int32((i >> 2 & 7) << 4) | np.int32(i & 3)
    along = np.int32(j >> 7 << 17) | np.int32((j >> 5 & 3) << 12) | np.int32((j >> 2 & 7) << 7)
    return np.int32(across | along | np.int32((j & 3) << 2))


@njit(cache=True, error_model="numpy")
def _fetch(texels: np.ndarray, numbers: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Replace numbers of texels by the texels."""
    a, b, c, d = numbers
    for k in range(len(a)):
        a[k], b[k] = np.int32(texels[np.uint32(a[k])]), np.int32(texels[np.uint32(b[k])])
        c[k], d[k] = np.int32(texels[np.uint32(c[k])]), np.int32(texels[np.uint32(d[k])])


@njit(cache=True, error_model="numpy")
def _corners(
    places: np.ndarray,
    texels: np.ndarray,
    frame: tuple[Any, Any, Any, Any],
    corners: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    dx: np.ndarray,
    dy: np.ndarray,
) -> None:
    """Four texels around each pixel, and its place between their centres, of 256."""
    origin_x, origin_y, cos, sin = frame
    a, b, c, d = corners
    half, whole = np.float32(0.5), np.float32(256)
    for k in range(len(a)):
        gx, gy = places[2 * k], places[2 * k + 1]
        x, y = origin_x + cos * gx - sin * gy - half, origin_y + sin * gx + cos * gy - half
        i, j = np.int32(x), np.int32(y)
        a[k], b[k] = _number(i, j), _number(np.int32(i + 1), j)
        c[k], d[k] = _number(i, np.int32(j + 1)), _number(np.int32(i + 1), np.int32(j + 1))
        dx[k], dy[k] = np.int32((x - np.float32(i)) * whole), np.int32((y - np.float32(j)) * whole)
    _fetch(texels, corners)


@njit(cache=True, error_model="numpy")
def _mix_corners(
    corners: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], even: np.ndarray, odd: np.ndarray
) -> None:
    """Interpolate. `even` and `odd` hold the place between the texels, then bytes 0 and 2, and bytes 1 and 3."""
    for k in range(len(even)):
        a, b, c, d = corners[0][k], corners[1][k], corners[2][k], corners[3][k]
        dx, dy = even[k], odd[k]
        both = np.int32(np.int32(dx * dy) >> 8)
        first, second, third = np.int32(256 - dx - dy + both), np.int32(dx - both), np.int32(dy - both)
        low = np.int32(np.int32(a & _PAIR) * first) + np.int32(np.int32(b & _PAIR) * second)
        low = np.int32(low) + np.int32(np.int32(c & _PAIR) * third) + np.int32(np.int32(d & _PAIR) * both)
        high = np.int32(_upper(a) * first) + np.int32(_upper(b) * second)
        high = np.int32(high) + np.int32(_upper(c) * third) + np.int32(_upper(d) * both)
        even[k], odd[k] = np.int32(np.int32(low) >> 8), np.int32(np.int32(high) >> 8)


@njit(cache=True, error_model="numpy")
def _averages(
    places: np.ndarray,
    strides: np.ndarray,
    texels: np.ndarray,
    frame: tuple[Any, Any, Any, Any],
    found: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Four texels along the footprint of each pixel."""
    origin_x, origin_y, cos, sin = frame
    a, b, c, d = found
    for k in range(len(a)):
        gx, gy, sx, sy = places[2 * k], places[2 * k + 1], strides[2 * k], strides[2 * k + 1]
        sx, sy = cos * sx - sin * sy, sin * sx + cos * sy
        x, y = origin_x + cos * gx - sin * gy, origin_y + sin * gx + cos * gy
        x, y = x - np.float32(1.5) * sx, y - np.float32(1.5) * sy
        a[k] = _number(np.int32(x), np.int32(y))
        x, y = x + sx, y + sy
        b[k] = _number(np.int32(x), np.int32(y))
        x, y = x + sx, y + sy
        c[k] = _number(np.int32(x), np.int32(y))
        x, y = x + sx, y + sy
        d[k] = _number(np.int32(x), np.int32(y))
    _fetch(texels, found)


@njit(cache=True, error_model="numpy")
def _mix_averages(
    found: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], even: np.ndarray, odd: np.ndarray
) -> None:
    """Means of four texels: bytes 0 and 2 in `even`, 1 and 3 in `odd`."""
    for k in range(len(even)):
        a, b, c, d = found[0][k], found[1][k], found[2][k], found[3][k]
        low = np.int32(a & _PAIR) + np.int32(b & _PAIR) + np.int32(c & _PAIR) + np.int32(d & _PAIR)
        high = _upper(a) + _upper(b) + _upper(c) + _upper(d)
        even[k], odd[k] = np.int32(np.int32(low) >> 2), np.int32(np.int32(high) >> 2)


@njit(cache=True, error_model="numpy", inline="always")
def _upper(texel: Any) -> Any:
    """Bytes 1 and 3."""
    return np.int32(np.int32(texel >> 8) & _PAIR)


@njit(cache=True, error_model="numpy")
def _light_ground(
    even: np.ndarray,
    odd: np.ndarray,
    haze: np.ndarray,
    beam: np.ndarray,
    colours: tuple[Any, ...],
    out: np.ndarray,
) -> None:
    """Light of ground pixels behind fog. The colours are those of the ground, of lamps, of the beam and of fog."""
    (ground_r, ground_g, ground_b), (lamp_r, lamp_g, lamp_b), (beam_r, beam_g, beam_b), (fog_r, fog_g, fog_b) = (
        colours
    )
    for k in range(len(even)):
        low, high, strength = even[k], odd[k], beam[k]
        lamp = np.int32(np.int32(high >> 16) & 255)
        light_r = np.int32(ground_r + np.int32(np.int32(lamp * lamp_r + strength * beam_r) >> 8))
        light_g = np.int32(ground_g + np.int32(np.int32(lamp * lamp_g + strength * beam_g) >> 8))
        light_b = np.int32(ground_b + np.int32(np.int32(lamp * lamp_b + strength * beam_b) >> 8))
        r = np.int32(np.int32(np.int32(low & 255) * light_r) >> 8)
        g = np.int32(np.int32(np.int32(high & 255) * light_g) >> 8)
        b = np.int32(np.int32(np.int32(np.int32(low >> 16) & 255) * light_b) >> 8)
        out[3 * k] = min(np.int32(r + np.int32(np.int32(np.int32(fog_r - r) * haze[k]) >> 8)), _LAST)
        out[3 * k + 1] = min(np.int32(g + np.int32(np.int32(np.int32(fog_g - g) * haze[k]) >> 8)), _LAST)
        out[3 * k + 2] = min(np.int32(b + np.int32(np.int32(np.int32(fog_b - b) * haze[k]) >> 8)), _LAST)


@njit(cache=True, error_model="numpy")
def _with_windows(
    colour: tuple[int, int, int], place: tuple[Any, Any], fade: Any, number: int, panes: tuple[Any, ...]
) -> tuple[int, int, int]:
    """Colour of a façade with windows in storeys of 3.1 m.

    Args:
        colour: Of the wall.
        place: Metres along the wall and above the ground.
        fade: Contrast of the windows where it is below 1.
        number: Of the building, which varies the pattern.
        panes: Mirrored sky in red, green and blue, light of a lit window, and how many of 1024 are lit.
    """
    along_m, above_m = place
    sky_r, sky_g, sky_b, lamp, lit = panes
    style = (number * 7919) & 0xFFFF
    # Truncation rounds down for positive numbers, and takes less time than the floor.
    across = along_m * (np.float32(1.0) / np.float32(2.4 + 0.25 * (style & 3))) + np.float32(1024.0)
    up = above_m * np.float32(1 / 3.1) + np.float32(1.0)
    column, storey = int(across), int(up)
    across, up = across - np.float32(column), up - np.float32(storey)
    storey -= 1
    margin = np.float32(0.22)
    sill = np.float32(0.30)
    if storey == 0:
        margin, sill = np.float32(0.12), np.float32(0.18)
    r, g, b = colour
    share = 256
    if fade < np.float32(1.0):
        share = int(fade * 256)
    if across < margin or across > np.float32(1.0) - margin or up < sill or up > np.float32(0.84):
        # A darker plinth, and a ledge between storeys.
        if storey == 0 and up < np.float32(0.12):
            return r - (r * share >> 10), g - (g * share >> 10), b - (b * share >> 10)
        if up > np.float32(0.95):
            return r - (r * share >> 11), g - (g * share >> 11), b - (b * share >> 11)
        return r, g, b
    key = (column * 73856093) ^ (storey * 19349663) ^ (style * 83492791)
    key = (key ^ (key >> 13)) * 1274126177
    key = (key ^ (key >> 16)) & 1023
    if key < lit:
        tone = 180 + (key & 7) * 12
        wr = lamp * tone >> 10
        wg, wb = wr * 200 >> 8, wr * (90 + (key & 31) * 3) >> 8
    else:
        # The sky is mirrored, more in the upper part.
        part = int(np.float32(41.0) + np.float32(56.0) * up) + 2 * (key & 15)
        wr, wg, wb = (sky_r * part >> 8) + (r >> 4), (sky_g * part >> 8) + (g >> 4), (sky_b * part >> 8) + (b >> 4)
        if up > np.float32(0.78) or across < margin + np.float32(0.04):
            wr, wg, wb = wr >> 1, wg >> 1, wb >> 1
    return r + ((wr - r) * share >> 8), g + ((wg - g) * share >> 8), b + ((wb - b) * share >> 8)


@njit(cache=True, error_model="numpy")
def develop(
    light: UInt16[np.ndarray, "height width 3"],
    noise: Int16[np.ndarray, "samples"],
    starts: Int64[np.ndarray, "height"],
    out: UInt8[np.ndarray, "height width 3"],
) -> None:
    """Add noise and map light to eight bits by the curve 1 - (1 - light / 2048)^2.

    Args:
        light: On each pixel.
        noise: Samples, in units of the light.
        starts: First sample of each row.
        out: Result.
    """
    height, width = light.shape[:2]
    count = 3 * width
    source = light.reshape(height, count)
    target = out.reshape(height, count)
    for v in range(height):
        row = source[v]
        grain = noise[starts[v] : starts[v] + count]
        image = target[v]
        for k in range(count):
            value = np.int32(row[k]) + np.int32(grain[k])
            value = min(max(value, np.int32(0)), np.int32(2047))
            image[k] = np.uint8((value * (np.int32(4096) - value)) >> np.int32(14))
