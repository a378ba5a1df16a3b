"""Candidate drives that leave a driven motion at a step: along its path with lateral shifts and other speeds.

No candidate is ahead of the schedule of the reference drive by more than its lead, so that a candidate without lead
waits wherever the reference drive waited: at red lights and behind queues.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from driving.geometry import wrap_angle
from driving.map import MapGraph
from driving.synthetic.motion import PATH_SPACING_M, SmoothPath
from driving.timing import STEP_S
from simulation.ego.dynamics import HEADING, STATE_SIZE, VELOCITY_X, X
from simulation.ego.tracking import track_proposals
from simulation.generation.ways_out.continuation import lane_continuation
from simulation.geometry.compiling import njit

SMOOTHING_M = 1.0
"""Smoothing of the reference path."""
BEYOND_M = 150.0
"""Length of the lanes beyond the end of the reference drive."""
MIN_LENGTH_M = 3.0
"""A shorter drive has no path."""
MIN_SHIFT_M = 6.0
"""Shortest distance over which the lateral offset changes."""


class SpeedChoice(NamedTuple):
    """Slower or faster than the reference drive for a while."""

    accel_mps2: float
    """Magnitude of the first change of speed."""
    share: float
    """Speed afterwards, as a share of the speed at the start."""
    hold_s: float
    """Duration of that speed."""
    lead_m: float = 0.0
    """Largest distance ahead of the schedule."""


class LateralChoice(NamedTuple):
    """A lateral offset from the reference path, and the distances of its change."""

    left_m: float
    """Left positive; NaN keeps the offset of the start."""
    shift_s: float
    """Duration of the shift at the present speed."""
    back_after_s: float = math.inf
    """Time at the present speed from the end of the shift to the start of the return to the reference path."""


RECOVERY_MPS2 = 2.2
"""Acceleration after a slower stretch, until the schedule of the reference drive is reached."""
SLOW_MPS = 5.0
"""Up to this speed a recovery is possible where the reference drive was slower, for example at a red light."""


@njit(cache=True)
def _distances(
    choices: np.ndarray, schedule: np.ndarray, caps_mps: np.ndarray, start_m: float, speed_mps: float, num_steps: int
) -> np.ndarray:
    """Arc lengths (C, T) for speed choices; `schedule` are the reference drive's from the start on."""
    made = np.empty((len(choices), num_steps))
    last = len(schedule) - 1
    for c in range(len(choices)):
        accel, share, hold_s, lead_m = choices[c]
        wanted = share * speed_mps
        speed, here, held_s = speed_mps, start_m, 0.0
        for step in range(num_steps):
            made[c, step] = here
            if held_s < hold_s:
                change = accel * STEP_S
                speed = max(wanted, speed - change) if speed > wanted else min(wanted, speed + change)
                if speed == wanted:
                    held_s += STEP_S
                pace = speed
            else:
                place = min(max(int(here), 0), len(caps_mps) - 1)
                speed = min(speed + RECOVERY_MPS2 * STEP_S, max(speed, caps_mps[place]))
                pace = speed
            k = min(step + 1, last)
            free = schedule[k] + lead_m - here
            if pace * STEP_S > free:
                # The schedule is reached: its own speed from here on.
                pace = max(0.0, free / STEP_S)
                speed = min(speed, pace)
            here += pace * STEP_S
    return made


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceDrive:
    """A driven motion as a path with a schedule."""

    origin: Float64[np.ndarray, "2"]
    """Global position of the frame of the path [m]."""
    path: SmoothPath
    along_m: Float64[np.ndarray, "time"]
    """Arc length of the rear axle at each step; beyond the drive at its last speed."""
    caps_mps: Float64[np.ndarray, "metres"]
    """Speed limit of recoveries at each metre of the path: that of the reference drive there, at least `SLOW_MPS`."""
    num_driven: int
    """Steps of the drive itself."""

    @classmethod
    def of(
        cls, states: Float64[np.ndarray, "driven 10"], num_steps: int, map_graph: MapGraph
    ) -> "ReferenceDrive | None":
        """The drive with the lanes beyond its end; None for one that is too short.

        Args:
            states: From the start on, every 0.1 s.
            num_steps: Steps of the schedule, at least as many as were driven.
            map_graph: For the lanes beyond the end.
        """
        poses = states[:, X : HEADING + 1]
        steps_m = np.maximum(states[:-1, VELOCITY_X] * STEP_S, 0.0)
        along = np.concatenate([[0.0], np.cumsum(steps_m)])
        if along[-1] < MIN_LENGTH_M:
            return None
        origin = poses[0, :2].copy()
        kept = [0]
        for step in range(1, len(along)):
            if along[step] - along[kept[-1]] >= PATH_SPACING_M / 2:
                kept.append(step)
        line = np.concatenate([poses[kept, :2], lane_continuation(map_graph, poses[-1], BEYOND_M)]) - origin
        path = SmoothPath(line, SMOOTHING_M)
        last_mps = max(float(states[-1, VELOCITY_X]), 0.0)
        beyond = along[-1] + last_mps * STEP_S * np.arange(1, num_steps - len(along) + 1)
        beyond = np.minimum(beyond, max(path.length_m - MIN_LENGTH_M, along[-1]))
        speeds = np.maximum(states[:, VELOCITY_X], SLOW_MPS)
        return cls(
            origin=origin,
            path=path,
            along_m=np.concatenate([along, beyond]),
            caps_mps=np.interp(np.arange(np.ceil(path.length_m)), along, speeds),
            num_driven=len(along),
        )

    def offset_of(self, pose: Float64[np.ndarray, "3"], near_m: float) -> tuple[float, float]:
        """Arc length near `near_m` and lateral offset of a global pose."""
        samples = np.arange(near_m - 15.0, near_m + 15.0, 0.25)
        line = self.path.poses(samples)
        gap = pose[:2] - self.origin - line[:, :2]
        nearest = int(np.argmin((gap**2).sum(axis=-1)))
        heading = line[nearest, 2]
        ahead = gap[nearest, 0] * np.cos(heading) + gap[nearest, 1] * np.sin(heading)
        left = -gap[nearest, 0] * np.sin(heading) + gap[nearest, 1] * np.cos(heading)
        return float(samples[nearest] + ahead), float(left)

    def deviations(
        self,
        state: Float64[np.ndarray, "10"],
        step: int,
        choices: list[tuple[LateralChoice, tuple[SpeedChoice, ...]]],
        num_steps: int,
    ) -> Float64[np.ndarray, "candidates time 10"]:
        """Drive the candidates by tracker and bicycle model.

        Args:
            state: Of the ego at the step, on or beside the reference path.
            step: On the schedule.
            choices: Lateral choices, each with its speed choices.
            num_steps: Steps of each candidate, the first one is `state`.
        """
        start_m, left_m = self.offset_of(state[X : HEADING + 1], float(self.along_m[step]))
        speed_mps = max(float(state[VELOCITY_X]), 0.0)
        schedule = self.along_m[step:] + max(0.0, start_m - float(self.along_m[step]))
        plans = []
        for lateral, speeds in choices:
            along = _distances(np.array(speeds), schedule, self.caps_mps, start_m, speed_mps, num_steps)
            plans.append(self._poses(along, lateral, left_m, max(speed_mps, 2.0)))
        states = np.ascontiguousarray(state)
        assert states.shape == (STATE_SIZE,)
        return track_proposals(states, np.concatenate(plans))

    def _poses(
        self, along: Float64[np.ndarray, "speeds time"], lateral: LateralChoice, left_m: float, speed_mps: float
    ) -> Float64[np.ndarray, "speeds time 3"]:
        base = self.path.poses(along.reshape(-1)).reshape(*along.shape, 3)
        gone = along - along[:, :1]
        shift_m = max(MIN_SHIFT_M, lateral.shift_s * speed_mps)
        target_m = left_m if math.isnan(lateral.left_m) else lateral.left_m
        left, slope = quintic_shift(gone, 0.0, shift_m, target_m - left_m)
        left = left + left_m
        if math.isfinite(lateral.back_after_s):
            back, back_slope = quintic_shift(gone, shift_m + lateral.back_after_s * speed_mps, shift_m, -target_m)
            left, slope = left + back, slope + back_slope
        x = base[..., 0] - left * np.sin(base[..., 2]) + self.origin[0]
        y = base[..., 1] + left * np.cos(base[..., 2]) + self.origin[1]
        return np.stack([x, y, np.asarray(wrap_angle(base[..., 2] + np.arctan(slope)))], axis=-1)


def quintic_shift(
    gone: Float64[np.ndarray, "*shape"], begin_m: float, length_m: float, left_m: float
) -> tuple[Float64[np.ndarray, "*shape"], Float64[np.ndarray, "*shape"]]:
    """Lateral offset and its slope for a shift between two distances: a quintic, without jumps in curvature."""
    share = np.clip((gone - begin_m) / length_m, 0.0, 1.0)
    left = left_m * share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
    return left, left_m / length_m * 30.0 * share**2 * (1.0 - share) ** 2
