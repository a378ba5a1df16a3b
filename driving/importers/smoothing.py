"""From recorded positions to motion: ego and agents on a regular 10 Hz grid with velocities.

The rules for what sources leave out or get wrong are stated in docs/importing.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.ndimage import median_filter
from scipy.signal import savgol_filter

from driving.agents import AgentKind, AgentTracks, static_mask
from driving.ego import EgoMotion
from driving.timing import STEP_US

MAX_GAP_US = 250_000
"""Between two observations of an agent that lie further apart, it counts as unseen."""

EDGE_US = 60_000
"""An agent also counts as seen at a grid time that lies so little before its first or behind its last observation."""

JITTER_MPS2 = 8.0
"""An ego whose plain differences give more acceleration in 1 % of the steps was sampled unevenly and is smoothed."""

SMOOTHING_STEPS, SMOOTHING_ORDER = 11, 3
"""A cubic over 1.1 s."""

JUMP_MPS = 4.0
"""A step whose velocity differs by more from the median of the 11 around it is a jump of the recording."""

TAIL_STEPS, JUMP_MARGIN = 15, 2
"""A jump within the last 15 steps ends the recording, 2 steps before it."""


def grid_times(first_us: int, last_us: int) -> Int64[np.ndarray, "time"]:
    """Times every 0.1 s from the first up to the last, which may be missed by at most 10 ms."""
    count = (last_us - first_us + 10_000) // STEP_US + 1
    return first_us + STEP_US * np.arange(count, dtype=np.int64)


def steps_before_trailing_jump(positions: Float64[np.ndarray, "time 2"]) -> int:
    """How many steps of an ego path at 10 Hz to keep: all, or those before a jump near its end."""
    if len(positions) < SMOOTHING_STEPS + 1:
        return len(positions)
    velocities = np.diff(positions, axis=0) * 1e6 / STEP_US
    usual = median_filter(velocities, size=(SMOOTHING_STEPS, 1), mode="nearest")
    jumps = np.flatnonzero(np.hypot(*(velocities - usual).T) > JUMP_MPS)
    trailing = jumps[jumps >= len(velocities) - TAIL_STEPS]
    return int(trailing[0]) + 1 - JUMP_MARGIN if len(trailing) else len(positions)


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothedEgo:
    """The ego's motion, and what was done to the recorded path."""

    motion: EgoMotion
    note: str
    """For the metadata."""


def ego_motion(time_us: Int64[np.ndarray, "time"], poses: Float64[np.ndarray, "time 3"]) -> SmoothedEgo:
    """Velocities and accelerations of a recorded ego path, smoothed if it is jittery.

    A clean path keeps its poses and gets central differences. A jittery one is replaced by a local
    cubic over 1.1 s, which also gives the derivatives. Headings are the recorded ones (never the direction
    of motion, which means nothing while standing), smoothed alike.

    Args:
        time_us: Regular, every 0.1 s.
        poses: Rear-axle poses, global.

    Raises:
        ValueError: With fewer than 3 poses, or poses that are not finite.
    """
    if len(poses) < 3:
        raise ValueError(f"The ego's motion needs at least 3 poses, got {len(poses)}.")
    if not np.isfinite(poses).all():
        step = int(np.argmax(~np.isfinite(poses).all(axis=1)))
        raise ValueError(f"The ego's poses must be finite; that of step {step} is {poses[step].tolist()}.")
    step_s = STEP_US / 1e6
    unwrapped = np.column_stack([poses[:, :2], np.unwrap(poses[:, 2])])
    jitter_mps2 = float(np.percentile(np.hypot(*np.diff(unwrapped[:, :2], n=2, axis=0).T) / step_s**2, 99))
    if jitter_mps2 > JITTER_MPS2 and len(poses) >= SMOOTHING_STEPS:
        # At 4e6 m from the origin a cubic fit loses its millimetres.
        origin = unwrapped[0].copy()
        smooth, velocity, acceleration = (
            savgol_filter(unwrapped - origin, SMOOTHING_STEPS, SMOOTHING_ORDER, deriv=order, delta=step_s, axis=0)
            for order in (0, 1, 2)
        )
        smooth = smooth + origin
        moved_m = float(np.hypot(*(smooth - unwrapped)[:, :2].T).max())
        note = (
            f"local cubic over {SMOOTHING_STEPS * step_s:.1f} s, as plain differences give accelerations of"
            f" {jitter_mps2:.1f} m/s2 (99th percentile); moved by up to {moved_m:.2f} m"
        )
    else:
        smooth = unwrapped
        velocity = np.gradient(smooth, step_s, axis=0)
        acceleration = np.gradient(velocity, step_s, axis=0)
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


# ---------------------------------------------------------------------- agents


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackSamples:
    """The observations of one agent, in order of time."""

    track_id: str
    kind: AgentKind
    time_us: Int64[np.ndarray, "samples"]
    poses: Float64[np.ndarray, "samples 3"]
    """Box centres, global."""
    sizes: Float64[np.ndarray, "samples 2"]
    """Length and width [m]."""
    z_m: Float64[np.ndarray, "samples"]
    height_m: float


def tracks_on_grid(time_us: Int64[np.ndarray, "time"], tracks: Sequence[TrackSamples]) -> AgentTracks:
    """Agents at the grid times: positions and unwrapped headings in between, velocities by central differences.

    Agents without an observation near any grid time are left out. Static objects have velocity 0.
    """
    columns = [(track, _seen(time_us, track.time_us)) for track in tracks]
    columns = [(track, seen) for track, seen in columns if seen.any()]
    if not columns:
        return AgentTracks.none(len(time_us))
    valid = np.stack([seen for _, seen in columns])
    kinds = np.array([track.kind for track, _ in columns], dtype=np.int8)
    values = np.full((len(columns), len(time_us), 6), np.nan)
    for row, (track, seen) in enumerate(columns):
        headings = np.unwrap(track.poses[:, 2])
        samples = [track.poses[:, 0], track.poses[:, 1], headings, track.sizes[:, 0], track.sizes[:, 1], track.z_m]
        for column, sample in enumerate(samples):
            values[row, seen, column] = np.interp(time_us[seen], track.time_us, sample)
    velocities = central_differences(values[..., :2], valid, STEP_US / 1e6)
    velocities[static_mask(kinds)[:, np.newaxis] & valid] = 0.0
    return AgentTracks(
        track_ids=tuple(track.track_id for track, _ in columns),
        kinds=kinds,
        poses=values[..., :3],
        velocities_mps=velocities,
        sizes=values[..., 3:5],
        valid=valid,
        heights_m=np.array([track.height_m for track, _ in columns]),
        z_m=values[..., 5],
    )


def _seen(time_us: Int64[np.ndarray, "time"], observed_us: Int64[np.ndarray, "samples"]) -> Bool[np.ndarray, "time"]:
    behind = np.searchsorted(observed_us, time_us, side="right")
    last = len(observed_us) - 1
    before_us = observed_us[np.clip(behind - 1, 0, last)]
    after_us = observed_us[np.clip(behind, 0, last)]
    # A grid time within the observations, or so near an observation that the difference is one of clocks.
    is_between = (behind > 0) & (behind <= last) & (after_us - before_us <= MAX_GAP_US)
    is_near = (np.abs(time_us - before_us) <= EDGE_US) | (np.abs(time_us - after_us) <= EDGE_US)
    return is_between | is_near


def central_differences(
    positions: Float64[np.ndarray, "agents time 2"], valid: Bool[np.ndarray, "agents time"], step_s: float
) -> Float64[np.ndarray, "agents time 2"]:
    """Velocities over the two neighbouring steps; one-sided where only one is observed, 0 where none is.

    Unobserved entries are NaN.
    """
    steps = np.arange(valid.shape[1])
    has_before = np.zeros_like(valid)
    has_before[:, 1:] = valid[:, :-1]
    has_after = np.zeros_like(valid)
    has_after[:, :-1] = valid[:, 1:]
    before = np.where(has_before, steps - 1, steps)
    after = np.where(has_after, steps + 1, steps)
    rows = np.arange(len(valid))[:, np.newaxis]
    span_s = np.maximum(after - before, 1)[..., np.newaxis] * step_s
    velocities = (positions[rows, after] - positions[rows, before]) / span_s
    return np.where(valid[..., np.newaxis], velocities, np.nan)
