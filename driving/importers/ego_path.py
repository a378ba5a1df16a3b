"""The ego's recorded path on the 10 Hz grid, with velocities and accelerations.

The rules for jitter, jumps and gaps are stated in docs/importing.md.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64
from scipy.ndimage import median_filter
from scipy.signal import savgol_filter

from driving.ego import EgoMotion
from driving.importers.notes import ImportNotes, NoteKind
from driving.importers.numbers import usable
from driving.importers.sampling import (
    NOTED_INTERVAL_US,
    bridged_gap_us,
    grid_times,
    interpolated_poses,
    longest_stretch,
    sampling_interval_us,
)
from driving.timing import STEP_S, STEP_US

JITTER_MPS2 = 8.0
"""A path with plain differences above this acceleration in 1 % of the steps is smoothed."""

SMOOTHING_STEPS, SMOOTHING_ORDER = 11, 3
"""Window and order of the smoothing polynomial: a cubic over 1.1 s."""

JUMP_MPS = 4.0
"""A step is a jump when its velocity differs by more from the median of the 11 steps around it."""

TAIL_STEPS, JUMP_MARGIN = 15, 2
"""A jump within the last 15 steps ends the recording 2 steps before the jump."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EgoPath:
    """Recorded poses of the ego on the grid."""

    time_us: Int64[np.ndarray, "time"]
    """Every 0.1 s."""
    poses: Float64[np.ndarray, "time 3"]
    """In the frame of the source."""
    interval_us: int
    """Sampling interval of the source."""

    def first_steps(self, count: int) -> "EgoPath":
        """The path up to a step."""
        return replace(self, time_us=self.time_us[:count], poses=self.poses[:count])


def observed_stretch(time_us: Int64[np.ndarray, "samples"], notes: ImportNotes) -> slice:
    """The longest stretch of ego samples without a gap. Samples outside it are noted as left out.

    Raises:
        ValueError: When the ego is given less often than once per second.
    """
    gap_us = bridged_gap_us(sampling_interval_us(time_us, "ego poses", notes))
    stretch = longest_stretch(time_us, gap_us)
    lost = len(time_us) - (stretch.stop - stretch.start)
    if lost:
        sentence = f"ego poses outside the longest stretch without a gap of more than {gap_us / 1e6:.2f} s"
        notes.add(NoteKind.LEFT_OUT, sentence, count=lost)
    return stretch


def ego_on_grid(
    known_us: Int64[np.ndarray, "samples"], poses: Float64[np.ndarray, "samples 3"], notes: ImportNotes
) -> EgoPath:
    """The ego's path over the longest stretch without a gap, interpolated to the grid.

    Args:
        known_us: Times of the observations, rising.
        poses: Observed poses.
        notes: Receives gaps and low sampling rates.

    Raises:
        ValueError: When a pose is not finite, or the ego is given less often than once per second.
    """
    unusable = np.flatnonzero(~usable(poses).all(axis=1))
    if len(unusable):
        sample = int(unusable[0])
        raise ValueError(f"The ego's poses must be finite; that of sample {sample} is {poses[sample].tolist()}.")
    stretch = observed_stretch(known_us, notes)
    known_us, poses = known_us[stretch], poses[stretch]
    time_us = grid_times(int(known_us[0]), int(known_us[-1]))
    interval_us = round(float(np.median(np.diff(known_us)))) if len(known_us) > 1 else STEP_US
    return EgoPath(time_us=time_us, poses=interpolated_poses(time_us, known_us, poses), interval_us=interval_us)


def steps_before_trailing_jump(positions: Float64[np.ndarray, "time 2"]) -> int:
    """Number of leading steps of an ego path at 10 Hz to keep: all, or those before a jump near its end."""
    if len(positions) < SMOOTHING_STEPS + 1:
        return len(positions)
    velocities = np.diff(positions, axis=0) * 1e6 / STEP_US
    usual = median_filter(velocities, size=(SMOOTHING_STEPS, 1), mode="nearest")
    jumps = np.flatnonzero(np.hypot(*(velocities - usual).T) > JUMP_MPS)
    trailing = jumps[jumps >= len(velocities) - TAIL_STEPS]
    return int(trailing[0]) + 1 - JUMP_MARGIN if len(trailing) else len(positions)


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothedEgo:
    """The ego's motion, and how it follows from the recorded path."""

    motion: EgoMotion
    note: str
    """Entry `ego_path` of the metadata."""


def ego_motion(
    time_us: Int64[np.ndarray, "time"], poses: Float64[np.ndarray, "time 3"], interval_us: int = STEP_US
) -> SmoothedEgo:
    """Velocities and accelerations of a recorded ego path, smoothed if the path has jitter or was sampled slowly.

    A clean path keeps its poses; its derivatives are central differences. Other paths are replaced by a local cubic
    over 1.1 s, which also gives the derivatives. Headings are the recorded ones, smoothed alike, and not the
    direction of motion, which is undefined at rest.

    Args:
        time_us: Regular, every 0.1 s.
        poses: Rear-axle poses, global.
        interval_us: Sampling interval of the source. A path from samples more than 0.15 s apart has corners.

    Raises:
        ValueError: With fewer than 3 poses.
    """
    if len(poses) < 3:
        raise ValueError(f"The ego's motion needs at least 3 poses, got {len(poses)}.")
    unwrapped = np.column_stack([poses[:, :2], np.unwrap(poses[:, 2])])
    jitter_mps2 = float(np.percentile(np.hypot(*np.diff(unwrapped[:, :2], n=2, axis=0).T) / STEP_S**2, 99))
    has_jitter = jitter_mps2 > JITTER_MPS2
    if (has_jitter or interval_us > NOTED_INTERVAL_US) and len(poses) >= SMOOTHING_STEPS:
        # A cubic fit loses its millimetres 4e6 m from the origin.
        origin = unwrapped[0].copy()
        smooth, velocity, acceleration = (
            savgol_filter(unwrapped - origin, SMOOTHING_STEPS, SMOOTHING_ORDER, deriv=order, delta=STEP_S, axis=0)
            for order in (0, 1, 2)
        )
        smooth = smooth + origin
        moved_m = float(np.hypot(*(smooth - unwrapped)[:, :2].T).max())
        reason = (
            f"plain differences give accelerations of {jitter_mps2:.1f} m/s2 (99th percentile)"
            if has_jitter
            else f"poses {interval_us / 1e6:.2f} s apart are interpolated linearly"
        )
        note = f"local cubic over {SMOOTHING_STEPS * STEP_S:.1f} s, as {reason}; moved by up to {moved_m:.2f} m"
    else:
        smooth = unwrapped
        velocity = np.gradient(smooth, STEP_S, axis=0)
        acceleration = np.gradient(velocity, STEP_S, axis=0)
        note = "poses as recorded; velocity and acceleration by central differences"
    return SmoothedEgo(
        motion=EgoMotion.from_log(
            time_us=time_us,
            rear_axle_poses=smooth,
            velocities_mps=_in_body_frame(velocity[:, :2], smooth[:, 2]),
            accelerations_mps2=_in_body_frame(acceleration[:, :2], smooth[:, 2]),
        ),
        note=note,
    )


def _in_body_frame(
    vectors: Float64[np.ndarray, "time 2"], headings: Float64[np.ndarray, "time"]
) -> Float64[np.ndarray, "time 2"]:
    cos, sin = np.cos(headings), np.sin(headings)
    return np.stack([cos * vectors[:, 0] + sin * vectors[:, 1], cos * vectors[:, 1] - sin * vectors[:, 0]], axis=-1)
