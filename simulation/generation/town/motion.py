"""From positions on lanes to poses in the map frame, with the small deviations of real driving."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Shaped

from driving.agents import AgentKind
from driving.geometry import wrap_angle
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.town.tables import ALONG, HEADING, LaneNetwork, TrafficHistory, X, Y
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

PIVOT_SHARE = PACIFICA.rear_axle_to_center_m / PACIFICA.length_m
"""Distance from the rear axle to the middle of the box, as a share of the vehicle's length."""
OFFSET, SWING, SWING_M, SWING_PHASE, RIPPLE, RIPPLE_M, RIPPLE_PHASE = range(7)
"""Columns of the drift of a vehicle: constant offset [m], then amplitude [m], wavelength [m], phase of two waves."""


class VehicleMotions(NamedTuple):
    """Motion of all vehicles over time, global."""

    poses: Float64[np.ndarray, "time vehicles 3"]
    """Box centres."""
    velocities: Float64[np.ndarray, "time vehicles 2"]
    """Velocities of the box centres [m/s]."""
    slip: Float64[np.ndarray, "time vehicles"]
    """Direction of travel of the box centre relative to the heading [rad]."""
    speed: Float64[np.ndarray, "time vehicles"]
    """Speeds of the box centres [m/s]; beside a curved centerline it differs from the speed along the lane."""

    def since(self, step: int) -> "VehicleMotions":
        """The motion from a step on."""
        return VehicleMotions(*(values[step:] for values in self))


def vehicle_motions(
    rng: np.random.Generator,
    net: LaneNetwork,
    history: TrafficHistory,
    drivers: Shaped[np.ndarray, "vehicles"],
    offsets: Float64[np.ndarray, "time vehicles"] | None = None,
) -> VehicleMotions:
    """Poses of all vehicles: box centres follow the lanes, and rear axles roll without slip.

    Each vehicle deviates from the centerline by up to 0.2 m along waves; bicycles keep to the right. With `offsets`
    these take the place of the longer waves of vehicles.
    """
    is_bicycle = drivers["kind"] == AgentKind.BICYCLE
    count = len(drivers)
    drift = np.stack(
        [
            np.where(is_bicycle, -0.9, rng.uniform(-0.08, 0.08, count)),
            rng.uniform(0.04, 0.11, count),
            rng.uniform(60.0, 130.0, count),
            rng.uniform(0.0, 2 * np.pi, count),
            rng.uniform(0.01, 0.04, count),
            rng.uniform(22.0, 40.0, count),
            rng.uniform(0.0, 2 * np.pi, count),
        ],
        axis=-1,
    )
    if offsets is None:
        offsets = np.zeros(history.v.shape)
    else:
        drift[np.ix_(~is_bicycle, [OFFSET, SWING])] = 0.0
    lever = np.where(is_bicycle, 0.5, PIVOT_SHARE * drivers["length"])
    poses, direction, speed = _trace(net, history, drift, lever, offsets)
    velocities = speed[..., np.newaxis] * np.stack([np.cos(direction), np.sin(direction)], axis=-1)
    slip = np.asarray(wrap_angle(direction - poses[..., 2]))
    return VehicleMotions(poses=poses, velocities=velocities, slip=slip, speed=speed)


@njit(cache=True)
def _curvature(points: Float64[np.ndarray, "points 4"], k: int, share: float) -> float:
    """Curvature of a lane between its vertices k and k + 1, interpolated [1/m]."""
    found = np.zeros(2)
    for end in range(2):
        a, b = max(k + end - 1, 0), min(k + end + 1, len(points) - 1)
        found[end] = (points[b, HEADING] - points[a, HEADING]) / (points[b, ALONG] - points[a, ALONG])
    return found[0] + share * (found[1] - found[0])


@njit(cache=True)
def _trace(
    net: LaneNetwork,
    history: TrafficHistory,
    drift: Float64[np.ndarray, "vehicles 7"],
    lever: Float64[np.ndarray, "vehicles"],
    offsets: Float64[np.ndarray, "time vehicles"],
) -> tuple[
    Float64[np.ndarray, "time vehicles 3"], Float64[np.ndarray, "time vehicles"], Float64[np.ndarray, "time vehicles"]
]:
    """Poses of box centres, their directions of travel and their speeds.

    `lever` is the distance from the rear axle to the box centre, `offsets` that of the path from the centerline [m].
    """
    lane, s, aside = history.lane, history.s, history.aside
    steps, count = lane.shape
    poses = np.zeros((steps, count, 3))
    travel = np.zeros((steps, count))
    speed = history.v.copy()
    for i in range(count):
        driven, heading, before = 0.0, 0.0, 0.0
        k, last_lane = 0, -1
        for t in range(steps):
            row = lane[t, i]
            begin, end = net.lanes[row].point_begin, net.lanes[row].point_end
            if row != last_lane:
                k = begin
            while k < end - 2 and net.points[k + 1, ALONG] < s[t, i]:
                k += 1
            while k > begin and net.points[k, ALONG] > s[t, i]:
                k -= 1
            a, b = net.points[k], net.points[k + 1]
            share = (s[t, i] - a[ALONG]) / (b[ALONG] - a[ALONG])
            tangent = a[HEADING] + share * (b[HEADING] - a[HEADING])
            beside = aside[t, i] + offsets[t, i]
            if beside != 0.0:
                speed[t, i] *= 1.0 - beside * _curvature(net.points[begin:end], k - begin, share)
            moved = 0.5 * (speed[t, i] + speed[t - 1, i]) * STEP_S if t > 0 else 0.0
            driven += moved
            w = drift[i]
            first = 2 * np.pi * driven / w[SWING_M] + w[SWING_PHASE]
            second = 2 * np.pi * driven / w[RIPPLE_M] + w[RIPPLE_PHASE]
            offset = beside + w[OFFSET] + w[SWING] * np.sin(first) + w[RIPPLE] * np.sin(second)
            slope = w[SWING] * np.cos(first) * 2 * np.pi / w[SWING_M]
            slope += w[RIPPLE] * np.cos(second) * 2 * np.pi / w[RIPPLE_M]
            if moved > 0.02 and row == last_lane:
                slope += (aside[t, i] - aside[t - 1, i]) / moved
            if moved > 0.02:
                slope += (offsets[t, i] - offsets[t - 1, i]) / moved
            direction = tangent + np.arctan(slope)
            if t == 0:
                heading = direction
            else:
                middle = before + 0.5 * wrap(direction - before)
                turn = wrap(middle - heading)
                heading += turn * (1.0 - np.exp(-moved / lever[i]))
            before = direction
            poses[t, i, 0] = a[X] + share * (b[X] - a[X]) - offset * np.sin(tangent)
            poses[t, i, 1] = a[Y] + share * (b[Y] - a[Y]) + offset * np.cos(tangent)
            poses[t, i, 2] = wrap(heading)
            travel[t, i] = direction
            last_lane = row
    return poses, travel, speed
