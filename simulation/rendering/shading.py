"""Colour of each pixel, once it is known what it shows; then the sensor: noise, tone, eight bits."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int16, Int32, Int64, UInt8, UInt16, UInt32

from simulation.geometry.compiling import njit
from simulation.rendering.camera_tables import NO_RAY, SKY, SKY_COLUMNS, Camera
from simulation.rendering.ground import WINDOW, GroundWindows
from simulation.rendering.lighting import MAX_LIGHT, Light, Scene
from simulation.rendering.mesh_parts import Material

_FACADE, _SHADOW = int(Material.FACADE), int(Material.SHADOW)
SHADOW_LIGHT = 0.5
"""Share of the light below a vehicle."""
FOG_STEPS, FOG_STEP_M = 1024, 0.5
"""Table of the fog by depth."""
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

    texels: UInt32[np.ndarray, "levels 1024 1024"]
    frames: Float32[np.ndarray, "levels 4"]
    """Texel coordinates of the ego (made positive), and cosine and sine of its heading over the texel size."""


def ground_frame(windows: GroundWindows, heading_rad: float, texel_m: Float32[np.ndarray, "levels"]) -> Ground:
    """Prepare windows for look-ups from the ego frame."""
    frames = np.empty((len(texel_m), 4), dtype=np.float32)
    # Truncation to integers rounds down only when coordinates are positive.
    frames[:, :2] = windows.offsets + 16 * WINDOW
    frames[:, 2], frames[:, 3] = math.cos(heading_rad) / texel_m, math.sin(heading_rad) / texel_m
    return Ground(windows.texels, frames)


@njit(cache=True, error_model="numpy", inline="always")
def _spread(texel: int) -> int:
    """The four bytes of a texel in lanes of 16 bits."""
    return (texel & _LANES) | ((texel & 0xFF00FF00) << 24)


@njit(cache=True, error_model="numpy", inline="always")
def _texel(ground: Ground, level: int, place: np.ndarray, stride: np.ndarray) -> int:
    """Colour of the ground: interpolated between texels, or the mean of four along the footprint of a pixel."""
    texels = ground.texels[level]
    ox, oy, cos, sin = ground.frames[level]
    x, y = ox + cos * place[0] - sin * place[1], oy + sin * place[0] + cos * place[1]
    if stride[0] == 0 and stride[1] == 0:
        x, y = x - np.float32(0.5), y - np.float32(0.5)
        i, j = int(x), int(y)
        dx, dy = int((x - i) * 256), int((y - j) * 256)
        i, j = i & _MASK, j & _MASK
        m, n = (i + 1) & _MASK, (j + 1) & _MASK
        both = dx * dy >> 8
        mixed = (
            _spread(texels[j, i]) * (256 - dx - dy + both)
            + _spread(texels[j, m]) * (dx - both)
            + _spread(texels[n, i]) * (dy - both)
            + _spread(texels[n, m]) * both
        )
        return mixed >> 8
    sx, sy = cos * stride[0] - sin * stride[1], sin * stride[0] + cos * stride[1]
    half = np.float32(0.5)
    total = _spread(texels[int(y - 3 * half * sy) & _MASK, int(x - 3 * half * sx) & _MASK])
    total += _spread(texels[int(y - half * sy) & _MASK, int(x - half * sx) & _MASK])
    total += _spread(texels[int(y + half * sy) & _MASK, int(x + half * sx) & _MASK])
    total += _spread(texels[int(y + 3 * half * sy) & _MASK, int(x + 3 * half * sx) & _MASK])
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
    has_lamps = lamp_r + beam_r > 0
    is_wet = air.gloss[0] + air.gloss[-1] > 0
    turn = int(air.sky_turn)
    per_metre = np.float32(1 / FOG_STEP_M)
    last_step = np.float32(FOG_STEPS - 1)
    flat = out.reshape(height * width, 3)
    for v in range(height):
        for u in range(width):
            t = shown[v, u]
            level = camera.level[v, u]
            is_ground = t < 0
            shadow = 256
            if t >= 0:
                material = scene.materials[t]
                if material == _SHADOW:
                    is_ground = True
                    shadow = int(256 * SHADOW_LIGHT)
            if not is_ground:
                depth = np.float32(1.0) / nearness[v, u]
                r, g, b = int(scene.colours[t, 0]), int(scene.colours[t, 1]), int(scene.colours[t, 2])
                if material == _FACADE and depth < air.window_range_m:
                    x, y = camera.rays_x[v, u], camera.rays_y[v, u]
                    wall = walls[t]
                    r, g, b = _with_windows(
                        (r, g, b),
                        depth * (wall[0] * x + wall[1] * y + wall[2]),
                        depth * (wall[3] * x + wall[4] * y + wall[5]),
                        (depth, scene.looks[t]),
                        air,
                        light,
                    )
                haze = int(air.haze[int(min(depth * per_metre, last_step))])
            elif level < SKY:
                texel = _texel(ground, level, camera.place[v, u], camera.stride[v, u])
                step = int(min(camera.ground_depth[v, u] * per_metre, last_step))
                haze = int(air.haze[step])
                light_r, light_g, light_b = ground_r, ground_g, ground_b
                if has_lamps:
                    lamp, beam = texel >> 48 & 255, int(extras.beam[v, u])
                    light_r += (lamp * lamp_r + beam * beam_r) >> 8
                    light_g += (lamp * lamp_g + beam * beam_g) >> 8
                    light_b += (lamp * lamp_b + beam * beam_b) >> 8
                if shadow < 256:
                    light_r, light_g, light_b = light_r * shadow >> 8, light_g * shadow >> 8, light_b * shadow >> 8
                r = (texel & 255) * light_r >> 8
                g = (texel >> 32 & 255) * light_g >> 8
                b = (texel >> 16 & 255) * light_b >> 8
                if is_wet:
                    gloss = int(air.gloss[step])
                    source = extras.mirror[v, u]
                    mr, mg, mb = fog_r, fog_g, fog_b
                    if source >= 0:
                        mr, mg, mb = int(flat[source, 0]), int(flat[source, 1]), int(flat[source, 2])
                    r, g, b = r + ((mr - r) * gloss >> 8), g + ((mg - g) * gloss >> 8), b + ((mb - b) * gloss >> 8)
            elif level == NO_RAY:
                r, g, b, haze = 0, 0, 0, 0
            else:
                column = (int(camera.place[v, u, 0]) + turn) & (SKY_COLUMNS - 1)
                sky = air.sky[int(camera.place[v, u, 1]), column]
                r, g, b, haze = (sky & 1023) << 2, (sky >> 10 & 1023) << 2, (sky >> 20 & 1023) << 2, 0
            out[v, u, 0] = min(r + ((fog_r - r) * haze >> 8), MAX_LIGHT)
            out[v, u, 1] = min(g + ((fog_g - g) * haze >> 8), MAX_LIGHT)
            out[v, u, 2] = min(b + ((fog_b - b) * haze >> 8), MAX_LIGHT)


@njit(cache=True, error_model="numpy", inline="always")
def _with_windows(
    colour: tuple[int, int, int],
    along_m: float,
    above_m: float,
    place: tuple[float, int],
    air: Air,
    light: Light,
) -> tuple[int, int, int]:
    """Colour of a façade with windows in storeys of 3.1 m; the building's number varies their pattern."""
    depth, number = place
    style = (number * 7919) & 0xFFFF
    bay_m = np.float32(2.4 + 0.25 * (style & 3))
    storey_m = np.float32(3.1)
    column, storey = math.floor(along_m / bay_m), math.floor(above_m / storey_m)
    across, up = along_m / bay_m - column, above_m / storey_m - storey
    margin = np.float32(0.22)
    sill = np.float32(0.30)
    if storey == 0:
        margin, sill = np.float32(0.12), np.float32(0.18)
    r, g, b = colour
    share = 256
    fade = np.float32(2.0) - np.float32(2.0) * np.float32(depth / air.window_range_m)
    if fade < 1:
        share = int(fade * 256)
    if across < margin or across > 1 - margin or up < sill or up > np.float32(0.84):
        # A darker plinth, and a ledge between storeys.
        if storey == 0 and up < np.float32(0.12):
            return r - (r * share >> 10), g - (g * share >> 10), b - (b * share >> 10)
        if up > np.float32(0.95):
            return r - (r * share >> 11), g - (g * share >> 11), b - (b * share >> 11)
        return r, g, b
    key = (column * 73856093) ^ (storey * 19349663) ^ (style * 83492791)
    key = (key ^ (key >> 13)) * 1274126177
    key = (key ^ (key >> 16)) & 1023
    if key < air.lit_windows * 1024:
        tone = 180 + (key & 7) * 12
        wr = int(light.emission[8, 0]) * tone >> 10
        wg, wb = wr * 200 >> 8, wr * (90 + (key & 31) * 3) >> 8
    else:
        # The sky is mirrored, more in the upper part.
        part = np.float32(0.16) + np.float32(0.22) * up + np.float32((key & 15) / 120.0)
        wr = int(light.sky[0] * part) + (r >> 4)
        wg, wb = int(light.sky[1] * part) + (g >> 4), int(light.sky[2] * part) + (b >> 4)
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
