"""Meshes of pedestrians and of bicycles with their riders."""

import numpy as np
from jaxtyping import Float64

from simulation.rendering.mesh_parts import (
    Colour,
    Material,
    Mesh,
    MeshBuilder,
    column_rings,
    shifted,
    tube_rings,
)

SKINS: tuple[Colour, ...] = ((224, 176, 148), (198, 144, 112), (150, 100, 72), (98, 64, 46))
HAIRS: tuple[Colour, ...] = ((34, 26, 22), (70, 46, 30), (142, 104, 60), (120, 120, 122))
TOPS: tuple[Colour, ...] = (
    (34, 36, 42),
    (58, 74, 108),
    (150, 34, 38),
    (214, 214, 208),
    (70, 96, 66),
    (188, 150, 56),
    (110, 112, 116),
    (132, 74, 110),
)
TROUSERS: tuple[Colour, ...] = ((38, 48, 74), (30, 30, 34), (96, 86, 70), (70, 72, 78))
SHOES: Colour = (36, 32, 30)
FRAMES: tuple[Colour, ...] = ((160, 30, 30), (30, 70, 140), (40, 40, 44), (60, 130, 80), (210, 210, 205))
HELMETS: tuple[Colour, ...] = ((226, 226, 222), (30, 30, 34), (196, 60, 40), (60, 110, 180))
RUBBER: Colour = (24, 24, 26)
RED_LAMP: Colour = (150, 16, 16)
WHITE_LAMP: Colour = (232, 234, 226)


def pedestrian_mesh(size_m: tuple[float, float, float], rng: np.random.Generator, detail: int) -> Mesh:
    """Mesh of a walking person: legs, arms, trunk and head.

    Args:
        size_m: Length, width, height; arms and legs reach the sides of the box.
        rng: Of clothes and pose.
        detail: 0 near, 1 far.
    """
    length, width, height = size_m
    skin, hair, top, trousers = (_drawn(rng, colours) for colours in (SKINS, HAIRS, TOPS, TROUSERS))
    builder = MeshBuilder()
    stride = min(0.5 * length, 0.24 * height) * rng.uniform(0.6, 1.0)
    shoulder = min(0.40 * width, 0.13 * height)
    depth = min(0.25 * length, 0.07 * height)
    if detail:
        widths = ((0.0, 0.5 * length, 0.5), (0.48, depth, 0.75), (0.82, depth, 1.0))
        rings = np.concatenate(
            [
                column_rings(np.array([[0.0, 0.0, share * height]]), np.array([[x, wide * 0.5 * width]]) * 1.414, 4)
                for share, x, wide in widths
            ]
        )
        builder.loft(rings, np.array([trousers, top])[:, np.newaxis], has_caps=False)
        builder.loft(_head_rings(height, 0.84, 3)[[0, -1]], np.array(skin), cap=(skin, hair))
        return builder.build(size_m)
    lean = rng.choice([-1.0, 1.0])
    for side in (-1.0, 1.0):
        reach = side * lean * stride
        hip = np.array([0.0, side * 0.045 * height, 0.50 * height])
        knee = np.array([0.45 * reach + 0.03, side * 0.05 * height, 0.27 * height])
        foot = np.array([reach, side * 0.05 * height, 0.0])
        radii = np.array([[0.055, 0.028], [0.036, 0.034], [0.048, 0.046]]) * height
        builder.loft(
            column_rings(np.stack([foot, knee, hip]), radii, 4),
            np.array([trousers, trousers])[:, np.newaxis],
            cap=(SHOES, trousers),
        )
        hand = np.array([-0.8 * reach, side * (0.5 * width - 0.02), 0.45 * height])
        elbow = np.array([-0.15 * reach, side * (0.2 * shoulder + 0.4 * width - 0.02), 0.63 * height])
        upper = np.array([0.0, side * shoulder, 0.81 * height])
        radii = np.array([[0.022, 0.020], [0.026, 0.024], [0.034, 0.030]]) * height
        builder.loft(
            column_rings(np.stack([hand, elbow, upper]), radii, 4),
            np.array([skin if rng.uniform() < 0.4 else top, top])[:, np.newaxis],
            cap=(skin, top),
        )
    trunk = np.array([[0.0, 0.0, 0.46], [0.01, 0.0, 0.66], [0.0, 0.0, 0.84]]) * height
    radii = np.array([[depth, 0.10 * height], [depth, 0.095 * height], [0.8 * depth, shoulder]])
    builder.loft(column_rings(trunk, radii, 6, 0.0), np.array([top, top])[:, np.newaxis], cap=(trousers, top))
    builder.loft(_head_rings(height, 0.84, 5), _head_colours(skin, hair), cap=(skin, hair))
    return builder.build(size_m)


def bicycle_mesh(size_m: tuple[float, float, float], rng: np.random.Generator, detail: int) -> Mesh:
    """Mesh of a bicycle with its rider.

    Args:
        size_m: Length, width, height; the handlebar reaches the sides of the box.
        rng: Of clothes and frame.
        detail: 0 near, 1 far.
    """
    length, width, height = size_m
    skin, top, trousers = (_drawn(rng, colours) for colours in (SKINS, TOPS, TROUSERS))
    paint, helmet = _drawn(rng, FRAMES), _drawn(rng, HELMETS)
    radius = min(0.19 * length, 0.21 * height)
    axle = 0.5 * length - radius
    builder = MeshBuilder()
    saddle, bar = np.array([-0.13 * length, 0.0, 0.55 * height]), np.array([0.25 * length, 0.0, 0.60 * height])
    if detail:
        for sign in (-1.0, 1.0):
            centre, right = (0, sign * 0.02, 0.8 * radius), (-sign * 0.5 * length, 0, 0)
            builder.plate(centre, right, (0, 0, 0.8 * radius), paint, Material.TYRE)
        rider = np.array([[0.0, 0.0, 0.3], [-0.02, 0.0, 0.62], [0.05, 0.0, 0.84], [0.07, 0.0, 1.0]])
        rider[:, 0] *= length
        rider[:, 2] *= height
        radii = np.array([[0.10, 0.20 * width], [0.16, 0.71 * width], [0.13, 0.4 * width], [0.10, 0.10]])
        stages = np.array([trousers, top, skin])[:, np.newaxis]
        builder.loft(column_rings(rider, radii, 3, 0.0), stages, has_caps=False)
        lamp = np.array([[0.0, 0.08, 0.0], [0.0, -0.08, 0.0], [0.0, 0.0, 0.16]])
        builder.polygon(shifted(lamp, -0.5 * length, 0.0, radius), RED_LAMP, Material.TAIL_LIGHT)
        builder.polygon(shifted(lamp[::-1], 0.5 * length, 0.0, radius), WHITE_LAMP, Material.HEADLIGHT)
        return builder.build(size_m)
    for x in (-axle, axle):
        builder.loft(_tyre_rings(x, radius), RUBBER, Material.TYRE, is_ring=True)
    crank = np.array([-0.02 * length, 0.0, 0.9 * radius])
    for start, end in (
        ((-axle, 0, radius), crank),
        (crank, saddle),
        (crank, bar),
        (shifted(saddle, 0.02, 0.0, -0.06), bar),
        ((axle, 0, radius), bar),
        ((-axle, 0, radius), saddle),
    ):
        builder.loft(tube_rings(start, end, 0.022), paint, has_caps=False)
    builder.loft(tube_rings(shifted(bar, 0.0, -0.5 * width), shifted(bar, 0.0, 0.5 * width), 0.025), RUBBER)
    phase = rng.uniform(0.0, 2 * np.pi)
    hip, neck = shifted(saddle, up=0.02 * height), np.array([0.06 * length, 0.0, 0.84 * height])
    for side in (-1.0, 1.0):
        turn = phase if side > 0 else phase + np.pi
        pedal = shifted(crank, 0.12 * np.cos(turn), side * 0.1, 0.12 * np.sin(turn))
        joint = shifted(hip, left=side * 0.09)
        knee = shifted((pedal + joint) / 2, 0.16, 0.02 * side, 0.10)
        radii = np.array([[0.06, 0.04], [0.055, 0.055], [0.08, 0.08]])
        builder.loft(column_rings(np.stack([pedal, knee, joint]), radii, 3, 0.0), trousers, cap=(SHOES, trousers))
        shoulder = shifted(neck, 0.0, side * min(0.2, 0.4 * width), -0.03)
        grip = shifted(bar, 0.0, side * min(0.24, 0.42 * width), 0.02)
        builder.loft(tube_rings(grip, shoulder, 0.045), top)
    trunk = np.stack([hip, shifted((hip + neck) / 2, -0.04), neck])
    radii = np.array([[0.12, 0.15], [0.11, 0.16], [0.09, 0.20]])
    builder.loft(column_rings(trunk, radii, 5, 0.0), top, cap=(trousers, top))
    head = shifted(_head_rings(height, 0.84, 5), neck[0] + 0.05)
    builder.loft(head, _head_colours(skin, helmet), cap=(skin, helmet))
    builder.plate((-0.5 * length + 0.02, 0, 1.6 * radius), (0, -0.05, 0), (0, 0, 0.05), RED_LAMP, Material.TAIL_LIGHT)
    builder.plate((bar[0] + 0.06, 0, bar[2]), (0, 0.04, 0), (0, 0, 0.04), WHITE_LAMP, Material.HEADLIGHT)
    return builder.build(size_m)


def _drawn(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[rng.integers(len(colours))]


def _head_rings(height_m: float, from_share: float, points: int) -> Float64[np.ndarray, "3 points 3"]:
    """Neck, cheeks and crown of a head that ends at the height."""
    centres = np.array([[0.0, 0.0, from_share], [0.01, 0.0, 0.93], [0.0, 0.0, 1.0]]) * height_m
    radii = np.array([[0.036, 0.034], [0.060, 0.052], [0.036, 0.032]]) * height_m
    return column_rings(centres, radii, points, 0.0)


def _head_colours(skin: Colour, hair: Colour) -> np.ndarray:
    colours = np.array([[skin] * 5, [hair] * 5])
    colours[1, [0, 4]] = skin
    return colours


def _tyre_rings(x_m: float, radius_m: float) -> Float64[np.ndarray, "8 3 3"]:
    """Eight triangular sections around an axle."""
    angles = np.arange(8) * (np.pi / 4)
    radii = np.array([radius_m, 0.82 * radius_m, 0.82 * radius_m])
    rings = np.empty((8, 3, 3))
    rings[..., 0] = x_m + np.cos(angles)[:, np.newaxis] * radii
    rings[..., 1] = [0.0, -0.025, 0.025]
    rings[..., 2] = radius_m + np.sin(angles)[:, np.newaxis] * radii
    return rings
