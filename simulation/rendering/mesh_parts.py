"""Triangle meshes and the parts that they are built from: lofts (closed solids) and plates (single quads).

Frame of an object: x forward, y left, z up [m], origin on the ground below the box centre.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

Colour = tuple[int, int, int]
"""Albedo, red, green and blue of 0 to 255."""
Point = Sequence[float] | Float64[np.ndarray, "3"]
"""x, y, z [m]."""
GLASS_COLOUR: Colour = (30, 36, 42)


class Material(IntEnum):
    """What a triangle is made of, which decides how it is shaded."""

    PAINT = 0
    """Matt or varnished surface."""
    GLASS = 1
    TYRE = 2
    HEADLIGHT = 3
    TAIL_LIGHT = 4
    """Rear and brake lamp."""
    INDICATOR_LEFT = 5
    INDICATOR_RIGHT = 6
    FACADE = 7
    """Wall of a building; windows are drawn from `Mesh.uv_m`."""
    LAMP = 8
    FOLIAGE = 9
    SIGNAL_RED = 10
    SIGNAL_YELLOW = 11
    SIGNAL_GREEN = 12
    SHADOW = 13
    """Ground in the shade below a vehicle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """Triangles with one colour and one material each."""

    vertices_m: Float32[np.ndarray, "vertices 3"]
    triangles: Int32[np.ndarray, "triangles 3"]
    """Rows of vertices, counter-clockwise seen from outside."""
    colours: UInt8[np.ndarray, "triangles 3"]
    """Albedo."""
    materials: UInt8[np.ndarray, "triangles"]
    """Values of `Material`."""
    uv_m: Float32[np.ndarray, "triangles 3 2"]
    """Of each corner of a FACADE triangle: metres along the wall and above the ground; else 0."""

    def __len__(self) -> int:
        return len(self.triangles)


@lru_cache(maxsize=64)
def _polygon_triangles(points: int) -> np.ndarray:
    """A strip from the first and the last corner inwards: no triangle is flat where opposite sides are divided."""
    order = np.stack([np.arange(points), np.arange(points)[::-1]], axis=-1).reshape(-1)[:points]
    strip = np.stack([order[:-2], order[1:-1], order[2:]], axis=-1)
    strip[::2] = strip[::2, ::-1]
    return strip


@lru_cache(maxsize=256)
def _loft_triangles(rings: int, points: int, has_caps: bool, is_ring: bool) -> np.ndarray:
    """Two triangles for each side quad, ring by ring, then the first cap and the last cap."""
    quads = np.arange(rings if is_ring else rings - 1)[:, np.newaxis] * points
    here, there = np.arange(points), np.roll(np.arange(points), -1)
    total = rings * points
    a, b = quads + here, quads + there
    c, d = (b + points) % total, (a + points) % total
    triangles = [np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)]
    if has_caps:
        face = _polygon_triangles(points)
        triangles += [face[:, ::-1], face + (rings - 1) * points]
    return np.concatenate(triangles).astype(np.int32)


_PLATE_SIGNS = np.array([[1.0, -1.0, -1.0], [1.0, 1.0, -1.0], [1.0, 1.0, 1.0], [1.0, -1.0, 1.0]])
_PLATE_TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])


class MeshBuilder:
    """Collects parts and joins them into one mesh."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray, Any, Any, np.ndarray | None]] = []

    def loft(
        self,
        rings: Float64[np.ndarray, "rings points 3"],
        colour: Any,
        material: Any = Material.PAINT,
        *,
        cap: tuple[Colour, Colour] | None = None,
        has_caps: bool = True,
        is_ring: bool = False,
    ) -> None:
        """Add a solid: rings of points, joined by quads.

        The triangles are turned so that the signed volume is positive.

        Args:
            rings: Corresponding points of neighbouring rings are joined.
            colour: One `Colour`, or an array that broadcasts to (rings - 1, points, 3), one colour a side quad; GLASS
                has its own.
            material: One `Material`, or an array that broadcasts to (rings - 1, points).
            cap: Colours of the first and the last cap; None takes those of the nearest side quads.
            has_caps: Whether the ends are closed; the first and the last ring must then be convex.
            is_ring: Whether the last ring joins the first one; such a solid has no caps.
        """
        count, points = rings.shape[:2]
        has_caps = has_caps and not is_ring
        triangles = _loft_triangles(count, points, has_caps, is_ring)
        num_sides, num_caps = (count if is_ring else count - 1) * points, (points - 2 if has_caps else 0)
        sides = np.empty((num_sides // points, points, 4), dtype=np.uint8)
        sides[..., :3], sides[..., 3] = colour, material
        sides[sides[..., 3] == Material.GLASS, :3] = GLASS_COLOUR
        surfaces = np.empty((len(triangles), 4), dtype=np.uint8)
        surfaces[0 : 2 * num_sides : 2] = surfaces[1 : 2 * num_sides : 2] = sides.reshape(-1, 4)
        if has_caps:
            first, last = (sides[0, 0], sides[-1, 0]) if cap is None else ((*cap[0], 0), (*cap[1], 0))
            surfaces[2 * num_sides : -num_caps], surfaces[-num_caps:] = first, last
        vertices = rings.reshape(-1, 3)
        if np.linalg.det((vertices - vertices.mean(axis=0))[triangles]).sum() < 0:
            triangles = triangles[:, ::-1]
        self._add(vertices, triangles, surfaces[:, :3], surfaces[:, 3])

    def plate(
        self,
        centre: Point,
        right: Point,
        up: Point,
        colour: Colour,
        material: Material = Material.PAINT,
    ) -> None:
        """Add a parallelogram that faces `right` x `up`; the two are half of its edges."""
        edges = np.array([centre, right, up], dtype=float)
        self._add(_PLATE_SIGNS @ edges, _PLATE_TRIANGLES, colour, material)

    def polygon(
        self,
        rim: Float64[np.ndarray, "points 3"],
        colour: Colour,
        material: Material = Material.PAINT,
    ) -> None:
        """Add a convex polygon, counter-clockwise seen from the side that it faces."""
        self._add(rim, _polygon_triangles(len(rim)), colour, material)

    def facade(self, rim: Float64[np.ndarray, "points 3"], colour: Colour) -> None:
        """Add a vertical wall: a polygon with its lower edge first, counter-clockwise seen from outside."""
        along = rim[1, :2] - rim[0, :2]
        u_m = (rim[:, :2] - rim[0, :2]) @ (along / np.hypot(*along))
        uv_m = np.stack([u_m, rim[:, 2]], axis=-1)
        triangles = _polygon_triangles(len(rim))
        self._add(rim, triangles, colour, Material.FACADE, uv_m[triangles])

    def _add(
        self,
        vertices: np.ndarray,
        triangles: np.ndarray,
        colours: Any,
        materials: Any,
        uv_m: np.ndarray | None = None,
    ) -> None:
        self._parts.append((vertices, triangles, colours, materials, uv_m))

    def build(self, size_m: tuple[float, float, float] | None = None) -> Mesh:
        """The mesh; with a size, it is stretched so that it touches all faces of the box of that size."""
        vertices = np.concatenate([part[0] for part in self._parts])
        if size_m is not None:
            low, high = vertices.min(axis=0), vertices.max(axis=0)
            box = np.array(size_m, dtype=float)
            vertices = (vertices - low) * (box / (high - low)) + box * (-0.5, -0.5, 0.0)
        count = sum(len(part[1]) for part in self._parts)
        triangles = np.empty((count, 3), dtype=np.int32)
        colours, materials = np.empty((count, 3), dtype=np.uint8), np.empty(count, dtype=np.uint8)
        uv_m = np.zeros((count, 3, 2), dtype=np.float32)
        begin = first_vertex = 0
        for points, rows, colour, material, uv in self._parts:
            part = slice(begin, begin + len(rows))
            triangles[part] = rows
            triangles[part] += first_vertex
            colours[part], materials[part] = colour, material
            if uv is not None:
                uv_m[part] = uv
            begin, first_vertex = part.stop, first_vertex + len(points)
        return Mesh(
            vertices_m=vertices.astype(np.float32),
            triangles=triangles,
            colours=colours,
            materials=materials,
            uv_m=uv_m,
        )


def shifted(
    points: Float64[np.ndarray, "*shape 3"], forward: float = 0.0, left: float = 0.0, up: float = 0.0
) -> Float64[np.ndarray, "*shape 3"]:
    """Points moved along the axes."""
    return points + np.array((forward, left, up))


def box_rings(low: Point, high: Point, taper: float = 1.0) -> Float64[np.ndarray, "2 4 3"]:
    """Rings of a box between two corners; the upper ring is scaled by `taper` around its centre."""
    signs = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    (x0, y0, z0), (x1, y1, z1) = low, high
    middle, half = np.array([x0 + x1, y0 + y1]) / 2, np.array([x1 - x0, y1 - y0]) / 2
    rings = np.empty((2, 4, 3))
    rings[0, :, :2], rings[1, :, :2] = middle + signs * half, middle + signs * half * taper
    rings[0, :, 2], rings[1, :, 2] = z0, z1
    return rings


@lru_cache(maxsize=64)
def _unit_circle(points: int, turn: float) -> np.ndarray:
    angles = (np.arange(points) + turn) * (2 * np.pi / points)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def column_rings(
    centres: Float64[np.ndarray, "rings 3"],
    radii_m: Float64[np.ndarray, "rings 2"],
    points: int,
    turn: float = 0.5,
) -> Float64[np.ndarray, "rings points 3"]:
    """Horizontal ellipses around a line of centres, for limbs, trunks and posts.

    Args:
        centres: Of the rings.
        radii_m: Along x and y.
        points: Corners of each ring.
        turn: Angle of the first corner, as a share of the angle between two corners.
    """
    rings = np.repeat(centres[:, np.newaxis], points, axis=1)
    rings[..., :2] += radii_m[:, np.newaxis] * _unit_circle(points, turn)
    return rings


def tube_rings(start: Point, end: Point, radius_m: float, points: int = 3) -> Float64[np.ndarray, "2 points 3"]:
    """Rings of a tube between two points."""
    a, b = np.array(start, dtype=float), np.array(end, dtype=float)
    along = (b - a) / np.linalg.norm(b - a)
    helper = np.array([0.0, 1.0, 0.0]) if abs(along[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    u = np.cross(along, helper)
    u /= np.linalg.norm(u)
    circle = _unit_circle(points, 0.5) * radius_m
    offsets = circle[:, :1] * u + circle[:, 1:] * np.cross(along, u)
    return np.stack([a + offsets, b + offsets])


def wheel_rings(centre: Point, radius_m: float, width_m: float, points: int = 8) -> Float64[np.ndarray, "2 points 3"]:
    """Rings of a wheel that rolls along x; `radius_m` is that of the inscribed circle."""
    circle = _unit_circle(points, 0.5) * (radius_m / np.cos(np.pi / points))
    rings = np.empty((2, points, 3))
    rings[..., 0], rings[..., 2] = centre[0] + circle[:, 0], centre[2] + circle[:, 1]
    rings[0, :, 1], rings[1, :, 1] = centre[1] - width_m / 2, centre[1] + width_m / 2
    return rings
