"""Motion in hand-made scenes: smooth paths, and speed profiles with distances that can be computed by hand."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from driving.geometry import Polyline, arc_lengths

PATH_SPACING_M = 0.5


@dataclass(frozen=True, kw_only=True)
class SpeedChange:
    """A change of speed along half a cosine wave, without a jump in acceleration.

    The distance is `duration_s` times the mean of both speeds. The largest acceleration is pi / 2 times the mean one.
    """

    begin_s: float
    duration_s: float
    speed_mps: float
    """Speed afterwards."""


@dataclass(frozen=True, kw_only=True)
class SpeedProfile:
    """Speed over time: a constant speed and consecutive changes of it."""

    start_mps: float
    changes: tuple[SpeedChange, ...] = ()

    def distance_m(self, time_s: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time"]:
        """Distance since time 0, negative before."""
        return (
            self.start_mps * time_s
            + self._added(time_s, _ramp_integral, 1)
            - self._added(np.zeros(1), _ramp_integral, 1)
        )

    def speed_mps(self, time_s: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time"]:
        """Speed at each time."""
        speed = self.start_mps + self._added(time_s, _ramp, 0)
        # Exactly 0 and not 1e-16 at a stop: nuPlan divides by speeds.
        return np.where(np.abs(speed) < 1e-9, 0.0, speed)

    def acceleration_mps2(self, time_s: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time"]:
        """Acceleration at each time."""
        return self._added(time_s, _ramp_slope, -1)

    def _added(
        self, time_s: Float64[np.ndarray, "time"], shape: Callable[[np.ndarray], np.ndarray], power: int
    ) -> Float64[np.ndarray, "time"]:
        before_mps = self.start_mps
        total = np.zeros_like(time_s)
        for change in self.changes:
            share = (time_s - change.begin_s) / change.duration_s
            total = total + (change.speed_mps - before_mps) * shape(share) * change.duration_s**power
            before_mps = change.speed_mps
        return total


def _ramp(share: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time"]:
    return (1 - np.cos(np.pi * np.clip(share, 0, 1))) / 2


def _ramp_slope(share: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time"]:
    return np.pi / 2 * np.sin(np.pi * np.clip(share, 0, 1))


def _ramp_integral(share: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time"]:
    inside = np.clip(share, 0, 1)
    return (inside - np.sin(np.pi * inside) / np.pi) / 2 + np.maximum(share - 1, 0)


class SmoothPath:
    """A line with heading and curvature at every point, extended straight beyond its ends."""

    def __init__(self, points: Float64[np.ndarray, "points 2"], smoothing_m: float = 0.0) -> None:
        """Fit a cubic spline.

        Args:
            points: The line.
            smoothing_m: Standard deviation of a Gaussian along the arc length, which makes the curvature gradual.
                It moves a curve of radius R inwards by about smoothing_m^2 / (2 R).
        """
        line = Polyline(points)
        count = max(2, round(line.length_m / PATH_SPACING_M)) + 1
        samples = line.at(np.linspace(0.0, line.length_m, count))[:, :2]
        if smoothing_m > 0:
            margin = int(np.ceil(4 * smoothing_m / PATH_SPACING_M))
            # Point reflection at the ends keeps straight lines straight and the end points in place.
            padded = np.pad(samples, ((margin, margin), (0, 0)), mode="reflect", reflect_type="odd")
            samples = gaussian_filter1d(padded, smoothing_m / PATH_SPACING_M, axis=0)[margin:-margin]
        self._along_m = arc_lengths(samples)
        self._spline = CubicSpline(self._along_m, samples, bc_type="natural")

    @property
    def length_m(self) -> float:
        """Length from first to last point."""
        return float(self._along_m[-1])

    def poses(self, along_m: Float64[np.ndarray, "queries"]) -> Float64[np.ndarray, "queries 3"]:
        """Positions and directions of travel."""
        inside = np.clip(along_m, 0.0, self.length_m)
        tangent = self._spline(inside, 1)
        heading = np.arctan2(tangent[:, 1], tangent[:, 0])
        beyond = (along_m - inside)[:, np.newaxis]
        points = self._spline(inside) + beyond * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
        return np.concatenate([points, heading[:, np.newaxis]], axis=-1)

    def curvature(self, along_m: Float64[np.ndarray, "queries"]) -> Float64[np.ndarray, "queries"]:
        """Change of heading per metre [1/m], left positive; 0 beyond the ends."""
        inside = np.clip(along_m, 0.0, self.length_m)
        first, second = self._spline(inside, 1), self._spline(inside, 2)
        turn = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
        return np.where(along_m == inside, turn / np.hypot(*first.T) ** 3, 0.0)


def shifted_aside(
    points: Float64[np.ndarray, "points 2"], begin_m: float, length_m: float, left_m: float
) -> Float64[np.ndarray, "samples 2"]:
    """A line that moves to the left by `left_m` between the arc lengths `begin_m` and `begin_m + length_m`.

    The lateral shift is the quintic 10 u^3 - 15 u^4 + 6 u^5, which has no jump in curvature.
    """
    line = Polyline(points)
    along = np.linspace(0.0, line.length_m, max(2, round(line.length_m / PATH_SPACING_M)) + 1)
    poses = line.at(along)
    share = np.clip((along - begin_m) / length_m, 0, 1)
    left = left_m * (10 * share**3 - 15 * share**4 + 6 * share**5)
    return poses[:, :2] + left[:, np.newaxis] * np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=-1)
