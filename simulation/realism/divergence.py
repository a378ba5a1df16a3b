"""Distance of two distributions of samples."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.spatial.distance import jensenshannon


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Equal bins; samples outside are counted in the first or the last bin."""

    low: float
    high: float
    width: float

    def __post_init__(self) -> None:
        if not self.low < self.high or self.width <= 0:
            raise ValueError(f"Bins need low < high and a positive width, got {self}.")

    @property
    def edges(self) -> Float64[np.ndarray, "edges"]:
        """Borders of the bins, the last one at `high` or up to one width behind it."""
        count = int(np.ceil((self.high - self.low) / self.width - 1e-9))
        return self.low + self.width * np.arange(count + 1)

    def shares(self, samples: Float64[np.ndarray, "samples"]) -> Float64[np.ndarray, "bins"]:
        """Share of the samples in each bin; NaN samples do not count. Without samples all shares are 0."""
        usable = np.clip(samples[~np.isnan(samples)], self.low, self.high)
        return np.histogram(usable, bins=self.edges)[0] / max(1, len(usable))


def jensen_shannon(
    first: Float64[np.ndarray, "samples"], second: Float64[np.ndarray, "other_samples"], bins: Bins
) -> float:
    """Jensen-Shannon divergence of two sets of samples over bins: 0 for equal shares, ln 2 for disjoint ones.

    Natural logarithm; the square of scipy's distance. NaN when a set has no samples.

    Source:
        Scenario Dreamer (Rowe et al., CVPR 2025), `compute_jsd_metrics`, without its factors of 10 and 100.
    """
    shares = bins.shares(first), bins.shares(second)
    if not shares[0].sum() or not shares[1].sum():
        return float("nan")
    return float(jensenshannon(*shares) ** 2)
