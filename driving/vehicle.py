"""Dimensions of the ego vehicle."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VehicleParameters:
    """Box and axles of a vehicle, all [m]. Its pose is that of the centre of the rear axle."""

    width_m: float
    length_m: float
    wheelbase_m: float
    rear_axle_to_center_m: float
    """From the rear axle forward to the centre of the box."""
    height_m: float


PACIFICA = VehicleParameters(
    width_m=2.297,
    length_m=5.176,
    wheelbase_m=3.089,
    rear_axle_to_center_m=4.049 - 5.176 / 2,
    height_m=1.777,
)
"""nuPlan's ego, a Chrysler Pacifica (devkit: `get_pacifica_parameters`). The centre is 1.461 m before the axle."""

MAX_OFF_ROAD_M = 0.3
"""A corner of the ego box may be off the drivable area by less than this (nuPlan's `max_violation_threshold`)."""
