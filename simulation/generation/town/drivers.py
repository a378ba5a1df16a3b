"""Who drives in a town: vehicles of different sizes and drivers of different tempers."""

import numpy as np

from driving.agents import AgentKind
from driving.vehicle import PACIFICA
from simulation.generation.town.layout import TownSettings

EGO_SHARE = 0.25
"""Share of the vehicles that are of the ego's make; any of them can be the one that recorded."""


DRIVER = np.dtype(
    [
        ("kind", np.int8),  # Value of `AgentKind`.
        ("length", np.float64),
        ("width", np.float64),
        ("height", np.float64),
        ("is_ego_make", np.bool_),
        ("speed_factor", np.float64),  # Wished speed as a share of the limit.
        ("top_speed", np.float64),
        ("headway", np.float64),  # Wished time gap to the vehicle ahead [s].
        ("min_gap", np.float64),  # Gap to the vehicle ahead in a queue [m].
        ("accel", np.float64),  # [m/s^2], as are the two below.
        ("brake", np.float64),  # Comfortable deceleration.
        ("lateral", np.float64),  # Accepted in bends.
        ("jerk", np.float64),  # [m/s^3]
        ("gap", np.float64),  # Time between oneself and crossing traffic that is accepted [s].
        ("eagerness", np.float64),  # Chance per look to change lanes without need; negative: never changes lanes.
        ("polite", np.float64),  # Weight of the loss of others in the decision to change lanes.
    ]
)
"""A vehicle and its driver."""


def draw_drivers(rng: np.random.Generator, settings: TownSettings) -> np.ndarray:
    """Vehicles with their drivers, as `DRIVER`: cars (a quarter of the ego's make), trucks, buses, bicycles."""
    motor, total = settings.vehicles, settings.vehicles + settings.bicycles
    # The last rows are bicycles, the first are of the ego's make.
    number = np.arange(total)
    bicycle = number >= motor
    ego_make = number < round(EGO_SHARE * motor)
    heavy = ~bicycle & ~ego_make & (rng.uniform(size=total) < 0.13)
    bus = heavy & (rng.uniform(size=total) < 0.4)
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
