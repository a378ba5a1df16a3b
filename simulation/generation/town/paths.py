"""Smooth lines for streets and junctions: continuous in position, heading and curvature.

Small scenes join two poses by an arc (`driving.synthetic.curves.link`). The lines of a town are quintic curves, so
that the curvature does not jump where a connector begins.
"""

import numpy as np
from jaxtyping import Float64

from driving.geometry import arc_lengths

SAMPLES = 97
"""Points at which the curvature of a candidate curve is evaluated."""


def direction(heading: float) -> Float64[np.ndarray, "2"]:
    """Unit vector of a heading."""
    return np.array([np.cos(heading), np.sin(heading)])


def quintic(
    start: Float64[np.ndarray, "3"],
    end: Float64[np.ndarray, "3"],
    stretch: float = 1.0,
    curvatures: tuple[float, float] = (0.0, 0.0),
    samples: int = SAMPLES,
) -> Float64[np.ndarray, "samples 2"]:
    """Points of a quintic curve between two poses.

    Args:
        start: x, y [m], heading [rad].
        end: x, y [m], heading [rad].
        stretch: Length of the tangents in chords.
        curvatures: Signed curvature at both ends [1/m].
        samples: Number of points, evenly spaced in the curve's parameter.
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


def gentlest(start: Float64[np.ndarray, "3"], end: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "samples 2"]:
    """The quintic curve between two poses with the smallest maximum of curvature."""
    candidates = [quintic(start, end, stretch) for stretch in np.linspace(0.7, 1.9, 13)]
    return min(candidates, key=lambda points: float(np.abs(curvature(points)).max()))


def curvature(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "points"]:
    """Signed curvature of a line at its vertices [1/m], by finite differences."""
    first = np.gradient(points, axis=0)
    second = np.gradient(first, axis=0)
    cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return cross / np.maximum(np.hypot(first[:, 0], first[:, 1]), 1e-9) ** 3


def section(
    points: Float64[np.ndarray, "points 2"], start_m: float, end_m: float
) -> Float64[np.ndarray, "section 2"]:
    """The part of a line between two arc lengths."""
    along = arc_lengths(points)
    inside = (along > start_m + 1e-6) & (along < end_m - 1e-6)
    at = np.concatenate([[start_m], along[inside], [end_m]])
    return np.stack([np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])], axis=-1)
