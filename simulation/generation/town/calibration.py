"""Towns with the sizes, lateral offsets, gaps and speeds of recorded traffic.

A `Calibration` holds quantiles of recorded vehicles and factors on the settings of a town. Without one a town is
generated as before, to the last bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.stats import norm, spearmanr

NUM_QUANTILES = 41
MAX_LENGTH_M, MAX_WIDTH_M = 12.5, 2.75
"""Larger vehicles are drawn at this size: the junctions of towns have no room for them."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Distributions of recorded vehicles in traffic, and factors on counts and drivers of a town."""

    length_m: tuple[float, ...]
    """Quantiles at equal steps from the minimum to the maximum."""
    width_m: tuple[float, ...]
    size_correlation: float
    """Rank correlation of length and width."""
    offset_m: tuple[float, ...]
    """Quantiles of the distance from the centerline."""
    vehicles: float = 1.0
    """Factor on the number of moving vehicles."""
    pedestrians: float = 1.0
    headway: float = 1.0
    """Factor on the desired time gaps."""
    min_gap: float = 1.0
    """Factor on the gaps in a queue."""
    speed: float = 1.0
    """Factor on desired speeds."""

    def __post_init__(self) -> None:
        for name in ("length_m", "width_m", "offset_m"):
            values = np.array(getattr(self, name))
            if len(values) < 2 or (np.diff(values) < 0).any() or values[0] < 0:
                raise ValueError(f"{name} needs at least 2 ascending quantiles from 0 on, got {values.tolist()}.")


def fitted(
    sizes_m: Float64[np.ndarray, "vehicles 2"],
    offsets_m: Float64[np.ndarray, "on_road"],
    factors: Mapping[str, float] | None = None,
) -> Calibration:
    """The calibration of recorded vehicles.

    Args:
        sizes_m: Length and width of vehicles in traffic.
        offsets_m: Distances from the centerline of vehicles on the road.
        factors: Of the towns, by field name.

    Raises:
        ValueError: With fewer than 2 vehicles.
    """
    if len(sizes_m) < 2 or len(offsets_m) < 2:
        raise ValueError(f"Need at least 2 vehicles to fit, got {len(sizes_m)} sizes and {len(offsets_m)} offsets.")
    is_constant = (np.ptp(sizes_m, axis=0) == 0.0).any()
    correlation = 0.0 if is_constant else float(spearmanr(sizes_m[:, 0], sizes_m[:, 1]).statistic)
    return Calibration(
        length_m=_quantiles(sizes_m[:, 0]),
        width_m=_quantiles(sizes_m[:, 1]),
        size_correlation=round(correlation, 3),
        offset_m=_quantiles(np.abs(offsets_m)),
        **(factors or {}),
    )


def _quantiles(values: Float64[np.ndarray, "samples"]) -> tuple[float, ...]:
    return tuple(np.round(np.quantile(values, np.linspace(0, 1, NUM_QUANTILES)), 3).tolist())


def draw_sizes(rng: np.random.Generator, calibration: Calibration, count: int) -> Float64[np.ndarray, "vehicles 2"]:
    """Lengths and widths of recorded vehicles, with their correlation (a Gaussian copula)."""
    # The correlation of normal variables with a given rank correlation.
    correlation = 2.0 * np.sin(np.pi * calibration.size_correlation / 6.0)
    first, second = rng.normal(size=(2, count))
    levels = norm.cdf(np.stack([first, correlation * first + np.sqrt(1.0 - correlation**2) * second], axis=-1))
    sizes = np.stack(
        [at_levels(calibration.length_m, levels[:, 0]), at_levels(calibration.width_m, levels[:, 1])], axis=-1
    )
    return np.minimum(sizes, [MAX_LENGTH_M, MAX_WIDTH_M])


def at_levels(quantiles: tuple[float, ...], levels: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """Values of quantiles at equal steps, at levels from 0 to 1."""
    return np.interp(levels, np.linspace(0.0, 1.0, len(quantiles)), quantiles)
