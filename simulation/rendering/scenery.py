"""Templates of buildings, trees, lamp posts and traffic signs, and their colours."""

from functools import cache

import numpy as np

from simulation.rendering.mesh_parts import Colour, Material, MeshBuilder, box_rings, column_rings, tube_rings
from simulation.rendering.stamping import Template, template_of

WALL, ROOF, CROWN, BOARD = (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 6)
"""Placeholders of the colours of a copy."""
STEEL: Colour = (116, 120, 124)
BARK: Colour = (84, 66, 50)
LAMP_ARM_M = 0.8
"""Reach of a lamp beyond its post."""
SIGN_RADIUS_M = 0.36
EAVES = 0.68
"""Height of the eaves of a gabled building, as a share of the ridge's."""

WALLS = np.array(
    [
        (176, 160, 140),
        (150, 88, 68),
        (196, 190, 178),
        (126, 122, 118),
        (188, 168, 122),
        (108, 84, 72),
        (168, 176, 182),
        (206, 198, 186),
        (140, 146, 128),
    ],
    dtype=np.uint8,
)
ROOFS = np.array([(92, 88, 86), (120, 66, 52), (74, 76, 82), (104, 92, 80)], dtype=np.uint8)
CROWNS = np.array([(52, 84, 38), (66, 98, 42), (44, 72, 36), (84, 104, 48), (60, 80, 46)], dtype=np.uint8)
BOARDS = np.array([(176, 30, 34), (226, 226, 222), (30, 76, 156), (214, 172, 40), (40, 112, 66)], dtype=np.uint8)


@cache
def block_building() -> Template:
    """A building with a flat roof, in a box of unit size; 10 triangles."""
    builder = MeshBuilder()
    (low, high) = box_rings((-0.5, -0.5, 0.0), (0.5, 0.5, 1.0))
    for start in range(4):
        end = (start + 1) % 4
        builder.facade(np.stack([low[start], low[end], high[end], high[start]]), WALL)
    builder.polygon(high, ROOF)
    return template_of(builder.build((1.0, 1.0, 1.0)), WALL, ROOF)


@cache
def gabled_building() -> Template:
    """A building with a gabled roof, its ridge along x, in a box of unit size; 14 triangles."""
    builder = MeshBuilder()
    (low, high) = box_rings((-0.5, -0.5, 0.0), (0.5, 0.5, EAVES))
    left, right = np.array([-0.5, 0.0, 1.0]), np.array([0.5, 0.0, 1.0])
    builder.facade(np.stack([low[0], low[1], high[1], high[0]]), WALL)
    builder.facade(np.stack([low[1], low[2], high[2], right, high[1]]), WALL)
    builder.facade(np.stack([low[2], low[3], high[3], high[2]]), WALL)
    builder.facade(np.stack([low[3], low[0], high[0], left, high[3]]), WALL)
    builder.polygon(np.stack([high[0], high[1], right, left]), ROOF)
    builder.polygon(np.stack([high[2], high[3], left, right]), ROOF)
    return template_of(builder.build((1.0, 1.0, 1.0)), WALL, ROOF)


def _crown_template(levels: list[tuple[float, float]], trunk_to: float, points: int, seed: int) -> Template:
    rng = np.random.default_rng(seed)
    shares = np.array(levels)
    centres = np.zeros((len(levels), 3))
    centres[:, :2] = rng.uniform(-0.04, 0.04, (len(levels), 2))
    centres[:, 2] = shares[:, 0]
    rings = column_rings(centres, np.repeat(shares[:, 1:] * 0.5, 2, axis=1), points)
    rings[..., :2] *= rng.uniform(0.86, 1.0, (len(levels), points, 1))
    builder = MeshBuilder()
    builder.loft(rings, CROWN, Material.FOLIAGE)
    trunk = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, trunk_to]])
    builder.loft(column_rings(trunk, np.array([[0.05, 0.05], [0.035, 0.035]]), 4), BARK, has_caps=False)
    return template_of(builder.build((1.0, 1.0, 1.0)), CROWN)


@cache
def broadleaf_tree(variant: int) -> Template:
    """A tree with a round crown, in a box of unit size; 52 triangles."""
    levels = [(0.28, 0.45), (0.45, 0.95), (0.70, 1.0), (0.90, 0.62), (1.0, 0.20)]
    return _crown_template(levels[variant % 2 :], 0.5, 5, variant)


@cache
def conifer_tree(variant: int) -> Template:
    """A tree with a conical crown, in a box of unit size."""
    return _crown_template([(0.14, 0.85), (0.30, 1.0), (0.62, 0.55), (1.0, 0.04)], 0.2, 5, 10 + variant)


@cache
def lamp_post() -> Template:
    """A post of height 1 with a lamp that reaches `LAMP_ARM_M` along x; 24 triangles."""
    builder = MeshBuilder()
    post = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.97]])
    builder.loft(column_rings(post, np.array([[0.09, 0.09], [0.05, 0.05]]), 4), STEEL, has_caps=False)
    builder.loft(tube_rings((0.0, 0.0, 0.96), (0.45, 0.0, 0.985), 0.02), STEEL, has_caps=False)
    builder.loft(box_rings((0.32, -0.1, 0.975), (LAMP_ARM_M, 0.1, 1.0))[::-1], STEEL, has_caps=False)
    builder.plate((0.56, 0.0, 0.975), (0.0, 0.1, 0.0), (0.24, 0.0, 0.0), (236, 228, 204), Material.LAMP)
    return template_of(builder.build())


@cache
def sign_post() -> Template:
    """A traffic sign of height 1 on a post: an octagonal board that faces -x; 20 triangles."""
    builder = MeshBuilder()
    post = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.9]])
    builder.loft(column_rings(post, np.full((2, 2), 0.04), 4), STEEL, has_caps=False)
    angles = (np.arange(8) + 0.5) * (np.pi / 4)
    rim = np.stack([np.full(8, -0.06), -SIGN_RADIUS_M * np.cos(angles), 0.87 + 0.13 * np.sin(angles)], axis=-1)
    builder.polygon(rim, BOARD)
    builder.polygon(rim[::-1] + np.array((0.01, 0.0, 0.0)), STEEL)
    return template_of(builder.build(), BOARD)
