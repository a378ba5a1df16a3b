"""Numbers of sources that can be positions, sizes and speeds."""

import numpy as np
from jaxtyping import Bool, Float

MAX_MAGNITUDE = 1e9
"""Larger numbers are errors of the source; with them, differences and areas lose their digits or overflow."""


def usable(values: Float[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
    """Mask of the finite numbers of at most `MAX_MAGNITUDE`."""
    return np.abs(values) <= MAX_MAGNITUDE
