"""Observations of agents on the 10 Hz grid, with velocities."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.agents import AgentKind, AgentTracks, static_mask
from driving.importers.notes import ImportNotes, NoteKind
from driving.importers.numbers import MAX_MAGNITUDE, SIZE_BOUNDS, possible_sizes, usable
from driving.importers.sampling import MAX_INTERVAL_US, bridged_gap_us, sampling_interval_us
from driving.timing import STEP_S

EDGE_US = 60_000
"""An agent also counts as observed at a grid time that is this close to one of its observations."""

DEFAULT_HEIGHT_M = 1.6
"""Box height where the source has none."""

POSE, SIZE, Z = slice(0, 3), slice(3, 5), 5
"""Columns of interpolated observations."""


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
    height_m: float = DEFAULT_HEIGHT_M
    speeds_mps: Float64[np.ndarray, "samples"] | None = None
    """Speed along the heading. Used where an observation has no neighbour for a difference."""
    is_standing: bool = False
    """Whether the only observation holds for the whole recording."""

    def only(self, rows: Bool[np.ndarray, "samples"] | Int64[np.ndarray, "kept"]) -> "TrackSamples":
        """Some of the observations."""
        return replace(
            self,
            time_us=self.time_us[rows],
            poses=self.poses[rows],
            sizes=self.sizes[rows],
            z_m=self.z_m[rows],
            speeds_mps=None if self.speeds_mps is None else self.speeds_mps[rows],
        )


def tracks_on_grid(
    time_us: Int64[np.ndarray, "time"],
    tracks: Sequence[TrackSamples],
    frame_us: Int64[np.ndarray, "frames"],
    notes: ImportNotes,
) -> AgentTracks:
    """Agents at the grid times: poses and sizes linear in time, velocities by central differences.

    An agent is unobserved between two observations with a gap above 0.25 s and above 1.5 sampling intervals.
    The sampling interval is the median interval between two observations of an agent, or between two frames when that
    is longer than 1 s. Static objects have velocity 0.

    Args:
        time_us: The grid.
        tracks: Observations of the agents.
        frame_us: Times at which the source describes agents, rising.
        notes: Receives agents and observations that are left out, gaps, and assumed values.

    Raises:
        ValueError: When the frames are more than 1 s apart.
    """
    cleaned = [track for track in (_cleaned(track, notes) for track in tracks) if len(track.time_us)]
    gap_us = bridged_gap_us(_interval_us(cleaned, frame_us, notes))
    columns = [
        (track, _observed(time_us, track.time_us, gap_us) | track.is_standing)
        for track in _with_unique_ids(cleaned, notes)
    ]
    for track, observed in columns:
        _note_gaps(track, observed, gap_us, notes)
    columns = [(track, observed) for track, observed in columns if observed.any()]
    if not columns:
        return AgentTracks.none(len(time_us))
    valid = np.stack([observed for _, observed in columns])
    kinds = np.array([track.kind for track, _ in columns], dtype=np.int8)
    values = np.full((len(columns), len(time_us), Z + 1), np.nan)
    for row, (track, observed) in enumerate(columns):
        headings = np.unwrap(track.poses[:, 2])
        samples = np.column_stack([track.poses[:, :2], headings, track.sizes, track.z_m])
        for column, sample in enumerate(samples.T):
            values[row, observed, column] = np.interp(time_us[observed], track.time_us, sample)
    poses = values[..., POSE]
    velocities = central_differences(poses[..., :2], valid, STEP_S)
    velocities[static_mask(kinds)[:, np.newaxis] & valid] = 0.0
    for row, step in np.argwhere(isolated(valid) & ~static_mask(kinds)[:, np.newaxis]):
        track = columns[row][0]
        velocities[row, step] = _isolated_velocity(track, int(time_us[step]), float(poses[row, step, 2]), notes)
    return AgentTracks(
        track_ids=tuple(track.track_id for track, _ in columns),
        kinds=kinds,
        poses=poses,
        velocities_mps=velocities,
        sizes=values[..., SIZE],
        valid=valid,
        heights_m=np.array([track.height_m for track, _ in columns]),
        z_m=values[..., Z],
    )


def _cleaned(track: TrackSamples, notes: ImportNotes) -> TrackSamples:
    """A track without observations that have no box or no time of their own."""
    finite = np.all(usable(track.poses), axis=1) & np.all(usable(track.sizes), axis=1)
    possible = possible_sizes(track.sizes)
    if not finite.all():
        sentence = "observations of agents without a finite pose and size"
        notes.add(NoteKind.LEFT_OUT, sentence, track.track_id, count=int((~finite).sum()))
    impossible = np.flatnonzero(finite & ~possible)
    if len(impossible):
        length_m, width_m = track.sizes[impossible[0]].tolist()
        sentence = f"observations of agents with a length or width outside {SIZE_BOUNDS}"
        item = f"{track.track_id} ({length_m:g} x {width_m:g} m)"
        notes.add(NoteKind.LEFT_OUT, sentence, item, count=len(impossible))
    track = track.only(finite & possible)
    rising = np.append(True, np.diff(np.maximum.accumulate(track.time_us)) > 0)[: len(track.time_us)]
    if not rising.all():
        notes.add(
            NoteKind.LEFT_OUT,
            "observations of agents at a time not after the one before",
            track.track_id,
            count=int((~rising).sum()),
        )
        track = track.only(rising)
    if not usable(track.z_m).all() or not abs(track.height_m) <= MAX_MAGNITUDE:
        notes.add(NoteKind.ASSUMED, f"agents without height: z = 0 m, {DEFAULT_HEIGHT_M} m high", track.track_id)
        height_m = track.height_m if abs(track.height_m) <= MAX_MAGNITUDE else DEFAULT_HEIGHT_M
        track = replace(track, z_m=np.where(usable(track.z_m), track.z_m, 0.0), height_m=height_m)
    return track


def _interval_us(tracks: Sequence[TrackSamples], frame_us: Int64[np.ndarray, "frames"], notes: ImportNotes) -> int:
    """Sampling interval of the agents; labels may be sparser than the frames."""
    steps_us = np.concatenate([np.zeros(0, dtype=np.int64), *(np.diff(track.time_us) for track in tracks)])
    if len(steps_us) and np.median(steps_us) <= MAX_INTERVAL_US:
        return sampling_interval_us(np.append(0, np.cumsum(steps_us)), "agents", notes)
    return sampling_interval_us(frame_us, "agents", notes)


def _with_unique_ids(tracks: Sequence[TrackSamples], notes: ImportNotes) -> list[TrackSamples]:
    seen: Counter[str] = Counter()
    result = []
    for track in tracks:
        seen[track.track_id] += 1
        if seen[track.track_id] > 1:
            notes.add(NoteKind.CHANGED, "track ids that repeat got a number", track.track_id)
            track = replace(track, track_id=f"{track.track_id} ({seen[track.track_id]})")
        result.append(track)
    return result


def _observed(
    time_us: Int64[np.ndarray, "time"], observed_us: Int64[np.ndarray, "samples"], gap_us: int
) -> Bool[np.ndarray, "time"]:
    """Mask of the grid times between two observations without a gap, or close to an observation."""
    behind = np.searchsorted(observed_us, time_us, side="right")
    last = len(observed_us) - 1
    before_us = observed_us[np.clip(behind - 1, 0, last)]
    after_us = observed_us[np.clip(behind, 0, last)]
    is_between = (behind > 0) & (behind <= last) & (after_us - before_us <= gap_us)
    is_near = (np.abs(time_us - before_us) <= EDGE_US) | (np.abs(time_us - after_us) <= EDGE_US)
    return is_between | is_near


def _note_gaps(track: TrackSamples, observed: Bool[np.ndarray, "time"], gap_us: int, notes: ImportNotes) -> None:
    if not observed.any():
        notes.add(NoteKind.HINT, "agents observed only outside the time of the ego", track.track_id)
        return
    gaps = int((np.diff(track.time_us) > gap_us).sum())
    if gaps:
        sentence = f"gaps of more than {gap_us / 1e6:.2f} s, in which the agent is unobserved"
        notes.add(NoteKind.HINT, sentence, track.track_id, count=gaps)


def _isolated_velocity(
    track: TrackSamples, time_us: int, heading: float, notes: ImportNotes
) -> Float64[np.ndarray, "2"]:
    """Velocity of an observation without neighbours: the source's own, or 0."""
    if track.speeds_mps is not None:
        speed_mps = float(np.interp(time_us, track.time_us, track.speeds_mps))
        if np.isfinite(speed_mps):
            return speed_mps * np.array([np.cos(heading), np.sin(heading)])
    notes.add(NoteKind.ASSUMED, "velocity 0 of agents at an observation without neighbours", track.track_id)
    return np.zeros(2)


def isolated(valid: Bool[np.ndarray, "agents time"]) -> Bool[np.ndarray, "agents time"]:
    """Mask of the observations without one at the step before or behind."""
    has_before = np.pad(valid, ((0, 0), (1, 0)))[:, :-1]
    has_after = np.pad(valid, ((0, 0), (0, 1)))[:, 1:]
    return valid & ~has_before & ~has_after


def central_differences(
    positions: Float64[np.ndarray, "agents time 2"], valid: Bool[np.ndarray, "agents time"], step_s: float
) -> Float64[np.ndarray, "agents time 2"]:
    """Velocities over the two neighbouring steps; one-sided where one is observed, 0 where none is.

    Unobserved entries are NaN.
    """
    steps = np.arange(valid.shape[1])
    before = np.where(np.pad(valid, ((0, 0), (1, 0)))[:, :-1], steps - 1, steps)
    after = np.where(np.pad(valid, ((0, 0), (0, 1)))[:, 1:], steps + 1, steps)
    rows = np.arange(len(valid))[:, np.newaxis]
    span_s = np.maximum(after - before, 1)[..., np.newaxis] * step_s
    velocities = (positions[rows, after] - positions[rows, before]) / span_s
    return np.where(valid[..., np.newaxis], velocities, np.nan)
