"""Light of street lamps and shadows of static objects on the ground."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from simulation.geometry.compiling import njit
from simulation.rendering.appearance import Appearance
from simulation.rendering.polygon_fill import coverage
from simulation.rendering.surroundings import Surroundings

LAMP_REACH_M = 16.0
MAX_SHADOW_LENGTH = 5.0
"""Per metre of height."""
_SHEET = 512


class Overlay(NamedTuple):
    """Shade of static objects by day, or light of street lamps."""

    shift: tuple[float, float] | None
    """Displacement of the shadow of a point per metre of its height, global; None draws lamps."""


def overlay_of(appearance: Appearance, *, has_shadows: bool = True) -> Overlay | None:
    """The overlay that an appearance needs, None without one."""
    if not appearance.casts_shadows:
        return Overlay(None) if appearance.has_headlights else None
    if not has_shadows:
        return None
    length = min(1 / math.tan(max(appearance.sun_elevation_rad, 0.01)), MAX_SHADOW_LENGTH)
    azimuth = appearance.sun_azimuth_rad
    return Overlay((-length * math.cos(azimuth), -length * math.sin(azimuth)))


class GroundOverlay:
    """An overlay of the static objects of a map: 0 to 255 on each texel of a sheet."""

    def __init__(self, surroundings: Surroundings, overlay: Overlay) -> None:
        self._surroundings, self._overlay = surroundings, overlay

    def __call__(self, corner: Float64[np.ndarray, "2"], texel_m: float) -> Float32[np.ndarray, "512 512"]:
        """The overlay of a sheet with a lower left corner [m, global]."""
        opposite = corner + _SHEET * texel_m
        if self._overlay.shift is None:
            lamps = self._surroundings.lamp_positions(corner - LAMP_REACH_M, opposite + LAMP_REACH_M)
            return lamp_light((lamps - corner) / texel_m, texel_m)
        rings = self._surroundings.shadows(corner, opposite, np.array(self._overlay.shift))
        if not rings:
            return np.zeros((_SHEET, _SHEET), dtype=np.float32)
        offsets = np.cumsum([0, *(len(ring) for ring in rings)], dtype=np.int64)
        mask = coverage((np.concatenate(rings) - corner) / texel_m, offsets, _SHEET)
        return np.minimum(mask, np.float32(1.0)) * np.float32(255.0)


@njit(cache=True)
def lamp_light(lamps: Float64[np.ndarray, "lamps 2"], texel_m: float) -> Float32[np.ndarray, "512 512"]:
    """Light of lamps at texel coordinates of a sheet, 0 to 255."""
    light = np.zeros((_SHEET, _SHEET), dtype=np.float32)
    reach = int(LAMP_REACH_M / texel_m)
    for k in range(len(lamps)):
        left, right = max(0, int(lamps[k, 0]) - reach), min(_SHEET, int(lamps[k, 0]) + reach)
        low, high = max(0, int(lamps[k, 1]) - reach), min(_SHEET, int(lamps[k, 1]) + reach)
        for row in range(low, high):
            y = (row + 0.5 - lamps[k, 1]) * texel_m
            for column in range(left, right):
                x = (column + 0.5 - lamps[k, 0]) * texel_m
                squared = (x * x + y * y) / 30.0
                fading = min(max(1.5 - squared * 30.0 / 170.0, 0.0), 1.0)
                if fading > 0:
                    light[row, column] += np.float32(230.0 * fading / ((1 + squared) * math.sqrt(1 + squared)))
    return np.minimum(light, np.float32(255.0))
