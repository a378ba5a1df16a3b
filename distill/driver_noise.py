"""Noise on the plans of a planner, so that the states of its drives lie beside the path, too slow and too fast.

The disturbance of a plan is constant for some seconds and then ends, so that recoveries are among the states, too.

Source:
    Laskey et al., DART: noise injection for robust imitation learning (2017), arXiv 1703.09327.
"""

from dataclasses import dataclass

import numpy as np

from driving.geometry import poses_in_frame_of, poses_out_of_frame_of
from driving.observation import Observation
from driving.planner import Planner
from driving.timing import STEP_S
from driving.trajectory import Trajectory

_NUM_POSES = 41
_RAMP_S = 1.0


@dataclass(frozen=True, kw_only=True)
class NoiseSettings:
    """Sizes of the disturbances."""

    lateral_sd_m: float = 1.2
    """Of the shift to the side that a plan reaches after 1 s."""
    speed_factors: tuple[float, float] = (0.6, 1.25)
    phase_steps: tuple[int, int] = (10, 25)
    """Duration of a phase with or without disturbance."""
    disturbed_share: float = 0.6
    """Of the phases."""


class NoisyDriver:
    """Disturbs the plans of a planner. One instance drives one scenario."""

    def __init__(self, planner: Planner, settings: NoiseSettings, rng: np.random.Generator) -> None:
        self._planner, self._settings, self._rng = planner, settings, rng
        self._left = 0
        self._shift_m, self._speed_factor = 0.0, 1.0

    def plan(self, observation: Observation) -> Trajectory:
        """The planner's plan, disturbed; it starts at the ego and lasts 4 s."""
        self._next_phase()
        plan = self._planner.plan(observation)
        return disturbed(plan, self._shift_m, self._speed_factor)

    def _next_phase(self) -> None:
        self._left -= 1
        if self._left > 0:
            return
        settings, rng = self._settings, self._rng
        self._left = int(rng.integers(*settings.phase_steps, endpoint=True))
        is_disturbed = rng.random() < settings.disturbed_share
        self._shift_m = float(rng.normal(0.0, settings.lateral_sd_m)) if is_disturbed else 0.0
        self._speed_factor = float(rng.uniform(*settings.speed_factors)) if is_disturbed else 1.0


def disturbed(plan: Trajectory, shift_m: float, speed_factor: float) -> Trajectory:
    """A plan that is driven faster or slower and moves to the side, up to a shift after 1 s.

    The shift is proportional to the distance up to 4 m, so that a standing vehicle does not move sideways.

    Args:
        plan: Of 4 s at least.
        shift_m: To the left.
        speed_factor: Of all speeds.
    """
    times_s = np.arange(_NUM_POSES) * STEP_S
    poses = plan.at(np.minimum(times_s * speed_factor, plan.horizon_s))
    local = poses_in_frame_of(poses, poses[0])
    moved_m = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(local[:, :2], axis=0).T))])
    share = np.clip(times_s / _RAMP_S, 0.0, 1.0) * np.clip(moved_m / 4.0, 0.0, 1.0)
    aside = shift_m * share
    turn = np.arctan2(np.gradient(aside), np.maximum(np.gradient(moved_m), 0.05))
    local[:, 0] -= aside * np.sin(local[:, 2])
    local[:, 1] += aside * np.cos(local[:, 2])
    local[1:, 2] += turn[1:]
    return Trajectory(time_s=times_s, poses=poses_out_of_frame_of(local, poses[0]))
