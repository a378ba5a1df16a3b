"""Where on a map a corner case can happen: queries on the lane graph, answered in an order that the seed decides."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from driving.geometry import wrap_angle
from driving.map import MapGraph, TurnKind
from simulation.generation.corner_cases.chains import Chain, chain_through, oncoming_row
from simulation.generation.corner_cases.staging import BEGIN_S, BELOW_LIMIT_MPS, Approach

AHEAD_S = 17.0
"""How long the lanes lead on after iteration 0, at the nominal speed."""
MAX_TRIES = 300
"""Places that are looked at before a map counts as unsuitable."""
STRAIGHT_RAD = 0.06
"""Turn of the heading over the stretch of an event that still counts as straight."""


class NoPlaceError(ValueError):
    """A map has no place for a kind of corner case."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """A piece of a lane where something may happen, and what is beside it."""

    chain: Chain
    row: int
    event_m: float
    """Arc length of the event on the chain."""
    left: Chain | None
    """The lane to the left in the same direction."""
    right: Chain | None
    oncoming: Chain | None
    """The lane to the left that runs against it, where that is the neighbour."""
    left_edge_m: float
    """From the path to the edge of the drivable area."""
    right_edge_m: float
    half_lane_m: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Crossing:
    """A way through a junction, and those that cross it."""

    chain: Chain
    row: int
    """The ego's connector."""
    enter_m: float
    """Arc length where the junction begins."""
    exit_m: float
    others: tuple[tuple[Chain, float, float], ...]
    """Chains that cross it, with the arc length of the crossing on the ego's chain and on theirs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scout:
    """Looks for places on a map, with the random numbers of one corner case."""

    map: MapGraph
    rng: np.random.Generator
    speed_mps: float

    def uniform(self, low: float, high: float) -> float:
        """A number of the range."""
        return float(self.rng.uniform(low, high))

    def coin(self, share: float = 0.5) -> bool:
        """True in a share of the cases."""
        return bool(self.rng.uniform() < share)

    def lane_place(self, accept: Callable[[Place], bool], event_s: float, stretch_m: float = 40.0) -> Place:
        """A straight stretch of a lane, `event_s` of driving behind the start, that suits.

        Raises:
            NoPlaceError: When none of `MAX_TRIES` suits.
        """
        for place in self._lane_places(event_s, stretch_m):
            if accept(place):
                return place
        raise NoPlaceError(f"Map {self.map.name} has no suitable stretch of lane at {self.speed_mps:.1f} m/s.")

    def _lane_places(self, event_s: float, stretch_m: float) -> Iterator[Place]:
        lanes = self.map.lanes
        limits = np.nan_to_num(lanes.speed_limit_mps[: lanes.num_lanes], nan=np.inf)
        lengths = np.array([self.map.centerline(row).length_m for row in range(lanes.num_lanes)])
        rows = np.flatnonzero((limits >= self.speed_mps + BELOW_LIMIT_MPS) & (lengths > stretch_m + 25.0))
        if not len(rows):
            return
        for _ in range(MAX_TRIES):
            row = int(self.rng.choice(rows))
            along_m = self.uniform(10.0, lengths[row] - stretch_m - 10.0)
            place = self._place_at(row, along_m, event_s, stretch_m)
            if place is not None:
                yield place

    def _place_at(self, row: int, along_m: float, event_s: float, stretch_m: float) -> Place | None:
        line = self.map.centerline(row)
        poses = line.at(np.array([along_m - 5.0, along_m + stretch_m]))
        if abs(float(wrap_angle(poses[1, 2] - poses[0, 2]))) > STRAIGHT_RAD:
            return None
        chain = self._chain((row,), poses[0], event_s)
        event_m = chain.project(line.at(np.array([along_m]))[0, :2] - np.array(chain.origin))[0]
        approach = Approach(chain=chain, speed_mps=self.speed_mps, event_m=event_m, event_s=event_s)
        if not self._is_long_enough(approach):
            return None
        against = oncoming_row(chain, event_m)
        left, right = self.map.left_neighbor(row), self.map.right_neighbor(row)
        border = self.map.lanes.left_boundaries[row] - np.array(chain.origin)
        half_m = float(np.hypot(*(border - chain.beside(event_m)[:2]).T).min())
        return Place(
            chain=chain,
            row=row,
            event_m=event_m,
            left=None if left is None else self._chain((left,), poses[0], event_s),
            right=None if right is None else self._chain((right,), poses[0], event_s),
            oncoming=None if against is None else self._chain((against,), poses[0], event_s),
            left_edge_m=chain.edge_m(event_m, 1),
            right_edge_m=chain.edge_m(event_m, -1),
            half_lane_m=half_m,
        )

    def _chain(self, rows: tuple[int, ...], near: Float64[np.ndarray, "3"], event_s: float) -> Chain:
        # Round numbers, so that the site frame does not depend on the last digit of a projection.
        origin = (float(np.rint(near[0])), float(np.rint(near[1])))
        before_m = self.speed_mps * (event_s - BEGIN_S) + 60.0
        return chain_through(self.map, rows, before_m, self.speed_mps * AHEAD_S + 60.0, origin)

    def _is_long_enough(self, approach: Approach) -> bool:
        """Whether the ego is on the road from the first frame on and reaches the event at nearly its speed."""
        if not approach.starts_on_road:
            return False
        start_m, end_m = approach.at(np.array([0.0, 15.0])).tolist()
        return end_m - start_m > 0.6 * 15.0 * self.speed_mps

    def crossing(
        self,
        turn: TurnKind,
        event_s: float,
        accept: Callable[[Crossing], bool],
        *,
        from_oncoming: bool,
    ) -> Crossing:
        """A way through a junction that others cross.

        Args:
            turn: Where the ego goes.
            event_s: When it enters the junction.
            accept: What else is wanted.
            from_oncoming: Whether the others come from ahead, else from the sides.

        Raises:
            NoPlaceError: When no connector of the map suits.
        """
        lanes = self.map.lanes
        rows = np.flatnonzero(lanes.turn_kinds[lanes.num_lanes :] == turn) + lanes.num_lanes
        for row in self.rng.permutation(rows)[:MAX_TRIES].tolist():
            found = self._crossing_at(row, event_s, from_oncoming)
            if found is not None and accept(found):
                return found
        raise NoPlaceError(f"Map {self.map.name} has no suitable junction at {self.speed_mps:.1f} m/s.")

    def _crossing_at(self, row: int, event_s: float, from_oncoming: bool) -> Crossing | None:
        rivals = self._rivals(row, from_oncoming)
        if not rivals:
            return None
        near = self.map.centerline(row).at(np.array([0.0]))[0]
        chain = self._chain((row,), near, event_s)
        site = np.array(chain.origin)
        enter_m = chain.project(self.map.lanes.centerlines[row][0] - site)[0]
        exit_m = chain.project(self.map.lanes.centerlines[row][-1] - site)[0]
        approach = Approach(chain=chain, speed_mps=self.speed_mps, event_m=enter_m, event_s=event_s)
        limit = float(chain.speed_limits_mps[0])
        if not approach.starts_on_road or limit < self.speed_mps + BELOW_LIMIT_MPS:
            return None
        others = []
        for rival in rivals:
            other = self._chain((rival,), near, 12.0)
            meeting = _meeting(chain, other, enter_m - 1.0, exit_m + 1.0)
            if meeting is not None:
                others.append((other, *meeting))
        if not others:
            return None
        return Crossing(chain=chain, row=row, enter_m=enter_m, exit_m=exit_m, others=tuple(others))

    def _rivals(self, row: int, from_oncoming: bool) -> list[int]:
        """Straight connectors of the same junction that come from ahead, or from the sides."""
        lanes = self.map.lanes
        junction = int(lanes.intersection_ids[row])
        heading = self.map.centerline(row).headings[0]
        found = []
        for other in range(lanes.num_lanes, len(lanes)):
            if other == row or junction == 0 or int(lanes.intersection_ids[other]) != junction:
                continue
            if lanes.turn_kinds[other] != TurnKind.STRAIGHT:
                continue
            apart = abs(float(wrap_angle(self.map.centerline(other).headings[0] - heading)))
            if (apart > 2.5) if from_oncoming else (0.9 < apart < 2.2):
                found.append(other)
        return found

    def merge(self, event_s: float) -> tuple[Chain, float, Chain, float]:
        """A lane that joins another at a small angle: the ego's chain, where it has joined, the other chain, there.

        Raises:
            NoPlaceError: When the map has none.
        """
        lanes = self.map.lanes
        for row in self.rng.permutation(np.arange(lanes.num_lanes, len(lanes))).tolist():
            target = int(lanes.successors[row][0])
            from_block = int(lanes.roadblock_ids[lanes.predecessors[row][0]])
            for other in lanes.predecessors[target].tolist():
                if other == row or int(lanes.roadblock_ids[lanes.predecessors[other][0]]) == from_block:
                    continue
                own, theirs = self.map.centerline(row), self.map.centerline(other)
                apart = float(wrap_angle(own.headings[0] - theirs.headings[0]))
                # From the right, and as something that gives way to the straight one.
                if not 0.05 < apart < 0.6 or own.length_m < 30.0:
                    continue
                chain = self._chain((row, target), own.at(np.array([own.length_m]))[0], event_s)
                main = self._chain((other, target), own.at(np.array([own.length_m]))[0], event_s)
                point = own.points[-1] - np.array(chain.origin)
                approach = Approach(
                    chain=chain, speed_mps=self.speed_mps, event_m=chain.project(point)[0], event_s=event_s
                )
                if approach.starts_on_road and chain.speed_limits_mps.min() > self.speed_mps:
                    return chain, chain.project(point)[0], main, main.project(point)[0]
        raise NoPlaceError(f"Map {self.map.name} has no ramp that can be joined at {self.speed_mps:.1f} m/s.")


def _meeting(chain: Chain, other: Chain, begin_m: float, end_m: float) -> tuple[float, float] | None:
    """Arc lengths on both chains where they cross, between two arc lengths of the first; None where they do not."""
    along = np.arange(begin_m, end_m, 0.5)
    points = chain.path.poses(along)[:, :2]
    found = other.line.project(points)
    nearest = int(np.argmin(np.abs(found[:, 1])))
    if abs(found[nearest, 1]) > 0.6:
        return None
    return float(along[nearest]), float(found[nearest, 0])
