"""Angles in compiled code."""

import math

import numpy as np
from jaxtyping import Float64

from simulation.geometry.compiling import njit


@njit(cache=True)
def wrap(angle_rad: float) -> float:
    """Bring an angle into [-pi, pi)."""
    turned = angle_rad + np.pi
    # Most angles are there already, and the remainder is slow.
    if not 0.0 <= turned < 2 * np.pi:
        turned %= 2 * np.pi
    return turned - np.pi


@njit(cache=True, inline="always")
def wrap_vectorized(angle_rad: float) -> float:
    """`wrap` without a branch, for loops compiled to vector instructions; rounding differs."""
    return angle_rad - full_turns(angle_rad)


@njit(cache=True, inline="always")
def full_turns(angle_rad: float) -> float:
    """Multiple of a full turn whose subtraction brings an angle into [-pi, pi)."""
    return 2.0 * math.pi * np.floor((angle_rad + math.pi) / (2.0 * math.pi))


@njit(cache=True)
def unwrapped(headings: Float64[np.ndarray, "steps"]) -> Float64[np.ndarray, "steps"]:
    """Headings without jumps of a full turn, by the rule of `np.unwrap`."""
    result = headings.copy()
    correction = 0.0
    for k in range(1, len(headings)):
        step = headings[k] - headings[k - 1]
        if abs(step) >= np.pi:
            turned = wrap(step)
            if turned == -np.pi and step > 0.0:
                turned = np.pi
            correction += turned - step
        result[k] = headings[k] + correction
    return result
