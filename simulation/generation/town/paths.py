"""Smooth lines for streets and junctions: continuous in position, direction and curvature.

`driving.synthetic.curves.link` joins two poses by an arc, which is what small scenes need. A driver cannot
jump to a curvature, so that the ways through a town are quintic curves, whose curvature starts where the
road before ends.
"""

import numpy as np

from driving.geometry import arc_lengths

SAMPLES = 97
"""Points at which a candidate curve is judged."""


def direction(heading: float) -> np.ndarray:
    """Unit vector (2,) of a heading."""
    return np.array([np.cos(heading), np.sin(heading)])


def quintic(
    start: np.ndarray,
    end: np.ndarray,
    stretch: float = 1.0,
    curvatures: tuple[float, float] = (0.0, 0.0),
    samples: int = SAMPLES,
) -> np.ndarray:
    """Points (samples, 2) from the pose `start` (3,) to the pose `end` (3,).

    Args:
        start: x, y [m], heading [rad].
        end: The same.
        stretch: Length of the tangents in chords; large values swing wide.
        curvatures: Signed curvature at both ends [1/m].
        samples: Number of points, even in the curve's parameter.
    """
    chord_m = float(np.hypot(*(end[:2] - start[:2])))
    speed = stretch * chord_m
    first, last = speed * direction(start[2]), speed * direction(end[2])
    bend_first = curvatures[0] * speed**2 * direction(start[2] + np.pi / 2)
    bend_last = curvatures[1] * speed**2 * direction(end[2] + np.pi / 2)
    u = np.linspace(0.0, 1.0, samples)[:, np.newaxis]
    u3, u4, u5 = u**3, u**4, u**5
    return (
        (1 - 10 * u3 + 15 * u4 - 6 * u5) * start[:2]
        + (u - 6 * u3 + 8 * u4 - 3 * u5) * first
        + (0.5 * u**2 - 1.5 * u3 + 1.5 * u4 - 0.5 * u5) * bend_first
        + (10 * u3 - 15 * u4 + 6 * u5) * end[:2]
        + (-4 * u3 + 7 * u4 - 3 * u5) * last
        + (0.5 * u3 - u4 + 0.5 * u5) * bend_last
    )


def gentlest(start: np.ndarray, end: np.ndarray, curvatures: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """The quintic (SAMPLES, 2) between two poses whose sharpest bend is the least sharp."""
    candidates = [quintic(start, end, stretch, curvatures) for stretch in np.linspace(0.7, 1.9, 13)]
    return min(candidates, key=lambda points: float(np.abs(curvature(points)).max()))


def curvature(points: np.ndarray) -> np.ndarray:
    """Signed curvature (points,) [1/m] of a line, by finite differences along its vertices."""
    first = np.gradient(points, axis=0)
    second = np.gradient(first, axis=0)
    cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return cross / np.maximum(np.hypot(first[:, 0], first[:, 1]), 1e-9) ** 3


def evenly(points: np.ndarray, spacing_m: float) -> np.ndarray:
    """The line with vertices at even distances of at most `spacing_m`."""
    along = arc_lengths(points)
    count = max(2, int(np.ceil(along[-1] / spacing_m)) + 1)
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])], axis=-1)


def between(points: np.ndarray, start_m: float, end_m: float) -> np.ndarray:
    """The piece of a line from one distance to another."""
    along = arc_lengths(points)
    inside = (along > start_m + 1e-6) & (along < end_m - 1e-6)
    at = np.concatenate([[start_m], along[inside], [end_m]])
    return np.stack([np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])], axis=-1)
