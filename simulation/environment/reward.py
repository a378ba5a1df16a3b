"""The reward of a step: progress, penalties at the first failure of each kind, and the score at the end.

Progress is nuPlan's own, one step at a time. Contacts and departures from the road are found by cheap tests of the
present instant; where one of them fires, nuPlan's metric decides.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.vehicle import PACIFICA
from simulation.ego.box import center_at, corners_around, ego_box, half_diagonal
from simulation.ego.dynamics import HEADING, X, Y
from simulation.environment.arguments import require_type
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import announce_first_use, njit
from simulation.geometry.polygons import FlatPolygons, any_contains, nearest_distance
from simulation.metrics.nuplan.drive import Drive, logged_drive_of
from simulation.metrics.nuplan.flat_map import flat_map
from simulation.metrics.nuplan.progress import (
    RouteAreas,
    RoutePlace,
    first_place,
    logged_chain,
    logged_progress_m,
    progress_ratio,
    progress_step,
    route_areas,
)
from simulation.metrics.rules import MAX_OFF_ROAD_M
from simulation.metrics.score import metric_named
from simulation.rollout import Rollout

OFF_ROAD, COLLISION = "drivable_area_compliance", "no_ego_at_fault_collisions"
"""Metrics that decide about penalties."""


@dataclass(frozen=True, kw_only=True)
class RewardWeights:
    """reward = progress * (change of the share of the logged progress) - penalties, + score * (final score).

    Raises:
        TypeError: When a weight is no number.
        ValueError: When a weight is not finite.
    """

    progress: float = 1.0
    """For the logged ego's whole progress; nuPlan's share counts up to 1."""
    off_road: float = 1.0
    """Penalty when a corner of the ego first leaves the drivable area by 0.3 m or more."""
    collision: float = 1.0
    """Penalty per loss of 1 in nuPlan's score of at-fault collisions: 0.5 for the first static object, else 1."""
    score: float = 1.0
    """For a closed-loop score of 1 at the end of the episode."""

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            require_type(name, weight, (int, float, np.number), "a number")
            if not np.isfinite(weight):
                raise ValueError(f"`{name}` must be finite, got {weight:g}.")


class StepTerms(NamedTuple):
    """Parts of a reward, unweighted."""

    progress: float
    """Change of the share of the logged progress."""
    off_road: float
    """1 at the first departure from the road, else 0."""
    collision: float
    """Loss of the score of at-fault collisions at this step."""

    def reward(self, weights: RewardWeights) -> float:
        """The weighted sum, without the final score."""
        return (
            weights.progress * self.progress - weights.off_road * self.off_road - weights.collision * self.collision
        )


class _Road(NamedTuple):
    """The parts of a `FlatMap` that a step needs."""

    route: RouteAreas
    drivable: FlatPolygons


class _Tracks(NamedTuple):
    """The part of `TrackArrays` that a step needs."""

    poses: Float64[np.ndarray, "tracks time 3"]
    sizes: Float64[np.ndarray, "tracks time 2"]
    valid: Bool[np.ndarray, "tracks time"]
    touched: Bool[np.ndarray, "tracks"]
    """Tracks that the ego has touched."""


FIRST_USE_S = 10.0
"""Compilation of the environment's kernels on two idle cores."""


def announce_reward_kernels() -> None:
    """Warn that the environment's kernels are going to be compiled, if they are not yet."""
    announce_first_use("Gymnasium environment", _look, FIRST_USE_S)


class DriveMonitor:
    """Follows one rollout step by step."""

    def __init__(self, rollout: Rollout) -> None:
        scenario, tracks = rollout.scenario, rollout.tracks
        logged, road = logged_drive_of(scenario), flat_map(scenario.map)
        self._rollout = rollout
        self._road = _Road(route_areas(scenario.map), road.drivable)
        self._box = ego_box(PACIFICA)
        self._chain = logged.cached(logged_chain)
        self._logged_m = logged.cached(logged_progress_m)
        self._tracks = _Tracks(tracks.poses, tracks.sizes, tracks.valid, np.zeros(len(tracks.valid), dtype=bool))
        self._place = RoutePlace(0, 0.0)
        self._total_m = 0.0
        self.progress = self._share()
        """Share of the logged ego's progress up to now, as nuPlan counts it."""
        self.is_off_road = False
        """Whether the ego has left the drivable area up to now."""
        self.collision_score = 1.0
        """nuPlan's score of at-fault collisions up to now."""
        # Contacts and departures at the start count for the first step.
        self._pending = self._failures(self._look(self._chain[:0]))
        if len(self._chain):
            x, y, heading = rollout.ego_state[: HEADING + 1]
            self._place = first_place(road.centerlines, self._chain, *center_at(x, y, heading, self._box))

    @property
    def scores_zero(self) -> bool:
        """Whether the final score can only be 0."""
        return self.is_off_road or self.collision_score == 0.0

    def step(self) -> StepTerms:
        """The terms of the present instant, after the rollout moved on."""
        before, seen = self.progress, self._look(self._chain)
        self._place = RoutePlace(*seen.place)
        self._total_m += seen.made_m
        self.progress = self._share()
        off_road, collision = self._failures(seen)
        off_road, collision = off_road + self._pending[0], collision + self._pending[1]
        self._pending = (0.0, 0.0)
        return StepTerms(self.progress - before, off_road, collision)

    def _look(self, chain: Int64[np.ndarray, "pieces"]) -> "_Seen":
        rollout = self._rollout
        pose = rollout.ego_state[: HEADING + 1]
        return _Seen(*_look(self._road, (chain, self._place), (pose, self._box), self._tracks, rollout.now))

    def _share(self) -> float:
        return progress_ratio(self._total_m, self._logged_m) if len(self._chain) else 1.0

    def _failures(self, seen: "_Seen") -> tuple[float, float]:
        """Newly off the road, and newly lost score of collisions."""
        off_road, lost = 0.0, 0.0
        if seen.touches or (seen.may_be_off_road and not self.is_off_road):
            drive = drive_up_to_now(self._rollout)
            if not self.is_off_road and metric_named(OFF_ROAD)(drive)[0].score == 0.0:
                self.is_off_road, off_road = True, 1.0
            if seen.touches:
                score = metric_named(COLLISION)(drive)[0].score
                assert score is not None
                lost, self.collision_score = self.collision_score - score, score
        return off_road, lost


def drive_up_to_now(rollout: Rollout) -> Drive:
    """The drive from the first frame to the present one, that one included."""
    motion, agents = rollout.driven()
    scenario = rollout.scenario
    return Drive(motion=motion, agents=agents, map=scenario.map, logged=logged_drive_of(scenario))


class _Seen(NamedTuple):
    """The present instant."""

    made_m: float
    """Progress since the instant before."""
    place: RoutePlace
    may_be_off_road: bool
    """Whether a corner is outside of the drivable area by the tolerance, the lane of the centre left out."""
    touches: bool
    """Whether the ego touches a track that it has not touched before."""


@njit(cache=True)
def _look(road: Any, route: Any, ego: Any, tracks: Any, now: int) -> tuple[float, RoutePlace, bool, bool]:
    """What `_Seen` holds; marks touched tracks.

    Args:
        road: `_Road`.
        route: Chain of lanes, empty to skip progress, and the place of the instant before.
        ego: Rear-axle pose and box.
        tracks: `_Tracks`.
        now: Present step on the time axis of the tracks.
    """
    chain, place = route
    pose, box = ego
    x, y = center_at(pose[X], pose[Y], pose[HEADING], box)
    corners = corners_around(x, y, pose[HEADING], box)
    made = 0.0
    if len(chain) > 0:
        made, _, place = progress_step(road.route, chain, place, x, y)
    may_be_off = False
    for k in range(4):
        corner_x, corner_y = corners[k, 0], corners[k, 1]
        if not any_contains(road.drivable, corner_x, corner_y):
            may_be_off |= nearest_distance(road.drivable, corner_x, corner_y, 1.0) >= MAX_OFF_ROAD_M
    return made, place, may_be_off, _touches(tracks, now, corners, (x, y, half_diagonal(box)))


@njit(cache=True)
def _touches(tracks: Any, now: int, corners: np.ndarray, circle: tuple[float, float, float]) -> bool:
    x, y, reach = circle
    found = False
    for n in range(len(tracks.touched)):
        if tracks.touched[n] or not tracks.valid[n, now]:
            continue
        length, width = tracks.sizes[n, now]
        other_x, other_y, heading = tracks.poses[n, now]
        if math.hypot(other_x - x, other_y - y) > reach + 0.5 * math.hypot(length, width):
            continue
        if convex_overlap(corners, box_corners(other_x, other_y, heading, length, width)):
            tracks.touched[n] = True
            found = True
    return found
