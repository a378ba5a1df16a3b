"""Draws near those of another corner case: its random numbers again, with noise on those of a range."""

from dataclasses import dataclass

import numpy as np

from simulation.generation.corner_cases.sites import SiteSearch


@dataclass(frozen=True, kw_only=True, eq=False)
class NearbySearch(SiteSearch):
    """Repeats the random numbers of another corner case, with noise on those of a range."""

    noise: np.random.Generator
    spread: float

    def uniform(self, low: float, high: float) -> float:
        """The other case's number of a range, changed by at most `spread` of the range."""
        change = self.spread * (high - low) * self.noise.uniform(-1.0, 1.0)
        return float(np.clip(super().uniform(low, high) + change, low, high))
