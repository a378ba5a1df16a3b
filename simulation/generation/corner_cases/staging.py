"""What a corner case is made of before anybody has found the way out: the nominal ego, the cast, the choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind, LightStatus
from driving.synthetic.motion import SmoothPath, SpeedChange, SpeedProfile
from driving.synthetic.scene_script import SIZES_M, ScriptedTrack, standing_track
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.corner_cases.chains import Chain, Shift

BEGIN_S, END_S = -3.2, 24.0
"""From before the history of a scenario to behind its open-loop future; time 0 is iteration 0."""
FRONT_M = PACIFICA.rear_axle_to_center_m + PACIFICA.length_m / 2
"""From the rear axle to the front bumper."""
REAR_M = PACIFICA.length_m / 2 - PACIFICA.rear_axle_to_center_m
"""From the rear axle to the rear bumper."""
CURVE_ACCEL_MPS2 = 2.4
"""How fast curves are taken."""
EASE_MPS2 = 1.4
"""How hard is braked before curves and sped up after them."""
END_MARGIN_M = 12.0
"""Where lanes end, the ego stops so much before."""
BELOW_LIMIT_MPS = 0.3
NEVER_S = 1e6


def sample_times() -> Float64[np.ndarray, "time"]:
    """Times of the frames of a corner case [s]."""
    return np.round(np.arange(round((END_S - BEGIN_S) / STEP_S) + 1) * STEP_S + BEGIN_S, 9)


def speed_caps(
    path: SmoothPath, limits_mps: Float64[np.ndarray, "samples"]
) -> tuple[Float64[np.ndarray, "samples"], Float64[np.ndarray, "samples"]]:
    """Arc lengths along a path, and the speed there that its curves, its end and the speed limits allow.

    Args:
        path: To be driven.
        limits_mps: Speed limits at even distances along it.
    """
    along = np.linspace(0.0, path.length_m, len(limits_mps))
    bend = np.abs(path.curvature(along))
    caps = np.minimum(np.sqrt(CURVE_ACCEL_MPS2 / np.maximum(bend, 1e-6)), limits_mps - BELOW_LIMIT_MPS)
    caps[along > path.length_m - END_MARGIN_M] = 0.0
    rise = 2 * EASE_MPS2 * (along[1] - along[0])
    squares = caps**2
    for k in range(len(squares) - 2, -1, -1):
        squares[k] = min(squares[k], squares[k + 1] + rise)
    for k in range(1, len(squares)):
        squares[k] = min(squares[k], squares[k - 1] + rise)
    return along, np.sqrt(np.maximum(squares, 0.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Approach:
    """The nominal ego: it keeps to its lane and speed, slower only in curves, and minds nobody."""

    chain: Chain
    speed_mps: float
    event_m: float
    """Arc length where its front bumper is ..."""
    event_s: float
    """... at this time."""
    start_left_m: float = 0.0
    """Offset from the path at the start, where the ego does not start in the chain's own lane."""

    @cached_property
    def _timetable(self) -> tuple[Float64[np.ndarray, "samples"], Float64[np.ndarray, "samples"]]:
        along, caps = speed_caps(self.chain.path, self.chain.speed_limits_mps)
        speeds = np.maximum(np.minimum(caps, self.speed_mps), 0.3)
        times = np.concatenate([[0.0], np.cumsum(np.diff(along) / ((speeds[1:] + speeds[:-1]) / 2))])
        here = np.interp(self.event_m - FRONT_M, along, times)
        return along, times - here + self.event_s

    def at(self, time_s: float | Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time"]:
        """Arc length of the rear axle."""
        along, times = self._timetable
        return np.interp(np.atleast_1d(time_s), times, along)

    def front_m(self, time_s: float) -> float:
        """Arc length of the front bumper."""
        return float(self.at(time_s)[0]) + FRONT_M

    def rear_m(self, time_s: float) -> float:
        """Arc length of the rear bumper."""
        return float(self.at(time_s)[0]) - REAR_M

    def time_s(self, along_m: float) -> float:
        """When the front bumper is at an arc length."""
        along, times = self._timetable
        return float(np.interp(along_m - FRONT_M, along, times))

    @property
    def starts_on_road(self) -> bool:
        """Whether the lanes reach back to where the ego is first seen."""
        return float(self._timetable[1][0]) <= BEGIN_S


@dataclass(frozen=True, kw_only=True, eq=False)
class Staged:
    """A situation that is still to be solved."""

    approach: Approach
    cast: Sequence[ScriptedTrack]
    laterals: Sequence[tuple[Shift, ...]] = ((),)
    """Ways to move aside; the first is what the nominal ego does."""
    goal_m: float = 0.0
    """Arc length that the rear axle has to reach within the scenario."""
    nominal_may_pass: bool = False
    """Whether the case is one although the nominal ego touches nobody, for example because it misses its route."""
    may_speed_up: bool = False
    """Whether driving faster than before is a way out: into a gap it is, ahead of somebody who crosses it is not."""
    about: int | None = 0
    """Place in the cast of the agent that it is about."""
    lights: Mapping[int, Sequence[tuple[float, LightStatus]]] = field(default_factory=dict)
    """Per lane connector: from when on it shows what."""
    drawn: Mapping[str, float] = field(default_factory=dict)
    """The numbers that the seed drew, for the metadata."""


def following(
    chain: Chain,
    along_m: float,
    time_s: float,
    speed: SpeedProfile,
    *,
    shifts: tuple[Shift, ...] = (),
    start_left_m: float = 0.0,
    kind: AgentKind = AgentKind.VEHICLE,
    size_m: tuple[float, float] | None = None,
) -> ScriptedTrack:
    """Somebody whose box centre is at an arc length of a chain at a time; unseen where the chain does not reach."""
    path = chain.shifted(shifts, start_left_m)
    start_m = along_m - float(speed.distance_m(np.array([time_s]))[0])
    times = sample_times()
    places = start_m + speed.distance_m(times)
    on_chain = times[(places >= 0.0) & (places <= path.length_m)]
    seen_s = (float(on_chain[0]), float(on_chain[-1])) if len(on_chain) else (NEVER_S, NEVER_S)
    return ScriptedTrack(path=path, start_m=start_m, speed=speed, kind=kind, size_m=size_m, seen_s=seen_s)


def standing_beside(
    chain: Chain,
    along_m: float,
    left_m: float,
    *,
    kind: AgentKind = AgentKind.VEHICLE,
    size_m: tuple[float, float] | None = None,
    turn_rad: float = 0.0,
) -> ScriptedTrack:
    """Something that stands beside (or on) a path."""
    x, y, heading = chain.beside(along_m, left_m).tolist()
    return standing_track(x, y, heading + turn_rad, kind, size_m)


def crossing(
    chain: Chain,
    along_m: float,
    from_left_m: float,
    to_left_m: float,
    speed: SpeedProfile,
    arrival_s: float,
    *,
    kind: AgentKind,
    size_m: tuple[float, float] | None = None,
    skew_rad: float = 0.0,
    seen_from_s: float = -np.inf,
) -> ScriptedTrack:
    """Somebody who crosses a path, being on it at `arrival_s`, in a straight line from one side to the other."""
    x, y, heading = chain.beside(along_m).tolist()
    side = float(np.sign(to_left_m - from_left_m))
    direction = heading + side * (np.pi / 2 + skew_rad)
    along = np.array([np.cos(direction), np.sin(direction)])
    start, stop = (np.array([x, y]) + along * side * left_m / np.cos(skew_rad) for left_m in (from_left_m, to_left_m))
    way_m = abs(from_left_m) / np.cos(skew_rad)
    start_m = way_m - float(speed.distance_m(np.array([arrival_s]))[0])
    path = SmoothPath(np.array([start, stop]))
    times = sample_times()
    there = times[start_m + speed.distance_m(times) <= path.length_m]
    until_s = float(there[-1]) if len(there) else seen_from_s
    return ScriptedTrack(
        path=path, start_m=start_m, speed=speed, kind=kind, size_m=size_m, seen_s=(seen_from_s, until_s)
    )


def steady(speed_mps: float) -> SpeedProfile:
    """Always the same speed."""
    return SpeedProfile(start_mps=speed_mps)


def changed(speed_mps: float, *changes: tuple[float, float, float]) -> SpeedProfile:
    """A speed and changes of it: begin [s], mean acceleration (unsigned) [m/s^2], speed afterwards [m/s]."""
    made, before = [], speed_mps
    for begin_s, accel_mps2, after in changes:
        duration_s = max(abs(after - before) / accel_mps2, 0.2)
        made.append(SpeedChange(begin_s=begin_s, duration_s=duration_s, speed_mps=after))
        before = after
    return SpeedProfile(start_mps=speed_mps, changes=tuple(made))


def length_m(driver: ScriptedTrack) -> float:
    """Length of somebody's box."""
    return (driver.size_m or SIZES_M[driver.kind])[0]
