"""From places on lanes to poses in the town: what every vehicle did, as one would have filmed it."""

from dataclasses import dataclass, fields

import numpy as np

from driving.agents import AgentKind
from driving.geometry import wrap_angle
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.town.network import Network
from simulation.generation.town.traffic import TrafficHistory
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

PIVOT_SHARE = PACIFICA.rear_axle_to_center_m / PACIFICA.length_m
"""Distance from the rear axle to the middle of the box, in lengths of a vehicle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Motions:
    """All moving vehicles over T steps, N of them; global."""

    poses: np.ndarray
    """(T, N, 3) box centres."""
    velocities: np.ndarray
    """(T, N, 2) of the box centres [m/s]."""
    slip: np.ndarray
    """(T, N) direction of travel of the box centre, seen from the vehicle's heading [rad]."""
    speed: np.ndarray
    """(T, N) of the box centres: beside a bending centerline it differs from the speed along it [m/s]."""

    def since(self, step: int) -> "Motions":
        """Without the steps before `step`."""
        return Motions(**{field.name: getattr(self, field.name)[step:] for field in fields(self)})


def vehicle_motions(rng: np.random.Generator, net: Network, history: TrafficHistory, drivers: np.ndarray) -> Motions:
    """Poses of all vehicles: box centres follow the lanes, and rear axles roll without slipping.

    Nobody holds the middle of the lane: each wanders by a decimetre or two; bicycles keep to the right.
    """
    is_bicycle = drivers["kind"] == AgentKind.BICYCLE
    count = len(drivers)
    wander = np.stack(
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
    lever = np.where(is_bicycle, 0.5, PIVOT_SHARE * drivers["length"])
    poses, direction, speed = _trace(net, history.lane, history.s, history.aside, history.v, wander, lever)
    velocities = speed[..., np.newaxis] * np.stack([np.cos(direction), np.sin(direction)], axis=-1)
    slip = np.asarray(wrap_angle(direction - poses[..., 2]))
    return Motions(poses=poses, velocities=velocities, slip=slip, speed=speed)


@njit(cache=True)
def _bend(points: np.ndarray, k: int, share: float) -> float:
    """Curvature [1/m] of a lane between its vertices k and k + 1, `share` of the way."""
    found = np.zeros(2)
    for end in range(2):
        a, b = max(k + end - 1, 0), min(k + end + 1, len(points) - 1)
        found[end] = (points[b, 3] - points[a, 3]) / (points[b, 2] - points[a, 2])
    return found[0] + share * (found[1] - found[0])


@njit(cache=True)
def _trace(
    net: Network,
    lane: np.ndarray,
    s: np.ndarray,
    aside: np.ndarray,
    v: np.ndarray,
    wander: np.ndarray,
    lever: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poses (T, N, 3) of box centres, their directions of travel and their speeds (T, N)."""
    steps, count = lane.shape
    poses = np.zeros((steps, count, 3))
    travel = np.zeros((steps, count))
    speed = v.copy()
    for i in range(count):
        driven, heading, before = 0.0, 0.0, 0.0
        k, last_lane = 0, -1
        for t in range(steps):
            row = lane[t, i]
            begin, end = net.lanes[row].point_begin, net.lanes[row].point_end
            if row != last_lane:
                k = begin
            while k < end - 2 and net.points[k + 1, 2] < s[t, i]:
                k += 1
            while k > begin and net.points[k, 2] > s[t, i]:
                k -= 1
            a, b = net.points[k], net.points[k + 1]
            share = (s[t, i] - a[2]) / (b[2] - a[2])
            tangent = a[3] + share * (b[3] - a[3])
            if aside[t, i] != 0.0:
                speed[t, i] *= 1.0 - aside[t, i] * _bend(net.points[begin:end], k - begin, share)
            moved = 0.5 * (speed[t, i] + speed[t - 1, i]) * STEP_S if t > 0 else 0.0
            driven += moved
            w = wander[i]
            first, second = 2 * np.pi * driven / w[2] + w[3], 2 * np.pi * driven / w[5] + w[6]
            offset = aside[t, i] + w[0] + w[1] * np.sin(first) + w[4] * np.sin(second)
            slope = w[1] * np.cos(first) * 2 * np.pi / w[2] + w[4] * np.cos(second) * 2 * np.pi / w[5]
            if moved > 0.02 and row == last_lane:
                slope += (aside[t, i] - aside[t - 1, i]) / moved
            direction = tangent + np.arctan(slope)
            if t == 0:
                heading = direction
            else:
                middle = before + 0.5 * wrap(direction - before)
                turn = wrap(middle - heading)
                heading += turn * (1.0 - np.exp(-moved / lever[i]))
            before = direction
            poses[t, i, 0] = a[0] + share * (b[0] - a[0]) - offset * np.sin(tangent)
            poses[t, i, 1] = a[1] + share * (b[1] - a[1]) + offset * np.cos(tangent)
            poses[t, i, 2] = wrap(heading)
            travel[t, i] = direction
            last_lane = row
    return poses, travel, speed
