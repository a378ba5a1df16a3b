"""Light of an appearance, and triangles placed in the ego frame and lit.

Light is measured so that a white surface in full daylight has the value 1024 (`WHITE`); lamps may exceed it.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8, UInt16

from simulation.geometry.compiling import njit
from simulation.rendering.appearance import Appearance, Colour
from simulation.rendering.mesh_parts import Material

WHITE = 1024.0
MAX_LIGHT = 4095
BRAKING, LEFT, RIGHT, LIT, RED, YELLOW, GREEN = (1 << bit for bit in range(7))
"""Flags of the lamps that are on; `LIT`: head, tail and street lamps."""
BEAM_X_M = 3.6
"""Headlights of the ego, in front of its rear axle."""
BEAM_ANGLE_RAD, BEAM_RANGE_M = 0.38, 16.0

_GLASS, _FOLIAGE = int(Material.GLASS), int(Material.FOLIAGE)
_TAIL_LIGHT, _BRAKE_LIGHT = int(Material.TAIL_LIGHT), max(Material) + 1
_SWITCH_OF = {
    Material.HEADLIGHT: LIT,
    Material.TAIL_LIGHT: LIT,
    Material.LAMP: LIT,
    Material.INDICATOR_LEFT: LEFT,
    Material.INDICATOR_RIGHT: RIGHT,
    Material.SIGNAL_RED: RED,
    Material.SIGNAL_YELLOW: YELLOW,
    Material.SIGNAL_GREEN: GREEN,
}
_SWITCHES = tuple(_SWITCH_OF.get(material, 0) for material in Material)
"""Flag that turns each material on."""


class Light(NamedTuple):
    """Light of a scene in the ego frame, exposure included."""

    ambient: Float32[np.ndarray, "3"]
    sun: Float32[np.ndarray, "3"]
    sun_direction: Float32[np.ndarray, "3"]
    """Unit vector towards the sun."""
    sky: Float32[np.ndarray, "3"]
    """Reflected by glass."""
    fog: Float32[np.ndarray, "3"]
    ground: Float32[np.ndarray, "3"]
    """On flat ground, without lamps."""
    beam: Float32[np.ndarray, "3"]
    """Headlights of the ego at full strength."""
    lamp: Float32[np.ndarray, "3"]
    """Change where the overlay of the ground is 1: street lamps at full strength, or shade, which is negative."""
    emission: Float32[np.ndarray, "materials 3"]
    """Light of each `Material` when its lamp is on; braking light in the row behind the last material."""


def light_of(appearance: Appearance, ego_heading_rad: float) -> Light:
    """Light of an appearance in the ego frame of a heading."""
    gain = WHITE * appearance.exposure
    elevation, azimuth = appearance.sun_elevation_rad, appearance.sun_azimuth_rad - ego_heading_rad
    sun = np.array(
        [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
    )
    ambient, sunlight = _scaled(appearance.ambient, gain), _scaled(appearance.sun_colour, gain)
    has_lamps = 1.0 if appearance.has_headlights else 0.0
    emission = np.zeros((_BRAKE_LIGHT + 1, 3))
    emission[Material.HEADLIGHT] = 2.6, 2.5, 2.2
    emission[Material.TAIL_LIGHT] = 0.75, 0.05, 0.04
    emission[_BRAKE_LIGHT] = 2.4, 0.18, 0.12
    emission[Material.INDICATOR_LEFT] = emission[Material.INDICATOR_RIGHT] = 2.4, 1.15, 0.12
    emission[Material.LAMP] = 2.8, 2.3, 1.6
    emission[Material.SIGNAL_RED] = 2.4, 0.16, 0.10
    emission[Material.SIGNAL_YELLOW] = 2.4, 1.6, 0.15
    emission[Material.SIGNAL_GREEN] = 0.15, 2.0, 1.1
    wet = 1 - 0.35 * appearance.rain
    height = max(math.sin(elevation), 0.0)
    # Some light of the sun is scattered into the shade.
    overlay = (
        -0.85 * height * sunlight - 0.12 * ambient
        if appearance.casts_shadows
        else _scaled((0.62, 0.50, 0.33), gain * has_lamps)
    )
    return Light(
        ambient=ambient,
        sun=sunlight,
        sun_direction=sun.astype(np.float32),
        sky=_scaled(appearance.horizon, gain),
        fog=_scaled(appearance.horizon, gain * 0.97),
        ground=((ambient + height * sunlight) * wet).astype(np.float32),
        beam=_scaled((0.80, 0.78, 0.70), gain * has_lamps * wet),
        lamp=(overlay * wet).astype(np.float32),
        emission=(emission * WHITE * min(appearance.exposure, 1.5)).astype(np.float32),
    )


def _scaled(colour: Colour, factor: float) -> Float32[np.ndarray, "3"]:
    return (np.array(colour) * factor).astype(np.float32)


def beam_strength(places: Float64[np.ndarray, "*shape 2"]) -> Float64[np.ndarray, "*shape"]:
    """Light of the ego's headlights at places in the ego frame, 0 to 1."""
    x, y = places[..., 0] - BEAM_X_M, np.abs(places[..., 1])
    distance = np.hypot(x, y)
    angle = np.arctan2(y, np.maximum(x, 1e-3))
    near = np.clip(x / 3.0, 0.0, 1.0)
    return np.where(
        x > 0, near * np.exp(-((angle / BEAM_ANGLE_RAD) ** 2)) / (1 + (distance / BEAM_RANGE_M) ** 2), 0.0
    )


class Models(NamedTuple):
    """Triangles of I objects, each in its own frame; fields as in `Mesh`."""

    corners: Float32[np.ndarray, "triangles 3 3"]
    colours: UInt8[np.ndarray, "triangles 3"]
    materials: UInt8[np.ndarray, "triangles"]
    uv_m: Float32[np.ndarray, "triangles 3 2"]
    offsets: Int64[np.ndarray, "objects+1"]


class Placed(NamedTuple):
    """K objects to draw: rows of `Models`."""

    rows: Int64[np.ndarray, "placed"]
    poses: Float64[np.ndarray, "placed 3"]
    """x [m], y [m], heading [rad] of the origin of the object's frame, in the ego frame."""
    lamps: Int32[np.ndarray, "placed"]
    """Flags of the lamps that are on."""
    numbers: Int32[np.ndarray, "placed"]
    """Instance ids in the image."""
    lamp_light: Float32[np.ndarray, "placed"]
    """Overlay of the ground at the object, 0 to 1."""


class Scene(NamedTuple):
    """Buffers of the placed triangles; the fields of `Triangles`, and how they are shaded."""

    corners: Float32[np.ndarray, "capacity 3 3"]
    offsets: Int32[np.ndarray, "capacity"]
    spheres: Float32[np.ndarray, "capacity 4"]
    materials: UInt8[np.ndarray, "capacity"]
    uv_m: Float32[np.ndarray, "capacity 3 2"]
    colours: UInt16[np.ndarray, "capacity 3"]
    """Light that leaves the triangle."""
    numbers: Int32[np.ndarray, "capacity"]
    """Instance id."""
    looks: Int32[np.ndarray, "capacity"]
    """Row of the object in its models, which varies the windows of buildings."""
    eyes: Float64[np.ndarray, "4"]
    """Centre and radius of a sphere: `place` leaves triangles out whose front no point of it sees."""


EVERYWHERE = (0.0, 0.0, 0.0, np.inf)
"""Sphere of `Scene.eyes` that sees all triangles."""


def empty_scene(triangles: int, objects: int) -> Scene:
    """Buffers with a capacity, seen from everywhere."""
    return Scene(
        corners=np.empty((triangles, 3, 3), dtype=np.float32),
        offsets=np.zeros(objects + 1, dtype=np.int32),
        spheres=np.empty((objects, 4), dtype=np.float32),
        materials=np.empty(triangles, dtype=np.uint8),
        uv_m=np.empty((triangles, 3, 2), dtype=np.float32),
        colours=np.empty((triangles, 3), dtype=np.uint16),
        numbers=np.empty(triangles, dtype=np.int32),
        looks=np.empty(triangles, dtype=np.int32),
        eyes=np.array(EVERYWHERE),
    )


@njit(cache=True, error_model="numpy")
def place(models: Models, placed: Placed, light: Light, scene: Scene, at: tuple[int, int]) -> tuple[int, int]:
    """Append objects to a scene, without triangles that its eyes see from behind.

    Args:
        models: Triangles of the objects.
        placed: Which of them, and where.
        light: Of the scene.
        scene: Buffers with enough capacity.
        at: Numbers of triangles and of objects that the scene already has.

    Returns:
        The new numbers.
    """
    t, instance = at
    low, high = np.empty(3), np.empty(3)
    for k in range(len(placed.rows)):
        row = placed.rows[k]
        cos, sin = math.cos(placed.poses[k, 2]), math.sin(placed.poses[k, 2])
        shift_x, shift_y = placed.poses[k, 0], placed.poses[k, 1]
        low[:], high[:] = np.inf, -np.inf
        scene.offsets[instance] = t
        for s in range(models.offsets[row], models.offsets[row + 1]):
            for c in range(3):
                # Single elements, as views of arrays cost time here.
                x, y, z = models.corners[s, c, 0], models.corners[s, c, 1], models.corners[s, c, 2]
                px, py = shift_x + cos * x - sin * y, shift_y + sin * x + cos * y
                scene.corners[t, c, 0], scene.corners[t, c, 1], scene.corners[t, c, 2] = px, py, z
            if _faces_away(scene.corners, t, scene.eyes):
                continue
            for c in range(3):
                for i in range(3):
                    value = scene.corners[t, c, i]
                    low[i], high[i] = min(low[i], value), max(high[i], value)
                scene.uv_m[t, c, 0], scene.uv_m[t, c, 1] = models.uv_m[s, c, 0], models.uv_m[s, c, 1]
            scene.materials[t] = models.materials[s]
            scene.numbers[t] = placed.numbers[k]
            scene.looks[t] = row
            _shade(scene, (t, s), models.colours, (placed.lamps[k], placed.lamp_light[k]), light)
            t += 1
        if scene.offsets[instance] == t:
            continue
        radius = 0.0
        for i in range(3):
            scene.spheres[instance, i] = (low[i] + high[i]) / 2
            radius += (high[i] - low[i]) ** 2
        scene.spheres[instance, 3] = math.sqrt(radius) / 2 + 1e-3
        instance += 1
        scene.offsets[instance] = t
    return t, instance


@njit(cache=True, error_model="numpy", inline="always")
def _faces_away(corners: np.ndarray, t: int, eyes: np.ndarray) -> bool:
    """Whether a triangle shows its back to every point of a sphere."""
    ax, ay, az = corners[t, 0, 0], corners[t, 0, 1], corners[t, 0, 2]
    ux, uy, uz = corners[t, 1, 0] - ax, corners[t, 1, 1] - ay, corners[t, 1, 2] - az
    vx, vy, vz = corners[t, 2, 0] - ax, corners[t, 2, 1] - ay, corners[t, 2, 2] - az
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    towards = nx * (eyes[0] - ax) + ny * (eyes[1] - ay) + nz * (eyes[2] - az)
    squared = eyes[3] * eyes[3] * (nx * nx + ny * ny + nz * nz)
    return towards < 0.0 and towards * towards > squared


@njit(cache=True, error_model="numpy", inline="always")
def _shade(scene: Scene, triangle: tuple[int, int], albedo: np.ndarray, lit: tuple[int, float], light: Light) -> None:
    """Set the light that leaves a triangle, given by its rows in the scene and in the models."""
    t, source = triangle
    lamps, lamp_light = lit
    material = scene.materials[t]
    emitting = _emitting(material, lamps)
    if emitting >= 0:
        for i in range(3):
            scene.colours[t, i] = min(light.emission[emitting, i], MAX_LIGHT)
        return
    ax, ay, az = scene.corners[t, 0, 0], scene.corners[t, 0, 1], scene.corners[t, 0, 2]
    ux, uy, uz = scene.corners[t, 1, 0] - ax, scene.corners[t, 1, 1] - ay, scene.corners[t, 1, 2] - az
    vx, vy, vz = scene.corners[t, 2, 0] - ax, scene.corners[t, 2, 1] - ay, scene.corners[t, 2, 2] - az
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    length = max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
    nx, ny, nz = nx / length, ny / length, nz / length
    facing = max(nx * light.sun_direction[0] + ny * light.sun_direction[1] + nz * light.sun_direction[2], 0.0)
    from_sky = 0.66 + 0.34 * nz
    mirrored = 0.0
    if material == _FOLIAGE:
        # Leaves scatter, and differ.
        facing = 0.25 + 0.55 * facing
        from_sky *= 0.85 + 0.3 * ((source * 40503 >> 5) & 255) / 255.0
    elif material == _GLASS:
        mirrored = 0.22 + 0.2 * max(nz, 0.0)
    beam = 0.0
    if light.beam[0] > 0:
        cx, cy = ax + (ux + vx) / 3 - BEAM_X_M, ay + (uy + vy) / 3
        if cx > 0:
            distance = math.sqrt(cx * cx + cy * cy)
            angle = math.atan2(abs(cy), cx) / BEAM_ANGLE_RAD
            towards = max(-(nx * cx + ny * cy) / distance, 0.15)
            beam = towards * math.exp(-angle * angle) / (1 + (distance / (1.6 * BEAM_RANGE_M)) ** 2)
    for i in range(3):
        received = light.ambient[i] * from_sky + light.sun[i] * facing + light.beam[i] * beam
        received += light.lamp[i] * lamp_light * (0.6 + 0.4 * nz)
        received = max(received, 0.5 * light.ambient[i] * from_sky)
        value = received * albedo[source, i] / 255.0 + mirrored * light.sky[i]
        scene.colours[t, i] = min(value, MAX_LIGHT)


@njit(cache=True, inline="always")
def _emitting(material: int, lamps: int) -> int:
    """Row of `Light.emission`, -1 for a surface that does not shine."""
    needed = _SWITCHES[material]
    if material == _TAIL_LIGHT and lamps & BRAKING:
        return _BRAKE_LIGHT
    return material if lamps & needed else -1
