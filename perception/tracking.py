"""Detections of several instants to tracks: a Kalman filter per track, and an assignment at each instant.

Position and velocity follow a constant-velocity model in the global frame. Vehicles and bicycles move along their
heading, so the lateral part of their velocity is left out. Tracks live on for a while when they are not detected.

Source:
    Assignment in two rounds, first by high scores: Zhang et al., "ByteTrack", arXiv 2110.06864.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import linear_sum_assignment

from driving.agents import AgentKind, AgentTracks
from driving.geometry import global_from_local, poses_out_of_frame_of, wrap_angle
from perception.boxes import Boxes
from perception.decoding import Detections

KINDS = (AgentKind.VEHICLE, AgentKind.PEDESTRIAN, AgentKind.BICYCLE, AgentKind.GENERIC_OBJECT)
"""Kind of agent by class."""
ALONG_HEADING = (0, 2)
"""Classes that move along their heading."""
VEHICLE, STATIC = 0, 3


@dataclass(frozen=True, kw_only=True)
class TrackerSettings:
    """Noise of model and detections, and the life of a track."""

    acceleration_sd_mps2: tuple[float, float, float, float] = (2.5, 1.0, 1.5, 0.1)
    """By class."""
    position_sd_m: float = 0.3
    position_sd_per_m: float = 0.015
    """Added per metre of distance to the ego."""
    velocity_sd_mps: float = 2.0
    """About the error of the shipped network's velocities within 20 m. A network whose velocities are no better than
    "standing" needs 5 m/s: tracks lag behind their vehicles otherwise."""
    gate: float = 16.0
    """Largest squared Mahalanobis distance of an assignment (4 standard deviations)."""
    min_gate_m: float = 1.0
    """Detections this close are always within the gate."""
    high_score: float = 0.4
    """Detections above start tracks; those below only continue them."""
    low_score: float = 0.2
    sure_score: float = 0.6
    """A track is reported after two detections, or after one above this."""
    max_coasting_s: float = 1.2
    """A track ends when it was not detected for so long."""
    smoothing: float = 0.5
    """Share of a new detection in heading and size."""
    standing_below_mps: float = 0.3
    """Lower speeds are reported as zero."""
    longer_m: float = 1.2
    """Added to the length of reported vehicles: the rear of a long one is seen up to 1 m too far ahead. PDM-Closed on
    20 validation scenarios: 0.68 with 0.8, 0.75 with 1.2, 0.73 with 1.6."""
    kept_s: float = 3.0
    """Length of the stored past of a track."""


@dataclass
class _Track:
    number: int
    kind: int
    time_us: int
    """Of the filter's state."""
    state: Float64[np.ndarray, "4"]
    """x, y, velocity x, velocity y."""
    covariance: Float64[np.ndarray, "4 4"]
    heading: float
    size_m: Float64[np.ndarray, "3"]
    seen_us: int
    hits: int = 1
    is_confirmed: bool = False
    past: list[tuple[int, float, float, float, float, float]] = field(default_factory=list)
    """Time, x, y, heading, velocity x, velocity y after each update."""


class Tracker:
    """Tracks of one drive; times must not decrease."""

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._tracks: list[_Track] = []
        self._next = 0

    def update(self, detections: Detections, ego_pose: Float64[np.ndarray, "3"], time_us: int) -> None:
        """Take in the detections of an instant.

        Args:
            detections: In the ego frame.
            ego_pose: Rear axle, global.
            time_us: Of the images.

        Raises:
            ValueError: When the time is before that of the last update.
        """
        if self._tracks and time_us < max(track.time_us for track in self._tracks):
            raise ValueError(f"Detections at {time_us} us are older than the last ones. Pass them in time order.")
        settings = self.settings
        self._predict(time_us)
        usable = detections.take(detections.scores >= settings.low_score)
        boxes = _global(usable.boxes, ego_pose)
        distances = np.linalg.norm(usable.boxes.poses[:, :2], axis=-1)
        is_high = usable.scores >= settings.high_score
        free = list(range(len(self._tracks)))
        unmatched: set[int] = set(np.flatnonzero(is_high).tolist())
        for rows in (np.flatnonzero(is_high), np.flatnonzero(~is_high)):
            for index, row in self._assign(free, rows, boxes, distances):
                self._correct(self._tracks[index], boxes, row, float(distances[row]), float(usable.scores[row]))
                free.remove(index)
                unmatched.discard(row)
        self._tracks += [self._start(boxes, row, float(usable.scores[row]), time_us) for row in sorted(unmatched)]
        oldest = time_us - int(settings.max_coasting_s * 1e6)
        self._tracks = [track for track in self._tracks if track.seen_us >= oldest]
        for track in self._tracks:
            self._remember(track)

    def agent_tracks(self, time_us: Int64[np.ndarray, "time"]) -> AgentTracks:
        """The tracks that are alive at the last time, as planners receive agents.

        Args:
            time_us: Increasing, usually 0.1 s apart; after the last update the tracks are predicted.
        """
        limit = int(time_us[-1]) - int(self.settings.max_coasting_s * 1e6)
        alive = [track for track in self._tracks if track.is_confirmed and track.seen_us >= limit]
        if not alive:
            return AgentTracks.none(len(time_us))
        motions = _motions(alive, time_us)
        valid = np.isfinite(motions[..., 0])
        sizes = np.array([track.size_m for track in alive])
        sizes[:, 0] += self.settings.longer_m * np.array([track.kind == VEHICLE for track in alive])
        return AgentTracks(
            track_ids=tuple(f"perceived-{track.number}" for track in alive),
            kinds=np.array([KINDS[track.kind] for track in alive], dtype=np.int8),
            poses=motions[..., :3],
            velocities_mps=motions[..., 3:],
            sizes=np.where(valid[..., np.newaxis], sizes[:, np.newaxis, :2], np.nan),
            valid=valid,
            heights_m=sizes[:, 2].copy(),
            z_m=np.where(valid, sizes[:, 2:] / 2, np.nan),
        )

    def _assign(
        self,
        tracks: list[int],
        rows: Int64[np.ndarray, "rows"],
        boxes: Boxes,
        distances: Float64[np.ndarray, "boxes"],
    ) -> list[tuple[int, int]]:
        """Pairs of track and box of the same class, of smallest total Mahalanobis distance."""
        if not tracks or not len(rows):
            return []
        states = np.array([self._tracks[index].state[:2] for index in tracks])
        spread = np.array([self._tracks[index].covariance[:2, :2] for index in tracks])
        noise = (self.settings.position_sd_m + self.settings.position_sd_per_m * distances[rows]) ** 2
        gaps = boxes.poses[rows, :2] - states[:, np.newaxis]
        total = spread[:, np.newaxis] + noise[np.newaxis, :, np.newaxis, np.newaxis] * np.eye(2)
        cost = np.einsum("trd,trde,tre->tr", gaps, np.linalg.inv(total), gaps)
        near = np.linalg.norm(gaps, axis=-1) < self.settings.min_gate_m
        kinds = np.array([self._tracks[index].kind for index in tracks])
        allowed = ((cost < self.settings.gate) | near) & (kinds[:, np.newaxis] == boxes.classes[rows])
        first, second = linear_sum_assignment(np.where(allowed, cost, 1e6))
        return [(tracks[i], int(rows[j])) for i, j in zip(first, second, strict=True) if allowed[i, j]]

    def _start(self, boxes: Boxes, row: int, score: float, time_us: int) -> _Track:
        settings, kind = self.settings, int(boxes.classes[row])
        velocity = np.zeros(2) if kind == STATIC else boxes.velocities_mps[row]
        track = _Track(
            number=self._next,
            kind=kind,
            time_us=time_us,
            state=np.concatenate([boxes.poses[row, :2], velocity]),
            covariance=np.diag([settings.position_sd_m**2] * 2 + [(2 * settings.velocity_sd_mps) ** 2] * 2),
            heading=float(boxes.poses[row, 2]),
            size_m=boxes.sizes_m[row].copy(),
            seen_us=time_us,
            is_confirmed=score >= settings.sure_score,
        )
        self._next += 1
        return track

    def _predict(self, time_us: int) -> None:
        """Move the filters of all tracks to a time."""
        tracks = [track for track in self._tracks if track.time_us < time_us]
        if not tracks:
            return
        seconds = np.array([(time_us - track.time_us) / 1e6 for track in tracks])
        noise = seconds * np.array([self.settings.acceleration_sd_mps2[track.kind] for track in tracks])
        transition, push = np.tile(np.eye(4), (len(tracks), 1, 1)), np.zeros((len(tracks), 4, 2))
        for axis in (0, 1):
            transition[:, axis, 2 + axis] = seconds
            push[:, axis, axis], push[:, 2 + axis, axis] = noise * seconds / 2, noise
        states = transition @ np.array([track.state for track in tracks])[..., np.newaxis]
        covariances = transition @ np.array([track.covariance for track in tracks]) @ transition.swapaxes(1, 2)
        covariances += push @ push.swapaxes(1, 2)
        for track, state, covariance in zip(tracks, states[..., 0], covariances, strict=True):
            track.state, track.covariance, track.time_us = state, covariance, time_us

    def _correct(self, track: _Track, boxes: Boxes, row: int, distance_m: float, score: float) -> None:
        settings = self.settings
        is_static = track.kind == STATIC
        measured = np.concatenate([boxes.poses[row, :2], boxes.velocities_mps[row] * (not is_static)])
        position_sd = settings.position_sd_m + settings.position_sd_per_m * distance_m
        velocity_sd = 0.05 if is_static else settings.velocity_sd_mps
        noise = np.diag([position_sd**2] * 2 + [velocity_sd**2] * 2)
        gain = track.covariance @ np.linalg.inv(track.covariance + noise)
        track.state = track.state + gain @ (measured - track.state)
        track.covariance = (np.eye(4) - gain) @ track.covariance
        turn = float(wrap_angle(boxes.poses[row, 2] - track.heading))
        # A detection that faces backwards is more often wrong than a turn by more than 120 degrees within a step.
        if abs(turn) > np.radians(120) and track.hits > 1:
            turn = float(wrap_angle(turn + np.pi))
        share = max(settings.smoothing, 1.0 / (track.hits + 1))
        track.heading = float(wrap_angle(track.heading + share * turn))
        track.size_m = track.size_m + share * (boxes.sizes_m[row] - track.size_m)
        track.seen_us, track.hits = track.time_us, track.hits + 1
        track.is_confirmed = track.is_confirmed or track.hits > 1 or score >= settings.sure_score

    def _remember(self, track: _Track) -> None:
        velocity = self._velocity(track)
        track.past.append((track.time_us, track.state[0], track.state[1], track.heading, velocity[0], velocity[1]))
        oldest = track.time_us - int(self.settings.kept_s * 1e6)
        while len(track.past) > 2 and track.past[1][0] < oldest:
            track.past.pop(0)

    def _velocity(self, track: _Track) -> Float64[np.ndarray, "2"]:
        velocity = track.state[2:].copy()
        if track.kind in ALONG_HEADING:
            ahead = np.array([np.cos(track.heading), np.sin(track.heading)])
            velocity = ahead * (velocity @ ahead)
        is_standing = track.kind == STATIC or np.hypot(*velocity) < self.settings.standing_below_mps
        return np.zeros(2) if is_standing else velocity


def _motions(tracks: list[_Track], time_us: Int64[np.ndarray, "time"]) -> Float64[np.ndarray, "tracks time 5"]:
    """Pose and velocity at some times: interpolated, predicted after the last update, NaN before the first."""
    counts = np.array([len(track.past) for track in tracks])
    # Every update extends all tracks, so that their pasts end at the same times.
    longest = tracks[int(np.argmax(counts))].past
    updates_us = np.array([moment[0] for moment in longest], dtype=np.float64)
    starts = len(longest) - counts
    # Shorter pasts are filled with their first moment, which keeps the headings continuous.
    rows = np.maximum(np.arange(len(longest)), starts[:, np.newaxis]) - starts[:, np.newaxis]
    ends = np.cumsum(counts)
    past = np.array([moment[1:] for track in tracks for moment in track.past])
    past = past[(ends - counts)[:, np.newaxis] + rows]
    past[..., 2] = np.unwrap(past[..., 2], axis=1)
    later = np.clip(np.searchsorted(updates_us, time_us), 1, max(len(longest) - 1, 1)) % len(longest)
    earlier = np.maximum(later - 1, 0)
    span_us = np.maximum(updates_us[later] - updates_us[earlier], 1.0)
    share = np.clip((time_us - updates_us[earlier]) / span_us, 0.0, 1.0)[:, np.newaxis]
    motions: np.ndarray = past[:, earlier] + share * (past[:, later] - past[:, earlier])
    later_s = np.maximum(time_us - updates_us[-1], 0) / 1e6
    motions[..., :2] += later_s[:, np.newaxis] * past[:, -1:, 3:]
    motions[time_us < updates_us[starts][:, np.newaxis]] = np.nan
    return motions


def _global(boxes: Boxes, ego_pose: Float64[np.ndarray, "3"]) -> Boxes:
    """Boxes of the ego frame in the global frame."""
    turn = np.array([0.0, 0.0, ego_pose[2]])
    return Boxes(
        classes=boxes.classes,
        poses=poses_out_of_frame_of(boxes.poses, ego_pose),
        sizes_m=boxes.sizes_m,
        velocities_mps=global_from_local(boxes.velocities_mps, turn),
    )
