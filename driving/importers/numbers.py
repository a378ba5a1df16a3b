"""Numbers of sources that can be positions, sizes and speeds."""

import numpy as np
from jaxtyping import Bool, Float

MAX_MAGNITUDE = 1e9
"""Larger numbers are errors of the source; with them, differences and areas lose their digits or overflow."""

MIN_SIZE_M, MAX_SIZE_M = 0.01, 1000.0
"""Bounds of the length and width of a box: thin barriers have some centimetres, the longest trains below 1 km."""

SIZE_BOUNDS = f"{MIN_SIZE_M:g} m to {MAX_SIZE_M:g} m"
"""The bounds in words, for notes and errors."""


def usable(values: Float[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
    """Mask of the finite numbers of at most `MAX_MAGNITUDE`."""
    return np.abs(values) <= MAX_MAGNITUDE


def possible_sizes(sizes: Float[np.ndarray, "boxes 2"]) -> Bool[np.ndarray, "boxes"]:
    """Mask of the boxes with a length and a width [m] that agents and static objects can have."""
    return np.all((sizes >= MIN_SIZE_M) & (sizes <= MAX_SIZE_M), axis=-1)
