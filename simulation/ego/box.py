"""The box of the ego around its rear axle, for compiled code."""

from math import cos, hypot, sin
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from driving.vehicle import PACIFICA, VehicleParameters
from simulation.geometry.boxes import box_corners
from simulation.geometry.compiling import njit


class EgoBox(NamedTuple):
    """Size of the ego's box, and the distance from the rear axle forwards to its centre [m]."""

    length: float
    width: float
    rear_axle_to_center: float


def ego_box(vehicle: VehicleParameters = PACIFICA) -> EgoBox:
    """The box of a vehicle."""
    return EgoBox(vehicle.length_m, vehicle.width_m, vehicle.rear_axle_to_center_m)


@njit(cache=True)
def half_diagonal(box: EgoBox) -> float:
    """Radius of the circle around the box [m]."""
    return 0.5 * hypot(box.length, box.width)


@njit(cache=True)
def center_at(rear_x: float, rear_y: float, heading: float, box: EgoBox) -> tuple[float, float]:
    """Box centre for a pose of the rear axle."""
    return rear_x + box.rear_axle_to_center * cos(heading), rear_y + box.rear_axle_to_center * sin(heading)


@njit(cache=True)
def corners_around(x: float, y: float, heading: float, box: EgoBox) -> Float64[np.ndarray, "4 2"]:
    """Corners in the order of `box_corners`, for a pose of the box centre."""
    return box_corners(x, y, heading, box.length, box.width)
