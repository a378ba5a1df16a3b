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
