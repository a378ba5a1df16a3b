"""Which triangle each pixel shows: a z-buffer over the rays of the pixels, exact for every lens.

A triangle with corners v0, v1, v2 in the camera frame is hit by the ray d = (x, y, 1) when d has the same sign of
n0 = v1 x v2, n1 = v2 x v0 and n2 = v0 x v1 as the determinant v0 (v1 x v2). The inverse of its depth,
(n0 + n1 + n2) d / determinant, is linear in x and y. Nothing is clipped and no lens distortion is approximated;
projected corners only bound the pixels that are tested.

Source:
    Olano and Greer, "Triangle scan conversion using 2D homogeneous coordinates", 1997.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from simulation.geometry.compiling import njit
from simulation.rendering.camera_tables import NEAR_M, Camera
from simulation.rendering.mesh_parts import Material

MAX_SAG_PX = 3.0
"""Triangles whose projected edges may bend more are bounded by samples along the clipped edges."""
_SAMPLES = 8
_MAX_CLIPPED = 16
_FACADE = int(Material.FACADE)


class Triangles(NamedTuple):
    """T triangles of I instances in the ego frame, counter-clockwise from outside."""

    corners: Float32[np.ndarray, "triangles 3 3"]
    offsets: Int32[np.ndarray, "instances+1"]
    """Instance i has the triangles `offsets[i]` to `offsets[i + 1]` (exclusive)."""
    spheres: Float32[np.ndarray, "instances 4"]
    """Centre and radius of a sphere around each instance [m]."""
    materials: UInt8[np.ndarray, "triangles"]
    """Values of `Material`."""
    uv_m: Float32[np.ndarray, "triangles 3 2"]
    """Of each corner of a façade: metres along the wall and above the ground."""


class _Lens(NamedTuple):
    """The part of a `Camera` that bounds need: small, because it is passed on for each triangle."""

    values: np.ndarray
    bounds: tuple[float, float, float, float]
    bend_px: float
    max_radius: float


@njit(cache=True, error_model="numpy")
def draw_triangles(
    camera: Camera,
    triangles: Triangles,
    nearness: Float32[np.ndarray, "height width"],
    shown: Int32[np.ndarray, "height width"],
    walls: Float32[np.ndarray, "triangles 6"],
) -> None:
    """Fill `nearness` with the inverse depth [1/m] and `shown` with the index of the nearest triangle.

    Pixels without a triangle hold 0 and -1. `walls` gets for façades the coefficients of u / depth and v / depth in
    the ray (x, y, 1).
    """
    nearness[:] = 0.0
    shown[:] = -1
    turn = np.ascontiguousarray(camera.camera_from_ego[:3, :3])
    shift = np.ascontiguousarray(camera.camera_from_ego[:3, 3])
    left, right, top, bottom = camera.ray_bounds
    lens = _Lens(camera.lens, (left, right, top, bottom), camera.bend_px, camera.max_radius)
    across = math.sqrt(1 + left * left), math.sqrt(1 + right * right)
    along = math.sqrt(1 + top * top), math.sqrt(1 + bottom * bottom)
    height, width = shown.shape
    rays = camera.rays_x.reshape(width * height), camera.rays_y.reshape(width * height)
    flat_nearness, flat_shown = nearness.reshape(width * height), shown.reshape(width * height)
    points = np.empty((3, 3))
    planes = np.empty(12, dtype=np.float32)
    scratch = np.empty((2, _MAX_CLIPPED, 3))
    box = np.empty(4)
    for instance in range(len(triangles.offsets) - 1):
        cx, cy, cz = triangles.spheres[instance, 0], triangles.spheres[instance, 1], triangles.spheres[instance, 2]
        radius = triangles.spheres[instance, 3]
        x = turn[0, 0] * cx + turn[0, 1] * cy + turn[0, 2] * cz + shift[0]
        y = turn[1, 0] * cx + turn[1, 1] * cy + turn[1, 2] * cz + shift[1]
        z = turn[2, 0] * cx + turn[2, 1] * cy + turn[2, 2] * cz + shift[2]
        if (
            z < -radius
            or x - left * z < -radius * across[0]
            or right * z - x < -radius * across[1]
            or y - top * z < -radius * along[0]
            or bottom * z - y < -radius * along[1]
        ):
            continue
        for t in range(triangles.offsets[instance], triangles.offsets[instance + 1]):
            for k in range(3):
                # Single elements, as views of arrays cost time here.
                px, py, pz = triangles.corners[t, k, 0], triangles.corners[t, k, 1], triangles.corners[t, k, 2]
                for i in range(3):
                    points[k, i] = turn[i, 0] * px + turn[i, 1] * py + turn[i, 2] * pz + shift[i]
            if not _set_planes(points, planes):
                continue
            if not _pixel_bounds(lens, points, scratch, box):
                continue
            if triangles.materials[t] == _FACADE:
                _set_wall(planes, points, triangles.uv_m[t], walls[t])
            _fill(rays, planes, box, t, (flat_nearness, flat_shown, width, height))


@njit(cache=True, error_model="numpy", inline="always")
def _set_planes(points: np.ndarray, planes: np.ndarray) -> bool:
    """Coefficients of the three edges and of the inverse depth; False for triangles seen from behind."""
    ax, ay, az = points[0, 0], points[0, 1], points[0, 2]
    bx, by, bz = points[1, 0], points[1, 1], points[1, 2]
    cx, cy, cz = points[2, 0], points[2, 1], points[2, 2]
    # Equal edges of two triangles must give opposite planes, so that no ray passes between them.
    n0x, n0y, n0z = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    n1x, n1y, n1z = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    n2x, n2y, n2z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    det = ax * n0x + ay * n0y + az * n0z
    # Corners run counter-clockwise when seen from the camera, which is at the origin.
    if not det < -1e-12:
        return False
    planes[0], planes[1], planes[2] = -n0x, -n0y, -n0z
    planes[3], planes[4], planes[5] = -n1x, -n1y, -n1z
    planes[6], planes[7], planes[8] = -n2x, -n2y, -n2z
    planes[9], planes[10], planes[11] = (n0x + n1x + n2x) / det, (n0y + n1y + n2y) / det, (n0z + n1z + n2z) / det
    return True


@njit(cache=True, error_model="numpy")
def _set_wall(planes: np.ndarray, points: np.ndarray, uv_m: np.ndarray, wall: np.ndarray) -> None:
    # planes holds the edges; their sum is the inverse depth times minus the determinant.
    det = planes[0] * points[0, 0] + planes[1] * points[0, 1] + planes[2] * points[0, 2]
    for axis in range(2):
        for i in range(3):
            wall[3 * axis + i] = (
                uv_m[0, axis] * planes[i] + uv_m[1, axis] * planes[3 + i] + uv_m[2, axis] * planes[6 + i]
            ) / det


@njit(cache=True, error_model="numpy", inline="always")
def _pixel(lens: np.ndarray, x: float, y: float) -> tuple[float, float]:
    """`distorted_pixels` of one ray."""
    r2 = x * x + y * y
    radial = 1 + r2 * (lens[0] + r2 * (lens[1] + r2 * lens[4]))
    u = x * radial + 2 * lens[2] * x * y + lens[3] * (r2 + 2 * x * x)
    v = y * radial + lens[2] * (r2 + 2 * y * y) + 2 * lens[3] * x * y
    return lens[5] * u + lens[6] * v + lens[7], lens[8] * u + lens[9] * v + lens[10]


@njit(cache=True, error_model="numpy")
def _pixel_bounds(lens: _Lens, points: np.ndarray, scratch: np.ndarray, box: np.ndarray) -> bool:
    """Set smallest u, largest u, smallest v and largest v of a triangle; False when it is outside of the image."""
    left, right, top, bottom = lens.bounds
    outside_left = outside_right = outside_top = outside_bottom = behind = 0
    is_simple = True
    for k in range(3):
        x, y, z = points[k, 0], points[k, 1], points[k, 2]
        behind += z < NEAR_M
        outside_left += x < left * z
        outside_right += x > right * z
        outside_top += y < top * z
        outside_bottom += y > bottom * z
    if behind == 3 or outside_left == 3 or outside_right == 3 or outside_top == 3 or outside_bottom == 3:
        return False
    if behind > 0 or (lens.bend_px > 0.0 and outside_left + outside_right + outside_top + outside_bottom > 0):
        is_simple = False
    box[0], box[1], box[2], box[3] = np.inf, -np.inf, np.inf, -np.inf
    if is_simple:
        length = 0.0
        # The corner before the first one is the last one.
        before_x, before_y = points[2, 0] / points[2, 2], points[2, 1] / points[2, 2]
        for k in range(3):
            x, y = points[k, 0] / points[k, 2], points[k, 1] / points[k, 2]
            dx, dy = before_x - x, before_y - y
            before_x, before_y = x, y
            length = max(length, dx * dx + dy * dy)
            u, v = _pixel(lens.values, x, y)
            box[0], box[1] = min(box[0], u), max(box[1], u)
            box[2], box[3] = min(box[2], v), max(box[3], v)
        # The largest distance of a curve from its chord.
        sag = lens.bend_px * length / 8
        if sag <= MAX_SAG_PX:
            _widen(box, sag)
            return True
    return _clipped_bounds(lens, points, scratch, box)


@njit(cache=True, error_model="numpy", inline="always")
def _widen(box: np.ndarray, margin: float) -> None:
    # With a margin for the rounding of the planes to float32.
    box[0] -= margin + 0.01
    box[1] += margin + 0.01
    box[2] -= margin + 0.01
    box[3] += margin + 0.01


@njit(cache=True, error_model="numpy")
def _clipped_bounds(lens: _Lens, points: np.ndarray, scratch: np.ndarray, box: np.ndarray) -> bool:
    """Bounds of the part of a triangle within the pyramid of the camera's rays."""
    left, right, top, bottom = lens.bounds
    count = 3
    scratch[0, :3] = points
    source = 0
    for plane in range(5):
        kept = 0
        target = 1 - source
        for k in range(count):
            m = (k + 1) % count
            here = _inside(scratch[source, k], plane, left, right, top, bottom)
            there = _inside(scratch[source, m], plane, left, right, top, bottom)
            if here >= 0:
                scratch[target, kept] = scratch[source, k]
                kept += 1
            if (here >= 0) != (there >= 0):
                share = here / (here - there)
                for i in range(3):
                    scratch[target, kept, i] = scratch[source, k, i] + share * (
                        scratch[source, m, i] - scratch[source, k, i]
                    )
                kept += 1
        source, count = target, kept
        if count == 0:
            return False
    box[0], box[1], box[2], box[3] = np.inf, -np.inf, np.inf, -np.inf
    length = 0.0
    for k in range(count):
        m = (k + 1) % count
        ax, ay = scratch[source, k, 0] / scratch[source, k, 2], scratch[source, k, 1] / scratch[source, k, 2]
        bx, by = scratch[source, m, 0] / scratch[source, m, 2], scratch[source, m, 1] / scratch[source, m, 2]
        length = max(length, (bx - ax) ** 2 + (by - ay) ** 2)
        samples = _SAMPLES if lens.bend_px > 0.0 else 1
        for s in range(samples):
            share = s / samples
            x, y = ax + share * (bx - ax), ay + share * (by - ay)
            # Corners of the pyramid may lie beyond the monotone range.
            over = math.sqrt(x * x + y * y) / lens.max_radius
            if over > 1.0:
                x, y = x / over, y / over
            u, v = _pixel(lens.values, x, y)
            box[0], box[1] = min(box[0], u), max(box[1], u)
            box[2], box[3] = min(box[2], v), max(box[3], v)
    _widen(box, lens.bend_px * length / _SAMPLES**2 / 8)
    return True


@njit(cache=True, error_model="numpy", inline="always")
def _inside(point: np.ndarray, plane: int, left: float, right: float, top: float, bottom: float) -> float:
    """Positive on the inner side of a side of the pyramid (0 to 3), or in front of the near plane (4)."""
    x, y, z = point
    if plane == 0:
        return z - NEAR_M
    if plane == 1:
        return x - left * z
    if plane == 2:
        return right * z - x
    if plane == 3:
        return y - top * z
    return bottom * z - y


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _fill(
    rays: tuple[np.ndarray, np.ndarray],
    planes: np.ndarray,
    box: np.ndarray,
    t: int,
    image: tuple[np.ndarray, np.ndarray, int, int],
) -> None:
    """Test the pixels within the bounds. The image: nearness and shown, flat, and its width and height."""
    rays_x, rays_y = rays
    nearness, shown, width, height = image
    first_u, last_u = max(0, math.ceil(box[0])), min(width - 1, math.floor(box[1]))
    first_v, last_v = max(0, math.ceil(box[2])), min(height - 1, math.floor(box[3]))
    if first_u > last_u:
        return
    ax, ay, az = planes[0], planes[1], planes[2]
    bx, by, bz = planes[3], planes[4], planes[5]
    cx, cy, cz = planes[6], planes[7], planes[8]
    wx, wy, wz = planes[9], planes[10], planes[11]
    number = np.int32(t)
    zero, nearest = np.float32(0.0), np.float32(1 / NEAR_M)
    # Unsigned, so that no index is checked for counting from the end, and the loop compiles to vector instructions.
    count = np.uint64(last_u - first_u + 1)
    for v in range(first_v, last_v + 1):
        start = np.uint64(v * width + first_u)
        for k in range(count):
            i = start + k
            x, y = rays_x[i], rays_y[i]
            a = ax * x + ay * y + az
            b = bx * x + by * y + bz
            c = cx * x + cy * y + cz
            w = wx * x + wy * y + wz
            near = nearness[i]
            is_hit = (a >= zero) & (b >= zero) & (c >= zero) & (w > near) & (w <= nearest)
            nearness[i] = w if is_hit else near
            shown[i] = number if is_hit else shown[i]
