"""The kinds of corner cases by name, with what each becomes in nuPlan's words and in reactive traffic."""

from collections.abc import Callable
from dataclasses import dataclass

from driving.names import unknown_name
from simulation.generation.corner_cases import kinds_junction, kinds_lanes, kinds_street
from simulation.generation.corner_cases.places import Scout
from simulation.generation.corner_cases.staging import Staged


@dataclass(frozen=True, kw_only=True)
class CornerKind:
    """One kind of corner case."""

    stage: Callable[[Scout], Staged]
    """Draws one from a map; what happens is in its docstring."""
    scenario_type: str
    """nuPlan's word for it, so that nuPlan's filters list it."""
    reactive: str
    """What nuPlan's reactive traffic makes of it."""

    @property
    def description(self) -> str:
        """What happens, in a sentence."""
        return (self.stage.__doc__ or "").strip()


_PEOPLE = "the same: pedestrians follow the log"
_KEEPS_LANE = "the car keeps to its lane, as reactive vehicles do not change lanes"

CORNER_KINDS: dict[str, CornerKind] = {
    "pedestrian_between_cars": CornerKind(
        stage=kinds_street.pedestrian_between_cars,
        scenario_type="near_multiple_pedestrians",
        reactive=f"{_PEOPLE}; the parked cars are gone, as only vehicles on lanes are kept",
    ),
    "cyclist_crossing": CornerKind(
        stage=kinds_street.cyclist_crossing,
        scenario_type="crossed_by_bike",
        reactive="an empty road: bicycles are neither reactive nor replayed",
    ),
    "hard_braking_leader": CornerKind(
        stage=kinds_lanes.hard_braking_leader,
        scenario_type="stopping_with_lead",
        reactive="the leader drives on at its own pace and does not brake",
    ),
    "cut_in": CornerKind(stage=kinds_lanes.cut_in, scenario_type="changing_lane_with_lead", reactive=_KEEPS_LANE),
    "cut_out": CornerKind(
        stage=kinds_lanes.cut_out,
        scenario_type="following_lane_with_lead",
        reactive="the leader stops behind the standing car, which stays; one has to get round both",
    ),
    "broken_down_in_lane": CornerKind(
        stage=kinds_street.broken_down_in_lane,
        scenario_type="near_multiple_vehicles",
        reactive="the same: what lies before the car keeps it from driving off; the others react",
    ),
    "broken_down_half_in_lane": CornerKind(
        stage=kinds_street.broken_down_half_in_lane,
        scenario_type="stationary_in_traffic",
        reactive="the car is put on the middle of its lane and stays; it has to be passed through the oncoming lane",
    ),
    "construction": CornerKind(
        stage=kinds_street.construction,
        scenario_type="near_construction_zone_sign",
        reactive="the same: static objects follow the log; the others react",
    ),
    "red_light_runner": CornerKind(
        stage=kinds_junction.red_light_runner,
        scenario_type="starting_straight_traffic_light_intersection_traversal",
        reactive="the other one stops at the red light",
    ),
    "oncoming_in_lane": CornerKind(
        stage=kinds_street.oncoming_in_lane,
        scenario_type="near_high_speed_vehicle",
        reactive="the oncoming car keeps to its lane and stops behind the truck, or the truck drives off",
    ),
    "blocked_junction": CornerKind(
        stage=kinds_junction.blocked_junction,
        scenario_type="traversing_intersection",
        reactive="the other one clears the junction at once",
    ),
    "lane_change_light": CornerKind(
        stage=kinds_lanes.lane_change_light,
        scenario_type="changing_lane",
        reactive="the same, and the others make room behind the ego",
    ),
    "lane_change_medium": CornerKind(
        stage=kinds_lanes.lane_change_medium,
        scenario_type="changing_lane_with_trail",
        reactive="the same, and the others make room behind the ego",
    ),
    "lane_change_dense": CornerKind(
        stage=kinds_lanes.lane_change_dense,
        scenario_type="changing_lane_to_left",
        reactive="the same, and the others make room behind the ego",
    ),
    "ramp_merge": CornerKind(
        stage=kinds_lanes.ramp_merge,
        scenario_type="near_multiple_vehicles",
        reactive="the same, and the others brake for the ego once it is before them",
    ),
    "unprotected_left": CornerKind(
        stage=kinds_junction.unprotected_left,
        scenario_type="starting_unprotected_cross_turn",
        reactive="the same; the others brake for an ego that is before them",
    ),
}
"""Name to kind."""


def corner_kind(name: str) -> CornerKind:
    """A kind by name.

    Raises:
        KeyError: When there is none, with the nearest known name.
    """
    if name not in CORNER_KINDS:
        raise KeyError(unknown_name("kind of corner case named", name, CORNER_KINDS))
    return CORNER_KINDS[name]
