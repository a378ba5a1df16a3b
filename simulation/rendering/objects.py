"""Meshes of static objects: cones, barriers, construction signs, generic objects."""

import numpy as np

from simulation.rendering.mesh_parts import Colour, Mesh, MeshBuilder, box_rings, column_rings, shifted

ORANGE: Colour = (226, 92, 26)
WHITE: Colour = (228, 228, 222)
CONCRETE: Colour = (156, 154, 148)
RUBBER: Colour = (36, 36, 38)
STEEL: Colour = (122, 124, 128)
GENERIC: tuple[Colour, ...] = ((62, 96, 62), (110, 82, 56), (96, 98, 104), (52, 66, 98), (138, 122, 92))
Levels = tuple[tuple[float, float], ...]
"""Share of the height and scale of the cross-section, from the ground up."""


def cone_mesh(size_m: tuple[float, float, float], rng: np.random.Generator, detail: int) -> Mesh:
    """A traffic cone on its base, orange with white bands."""
    length, width, height = size_m
    builder = MeshBuilder()
    half = np.array([0.36 * length, 0.36 * width])
    if detail:
        levels: Levels = ((0.0, 1.0), (0.45, 0.62), (1.0, 0.12))
        rings = _round_rings(levels, half * 1.38, height, 4)
        builder.loft(rings, np.array([ORANGE, WHITE])[:, np.newaxis], cap=(RUBBER, ORANGE))
        return builder.build(size_m)
    foot = 0.06 * height
    builder.loft(box_rings((-length / 2, -width / 2, 0.0), (length / 2, width / 2, foot)), RUBBER)
    levels = ((0.06, 1.0), (0.36, 0.74), (0.54, 0.58), (0.64, 0.48), (0.78, 0.36), (1.0, 0.14))
    bands = [ORANGE, WHITE, ORANGE, WHITE, ORANGE]
    builder.loft(_round_rings(levels, half, height, 8), np.array(bands)[:, np.newaxis], cap=(RUBBER, RUBBER))
    return builder.build(size_m)


def _round_rings(levels: Levels, half_m: np.ndarray, height_m: float, points: int) -> np.ndarray:
    """Rings at shares of the height, scaled from `half_m`."""
    shares = np.array(levels)
    centres = np.zeros((len(levels), 3))
    centres[:, 2] = shares[:, 0] * height_m
    return column_rings(centres, shares[:, 1:] * half_m, points)


def barrier_mesh(size_m: tuple[float, float, float], rng: np.random.Generator, detail: int) -> Mesh:
    """A concrete barrier, or an orange and white one, along the longer side of its box."""
    is_striped = rng.uniform() < 0.6
    is_turned = size_m[1] > size_m[0]
    length, width, height = (size_m[1], size_m[0], size_m[2]) if is_turned else size_m
    count = 1 if not is_striped else int(np.clip(round(length / 0.5), 2, 2 if detail else 8))
    half = np.array([(0.5, 0.0), (0.5, 0.12), (0.22, 0.42), (0.16, 1.0)])
    section = np.concatenate([half, half[::-1] * (-1.0, 1.0)])
    if detail:
        section = section[[0, 3, 4, 7]]
    rings = np.empty((count + 1, len(section), 3))
    rings[..., 0] = np.linspace(-length / 2, length / 2, count + 1)[:, np.newaxis]
    rings[..., 1:] = section * [width, height]
    colours = np.array([ORANGE, WHITE] * count)[:count, np.newaxis] if is_striped else np.array(CONCRETE)
    ends = (ORANGE, ORANGE) if is_striped else (CONCRETE, CONCRETE)
    if is_turned:
        rings = rings[..., [1, 0, 2]]
    builder = MeshBuilder()
    builder.loft(rings, colours, cap=ends)
    return builder.build(size_m)


def sign_mesh(size_m: tuple[float, float, float], rng: np.random.Generator, detail: int) -> Mesh:
    """A construction sign: an orange rhombus or a striped board on a post, facing both ways along x."""
    length, width, height = size_m
    builder = MeshBuilder()
    thick = min(0.04, 0.2 * length)
    if not detail:
        builder.loft(
            box_rings((-0.5 * length, -0.25 * width, 0.0), (0.5 * length, 0.25 * width, 0.05 * height)), RUBBER
        )
    builder.loft(box_rings((-thick, -thick, 0.0), (thick, thick, 0.5 * height)), STEEL, has_caps=not detail)
    half, middle = 0.5 * width, 0.72 * height
    tall = height - middle
    if rng.uniform() < 0.6:
        rim = np.array([[0.0, -half, 0.0], [0.0, 0.0, -tall], [0.0, half, 0.0], [0.0, 0.0, tall]])
    else:
        rim = np.array([[0.0, -half, -tall], [0.0, half, -tall], [0.0, half, tall], [0.0, -half, tall]])
    rim[:, 2] += middle
    front = 1.2 * thick if not detail else 0.5 * length
    builder.loft(np.stack([shifted(rim, -front), shifted(rim, front)]), ORANGE)
    if not detail:
        inner = shifted(0.6 * rim, up=0.4 * middle)
        for x, corners in ((front + 0.004, inner), (-front - 0.004, inner[::-1])):
            builder.polygon(shifted(corners, x), WHITE if rng.uniform() < 0.5 else RUBBER)
    return builder.build(size_m)


def generic_mesh(size_m: tuple[float, float, float], rng: np.random.Generator, detail: int) -> Mesh:
    """A container, a crate or a heap, by seed."""
    length, width, height = size_m
    colour = GENERIC[rng.integers(len(GENERIC))]
    builder = MeshBuilder()
    shape = rng.integers(3)
    low, high = (-length / 2, -width / 2, 0.0), (length / 2, width / 2, height)
    if shape == 0 and not detail:
        lid = 0.82 * height
        builder.loft(box_rings((0.94 * low[0], 0.94 * low[1], 0.0), (0.94 * high[0], 0.94 * high[1], lid)), colour)
        builder.loft(box_rings((low[0], low[1], lid), high, 0.8), tuple(int(0.7 * part) for part in colour))
    elif shape == 2 and not detail:
        levels = ((0.0, 1.0), (0.5, 0.85), (0.85, 0.5), (1.0, 0.2))
        builder.loft(_round_rings(levels, np.array([length, width]) / 2, height, 7), colour)
    else:
        builder.loft(box_rings(low, high, 0.55 if shape == 2 else 0.95), colour)
    return builder.build(size_m)
