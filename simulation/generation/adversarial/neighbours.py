"""Generated neighbours: one more agent beside the ego's drive, which behaves well until its manoeuvre.

Each drives along the ego's own path or beside it, so that it is where traffic is possible on this map: ahead of the
ego, in the lane beside it, in the opposite lane, on a bicycle at the edge of the road, or on foot beside the road.
Others get a place on the ego's path by their change only, and stand there from the beginning.
"""

import hashlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind
from driving.geometry import wrap_angle
from driving.scenario import Scenario
from driving.synthetic.motion import SmoothPath
from driving.timing import STEP_S
from simulation.generation.adversarial.block_limit import BLOCK_SHARE
from simulation.generation.adversarial.causal import Approach, CausalAgent
from simulation.generation.adversarial.courses import AgentCourse
from simulation.generation.ways_out.deviations import ReferenceDrive

CAR_M, BICYCLE_M, PEDESTRIAN_M = (4.7, 1.95), (1.9, 0.7), (0.5, 0.55)
KERB_M = (0.5, 2.0)
"""Distances of pedestrians from the edge of the road."""
LANE_M = 3.5
"""Distance of the lanes beside the ego's path, where one is."""
MIN_EGO_MPS = 4.0
"""The ego is at least this fast at the meeting place."""
STANDSTILL_M = 8.5
"""From the ego's rear axle to the centre of the leader, when both stand."""
DRAWS = 5
"""Places that are drawn for each kind of neighbour until one is free."""
FIRST_S, LAST_S = 3.0, 11.0
"""Times of the meeting."""
SAMPLES_M = 2.0
LINE_MARGIN_M = 8.0


def neighbour_id(scenario: Scenario, name: str) -> str:
    """The track id of a neighbour."""
    return hashlib.blake2b(f"{scenario.scenario_id}/{name}".encode(), digest_size=8).hexdigest()


def generated_neighbours(
    scenario: Scenario,
    reference: ReferenceDrive,
    is_usable: Callable[[CausalAgent], bool],
    rng: np.random.Generator,
) -> list[CausalAgent]:
    """Neighbours that the map and the other agents leave room for.

    Args:
        scenario: The unchanged scenario.
        reference: The planner's drive in it.
        is_usable: Whether an agent can be where it is without its manoeuvre: it touches nothing and is not too rare.
        rng: Draws meeting times and gaps.
    """
    pace = np.gradient(reference.along_m[: reference.num_driven]) / STEP_S
    steps = np.arange(len(pace))
    possible = np.flatnonzero((pace > MIN_EGO_MPS) & (steps >= FIRST_S / STEP_S) & (steps <= LAST_S / STEP_S))
    if not len(possible):
        return []
    makers = (_leader, _beside_left, _beside_right, _oncoming, _cyclist, _pedestrian_right, _pedestrian_left)
    found = []
    for maker in makers:
        draws = rng.random((DRAWS, 3))
        for draw in draws:
            step = int(possible[int(draw[0] * len(possible))])
            one = maker(_Place(scenario, reference, step, draw[1:]))
            if one is not None and is_usable(one):
                found.append(one)
                break
    return found + _standing(_Place(scenario, reference, 0, np.zeros(2)))


class _Place:
    """Where and when a neighbour meets the ego."""

    def __init__(
        self,
        scenario: Scenario,
        reference: ReferenceDrive,
        step: int,
        draws: Float64[np.ndarray, "2"],
    ) -> None:
        self.scenario, self.reference, self.step, self.draws = scenario, reference, step, draws
        self.first = scenario.first_frame
        self.axis_s = (np.arange(len(scenario.time_us)) - self.first) * STEP_S

    def drawn(self, number: int, low: float, high: float) -> float:
        return float(low + self.draws[number] * (high - low))

    def ego_along(self, time_s: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time"]:
        """The ego's place at times, also before iteration 0 and after the end of its schedule."""
        along = self.reference.along_m
        inside = np.interp(time_s / STEP_S, np.arange(len(along)), along)
        before = np.minimum(time_s, 0.0) * (along[1] - along[0]) / STEP_S
        after = np.maximum(time_s - (len(along) - 1) * STEP_S, 0.0) * (along[-1] - along[-2]) / STEP_S
        return inside + before + after

    def line(self, left_m: float, low_m: float, high_m: float) -> Float64[np.ndarray, "points 2"]:
        """Points beside the reference path, global."""
        poses = self.reference.path.poses(np.arange(low_m, high_m + SAMPLES_M, SAMPLES_M))
        aside = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=-1)
        return poses[:, :2] + left_m * aside + self.reference.origin

    def has_lane(self, left_m: float, opposite: bool) -> bool:
        """Whether lanes are beside the path around the meeting place."""
        here = float(self.reference.along_m[self.step])
        for along in (here - 10.0, here, here + 10.0):
            pose = self.reference.path.poses(np.array([along]))[0]
            point = self.line(left_m, along, along)[:1][0]
            wanted = pose[2] + (np.pi if opposite else 0.0)
            row = self.scenario.map.nearest_lane_row(np.array([*point, wanted]), 1.2)
            if row is None:
                return False
            line = self.scenario.map.centerline(row)
            heading = line.at(line.project(point[np.newaxis])[:, 0])[0, 2]
            if abs(float(wrap_angle(heading - wanted))) > 0.5:
                return False
        return True

    def agent(
        self,
        name: str,
        kind: AgentKind,
        line: Float64[np.ndarray, "points 2"],
        along_m: Float64[np.ndarray, "time"],
        *,
        approach: Approach,
        size_m: tuple[float, float],
        left_m: float,
        moves: bool = True,
        is_placed: bool = False,
    ) -> CausalAgent:
        heading = self.reference.path.poses(self.reference.along_m[self.step : self.step + 1])[0, 2]
        course = AgentCourse(
            row=self.scenario.agents.num_agents,
            kind=kind,
            length_m=size_m[0],
            width_m=size_m[1],
            origin=line[0].copy(),
            path=SmoothPath(line - line[0], 1.0 if moves else 0.0),
            along_m=along_m,
            valid=np.ones(len(along_m), dtype=bool),
            first=0,
            last=len(along_m) - 1,
            moves=moves,
        )
        return CausalAgent(
            course=course,
            track_id=neighbour_id(self.scenario, name),
            first_frame=self.first,
            approach=approach,
            cost=0.0,
            ego_s=self.step * STEP_S,
            agent_s=self.step * STEP_S,
            distance_m=abs(left_m),
            left_m=left_m,
            ego_heading_rad=float(heading),
            name=name,
            is_placed=is_placed,
        )

    def along_with_ego(
        self, ahead_s: float, left_m: float
    ) -> tuple[Float64[np.ndarray, "points 2"], Float64[np.ndarray, "time"]]:
        """The line and the places of an agent that drives as the ego does, some time ahead of it."""
        places = self.ego_along(self.axis_s + ahead_s)
        low = float(places.min()) - LINE_MARGIN_M
        return self.line(left_m, low, float(places.max()) + LINE_MARGIN_M + 60.0), places - low


def _leader(place: _Place) -> CausalAgent:
    line, along = place.along_with_ego(place.drawn(0, 0.8, 1.8), 0.0)
    along = along + STANDSTILL_M
    return place.agent("leader", AgentKind.VEHICLE, line, along, approach=Approach.SAME, size_m=CAR_M, left_m=0.0)


def _beside(place: _Place, name: str, left_m: float) -> CausalAgent | None:
    if not place.has_lane(left_m, opposite=False):
        return None
    line, along = place.along_with_ego(place.drawn(0, 0.6, 1.4), left_m)
    return place.agent(name, AgentKind.VEHICLE, line, along, approach=Approach.SAME, size_m=CAR_M, left_m=-left_m)


def _beside_left(place: _Place) -> CausalAgent | None:
    return _beside(place, "beside_left", LANE_M)


def _beside_right(place: _Place) -> CausalAgent | None:
    return _beside(place, "beside_right", -LANE_M)


def _oncoming(place: _Place) -> CausalAgent | None:
    if not place.has_lane(LANE_M, opposite=True):
        return None
    speed = place.drawn(0, 7.0, 13.0)
    meet_m = float(place.reference.along_m[place.step])
    # Places along the ego's path, from which the arc length on the reversed line follows.
    back = meet_m - speed * (place.axis_s - place.step * STEP_S)
    low, high = float(back.min()) - LINE_MARGIN_M, float(back.max()) + LINE_MARGIN_M
    line = place.line(LANE_M, low, high)[::-1].copy()
    return place.agent(
        "oncoming",
        AgentKind.VEHICLE,
        line,
        high - back,
        approach=Approach.ONCOMING,
        size_m=CAR_M,
        left_m=LANE_M,
    )


def _cyclist(place: _Place) -> CausalAgent:
    left = -place.drawn(1, 1.9, 2.5)
    speed = place.drawn(0, 3.5, 6.0)
    ahead = float(place.reference.along_m[place.step]) + 8.0 + speed * (place.axis_s - place.step * STEP_S)
    low = float(ahead.min()) - LINE_MARGIN_M
    line = place.line(left, low, float(ahead.max()) + LINE_MARGIN_M)
    return place.agent(
        "cyclist", AgentKind.BICYCLE, line, ahead - low, approach=Approach.SAME, size_m=BICYCLE_M, left_m=-left
    )


def _pedestrian(place: _Place, name: str, side: float) -> CausalAgent | None:
    area = place.scenario.map.drivable_area
    here = float(place.reference.along_m[place.step]) + 4.0
    for left in np.arange(3.0, 12.0, 0.5):
        point = place.line(side * left, here, here)[0]
        if not area.contains(point[np.newaxis])[0]:
            beside = side * (left + place.drawn(0, *KERB_M))
            line = place.line(beside, here, here + 4.0)
            if place.drawn(1, 0.0, 1.0) < 0.5:
                line = line[::-1].copy()
            still = np.zeros(len(place.axis_s))
            return place.agent(
                name,
                AgentKind.PEDESTRIAN,
                line,
                still,
                approach=Approach.FROM_LEFT if side > 0 else Approach.FROM_RIGHT,
                size_m=PEDESTRIAN_M,
                left_m=-beside,
                moves=False,
            )
    return None


def _pedestrian_right(place: _Place) -> CausalAgent | None:
    return _pedestrian(place, "pedestrian_right", -1.0)


def _pedestrian_left(place: _Place) -> CausalAgent | None:
    return _pedestrian(place, "pedestrian_left", 1.0)


def _standing(place: _Place) -> list[CausalAgent]:
    """A car, a cyclist and a pedestrian for places where the ego has made no progress yet."""
    along = place.reference.along_m
    reach_m = BLOCK_SHARE * float(along[place.reference.num_driven - 1]) + STANDSTILL_M
    line, still = place.line(0.0, 0.0, reach_m), np.zeros(len(place.axis_s))
    kinds = (
        ("standing_car", AgentKind.VEHICLE, CAR_M),
        ("standing_cyclist", AgentKind.BICYCLE, BICYCLE_M),
        ("standing_pedestrian", AgentKind.PEDESTRIAN, PEDESTRIAN_M),
    )
    return [
        place.agent(name, kind, line, still, approach=Approach.SAME, size_m=size_m, left_m=0.0, is_placed=True)
        for name, kind, size_m in kinds
    ]
