"""The course of an agent: the path of its log, with the lanes beyond its end, and its places on it over time."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import gaussian_filter1d

from driving.agents import AgentKind
from driving.scenario import Scenario
from driving.synthetic.motion import SmoothPath
from driving.timing import STEP_S
from simulation.generation.ways_out.continuation import lane_continuation

MIN_MOVED_M = 1.5
"""An agent that moves less has no path of its own."""
POINT_M = 0.4
"""Distance between the points of a path."""
PATH_SMOOTHING_M = 1.5
TIME_SMOOTHING_STEPS = 2.0
"""Smoothing of the places over time: differences of recorded poses are noisy."""
BEYOND_M = 60.0
"""Length of the path beyond the log."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AgentCourse:
    """An agent of a scenario on its path."""

    row: int
    """Of the agent in the scenario."""
    kind: AgentKind
    length_m: float
    width_m: float
    origin: Float64[np.ndarray, "2"]
    """Global position of the frame of the path [m]."""
    path: SmoothPath
    along_m: Float64[np.ndarray, "time"]
    """Place on the path at each step of the scenario's time axis, extrapolated where the agent is not observed."""
    valid: Bool[np.ndarray, "time"]
    first: int
    """First observed step."""
    last: int
    moves: bool
    """Whether the path is that of a moving agent. A standing one has a straight path, or its lane, ahead."""

    def places(self, steps: Float64[np.ndarray, "queries"]) -> Float64[np.ndarray, "queries"]:
        """Places on the path at fractional steps; at the speed of the ends beyond the observed steps."""
        axis = np.arange(len(self.along_m), dtype=np.float64)
        inside = np.interp(steps, axis, self.along_m)
        before, after = np.minimum(steps, 0.0), np.maximum(steps - axis[-1], 0.0)
        first_pace, last_pace = self.along_m[1] - self.along_m[0], self.along_m[-1] - self.along_m[-2]
        return inside + before * first_pace + after * last_pace

    def is_observed(self, steps: Float64[np.ndarray, "queries"]) -> Bool[np.ndarray, "queries"]:
        """Whether the agent is observed at fractional steps.

        Beyond the ends of the time axis it is observed when it is at the end itself: the log was cut there.
        """
        low = -np.inf if self.first == 0 else self.first
        high = np.inf if self.last == len(self.valid) - 1 else self.last
        return (steps >= low) & (steps <= high)

    def speed_at(self, step: int) -> float:
        """Speed along the path [m/s]."""
        here = int(np.clip(step, 1, len(self.along_m) - 2))
        return float(self.along_m[here + 1] - self.along_m[here - 1]) / (2 * STEP_S)


def agent_course(scenario: Scenario, row: int) -> AgentCourse | None:
    """The course of an agent; None when it is observed for less than 1 s, or with gaps."""
    agents = scenario.agents
    valid = agents.valid[row]
    steps = np.flatnonzero(valid)
    if len(steps) < 10 or steps[-1] - steps[0] + 1 != len(steps):
        return None
    kind = AgentKind(int(agents.kinds[row]))
    first, last = int(steps[0]), int(steps[-1])
    poses = agents.poses[row, first : last + 1]
    origin = poses[0, :2].copy()
    made = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    # Noise of a standing agent is no motion.
    made[made < 0.01] = 0.0
    driven = np.concatenate([[0.0], np.cumsum(made)])
    moves = bool(np.hypot(*(poses[-1, :2] - poses[0, :2])) >= MIN_MOVED_M)
    line = _line(scenario, kind, poses, driven, moves) - origin
    path = SmoothPath(line, PATH_SMOOTHING_M if moves else 0.0)
    places = _smooth(driven) if moves else np.zeros(len(driven))
    axis = np.arange(len(valid), dtype=np.float64)
    along = np.interp(axis, np.arange(first, last + 1, dtype=np.float64), places)
    if moves:
        along = along + np.minimum(axis - first, 0.0) * (places[1] - places[0])
        along = along + np.maximum(axis - last, 0.0) * (places[-1] - places[-2])
    size = np.median(agents.sizes[row, first : last + 1], axis=0)
    return AgentCourse(
        row=row,
        kind=kind,
        length_m=float(size[0]),
        width_m=float(size[1]),
        origin=origin,
        path=path,
        along_m=along,
        valid=valid.copy(),
        first=first,
        last=last,
        moves=moves,
    )


def _line(
    scenario: Scenario,
    kind: AgentKind,
    poses: Float64[np.ndarray, "time 3"],
    driven: Float64[np.ndarray, "time"],
    moves: bool,
) -> Float64[np.ndarray, "points 2"]:
    """The log's path and, for vehicles, the lanes beyond it."""
    kept = [0]
    for step in range(1, len(driven) if moves else 0):
        if driven[step] - driven[kept[-1]] >= POINT_M:
            kept.append(step)
    end = poses[kept[-1]]
    if kind == AgentKind.VEHICLE:
        beyond = lane_continuation(scenario.map, end, BEYOND_M)
    else:
        heading = end[2]
        beyond = end[:2] + np.outer(np.arange(2.0, 21.0, 2.0), [np.cos(heading), np.sin(heading)])
    return np.concatenate([poses[kept, :2], beyond])


def _smooth(driven: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time"]:
    """Places without noise; the reflection about the end points keeps the speed at the ends."""
    margin = min(len(driven) - 1, int(4 * TIME_SMOOTHING_STEPS))
    padded = np.pad(driven, margin, mode="reflect", reflect_type="odd")
    return np.asarray(gaussian_filter1d(padded, TIME_SMOOTHING_STEPS)[margin:-margin])
