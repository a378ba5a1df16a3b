"""Lines of roads: straights, arcs, parallels and smooth links between two poses."""

import numpy as np
from jaxtyping import Float64

from driving.geometry import Polyline, wrap_angle


def straight(
    start: tuple[float, float], end: tuple[float, float], spacing_m: float = 2.0
) -> Float64[np.ndarray, "points 2"]:
    """Points from `start` to `end`, at most `spacing_m` apart."""
    count = max(2, int(np.ceil(np.hypot(end[0] - start[0], end[1] - start[1]) / spacing_m)) + 1)
    return np.linspace(start, end, count)


def arc(
    center: tuple[float, float], radius_m: float, start_rad: float, turn_rad: float, spacing_m: float = 1.0
) -> Float64[np.ndarray, "points 2"]:
    """Points on a circle from the polar angle `start_rad` on, counter-clockwise for `turn_rad` > 0."""
    count = max(2, int(np.ceil(abs(turn_rad) * radius_m / spacing_m)) + 1)
    angles = start_rad + np.linspace(0.0, turn_rad, count)
    return np.array(center) + radius_m * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def resampled(points: Float64[np.ndarray, "points 2"], spacing_m: float) -> Float64[np.ndarray, "samples 2"]:
    """The line with points at equal distances of at most `spacing_m`. Corners between two points are cut."""
    line = Polyline(points)
    count = max(2, int(np.ceil(line.length_m / spacing_m)) + 1)
    return line.at(np.linspace(0.0, line.length_m, count))[:, :2]


def parallel(
    points: Float64[np.ndarray, "points 2"], left_m: Float64[np.ndarray, "points"] | float
) -> Float64[np.ndarray, "points 2"]:
    """The parallel of a line, `left_m` to its left (negative: right), vertex by vertex.

    A vertex moves along the bisector of its two segments until both segments have the distance `left_m`.
    """
    steps = np.diff(points, axis=0)
    units = steps / np.hypot(*steps.T)[:, np.newaxis]
    before, after = np.concatenate([units[:1], units]), np.concatenate([units, units[-1:]])
    normals = np.stack([-(before + after)[:, 1], (before + after)[:, 0]], axis=-1)
    # |before + after| = 2 cos(bend / 2); the vertex moves by 1 / cos(bend / 2) per metre.
    stretch = 2.0 / np.maximum((normals**2).sum(axis=-1), 0.5)
    return points + normals * (stretch * left_m)[:, np.newaxis]


def link(
    start: Float64[np.ndarray, "3"], end: Float64[np.ndarray, "3"], spacing_m: float = 1.0
) -> Float64[np.ndarray, "points 2"]:
    """A cubic Bézier curve from the pose `start` to the pose `end`.

    For a symmetric turn it is within 0.1 % of the circular arc. Otherwise each handle covers the same fraction of its
    tangent, up to where both tangents cross, as for an arc.
    """
    leave, arrive = _direction(start[2]), _direction(end[2])
    chord = end[:2] - start[:2]
    chord_m = float(np.hypot(*chord))
    turn_rad = abs(float(wrap_angle(end[2] - start[2])))
    cross = leave[0] * arrive[1] - leave[1] * arrive[0]
    handles_m = np.full(2, chord_m / 3.0)
    if turn_rad > np.radians(150.0):
        handles_m = np.full(2, chord_m * 2.0 / 3.0)
    elif turn_rad > np.radians(10.0):
        tangents_m = np.array(
            [chord[0] * arrive[1] - chord[1] * arrive[0], leave[0] * chord[1] - leave[1] * chord[0]]
        )
        tangents_m = tangents_m / cross
        if (tangents_m > 0.05 * chord_m).all():
            handles_m = tangents_m * 4.0 / 3.0 * np.tan(turn_rad / 4) / np.tan(turn_rad / 2)
    controls = np.stack([start[:2], start[:2] + handles_m[0] * leave, end[:2] - handles_m[1] * arrive, end[:2]])
    fine = np.linspace(0.0, 1.0, 101)[:, np.newaxis]
    weights = [(1 - fine) ** 3, 3 * fine * (1 - fine) ** 2, 3 * fine**2 * (1 - fine), fine**3]
    curve = sum(weight * control for weight, control in zip(weights, controls, strict=True))
    return resampled(np.asarray(curve), spacing_m)


def end_pose(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "3"]:
    """Last point of a line and its direction there."""
    step = points[-1] - points[-2]
    return np.array([points[-1, 0], points[-1, 1], np.arctan2(step[1], step[0])])


def start_pose(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "3"]:
    """First point of a line and its direction there."""
    step = points[1] - points[0]
    return np.array([points[0, 0], points[0, 1], np.arctan2(step[1], step[0])])


def _direction(heading: float) -> Float64[np.ndarray, "2"]:
    return np.array([np.cos(heading), np.sin(heading)])
