"""Staging of a corner case before its solution is known: the nominal ego, the other agents, the manoeuvres to try."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind, LightStatus
from driving.synthetic.motion import SmoothPath, SpeedChange, SpeedProfile
from driving.synthetic.scripted_track import ScriptedTrack, standing_track
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.corner_cases.chains import LaneChain, LateralShift

BEGIN_S, END_S = -3.2, 24.0
"""Interval of the recording: history, scenario and open-loop future. Time 0 is iteration 0."""
FRONT_M = PACIFICA.rear_axle_to_center_m + PACIFICA.length_m / 2
"""From the rear axle to the front bumper."""
CURVE_ACCEL_MPS2 = 2.4
"""Lateral acceleration in curves."""
EASE_MPS2 = 1.4
"""Deceleration before curves and acceleration behind them."""
END_MARGIN_M = 12.0
"""Distance from the end of the lanes at which the ego stops."""
BELOW_LIMIT_MPS = 0.3
NEVER_S = 1e6


def sample_times() -> Float64[np.ndarray, "time"]:
    """Times of the frames of a corner case [s]."""
    return np.round(np.arange(round((END_S - BEGIN_S) / STEP_S) + 1) * STEP_S + BEGIN_S, 9)


def speed_caps(
    path: SmoothPath, limits_mps: Float64[np.ndarray, "samples"]
) -> tuple[Float64[np.ndarray, "samples"], Float64[np.ndarray, "samples"]]:
    """Arc lengths along a path, and the maximum speed there by curvature, end of the path and speed limit.

    Args:
        path: The path.
        limits_mps: Speed limits at equal distances along it.
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
class NominalEgo:
    """An ego that keeps its lane and speed, slows only in curves, and ignores all agents."""

    chain: LaneChain
    speed_mps: float
    event_m: float
    """Arc length of the event. The front bumper is there ..."""
    event_s: float
    """... at this time."""
    start_left_m: float = 0.0
    """Offset from the path at the start, for an ego that does not start in the chain's own lane."""

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

    def time_s(self, along_m: float) -> float:
        """Time at which the front bumper is at an arc length."""
        along, times = self._timetable
        return float(np.interp(along_m - FRONT_M, along, times))

    @property
    def starts_on_road(self) -> bool:
        """Whether the chain reaches back to the position in the first frame."""
        return float(self._timetable[1][0]) <= BEGIN_S


@dataclass(frozen=True, kw_only=True, eq=False)
class StagedCase:
    """A situation before the search for its solution."""

    ego: NominalEgo
    agents: Sequence[ScriptedTrack]
    manoeuvres: Sequence[tuple[LateralShift, ...]] = ((),)
    """Lateral manoeuvres to try; the first is the nominal ego's."""
    goal_m: float = 0.0
    """Arc length that the rear axle must reach within the scenario."""
    nominal_may_pass: bool = False
    """Whether the nominal ego may be free of collisions, for example because it misses its route."""
    may_speed_up: bool = False
    """Whether solutions may be faster than the nominal speed: into a gap, but not ahead of crossing traffic."""
    about: int | None = 0
    """Index of the agent that the case is about."""
    lights: Mapping[int, Sequence[tuple[float, LightStatus]]] = field(default_factory=dict)
    """Phases per lane connector: start time [s] and status."""
    drawn: Mapping[str, float] = field(default_factory=dict)
    """Random numbers of the case, for the metadata."""


def track_along(
    chain: LaneChain,
    along_m: float,
    time_s: float,
    speed: SpeedProfile,
    *,
    shifts: tuple[LateralShift, ...] = (),
    size_m: tuple[float, float],
) -> ScriptedTrack:
    """A vehicle with its box centre at an arc length of a chain at a given time; unobserved beyond the chain."""
    path = chain.shifted(shifts)
    start_m = along_m - float(speed.distance_m(np.array([time_s]))[0])
    times = sample_times()
    places = start_m + speed.distance_m(times)
    on_chain = times[(places >= 0.0) & (places <= path.length_m)]
    seen_s = (float(on_chain[0]), float(on_chain[-1])) if len(on_chain) else (NEVER_S, NEVER_S)
    return ScriptedTrack(path=path, start_m=start_m, speed=speed, size_m=size_m, seen_s=seen_s)


def object_beside(
    chain: LaneChain,
    along_m: float,
    left_m: float,
    *,
    kind: AgentKind = AgentKind.VEHICLE,
    size_m: tuple[float, float] | None = None,
    turn_rad: float = 0.0,
) -> ScriptedTrack:
    """An object at rest beside or on a path, turned by `turn_rad` from the direction of the path."""
    x, y, heading = chain.beside(along_m, left_m).tolist()
    return standing_track(x, y, heading + turn_rad, kind, size_m)


def track_across(
    chain: LaneChain,
    along_m: float,
    lefts_m: tuple[float, float],
    speed: SpeedProfile,
    arrival_s: float,
    *,
    kind: AgentKind,
    size_m: tuple[float, float] | None = None,
    skew_rad: float = 0.0,
) -> ScriptedTrack:
    """An agent that crosses a path in a straight line and is on the path at `arrival_s`.

    Args:
        chain: The chain to cross.
        along_m: Arc length of the crossing.
        lefts_m: Offsets from the path, left positive, at the start and at the end.
        speed: Speed over time.
        arrival_s: Time on the path.
        kind: Of the agent.
        size_m: Of the agent's box.
        skew_rad: Deviation from the perpendicular direction.
    """
    x, y, heading = chain.beside(along_m).tolist()
    side = float(np.sign(lefts_m[1] - lefts_m[0]))
    direction = heading + side * (np.pi / 2 + skew_rad)
    along = np.array([np.cos(direction), np.sin(direction)])
    start, stop = (np.array([x, y]) + along * side * left_m / np.cos(skew_rad) for left_m in lefts_m)
    way_m = abs(lefts_m[0]) / np.cos(skew_rad)
    start_m = way_m - float(speed.distance_m(np.array([arrival_s]))[0])
    path = SmoothPath(np.array([start, stop]))
    times = sample_times()
    before_end = times[start_m + speed.distance_m(times) <= path.length_m]
    until_s = float(before_end[-1]) if len(before_end) else -np.inf
    return ScriptedTrack(path=path, start_m=start_m, speed=speed, kind=kind, size_m=size_m, seen_s=(-np.inf, until_s))


def constant_speed(speed_mps: float) -> SpeedProfile:
    """A constant speed."""
    return SpeedProfile(start_mps=speed_mps)


def changing_speed(speed_mps: float, *changes: tuple[float, float, float]) -> SpeedProfile:
    """A speed with changes: start time [s], mean acceleration (unsigned) [m/s^2], speed afterwards [m/s]."""
    made, before = [], speed_mps
    for begin_s, accel_mps2, after in changes:
        duration_s = max(abs(after - before) / accel_mps2, 0.2)
        made.append(SpeedChange(begin_s=begin_s, duration_s=duration_s, speed_mps=after))
        before = after
    return SpeedProfile(start_mps=speed_mps, changes=tuple(made))
