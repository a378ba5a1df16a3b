"""A town over the interval from which recordings are cut."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Shaped

from simulation.generation.town.bystanders import Bystanders
from simulation.generation.town.motion import VehicleMotions
from simulation.generation.town.tables import LaneNetwork, LightTable, TrafficHistory
from simulation.generation.town.town_map import TownMap


class ParkedCars(NamedTuple):
    """Cars on parking places."""

    poses: Float64[np.ndarray, "cars 3"]
    sizes: Float64[np.ndarray, "cars 3"]
    """Length, width, height."""


class Clip(NamedTuple):
    """The interval of one vehicle that becomes a recording."""

    vehicle: int
    start: int
    stop: int
    """First step behind the interval."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ObservedTown:
    """Map, traffic and lights of a town over time."""

    name: str
    town: TownMap
    net: LaneNetwork
    drivers: Shaped[np.ndarray, "vehicles"]
    """Records of `DRIVER`."""
    history: TrafficHistory
    motions: VehicleMotions
    lights: LightTable
    parked: ParkedCars
    bystanders: Bystanders
    people_sizes: Float64[np.ndarray, "people 3"]
    """Length, width, height."""
    vehicle_sizes: Float64[np.ndarray, "vehicles 3"]
    """Length, width and height of the moving vehicles in recordings of others."""

    def lane_under(self, vehicle: int, step: int) -> int:
        """The lane that contains the box centre; early in a lane change that is still the old lane."""
        table, row = self.net.lanes, int(self.history.lane[step, vehicle])
        aside_m, half_m = self.history.aside[step, vehicle], table["width"][row] / 2
        beside = table["left"][row] if aside_m > half_m else table["right"][row] if aside_m < -half_m else -1
        return row if beside < 0 else int(beside)
