"""Inputs of the geometry tests, at map coordinates: large numbers must not cost precision."""

import numpy as np
import pytest

from simulation.geometry.boxes import box_corners


@pytest.fixture(scope="session")
def origin():
    """A place in the Las Vegas map."""
    return np.array([664_400.0, 3_997_600.0])


@pytest.fixture(scope="session")
def random_boxes(origin):
    """Function that makes corners of random boxes around `origin`."""

    def boxes(seed, count, spread_m=12.0):
        rng = np.random.default_rng(seed)
        for _ in range(count):
            x, y = origin + rng.uniform(-spread_m, spread_m, 2)
            yield box_corners(x, y, rng.uniform(-4, 4), rng.uniform(0.4, 9.0), rng.uniform(0.3, 2.8))

    return boxes


@pytest.fixture(scope="session")
def bend(origin):
    """Vertices of a left bend, radius 30 m, 60 m long."""
    angle = np.linspace(0, 2.0, 40)
    return origin + np.stack([30 * np.sin(angle), 30 - 30 * np.cos(angle)], axis=-1)
