"""Vehicles of different sizes and drivers with different parameters."""

import numpy as np
from jaxtyping import Shaped

from driving.agents import AgentKind
from driving.vehicle import PACIFICA
from simulation.generation.town.layout import TownSettings
from simulation.generation.town.tables import DRIVER

EGO_SHARE = 0.25
"""Share of motor vehicles with the ego's dimensions; each of them can become the ego of a recording."""
HEAVY_SHARE, BUS_SHARE = 0.13, 0.4
"""Share of trucks and buses among the other vehicles, and of buses among them."""


def draw_drivers(rng: np.random.Generator, settings: TownSettings) -> Shaped[np.ndarray, "vehicles"]:
    """Draw `DRIVER` records: first vehicles of the ego's dimensions, then cars, trucks and buses, last bicycles."""
    motor, total = settings.vehicles, settings.vehicles + settings.bicycles
    number = np.arange(total)
    bicycle = number >= motor
    ego_make = number < round(EGO_SHARE * motor)
    heavy = ~bicycle & ~ego_make & (rng.uniform(size=total) < HEAVY_SHARE)
    bus = heavy & (rng.uniform(size=total) < BUS_SHARE)
    length = rng.uniform(4.0, 5.3, total)
    width = rng.uniform(1.75, 2.05, total)
    height = rng.uniform(1.45, 1.95, total)
    for mask, lengths, widths, heights in (
        (heavy, (8.2, 10.5), (2.35, 2.5), (3.0, 3.6)),
        (bus, (11.0, 12.0), (2.5, 2.55), (3.1, 3.3)),
        (bicycle, (1.65, 1.9), (0.6, 0.75), (1.6, 1.8)),
    ):
        length = np.where(mask, rng.uniform(*lengths, total), length)
        width = np.where(mask, rng.uniform(*widths, total), width)
        height = np.where(mask, rng.uniform(*heights, total), height)
    length[ego_make], width[ego_make], height[ego_make] = PACIFICA.length_m, PACIFICA.width_m, PACIFICA.height_m
    slow = heavy | bicycle
    eagerness = np.where(rng.uniform(size=total) < 0.7, rng.uniform(0.0, 0.05, total), 0.0)
    eagerness = np.where(ego_make, rng.uniform(0.0, 0.09, total), eagerness)
    columns = {
        "kind": np.where(bicycle, AgentKind.BICYCLE, AgentKind.VEHICLE),
        "length": length,
        "width": width,
        "height": height,
        "is_ego_make": ego_make,
        "speed_factor": np.where(ego_make, rng.uniform(0.88, 1.0, total), rng.uniform(0.82, 1.08, total)),
        "top_speed": np.where(
            bicycle, rng.uniform(4.0, 6.5, total), np.where(heavy, rng.uniform(12.0, 16.0, total), 40.0)
        ),
        "headway": np.where(heavy, rng.uniform(1.3, 1.8, total), rng.uniform(0.9, 1.6, total)),
        "min_gap": rng.uniform(1.6, 3.0, total),
        "accel": np.where(slow, rng.uniform(0.7, 1.0, total), rng.uniform(1.1, 1.9, total)),
        "brake": rng.uniform(1.6, 2.4, total),
        "lateral": np.where(heavy, rng.uniform(1.0, 1.4, total), rng.uniform(1.5, 2.8, total)),
        "jerk": rng.uniform(1.6, 2.6, total),
        "gap": rng.uniform(0.9, 2.0, total) + np.where(heavy, 0.7, 0.0),
        "eagerness": np.where(slow, -1.0, eagerness),
        "polite": rng.uniform(0.1, 0.5, total),
    }
    drivers = np.zeros(total, dtype=DRIVER)
    for name, values in columns.items():
        drivers[name] = values
    return drivers
