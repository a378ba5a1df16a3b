"""Calibrated traffic of a town: sizes and drivers of the vehicles, and their paths beside the centerlines."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Shaped
from scipy.ndimage import gaussian_filter1d, minimum_filter1d, uniform_filter1d
from scipy.stats import norm

from driving.agents import AgentKind
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.town.calibration import Calibration, at_levels, draw_sizes
from simulation.generation.town.layout import ARTERIALS, COLLECTORS, LOCALS, TownSettings
from simulation.generation.town.tables import LaneNetwork, TrafficHistory

LANE_MARGIN_M = 0.1
"""Boxes stay this far from the border of their lane."""
CONSTANT_SHARE = 0.6
"""Share of the variance of a vehicle's offset that does not change along its way."""
WANDER_M = 30.0
"""Distance over which the remaining part changes."""
BLEND_M = 12
"""Half length of the transition between lanes of different width."""


def with_calibration(settings: TownSettings, calibration: Calibration) -> TownSettings:
    """Settings of a calibrated town."""
    return replace(
        settings,
        calibration=calibration,
        vehicles=round(settings.vehicles * calibration.vehicles),
        pedestrians=round(settings.pedestrians * calibration.pedestrians),
    )


def calibrate_drivers(
    rng: np.random.Generator, drivers: Shaped[np.ndarray, "vehicles"], calibration: Calibration
) -> Float64[np.ndarray, "vehicles 3"]:
    """Give `DRIVER` records the sizes and gaps of recorded traffic; they are changed in place.

    Vehicles that may become the ego keep the ego's size, as their drive is recorded with it, but other recordings
    show them with a drawn size that fits into it. Drivers of trucks get the longest other vehicles.

    Returns:
        Length, width and height that recordings show.
    """
    motor = np.flatnonzero(drivers["kind"] == AgentKind.VEHICLE)
    is_ego = drivers["is_ego_make"][motor]
    pool = draw_sizes(rng, calibration, len(motor))
    fits = (pool[:, 0] <= PACIFICA.length_m) & (pool[:, 1] <= PACIFICA.width_m)
    order = np.concatenate([np.flatnonzero(fits), np.flatnonzero(~fits)])
    of_egos = np.minimum(pool[order[: is_ego.sum()]], [PACIFICA.length_m, PACIFICA.width_m])
    of_others = rng.permutation(pool[order[is_ego.sum() :]])
    others = motor[~is_ego]
    # Where lane changes are excluded, the driver is that of a truck or bus.
    is_heavy = drivers["eagerness"][others] < 0.0
    by_length = np.argsort(of_others[:, 0], kind="stable")
    heavy, light = by_length[len(others) - int(is_heavy.sum()) :], by_length[: len(others) - int(is_heavy.sum())]
    sizes = np.empty_like(of_others)
    sizes[is_heavy], sizes[~is_heavy] = of_others[rng.permutation(heavy)], of_others[rng.permutation(light)]
    drivers["length"][others], drivers["width"][others] = sizes[:, 0], sizes[:, 1]
    drivers["headway"][motor] *= calibration.headway
    drivers["min_gap"][motor] *= calibration.min_gap
    drivers["speed_factor"][motor] *= calibration.speed
    shown = np.stack([drivers["length"], drivers["width"], drivers["height"]], axis=-1)
    shown[motor[is_ego], :2] = of_egos
    return shown


def lane_offsets(
    rng: np.random.Generator,
    net: LaneNetwork,
    history: TrafficHistory,
    drivers: Shaped[np.ndarray, "vehicles"],
    calibration: Calibration,
) -> Float64[np.ndarray, "time vehicles"]:
    """Distance of each vehicle from its path over time [m], left positive; 0 for bicycles.

    It has the recorded distribution as far as the box stays in its lane, or on a shoulder without parked cars. It
    changes with the distance that the vehicle drives, so that a standing vehicle keeps its place.
    """
    steps, count = history.lane.shape
    driven = np.zeros((steps, count))
    driven[1:] = np.cumsum(0.5 * (history.v[1:] + history.v[:-1]) * STEP_S, axis=0)
    shoulder = _free_shoulder_m(net)
    offsets = np.zeros((steps, count))
    for i in np.flatnonzero(drivers["kind"] == AgentKind.VEHICLE).tolist():
        grid = np.arange(0.0, driven[-1, i] + 2.0)
        wanted = _wandering(rng, len(grid), calibration)
        at = np.minimum(np.searchsorted(driven[:, i], grid), steps - 1)
        rows = history.lane[at, i]
        room = (net.lanes["width"][rows] - drivers["width"][i]) / 2 - LANE_MARGIN_M
        left, right = (_blended(np.maximum(limit, 0.0)) for limit in (room, room + shoulder[rows]))
        limited = uniform_filter1d(np.clip(wanted, -right, left), BLEND_M, mode="nearest")
        offsets[:, i] = np.interp(driven[:, i], grid, limited)
    return offsets


def _wandering(rng: np.random.Generator, count: int, calibration: Calibration) -> Float64[np.ndarray, "metres"]:
    """Offsets along a drive, one per metre: their level is a constant and a slowly changing normal variable."""
    noise = gaussian_filter1d(rng.normal(size=count + 8 * round(WANDER_M)), WANDER_M)[4 * round(WANDER_M) :][:count]
    # The variance of white noise after the filter.
    noise *= np.sqrt(2.0 * np.sqrt(np.pi) * WANDER_M)
    level = 2.0 * norm.cdf(np.sqrt(CONSTANT_SHARE) * rng.normal() + np.sqrt(1.0 - CONSTANT_SHARE) * noise) - 1.0
    return np.sign(level) * at_levels(calibration.offset_m, np.abs(level))


def _blended(limit: Float64[np.ndarray, "metres"]) -> Float64[np.ndarray, "metres"]:
    """A limit without steps, nowhere above the given one."""
    width = 2 * BLEND_M + 1
    return uniform_filter1d(minimum_filter1d(limit, width, mode="nearest"), width, mode="nearest")


def _free_shoulder_m(net: LaneNetwork) -> Float64[np.ndarray, "lanes"]:
    """Width of the drivable strip beside each lane that no parked car stands on."""
    found = np.zeros(len(net.lanes))
    for profile in (*ARTERIALS, *COLLECTORS, *LOCALS):
        is_of = np.isclose(net.lanes["limit"], profile.speed_limit_mps)
        is_of &= np.isclose(net.lanes["width"], profile.lane_width_m, atol=0.02) & (net.lanes["right"] < 0)
        is_of[net.num_lanes :] = False
        found[is_of] = 0.0 if profile.has_parking else profile.shoulder_m
    return found
