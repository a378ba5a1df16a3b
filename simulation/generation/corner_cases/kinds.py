"""The kinds of corner cases by name, with their scenario type and their outcome in reactive traffic."""

from collections.abc import Callable
from dataclasses import dataclass

from driving.names import unknown_name
from simulation.generation.corner_cases import kinds_junction, kinds_lanes, kinds_street
from simulation.generation.corner_cases.sites import SiteSearch
from simulation.generation.corner_cases.staging import StagedCase


@dataclass(frozen=True, kw_only=True)
class CornerKind:
    """One kind of corner case."""

    stage: Callable[[SiteSearch], StagedCase]
    """Draws a case on a map. The docstring describes the situation."""
    scenario_type: str
    """nuPlan's scenario type that fits best, so that nuPlan's filters list the case."""
    reactive: str
    """Outcome in nuPlan's reactive traffic."""

    @property
    def description(self) -> str:
        """The situation in one sentence."""
        return (self.stage.__doc__ or "").strip()


_KEEPS_LANE = "the car keeps its lane, because reactive vehicles do not change lanes"
_MAKES_ROOM = "unchanged; vehicles behind the ego make room"

CORNER_KINDS: dict[str, CornerKind] = {
    "pedestrian_between_cars": CornerKind(
        stage=kinds_street.pedestrian_between_cars,
        scenario_type="near_multiple_pedestrians",
        reactive="the pedestrian follows the log; the parked cars disappear, because only vehicles on lanes are kept",
    ),
    "cyclist_crossing": CornerKind(
        stage=kinds_street.cyclist_crossing,
        scenario_type="crossed_by_bike",
        reactive="an empty road: bicycles are neither reactive nor replayed",
    ),
    "hard_braking_leader": CornerKind(
        stage=kinds_lanes.hard_braking_leader,
        scenario_type="stopping_with_lead",
        reactive="the leader drives at its own desired speed and does not brake",
    ),
    "cut_in": CornerKind(stage=kinds_lanes.cut_in, scenario_type="changing_lane_with_lead", reactive=_KEEPS_LANE),
    "cut_out": CornerKind(
        stage=kinds_lanes.cut_out,
        scenario_type="following_lane_with_lead",
        reactive="the leader stops behind the standing car; the ego has to pass both",
    ),
    "broken_down_in_lane": CornerKind(
        stage=kinds_street.broken_down_in_lane,
        scenario_type="near_multiple_vehicles",
        reactive="the standing car stays behind the object in front of it; moving vehicles react",
    ),
    "broken_down_half_in_lane": CornerKind(
        stage=kinds_street.broken_down_half_in_lane,
        scenario_type="stationary_in_traffic",
        reactive="the car is moved to the middle of its lane and stays; the ego has to use the oncoming lane",
    ),
    "construction": CornerKind(
        stage=kinds_street.construction,
        scenario_type="near_construction_zone_sign",
        reactive="static objects follow the log; vehicles react",
    ),
    "red_light_runner": CornerKind(
        stage=kinds_junction.red_light_runner,
        scenario_type="starting_straight_traffic_light_intersection_traversal",
        reactive="the crossing vehicle stops at the red light",
    ),
    "oncoming_in_lane": CornerKind(
        stage=kinds_street.oncoming_in_lane,
        scenario_type="near_high_speed_vehicle",
        reactive="the oncoming car keeps its lane and stops behind the truck, or the truck drives off",
    ),
    "blocked_junction": CornerKind(
        stage=kinds_junction.blocked_junction,
        scenario_type="traversing_intersection",
        reactive="the crossing vehicles clear the junction at once",
    ),
    "lane_change_light": CornerKind(
        stage=kinds_lanes.lane_change_light, scenario_type="changing_lane", reactive=_MAKES_ROOM
    ),
    "lane_change_medium": CornerKind(
        stage=kinds_lanes.lane_change_medium, scenario_type="changing_lane_with_trail", reactive=_MAKES_ROOM
    ),
    "lane_change_dense": CornerKind(
        stage=kinds_lanes.lane_change_dense, scenario_type="changing_lane_to_left", reactive=_MAKES_ROOM
    ),
    "ramp_merge": CornerKind(
        stage=kinds_lanes.ramp_merge,
        scenario_type="near_multiple_vehicles",
        reactive="unchanged; vehicles on the road brake for an ego ahead of them",
    ),
    "unprotected_left": CornerKind(
        stage=kinds_junction.unprotected_left,
        scenario_type="starting_unprotected_cross_turn",
        reactive="unchanged; oncoming vehicles brake for an ego ahead of them",
    ),
}
"""By name."""


def corner_kind(name: str) -> CornerKind:
    """A kind by name.

    Raises:
        KeyError: For an unknown name, with the nearest known one.
    """
    if name not in CORNER_KINDS:
        raise KeyError(unknown_name("kind of corner case named", name, CORNER_KINDS))
    return CORNER_KINDS[name]
