"""Search for sites of corner cases on a map: stretches of lane, junctions, ramps, turns that need a lane change."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from driving.geometry import wrap_angle
from driving.map import MapGraph, TurnKind
from simulation.generation.corner_cases.chains import LaneChain, chain_through, oncoming_row
from simulation.generation.corner_cases.staging import BEGIN_S, BELOW_LIMIT_MPS, NominalEgo

AHEAD_S = 17.0
"""Time that the lanes continue after iteration 0, at the nominal speed."""
MAX_TRIES = 300
"""Sites that are tried before the search fails."""
STRAIGHT_RAD = 0.06
"""Maximum change of heading over a straight stretch."""


class NoSiteError(ValueError):
    """A map has no site for a kind of corner case."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneSite:
    """A straight stretch of lane and its surroundings."""

    chain: LaneChain
    event_m: float
    """Arc length of the event on the chain."""
    left: LaneChain | None
    """The lane to the left in the same direction."""
    right: LaneChain | None
    oncoming: LaneChain | None
    """The adjacent lane to the left, if it has the opposite direction."""
    left_edge_m: float
    """From the path to the edge of the drivable area."""
    right_edge_m: float
    half_lane_m: float

    def point(self, along_m: float | None = None) -> Float64[np.ndarray, "2"]:
        """The point of the path at an arc length, by default that of the event, in the site frame."""
        return self.chain.beside(self.event_m if along_m is None else along_m)[:2]


class CrossingChain(NamedTuple):
    """A chain that crosses the ego's chain."""

    chain: LaneChain
    ego_m: float
    """Arc length of the crossing on the ego's chain."""
    own_m: float
    """Arc length of the crossing on this chain."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JunctionSite:
    """A movement through a junction, and crossing movements."""

    chain: LaneChain
    row: int
    """The ego's connector."""
    enter_m: float
    """Arc length at which the junction begins."""
    crossings: tuple[CrossingChain, ...]


class MergeSite(NamedTuple):
    """A ramp that joins a road."""

    chain: LaneChain
    """The ego's chain, over the ramp."""
    joined_m: float
    """Arc length on it at which the lanes have joined."""
    main: LaneChain
    """The chain of the road."""
    main_m: float
    """Arc length on it at which the lanes have joined."""


class TurnSite(NamedTuple):
    """A turn that only one lane of a roadblock leads to."""

    chain: LaneChain
    """The chain through the turn."""
    start_left_m: float
    """Offset of a neighbouring lane that does not lead to the turn."""
    enter_m: float
    """Arc length at which the turn begins."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteSearch:
    """Search on a map with the random numbers of one corner case."""

    map: MapGraph
    rng: np.random.Generator
    speed_mps: float

    def uniform(self, low: float, high: float) -> float:
        """A random number of a range."""
        return float(self.rng.uniform(low, high))

    def coin(self, share: float = 0.5) -> bool:
        """True with a given probability."""
        return bool(self.rng.uniform() < share)

    def lane_site(
        self, event_s: float, stretch_m: float = 40.0, accept: Callable[[LaneSite], bool] | None = None
    ) -> LaneSite:
        """A straight stretch of lane, `event_s` of driving after iteration 0.

        Args:
            event_s: Time of the event.
            stretch_m: Length of the stretch.
            accept: Further condition.

        Raises:
            NoSiteError: When none of `MAX_TRIES` sites is accepted.
        """
        for site in self._lane_sites(event_s, stretch_m):
            if accept is None or accept(site):
                return site
        raise NoSiteError(f"Map {self.map.name} has no suitable stretch of lane at {self.speed_mps:.1f} m/s.")

    def _lane_sites(self, event_s: float, stretch_m: float) -> Iterator[LaneSite]:
        lanes = self.map.lanes
        limits = np.nan_to_num(lanes.speed_limit_mps[: lanes.num_lanes], nan=np.inf)
        lengths = np.array([self.map.centerline(row).length_m for row in range(lanes.num_lanes)])
        rows = np.flatnonzero((limits >= self.speed_mps + BELOW_LIMIT_MPS) & (lengths > stretch_m + 25.0))
        if not len(rows):
            return
        for _ in range(MAX_TRIES):
            row = int(self.rng.choice(rows))
            along_m = self.uniform(10.0, lengths[row] - stretch_m - 10.0)
            site = self._site_at(row, along_m, event_s, stretch_m)
            if site is not None:
                yield site

    def _site_at(self, row: int, along_m: float, event_s: float, stretch_m: float) -> LaneSite | None:
        line = self.map.centerline(row)
        poses = line.at(np.array([along_m - 5.0, along_m + stretch_m]))
        if abs(float(wrap_angle(poses[1, 2] - poses[0, 2]))) > STRAIGHT_RAD:
            return None
        chain = self._chain((row,), poses[0], event_s)
        event_m = chain.project_global(line.at(np.array([along_m]))[0, :2])[0]
        ego = NominalEgo(chain=chain, speed_mps=self.speed_mps, event_m=event_m, event_s=event_s)
        if not self._is_long_enough(ego):
            return None

        def neighbor(found: int | None) -> LaneChain | None:
            return None if found is None else self._chain((found,), poses[0], event_s)

        oncoming = oncoming_row(chain, event_m)
        border = self.map.lanes.left_boundaries[row] - np.array(chain.origin)
        return LaneSite(
            chain=chain,
            event_m=event_m,
            left=neighbor(self.map.left_neighbor(row)),
            right=neighbor(self.map.right_neighbor(row)),
            oncoming=neighbor(oncoming),
            left_edge_m=chain.edge_m(event_m, 1),
            right_edge_m=chain.edge_m(event_m, -1),
            half_lane_m=float(np.hypot(*(border - chain.beside(event_m)[:2]).T).min()),
        )

    def _chain(self, rows: tuple[int, ...], near: Float64[np.ndarray, "3"], event_s: float) -> LaneChain:
        # Integers, so that the site frame does not depend on rounding.
        origin = (float(np.rint(near[0])), float(np.rint(near[1])))
        before_m = self.speed_mps * (event_s - BEGIN_S) + 60.0
        return chain_through(self.map, rows, before_m, self.speed_mps * AHEAD_S + 60.0, origin)

    def _is_long_enough(self, ego: NominalEgo) -> bool:
        """Whether the ego is on the road from the first frame on and has nearly its speed over the scenario."""
        if not ego.starts_on_road:
            return False
        start_m, end_m = ego.at(np.array([0.0, 15.0])).tolist()
        return end_m - start_m > 0.6 * 15.0 * self.speed_mps

    def junction_site(
        self,
        turn: TurnKind,
        event_s: float,
        *,
        from_oncoming: bool,
        accept: Callable[[JunctionSite], bool] | None = None,
    ) -> JunctionSite:
        """A movement through a junction with crossing movements.

        Args:
            turn: Turn of the ego.
            event_s: Time at which the ego enters the junction.
            from_oncoming: Whether the crossing movements come from ahead; otherwise they come from the sides.
            accept: Further condition.

        Raises:
            NoSiteError: When no connector of the map is accepted.
        """
        lanes = self.map.lanes
        rows = np.flatnonzero(lanes.turn_kinds[lanes.num_lanes :] == turn) + lanes.num_lanes
        for row in self.rng.permutation(rows)[:MAX_TRIES].tolist():
            site = self._junction_at(row, event_s, from_oncoming)
            if site is not None and (accept is None or accept(site)):
                return site
        raise NoSiteError(f"Map {self.map.name} has no suitable junction at {self.speed_mps:.1f} m/s.")

    def _junction_at(self, row: int, event_s: float, from_oncoming: bool) -> JunctionSite | None:
        rows = self._crossing_rows(row, from_oncoming)
        if not rows:
            return None
        near = self.map.centerline(row).at(np.array([0.0]))[0]
        chain = self._chain((row,), near, event_s)
        centerline = self.map.lanes.centerlines[row]
        enter_m, exit_m = (chain.project_global(point)[0] for point in (centerline[0], centerline[-1]))
        ego = NominalEgo(chain=chain, speed_mps=self.speed_mps, event_m=enter_m, event_s=event_s)
        limit = float(chain.speed_limits_mps[0])
        if not ego.starts_on_road or limit < self.speed_mps + BELOW_LIMIT_MPS:
            return None
        crossings = []
        for other_row in rows:
            other = self._chain((other_row,), near, 12.0)
            meeting = meeting_of(chain, other, enter_m - 1.0, exit_m + 1.0)
            if meeting is not None:
                crossings.append(CrossingChain(other, *meeting))
        if not crossings:
            return None
        return JunctionSite(chain=chain, row=row, enter_m=enter_m, crossings=tuple(crossings))

    def _crossing_rows(self, row: int, from_oncoming: bool) -> list[int]:
        """Straight connectors of the same junction that come from ahead or from the sides."""
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

    def merge_site(self, event_s: float) -> MergeSite:
        """A lane that joins another at a small angle.

        Raises:
            NoSiteError: When the map has none.
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
                # The ramp comes from the right and yields to the straight lane.
                if not 0.05 < apart < 0.6 or own.length_m < 30.0:
                    continue
                end = own.at(np.array([own.length_m]))[0]
                chain, main = (self._chain((first, target), end, event_s) for first in (row, other))
                joined_m = chain.project_global(own.points[-1])[0]
                ego = NominalEgo(chain=chain, speed_mps=self.speed_mps, event_m=joined_m, event_s=event_s)
                if ego.starts_on_road and chain.speed_limits_mps.min() > self.speed_mps:
                    return MergeSite(chain, joined_m, main, main.project_global(own.points[-1])[0])
        raise NoSiteError(f"Map {self.map.name} has no ramp that can be joined at {self.speed_mps:.1f} m/s.")

    def turn_site(self, event_s: float) -> TurnSite:
        """A turn that only one of several lanes leads to.

        Raises:
            NoSiteError: When the map has none.
        """
        lanes = self.map.lanes
        for row in self.rng.permutation(np.arange(lanes.num_lanes, len(lanes))).tolist():
            before = int(lanes.predecessors[row][0])
            start = self._neighbor_without(before, int(lanes.roadblock_ids[row]))
            if start is None or lanes.turn_kinds[row] == TurnKind.UTURN:
                continue
            if (self.map.speed_limit_mps(before, default=np.inf) or np.inf) <= self.speed_mps:
                continue
            line, start_line = self.map.centerline(before), self.map.centerline(start)
            chain = self._chain((before, row), line.at(np.array([1e6]))[0], event_s)
            enter_m = chain.project_global(lanes.centerlines[row][0])[0]
            middle = start_line.at(np.array([start_line.length_m / 2]))[0, :2]
            ego = NominalEgo(chain=chain, speed_mps=self.speed_mps, event_m=enter_m, event_s=event_s)
            # From the start to the junction the road must have a constant width.
            if ego.starts_on_road and line.length_m > 0.75 * event_s * self.speed_mps:
                return TurnSite(chain, chain.project_global(middle)[1], enter_m)
        raise NoSiteError(f"Map {self.map.name} has no turn that only one of several lanes leads to.")

    def _neighbor_without(self, row: int, roadblock_id: int) -> int | None:
        """A lane beside `row` that does not lead to a roadblock connector."""
        lanes = self.map.lanes
        for neighbor in (self.map.left_neighbor(row), self.map.right_neighbor(row)):
            if neighbor is None:
                continue
            if roadblock_id not in lanes.roadblock_ids[lanes.successors[neighbor]].tolist():
                return neighbor
        return None


def meeting_of(chain: LaneChain, other: LaneChain, begin_m: float, end_m: float) -> tuple[float, float] | None:
    """Arc lengths on both chains of their crossing, between two arc lengths of the first; None for no crossing."""
    along = np.arange(begin_m, end_m, 0.5)
    points = chain.path.poses(along)[:, :2]
    found = other.line.project(points)
    nearest = int(np.argmin(np.abs(found[:, 1])))
    if abs(found[nearest, 1]) > 0.6:
        return None
    return float(along[nearest]), float(found[nearest, 0])
