"""The place of a scenario: the ego's chain of lanes, the nominal ego on it, and what is beside, ahead and across."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import shapely

from driving.geometry import wrap_angle
from driving.map import MapGraph, TurnKind
from simulation.generation.corner_cases.chains import LaneChain, chain_through, oncoming_row
from simulation.generation.corner_cases.sites import (
    CrossingChain,
    JunctionSite,
    LaneSite,
    MergeSite,
    NoSiteError,
    SiteSearch,
    meeting_of,
)
from simulation.generation.corner_cases.staging import NominalEgo
from simulation.generation.text.condition import TextCondition
from simulation.generation.text.vocabulary import EgoManoeuvre, Manoeuvre, Relation, RoadType

LEFT, RIGHT = 1, -1
"""Sides of the ego's chain."""
REACH_M = 260.0
"""Length of neighbouring chains before and behind the event."""
PARKING_M = 2.0
"""Width beside the lane from which cars can park there."""
BEFORE_M, BEHIND_M = 25.0, 10.0
"""Distance before a junction, or behind a ramp, at which neighbouring lanes are searched."""
CROSSWALK_REACH_M = 15.0
"""A crosswalk belongs to a junction up to this distance before and behind its entry."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """A stretch of road with the nominal ego on it."""

    search: SiteSearch
    ego: NominalEgo
    junction: JunctionSite | None = None
    merge: MergeSite | None = None
    crosswalk_m: float | None = None
    """Arc length of the middle of a crosswalk on the ego's chain."""
    is_behind_event: bool = False
    """Whether the road is that behind the event: behind a ramp."""
    _kept: dict[tuple[str, int], LaneChain | None] = field(default_factory=dict, repr=False)

    @property
    def map(self) -> MapGraph:
        """The map."""
        return self.search.map

    @property
    def chain(self) -> LaneChain:
        """Lanes of the ego."""
        return self.ego.chain

    @property
    def event_m(self) -> float:
        """Arc length of the main event on the ego's chain."""
        return self.ego.event_m

    def row_at(self, along_m: float) -> int:
        """Row of the ego's chain at an arc length."""
        starts = [self.chain.project_global(self.map.lanes.centerlines[row][0])[0] for row in self.chain.rows]
        return self.chain.rows[max(int(np.searchsorted(starts, along_m, side="right")) - 1, 0)]

    @property
    def lane_m(self) -> float:
        """Arc length at which neighbouring lanes are searched: before a junction, otherwise at the event."""
        if self.is_behind_event:
            return self.event_m + BEHIND_M
        is_at_junction = self.junction is not None or self.map.lanes.is_connector(self.row_at(self.event_m + 1.0))
        return self.event_m - BEFORE_M if is_at_junction else self.event_m

    def neighbor(self, side: int) -> LaneChain | None:
        """The next lane in the same direction on a side; None without one."""

        def found() -> int | None:
            row = self.row_at(self.lane_m)
            return self.map.left_neighbor(row) if side == LEFT else self.map.right_neighbor(row)

        return self._chain("neighbor", side, found)

    def oncoming(self) -> LaneChain | None:
        """The lane of the opposite direction left of the ego's lane; None without one."""
        return self._chain("oncoming", 0, lambda: oncoming_row(self.chain, self.lane_m))

    def _chain(self, name: str, side: int, find: Callable[[], int | None]) -> LaneChain | None:
        if (name, side) not in self._kept:
            row = find()
            self._kept[name, side] = None if row is None else self.chain_of(row)
        return self._kept[name, side]

    def chain_of(self, row: int) -> LaneChain:
        """The chain through a lane or connector, in the site frame of the ego's chain."""
        return chain_through(self.map, (row,), REACH_M, REACH_M, self.chain.origin)

    def point(self, along_m: float) -> np.ndarray:
        """Point of the ego's chain, in the site frame."""
        return self.chain.beside(along_m)[:2]

    def offset_m(self, other: LaneChain, along_m: float) -> float:
        """Offset of another chain from the ego's at an arc length of the ego's chain, left positive."""
        there = other.project(self.point(along_m))[0]
        return self.chain.project(other.beside(there)[:2])[1]

    def half_lane_m(self) -> float:
        """Half of the width of the ego's lane."""
        border = self.map.lanes.left_boundaries[self.row_at(self.lane_m)] - np.array(self.chain.origin)
        return float(np.hypot(*(border - self.chain.beside(self.lane_m)[:2]).T).min())

    def movements(self, arm: Relation, turn: TurnKind) -> list[CrossingChain]:
        """Movements through the junction that meet the ego's: from an arm as the ego faces it, with a turn."""
        if self.junction is None:
            return []
        lanes = self.map.lanes
        own = self.map.centerline(self.junction.row)
        begin_m, end_m = self.junction.enter_m - 1.0, self.junction.enter_m + own.length_m + 8.0
        found = []
        for row in junction_rows(self.map, self.junction.row):
            if row == self.junction.row or lanes.turn_kinds[row] != turn:
                continue
            apart = float(wrap_angle(self.map.centerline(row).headings[0] - own.headings[0]))
            came_from = Relation.ONCOMING if abs(apart) > 2.5 else Relation.LEFT if apart < 0.0 else Relation.RIGHT
            if came_from != arm or abs(apart) < 0.7:
                continue
            other = self.chain_of(row)
            meeting = meeting_of(self.chain, other, begin_m, end_m)
            if meeting is not None:
                found.append(CrossingChain(other, *meeting))
        return found


def junction_rows(map_graph: MapGraph, row: int) -> list[int]:
    """Rows of the connectors of a connector's junction."""
    lanes = map_graph.lanes
    members = np.flatnonzero(lanes.intersection_ids == lanes.intersection_ids[row])
    return [int(one) for one in members if one >= lanes.num_lanes]


def find_place(search: SiteSearch, condition: TextCondition, road: RoadType) -> Place:
    """A place on a map for a condition.

    Args:
        search: Map, random numbers and speed of the ego.
        condition: What must be possible there.
        road: One of the condition's roads.

    Raises:
        NoSiteError: When the map has no such place.
    """
    event_s = _event_s(search, condition)
    if road == RoadType.RAMP:
        return _ramp_place(search, condition, event_s)
    if road in (RoadType.JUNCTION, RoadType.CROSSWALK):
        return _junction_place(search, condition, road, event_s)
    site = search.lane_site(event_s, 50.0, lambda here: _suits(here, condition, road))
    return Place(search=search, ego=_ego(search, site.chain, site.event_m, event_s))


def _event_s(search: SiteSearch, condition: TextCondition) -> float:
    """Time at which the nominal ego reaches the place of the events."""
    if condition.scene.signal == "red":
        return search.uniform(4.5, 6.5)
    timed = [one.time_s for one in condition.events if one.time_s is not None and one.first in (Manoeuvre.CROSS,)]
    far = [one.distance_m for one in condition.events if one.distance_m is not None and one.first == Manoeuvre.CROSS]
    if far:
        return float(np.clip(far[0] / search.speed_mps, 1.5, 9.0))
    return timed[0] + search.uniform(0.3, 0.9) if timed else search.uniform(5.0, 7.5)


def _ego(search: SiteSearch, chain: LaneChain, event_m: float, event_s: float) -> NominalEgo:
    return NominalEgo(chain=chain, speed_mps=search.speed_mps, event_m=event_m, event_s=event_s)


def _suits(here: LaneSite, condition: TextCondition, road: RoadType) -> bool:
    """Whether a stretch of lane has the neighbours that the road and the events need."""
    is_narrow = here.left is None and here.right is None
    if (road == RoadType.NARROW and not is_narrow) or (road == RoadType.MULTI_LANE and is_narrow):
        return False
    return all(_has_room(here, one.first, one.relation) for one in condition.events)


def _has_room(here: LaneSite, manoeuvre: Manoeuvre, relation: Relation | None) -> bool:
    beside = {Relation.LEFT: here.left, Relation.RIGHT: here.right}
    if manoeuvre == Manoeuvre.PARK:
        return here.right is None and here.right_edge_m - here.half_lane_m > PARKING_M
    if manoeuvre == Manoeuvre.WRONG_LANE or relation == Relation.ONCOMING:
        return here.oncoming is not None
    if manoeuvre in (Manoeuvre.CUT_IN, Manoeuvre.OVERTAKE, Manoeuvre.DRIVE) and relation in beside:
        return beside[relation] is not None
    if manoeuvre in (Manoeuvre.CUT_IN, Manoeuvre.CUT_OUT) or relation == Relation.BESIDE:
        return here.left is not None or here.right is not None
    if manoeuvre == Manoeuvre.OVERTAKE:
        return here.left is not None
    return True


def _ramp_place(search: SiteSearch, condition: TextCondition, event_s: float) -> Place:
    """The ego on the ramp if it merges, otherwise on the road that the ramp joins."""
    merge = search.merge_site(event_s)
    if condition.ego == EgoManoeuvre.MERGE:
        return Place(search=search, ego=_ego(search, merge.chain, merge.joined_m, event_s), merge=merge)
    ego = _ego(search, merge.main, merge.main_m, event_s)
    if not ego.starts_on_road:
        raise NoSiteError(f"Map {search.map.name} has no road long enough before a ramp.")
    return Place(search=search, ego=ego, merge=merge)


def _junction_place(search: SiteSearch, condition: TextCondition, road: RoadType, event_s: float) -> Place:
    turn = {EgoManoeuvre.TURN_LEFT: TurnKind.LEFT, EgoManoeuvre.TURN_RIGHT: TurnKind.RIGHT}.get(
        condition.ego or EgoManoeuvre.STRAIGHT, TurnKind.STRAIGHT
    )
    found: list[Place] = []

    def accept(site: JunctionSite) -> bool:
        has_lights = bool(search.map.lanes.has_traffic_lights[site.row])
        if (condition.needs_signal and not has_lights) or (condition.has_signal is False and has_lights):
            return False
        # Vehicles from the side cross a junction without lights; with lights they would wait or run a red light.
        if not condition.needs_signal and has_lights and any(_crosses(one.first) for one in condition.events):
            return False
        event_m = site.enter_m
        crosswalk_m = crosswalk_at(site)
        if road == RoadType.CROSSWALK:
            if crosswalk_m is None:
                return False
            event_m = crosswalk_m
        place = Place(
            search=search, ego=_ego(search, site.chain, event_m, event_s), junction=site, crosswalk_m=crosswalk_m
        )
        if not place.ego.starts_on_road or not _has_arms(place, condition):
            return False
        found.append(place)
        return True

    from_oncoming = condition.ego == EgoManoeuvre.TURN_LEFT
    search.junction_site(turn, event_s, from_oncoming=from_oncoming, accept=accept)
    return found[-1]


def _crosses(manoeuvre: Manoeuvre) -> bool:
    return manoeuvre in (Manoeuvre.CROSS, Manoeuvre.TURN_LEFT, Manoeuvre.TURN_RIGHT)


def _has_arms(place: Place, condition: TextCondition) -> bool:
    """Whether the junction has the movements of the events."""
    for one in condition.events:
        if one.relation == Relation.ONCOMING and one.first == Manoeuvre.DRIVE and place.oncoming() is None:
            return False
        if one.first in (Manoeuvre.TURN_LEFT, Manoeuvre.TURN_RIGHT) and not turns_of(place, one.first, one.relation):
            return False
    return True


def turns_of(place: Place, manoeuvre: Manoeuvre, relation: Relation | None) -> list[CrossingChain]:
    """Turning movements that meet the ego's, from the stated arm or else from any."""
    turn = TurnKind.LEFT if manoeuvre == Manoeuvre.TURN_LEFT else TurnKind.RIGHT
    arms = (relation,) if relation is not None else (Relation.ONCOMING, Relation.LEFT, Relation.RIGHT)
    return [one for arm in arms for one in place.movements(arm, turn)]


def crosswalk_at(site: JunctionSite) -> float | None:
    """Arc length of the middle of the crosswalk before the junction; None without one."""
    crosswalks = site.chain.map.crosswalks
    along = np.arange(site.enter_m - CROSSWALK_REACH_M, site.enter_m + CROSSWALK_REACH_M, 0.25)
    points = site.chain.path.poses(along)[:, :2] + np.array(site.chain.origin)
    if not len(crosswalks):
        return None
    near = crosswalks.rows_near(points[len(points) // 2], 2 * CROSSWALK_REACH_M)
    for row in near.tolist():
        inside = shapely.contains_xy(crosswalks.polygons[row], points)
        if inside.any():
            return float(along[inside].mean())
    return None
