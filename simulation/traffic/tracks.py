"""Tracks of a rollout over the scenario's time axis, and the windows of them that planners receive."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int32

from driving.agents import AgentTracks
from simulation.geometry.compiling import njit


class TrackArrays(NamedTuple):
    """The arrays of an `AgentTracks`, in a form that compiled code takes."""

    kinds: Int8[np.ndarray, "tracks"]
    poses: Float64[np.ndarray, "tracks time 3"]
    velocities: Float64[np.ndarray, "tracks time 2"]
    sizes: Float64[np.ndarray, "tracks time 2"]
    valid: Bool[np.ndarray, "tracks time"]
    order: Int32[np.ndarray, "tracks time"]
    """Place in the list of a frame's boxes."""
    heights: Float64[np.ndarray, "tracks"]
    z: Float64[np.ndarray, "tracks time"]


def arrays_of_tracks(agents: AgentTracks) -> TrackArrays:
    """The arrays of tracks; copies only where an array is not contiguous or has another type."""
    return TrackArrays(
        kinds=np.ascontiguousarray(agents.kinds, dtype=np.int8),
        poses=np.ascontiguousarray(agents.poses),
        velocities=np.ascontiguousarray(agents.velocities_mps),
        sizes=np.ascontiguousarray(agents.sizes),
        valid=np.ascontiguousarray(agents.valid),
        order=np.ascontiguousarray(agents.order, dtype=np.int32),
        heights=np.ascontiguousarray(agents.heights_m),
        z=np.ascontiguousarray(agents.z_m),
    )


@njit(cache=True)
def _window(tracks: TrackArrays, start: int, stop: int) -> tuple[np.ndarray, TrackArrays]:
    """Rows of the tracks that are valid at some step from `start` to before `stop`, and their arrays there."""
    num_agents = len(tracks.valid)
    rows = np.empty(num_agents, dtype=np.int64)
    count = 0
    for row in range(num_agents):
        for step in range(start, stop):
            if tracks.valid[row, step]:
                rows[count] = row
                count += 1
                break
    rows = rows[:count].copy()
    steps = stop - start
    kinds = np.empty(count, dtype=np.int8)
    poses = np.empty((count, steps, 3))
    velocities = np.empty((count, steps, 2))
    sizes = np.empty((count, steps, 2))
    valid = np.empty((count, steps), dtype=np.bool_)
    order = np.empty((count, steps), dtype=np.int32)
    heights = np.empty(count)
    z = np.empty((count, steps))
    # Loops, as numba takes seconds to compile assignments of slices.
    for i in range(count):
        row = rows[i]
        kinds[i], heights[i] = tracks.kinds[row], tracks.heights[row]
        for k in range(steps):
            step = start + k
            for column in range(3):
                poses[i, k, column] = tracks.poses[row, step, column]
            for column in range(2):
                velocities[i, k, column] = tracks.velocities[row, step, column]
                sizes[i, k, column] = tracks.sizes[row, step, column]
            valid[i, k], order[i, k], z[i, k] = tracks.valid[row, step], tracks.order[row, step], tracks.z[row, step]
    return rows, TrackArrays(kinds, poses, velocities, sizes, valid, order, heights, z)


class TrackWindow:
    """Copies steps of the tracks, without agents that are invalid at all of them."""

    def __init__(self, track_ids: tuple[str, ...], tracks: TrackArrays) -> None:
        self._track_ids = track_ids
        self._tracks = tracks
        self._last_rows = b""
        self._last_ids: tuple[str, ...] = ()

    def steps(self, start: int, stop: int) -> AgentTracks:
        """Equal to `AgentTracks.steps`, ten times faster."""
        rows, cut = _window(self._tracks, start, stop)
        key = rows.tobytes()
        if key != self._last_rows:
            self._last_rows = key
            self._last_ids = tuple([self._track_ids[row] for row in rows.tolist()])
        return AgentTracks(
            track_ids=self._last_ids if key else (),
            kinds=cut.kinds,
            poses=cut.poses,
            velocities_mps=cut.velocities,
            sizes=cut.sizes,
            valid=cut.valid,
            order=cut.order,
            heights_m=cut.heights,
            z_m=cut.z,
        )
