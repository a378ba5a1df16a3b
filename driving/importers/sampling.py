"""Sampling intervals of a source, and interpolation to the grid of 0.1 s."""

import numpy as np
from jaxtyping import Float64, Int64, Real

from driving.importers.notes import ImportNotes, NoteKind
from driving.timing import STEP_US

MIN_BRIDGED_GAP_US = 250_000
"""Observations up to this far apart are interpolated: one missing frame at 10 Hz."""

BRIDGED_INTERVALS = 1.5
"""In slower sources, observations up to this many sampling intervals apart are interpolated: no missing frame."""

MAX_INTERVAL_US = 1_000_000
"""Sources with a longer sampling interval are refused: in 1 s, a car at 10 m/s moves by two lengths."""

NOTED_INTERVAL_US = 150_000
"""Interpolation of a source with a longer sampling interval is noted."""


def grid_times(first_us: int, last_us: int) -> Int64[np.ndarray, "time"]:
    """Times every 0.1 s from the first one on. The grid may end up to 10 ms after the last one."""
    count = (last_us - first_us + 10_000) // STEP_US + 1
    return first_us + STEP_US * np.arange(count, dtype=np.int64)


def sampling_interval_us(time_us: Int64[np.ndarray, "samples"], what: str, notes: ImportNotes) -> int:
    """Median interval of a source [us]; that of the grid when there is one sample.

    Args:
        time_us: Sampling times, rising.
        what: Subject of the note or error, for example "agents".
        notes: Receives a note when samples are interpolated over more than 0.15 s.

    Raises:
        ValueError: When the interval is longer than 1 s.
    """
    if len(time_us) < 2:
        return STEP_US
    interval_us = round(float(np.median(np.diff(time_us))))
    if interval_us > MAX_INTERVAL_US:
        raise ValueError(
            f"The source gives {what} every {interval_us / 1e6:.2f} s; the interval must not exceed"
            f" {MAX_INTERVAL_US / 1e6:.1f} s, as motion cannot be interpolated over a longer time."
            " Import a version with more frames."
        )
    if interval_us > NOTED_INTERVAL_US:
        notes.add(
            NoteKind.CHANGED, f"{what} given every {interval_us / 1e6:.2f} s are interpolated linearly to 0.1 s"
        )
    return interval_us


def bridged_gap_us(interval_us: int) -> int:
    """Longest gap between two observations that is interpolated [us]."""
    return max(MIN_BRIDGED_GAP_US, round(BRIDGED_INTERVALS * interval_us))


def longest_stretch(time_us: Int64[np.ndarray, "samples"], max_gap_us: int) -> slice:
    """The samples between two gaps that cover the longest time."""
    breaks = np.flatnonzero(np.diff(time_us) > max_gap_us) + 1
    starts, stops = np.append(0, breaks), np.append(breaks, len(time_us))
    longest = int(np.argmax(time_us[stops - 1] - time_us[starts]))
    return slice(int(starts[longest]), int(stops[longest]))


def interpolated_poses(
    at: Real[np.ndarray, "queries"], known_at: Real[np.ndarray, "samples"], poses: Float64[np.ndarray, "samples 3"]
) -> Float64[np.ndarray, "queries 3"]:
    """Poses between samples: positions and unwrapped headings are linear in time, constant outside the samples.

    Args:
        at: Times of the queries.
        known_at: Times of the samples in the same unit, rising.
        poses: Poses of the samples.
    """
    columns = (poses[:, 0], poses[:, 1], np.unwrap(poses[:, 2]))
    return np.stack([np.interp(at, known_at, column) for column in columns], axis=-1)
