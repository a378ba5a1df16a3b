"""Actions of an environment: commands to the vehicle, or the plan of a planner."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from gymnasium import spaces
from jaxtyping import Float64

from driving.geometry import poses_out_of_frame_of
from driving.names import unknown_name
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from simulation.ego.dynamics import HEADING, Commands
from simulation.environment.arguments import require_type
from simulation.rollout import Rollout

MAX_POSE_M = 200.0
"""Largest coordinate of a pose in a trajectory action."""
MAX_TIME_S = 30.0
"""Latest pose of a trajectory action."""


@runtime_checkable
class Actions(Protocol):
    """A kind of action."""

    @property
    def space(self) -> spaces.Space:
        """Of one action."""
        ...

    def drive(self, rollout: Rollout, action: Any) -> None:
        """Drive one step. A wrong action raises before anything moves."""
        ...

    def check(self, rollout: Rollout, action: Any) -> None:
        """Raise the ValueError of `drive` for a wrong action; drive nothing."""
        ...


@dataclass(frozen=True, kw_only=True)
class CommandActions:
    """Acceleration and steering rate, as shares of their limits; the bicycle model delays both, as in nuPlan.

    Raises:
        TypeError: When a limit is no number.
        ValueError: When a limit is not finite and above 0; in `check` and `drive`, when an action has another shape,
            is NaN or out of range.
    """

    max_accel_mps2: float = 6.0
    """Acceleration of an action of 1; -1 brakes as hard."""
    max_steering_rate_radps: float = 1.0
    """Rate of the steering angle of an action of 1, to the left."""

    def __post_init__(self) -> None:
        for name in ("max_accel_mps2", "max_steering_rate_radps"):
            limit = getattr(self, name)
            require_type(name, limit, (int, float, np.number), "a number")
            # A NaN is not above 0 either.
            if not 0.0 < limit < np.inf:
                raise ValueError(f"`{name}` must be finite and above 0, got {limit:g}.")

    @property
    def space(self) -> spaces.Box:
        """Two numbers in [-1, 1]."""
        return spaces.Box(-1.0, 1.0, (2,), np.float32)

    def drive(self, rollout: Rollout, action: Any) -> None:
        """Drive one step under the commands."""
        accel, steering_rate = self._checked(action).tolist()
        rollout.drive(Commands(accel * self.max_accel_mps2, steering_rate * self.max_steering_rate_radps))

    def check(self, rollout: Rollout, action: Any) -> None:
        """Raise the ValueError of `drive` for a wrong action; drive nothing."""
        self._checked(action)

    def _checked(self, action: Any) -> Float64[np.ndarray, "2"]:
        values = _numbers(action, "an action")
        # A NaN is not within the range either.
        if values.shape != (2,) or not (abs(values[0]) <= 1.0 and abs(values[1]) <= 1.0):
            raise ValueError(
                f"An action is 2 numbers in [-1, 1]: acceleration / {self.max_accel_mps2:g} m/s2 and steering rate /"
                f" {self.max_steering_rate_radps:g} rad/s; got {_shown(values)}. The step was not driven."
            )
        return values


class TrajectorySpace(spaces.Box):
    """Poses in the ego frame as a Box; a `driving.Trajectory` is contained as well."""

    def contains(self, x: Any) -> bool:
        """Whether x is an array within the bounds, or a `Trajectory`."""
        return isinstance(x, Trajectory) or super().contains(x)


@dataclass(frozen=True, kw_only=True)
class TrajectoryActions:
    """A plan: future poses of the rear axle in the ego frame, or a `driving.Trajectory` with global poses.

    The plan starts at the present pose, which an array leaves out. It is followed by nuPlan's tracker.

    Raises:
        ValueError: When the times do not rise, or the last is not from 0.1 to 30 s; in `check` and `drive`, when an
            array has another shape, holds NaN or is out of range, and when a `Trajectory` does not start at time 0,
            starts more than 50 m from the ego's rear axle (`driving.planner.MAX_DRIVEN_GAP_M`) or ends before the
            step does.
    """

    time_s: tuple[float, ...] = tuple(0.5 * step for step in range(1, 9))
    """Times of the poses of an array, rising, from now on."""

    def __post_init__(self) -> None:
        times_s = np.asarray(self.time_s, dtype=np.float64) if _are_numbers(self.time_s) else np.zeros(0)
        if times_s.ndim != 1 or not times_s.size or not STEP_S <= times_s[-1] <= MAX_TIME_S or _falls(times_s):
            raise ValueError(
                f"`time_s` must rise from above 0, with the last time from {STEP_S:g} to {MAX_TIME_S:g} s,"
                f" got {self.time_s!r}."
            )

    @property
    def space(self) -> TrajectorySpace:
        """One row per pose: x [m], y [m], heading [rad] in the ego frame."""
        high = np.broadcast_to([MAX_POSE_M, MAX_POSE_M, np.pi], (len(self.time_s), 3)).copy()
        return TrajectorySpace(-high, high, dtype=np.float64)

    def drive(self, rollout: Rollout, action: Any) -> None:
        """Follow the plan for one step."""
        if not isinstance(action, Trajectory):
            ahead = self._checked(action)
            now = rollout.ego_state[: HEADING + 1]
            poses = np.concatenate([now[np.newaxis], poses_out_of_frame_of(ahead, now)])
            action = Trajectory(time_s=np.array([0.0, *self.time_s]), poses=poses)
        rollout.advance(action)

    def check(self, rollout: Rollout, action: Any) -> None:
        """Raise the ValueError of `drive` for a wrong action; drive nothing."""
        if isinstance(action, Trajectory):
            rollout.check_plan(action)
        else:
            self._checked(action)

    def _checked(self, action: Any) -> Float64[np.ndarray, "poses 3"]:
        values = _numbers(action, "a trajectory")
        shape = (len(self.time_s), 3)
        if values.shape != shape or not (np.abs(values) <= [MAX_POSE_M, MAX_POSE_M, np.pi + 1e-6]).all():
            raise ValueError(
                f"A trajectory is a driving.Trajectory or {shape[0]} rows of x, y up to {MAX_POSE_M:g} m and heading"
                f" up to pi in the ego frame; got {_shown(values)}. The step was not driven."
            )
        return values


def _are_numbers(values: Any) -> bool:
    return isinstance(values, Iterable) and all(isinstance(one, int | float | np.number) for one in values)


def _falls(times_s: Float64[np.ndarray, "poses"]) -> bool:
    # A NaN does not rise either.
    return not (np.diff(times_s, prepend=0.0) > 0.0).all()


def _numbers(action: Any, what: str) -> Float64[np.ndarray, "..."]:
    try:
        return np.asarray(action, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Expected {what} of numbers, got {action!r}. The step was not driven.") from error


def _shown(values: Float64[np.ndarray, "..."]) -> str:
    return f"shape {values.shape}" if values.size > 4 and np.isfinite(values).all() else str(values.tolist())


ACTIONS: dict[str, Callable[[], Actions]] = {"commands": CommandActions, "trajectory": TrajectoryActions}
"""Kinds of actions by name."""


def actions_of(kind: str | Actions) -> Actions:
    """A kind of action by name, or the given one.

    Raises:
        KeyError: When no kind has that name.
        TypeError: When it is neither a name nor a kind of actions.
    """
    if not isinstance(kind, str):
        require_type(
            "actions", kind, Actions, "`commands`, `trajectory`, or an object with `space`, `drive`, `check`"
        )
        return kind
    if kind not in ACTIONS:
        raise KeyError(unknown_name("kind of actions named", kind, ACTIONS))
    return ACTIONS[kind]()
