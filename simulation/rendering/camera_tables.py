"""Constants of each pixel of a camera: its ray, and the point of the ground or sky on it.

The ego drives on flat ground and neither rolls nor pitches, so the ground point of a pixel is constant in the ego
frame. Tables are made once per rig.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from driving.cameras import CameraRig, monotone_radius

NEAR_M = 0.05
"""Nothing nearer along the optical axis is drawn."""
NUM_LEVELS = 6
FINEST_TEXEL_M = 0.0625
"""Texel of ground level 0; each level doubles it."""
LEVEL_RADII_M = (27.0, 55.0, 110.0, 220.0, 440.0, 880.0)
"""Distance from the ego up to which the ground windows of each level are filled."""
GROUND_RADIUS_M = 300.0
"""Ground beyond is drawn as the horizon."""
SKY, NO_RAY = 254, 255
"""Values of `level` that are no ground level."""
MAX_ANISOTROPY = 4.0
SKY_COLUMNS, SKY_ROWS = 2048, 256
"""Panorama of the sky: columns by azimuth, rows by the square root of the elevation from 0 to pi / 2."""


class Camera(NamedTuple):
    """One camera of a rig, prepared for the kernels. Frames: camera, ego."""

    rays_x: Float32[np.ndarray, "height width"]
    """Undistorted x of each pixel's ray (x, y, 1) in the camera frame; NaN where the lens model has no ray."""
    rays_y: Float32[np.ndarray, "height width"]
    level: UInt8[np.ndarray, "height width"]
    """Ground level of detail, `SKY` or `NO_RAY`."""
    place: Float32[np.ndarray, "height width 2"]
    """Ground: x and y in the ego frame [m]. Sky: column (ego azimuth 0 = column 0) and row of the panorama."""
    stride: Float32[np.ndarray, "height width 2"]
    """A quarter of the longer axis of the pixel's footprint on the ground, ego frame [m]; 0: interpolate once."""
    ground_depth: Float32[np.ndarray, "height width"]
    """Depth of the ground along the optical axis [m], inf for the sky."""
    camera_from_ego: Float64[np.ndarray, "4 4"]
    lens: Float64[np.ndarray, "11"]
    """k1, k2, p1, p2, k3 of the distortion, then the first two rows of the intrinsics."""
    ray_bounds: Float64[np.ndarray, "4"]
    """Smallest x, largest x, smallest y and largest y of the rays."""
    max_radius: float
    """Rays up to this tangent of the angle to the optical axis are projected without ambiguity."""
    bend_px: float
    """Bound of the second derivative of pixels by ray coordinates: 0 without distortion."""


def camera_tables(rig: CameraRig, camera: int) -> Camera:
    """Tables of one camera.

    Raises:
        ValueError: When the camera is not above the ground.
    """
    height_m = rig.ego_from_camera[camera, 2, 3]
    if not height_m > 0:
        raise ValueError(
            f"Camera {rig.names[camera]} must be above the ground (z = 0 in the ego frame), got z = {height_m} m."
            " Shift the rig by the height of its ego frame above the road."
        )
    width, height = rig.image_sizes[camera].tolist()
    lens = np.concatenate([rig.distortion[camera], rig.intrinsics[camera, :2].ravel()])
    max_radius = monotone_radius(rig.distortion[camera])
    grid = np.stack(np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float)), axis=-1)
    rays = rays_of_pixels(lens, max_radius, grid)
    # The outer edges of the image, half a pixel beyond the centres.
    outline = np.concatenate(
        [grid[0] - [0, 0.5], grid[-1] + [0, 0.5], grid[:, 0] - [0.5, 0], grid[:, -1] + [0.5, 0]], axis=0
    )
    known = np.concatenate([rays_of_pixels(lens, max_radius, outline), rays.reshape(-1, 2)])
    known = known[np.isfinite(known).all(axis=1)]
    if not len(known):
        raise ValueError(f"The distortion of camera {rig.names[camera]} maps no ray into its image.")
    low, high = known.min(axis=0) - 1e-3, known.max(axis=0) + 1e-3
    level, place, stride, depth = _ground_and_sky(rays, rig.ego_from_camera[camera])
    return Camera(
        rays_x=rays[..., 0].astype(np.float32),
        rays_y=rays[..., 1].astype(np.float32),
        level=level,
        place=place,
        stride=stride,
        ground_depth=depth,
        camera_from_ego=np.linalg.inv(rig.ego_from_camera[camera]),
        lens=lens,
        ray_bounds=np.array([low[0], high[0], low[1], high[1]]),
        max_radius=max_radius,
        bend_px=_bend_px(lens, max_radius, low, high),
    )


def distorted_pixels(
    lens: Float64[np.ndarray, "11"], rays: Float64[np.ndarray, "*shape 2"]
) -> Float64[np.ndarray, "*shape 2"]:
    """Pixels of undistorted rays, as in `CameraRig.project`."""
    k1, k2, p1, p2, k3 = lens[:5]
    x, y = rays[..., 0], rays[..., 1]
    r2 = x**2 + y**2
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
    v = y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
    return np.stack([lens[5] * u + lens[6] * v + lens[7], lens[8] * u + lens[9] * v + lens[10]], axis=-1)


def rays_of_pixels(
    lens: Float64[np.ndarray, "11"], max_radius: float, pixels: Float64[np.ndarray, "*shape 2"]
) -> Float64[np.ndarray, "*shape 2"]:
    """Undistorted rays (x, y, 1) of pixels; NaN where no ray within the monotone range projects there."""
    matrix = lens[5:].reshape(2, 3)
    wanted = (pixels - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    if not lens[:5].any():
        return wanted
    # The radial part by a table, then Newton's method for all terms.
    radii = np.linspace(0.0, min(max_radius, 10.0), 4000)
    k1, k2, _, _, k3 = lens[:5]
    distorted = radii * (1 + k1 * radii**2 + k2 * radii**4 + k3 * radii**6)
    length = np.hypot(wanted[..., 0], wanted[..., 1])
    rays = wanted * (np.interp(length, distorted, radii) / np.maximum(length, 1e-12))[..., np.newaxis]
    step = 1e-6
    right, down = np.array([step, 0.0]), np.array([0.0, step])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(2):
            here = distorted_pixels(lens, rays)
            error = here - pixels
            by_x = (distorted_pixels(lens, rays + right) - here) / step
            by_y = (distorted_pixels(lens, rays + down) - here) / step
            det = by_x[..., 0] * by_y[..., 1] - by_x[..., 1] * by_y[..., 0]
            rays = rays - np.stack(
                [
                    (error[..., 0] * by_y[..., 1] - error[..., 1] * by_y[..., 0]) / det,
                    (error[..., 1] * by_x[..., 0] - error[..., 0] * by_x[..., 1]) / det,
                ],
                axis=-1,
            )
    with np.errstate(invalid="ignore", over="ignore"):
        miss_px = np.abs(distorted_pixels(lens, rays) - pixels).max(axis=-1)
        is_found = (miss_px < 1e-3) & (np.hypot(rays[..., 0], rays[..., 1]) < max_radius)
    return np.where(is_found[..., np.newaxis], rays, np.nan)


def level_radii_m(camera: Camera) -> Float64[np.ndarray, "levels"]:
    """Largest distance from the ego at which a camera uses each ground level, 0 where it does not."""
    distance = np.hypot(camera.place[..., 0], camera.place[..., 1])
    return np.array([distance[camera.level == level].max(initial=0.0) for level in range(NUM_LEVELS)])


def mirror_pixels(camera: Camera) -> Int32[np.ndarray, "height width"]:
    """For each ground pixel the pixel, counted by rows, of its ray after reflection from level ground.

    -1 where that pixel is outside of the image or not before the ground pixel.
    """
    height, width = camera.level.shape
    rays = np.stack([camera.rays_x, camera.rays_y, np.ones_like(camera.rays_x)], axis=-1).astype(np.float64)
    ego_from_camera = np.linalg.inv(camera.camera_from_ego)[:3, :3]
    mirrored = (np.nan_to_num(rays) @ ego_from_camera.T * [1.0, 1.0, -1.0]) @ camera.camera_from_ego[:3, :3].T
    depth = np.maximum(mirrored[..., 2], 1e-6)[..., np.newaxis]
    reflected = mirrored[..., :2] / depth
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = np.rint(distorted_pixels(camera.lens, reflected))
    u, v = pixels[..., 0], pixels[..., 1]
    is_inside = (mirrored[..., 2] > 1e-3) & (np.hypot(*np.moveaxis(reflected, -1, 0)) < camera.max_radius)
    is_inside &= (camera.level < NUM_LEVELS) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    numbers = np.where(is_inside, v * width + u, -1).astype(np.int32)
    return np.where(numbers < np.arange(height * width).reshape(height, width), numbers, -1).astype(np.int32)


def _bend_px(
    lens: Float64[np.ndarray, "11"],
    max_radius: float,
    low: Float64[np.ndarray, "2"],
    high: Float64[np.ndarray, "2"],
) -> float:
    """Largest norm of the second derivatives over the rays of the image, with a margin for the sampling."""
    if not lens[:5].any():
        return 0.0
    step = 1e-3
    x, y = np.meshgrid(np.linspace(low[0], high[0], 40), np.linspace(low[1], high[1], 40))
    rays = np.stack([x, y], axis=-1)[np.hypot(x, y) < max_radius]
    pixels = [[distorted_pixels(lens, rays + step * np.array([i, j])) for j in (-1, 0, 1)] for i in (-1, 0, 1)]
    middle = pixels[1][1]
    xx = (pixels[2][1] - 2 * middle + pixels[0][1]) / step**2
    yy = (pixels[1][2] - 2 * middle + pixels[1][0]) / step**2
    xy = (pixels[2][2] - pixels[2][0] - pixels[0][2] + pixels[0][0]) / (4 * step**2)
    norms = np.sqrt(xx**2 + yy**2 + 2 * xy**2)
    return 1.2 * float(norms.max())


def _ground_and_sky(
    rays: Float64[np.ndarray, "height width 2"], ego_from_camera: Float64[np.ndarray, "4 4"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`level`, `place`, `stride` and `ground_depth` of a `Camera`."""
    centre, axes = ego_from_camera[:3, 3], ego_from_camera[:3, :3]
    has_ray = np.isfinite(rays).all(axis=-1)
    directions = np.nan_to_num(rays) @ axes[:, :2].T + axes[:, 2]
    falls = has_ray & (directions[..., 2] < -1e-6)
    depth = np.where(falls, centre[2] / np.where(falls, -directions[..., 2], 1.0), np.inf)
    reach = np.where(falls, depth, 0.0)[..., np.newaxis]
    ground = centre[:2] + reach * directions[..., :2]
    distance = np.hypot(ground[..., 0], ground[..., 1])
    is_ground = falls & (distance < GROUND_RADIUS_M)

    by_v, by_u = (_gradient(ground, axis) for axis in (0, 1))
    short, long, axis_x, axis_y = _footprint(by_u, by_v)
    texel = np.maximum(short, long / MAX_ANISOTROPY)
    level = np.clip(np.rint(np.log2(np.maximum(texel, 1e-6) / FINEST_TEXEL_M)), 0, NUM_LEVELS - 1)
    # Fine windows reach less far.
    level = np.maximum(level, np.searchsorted(LEVEL_RADII_M, distance).clip(0, NUM_LEVELS - 1))
    is_stretched = long > 1.5 * FINEST_TEXEL_M * 2.0**level
    quarter = np.where(is_stretched, np.minimum(long, 60.0) / MAX_ANISOTROPY, 0.0)
    stride = np.stack([quarter * axis_x, quarter * axis_y], axis=-1)

    azimuth = np.arctan2(directions[..., 1], directions[..., 0])
    elevation = np.arctan2(directions[..., 2], np.hypot(directions[..., 0], directions[..., 1]))
    sky = np.stack(
        [
            np.mod(azimuth / (2 * np.pi), 1.0) * SKY_COLUMNS,
            np.clip(np.sqrt(np.maximum(elevation, 0.0) / (np.pi / 2)) * SKY_ROWS, 0, SKY_ROWS - 1),
        ],
        axis=-1,
    )
    return (
        np.where(has_ray, np.where(is_ground, level, SKY), NO_RAY).astype(np.uint8),
        np.where(is_ground[..., np.newaxis], ground, sky).astype(np.float32),
        np.where(is_ground[..., np.newaxis], stride, 0.0).astype(np.float32),
        depth.astype(np.float32),
    )


def _gradient(values: Float64[np.ndarray, "height width 2"], axis: int) -> Float64[np.ndarray, "height width 2"]:
    if values.shape[axis] < 2:
        return np.zeros_like(values)
    return np.gradient(values, axis=axis)


def _footprint(
    by_u: Float64[np.ndarray, "height width 2"], by_v: Float64[np.ndarray, "height width 2"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Singular values (short, long) of the pixel's Jacobian, and the direction (x, y) of the long one."""
    a = by_u[..., 0] ** 2 + by_v[..., 0] ** 2
    b = by_u[..., 0] * by_u[..., 1] + by_v[..., 0] * by_v[..., 1]
    c = by_u[..., 1] ** 2 + by_v[..., 1] ** 2
    mean, spread = (a + c) / 2, np.hypot((a - c) / 2, b)
    angle = 0.5 * np.arctan2(2 * b, a - c)
    return np.sqrt(np.maximum(mean - spread, 0.0)), np.sqrt(mean + spread), np.cos(angle), np.sin(angle)
