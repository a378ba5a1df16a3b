"""The intelligent driver model (IDM): acceleration of a vehicle that follows a leader at a desired speed.

All users share `idm_acceleration`; they differ in parameters and in what they do with the result:

- nuPlan's reactive agents and its IDM planner take forward Euler steps and clamp the new speed at 0;
- PDM-Closed's proposals (tuPlan garage, `BatchIDMPolicy`) have exponent 10 instead of 4 and no clamp of the speed;
- drivers in generated towns follow the improved model, which does not brake at a gap slightly below the desired one.

Source:
    Treiber, Hennecke, Helbing: Congested traffic states in empirical observations and microscopic simulations, 2000,
    eq. 3 and 4. Treiber, Kesting: Traffic Flow Dynamics, 2013, section 11.3.7 (improved model).
"""

import math
from typing import NamedTuple

from simulation.geometry.compiling import njit


class IdmParameters(NamedTuple):
    """Parameters of one driver or of all."""

    min_gap_m: float
    headway_s: float
    accel_max_mps2: float
    decel_max_mps2: float
    """Comfortable deceleration, and the lower bound of `idm_acceleration`."""
    exponent: int = 4
    """Of the ratio of speed to desired speed."""


NUPLAN_AGENTS = IdmParameters(min_gap_m=1.0, headway_s=1.5, accel_max_mps2=1.0, decel_max_mps2=2.0)
"""nuPlan devkit, `idm_agents_observation.yaml`."""
NUPLAN_PLANNER = IdmParameters(min_gap_m=1.0, headway_s=1.5, accel_max_mps2=1.0, decel_max_mps2=3.0)
"""nuPlan devkit, `idm_planner.yaml`."""
PDM_PROPOSALS = IdmParameters(min_gap_m=1.0, headway_s=1.5, accel_max_mps2=1.5, decel_max_mps2=3.0, exponent=10)
"""tuPlan garage, `pdm_closed_planner.yaml`."""


@njit(cache=True)
def idm_acceleration(
    speed_mps: float, gap_m: float, lead_speed_mps: float, target_speed_mps: float, parameters: IdmParameters
) -> float:
    """Acceleration [m/s^2], clipped to [-decel_max_mps2, accel_max_mps2].

    Args:
        speed_mps: Speed of the vehicle.
        gap_m: Distance to the leader, bumper to bumper; a gap below `min_gap_m` counts as `min_gap_m`.
        lead_speed_mps: Speed of the leader along the vehicle's heading.
        target_speed_mps: Desired speed on a free road.
        parameters: Of the driver.

    Source:
        nuPlan devkit, `IDMPolicy`.
    """
    desired_gap_m = parameters.min_gap_m + speed_mps * parameters.headway_s
    desired_gap_m += _closing_gap(speed_mps, lead_speed_mps, parameters)
    free = (speed_mps / target_speed_mps) ** parameters.exponent
    accel = parameters.accel_max_mps2 * (1.0 - free - (desired_gap_m / max(gap_m, parameters.min_gap_m)) ** 2)
    return min(max(-parameters.decel_max_mps2, accel), parameters.accel_max_mps2)


@njit(cache=True)
def improved_idm_acceleration(
    speed_mps: float, gap_m: float, lead_speed_mps: float, free_accel_mps2: float, parameters: IdmParameters
) -> float:
    """Acceleration [m/s^2] of the improved model, not clipped.

    Args:
        speed_mps: Speed of the vehicle.
        gap_m: Distance to the leader, bumper to bumper; a gap below 0.1 m counts as 0.1 m.
        lead_speed_mps: Speed of the leader along the vehicle's heading.
        free_accel_mps2: Acceleration on a free road.
        parameters: Of the driver; the exponent is part of `free_accel_mps2`.
    """
    following_m = speed_mps * parameters.headway_s + _closing_gap(speed_mps, lead_speed_mps, parameters)
    ratio = (parameters.min_gap_m + max(0.0, following_m)) / max(gap_m, 0.1)
    accel_max = parameters.accel_max_mps2
    if free_accel_mps2 >= 0.0:
        if ratio >= 1.0:
            return accel_max * (1.0 - ratio * ratio)
        return free_accel_mps2 * (1.0 - ratio ** (2.0 * accel_max / max(free_accel_mps2, 1e-3)))
    if ratio >= 1.0:
        return free_accel_mps2 + accel_max * (1.0 - ratio * ratio)
    return free_accel_mps2


@njit(cache=True)
def _closing_gap(speed_mps: float, lead_speed_mps: float, parameters: IdmParameters) -> float:
    """Part of the desired gap that the difference of speeds adds [m]."""
    damping = 2.0 * math.sqrt(parameters.accel_max_mps2 * parameters.decel_max_mps2)
    return speed_mps * (speed_mps - lead_speed_mps) / damping
