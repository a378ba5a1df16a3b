"""nuPlan's scenario type that fits a condition best, so that nuPlan's filters list the scenario."""

from simulation.generation.corner_cases.kinds import CORNER_KINDS
from simulation.generation.text.condition import EventCondition, TextCondition
from simulation.generation.text.vocabulary import ActorKind, EgoManoeuvre, Manoeuvre, Relation, RoadType

_OF_EGO = {
    EgoManoeuvre.TURN_LEFT: "starting_left_turn",
    EgoManoeuvre.TURN_RIGHT: "starting_right_turn",
    EgoManoeuvre.CHANGE_LANE: "changing_lane",
    EgoManoeuvre.MERGE: CORNER_KINDS["ramp_merge"].scenario_type,
}
_OF_KIND = {
    Manoeuvre.CUT_IN: "cut_in",
    Manoeuvre.CUT_OUT: "cut_out",
    Manoeuvre.BRAKE_HARD: "hard_braking_leader",
    Manoeuvre.STOP: "hard_braking_leader",
    Manoeuvre.RUN_RED: "red_light_runner",
    Manoeuvre.WRONG_LANE: "oncoming_in_lane",
    Manoeuvre.STAND: "broken_down_in_lane",
}
"""Kinds of corner cases with the same manoeuvre."""
_LONG = (ActorKind.TRUCK, ActorKind.BUS)


def scenario_type_of(condition: TextCondition) -> str:
    """The type of the ego's manoeuvre, otherwise that of the first event, otherwise one of the road."""
    if condition.scene.scenario_type is not None:
        return condition.scene.scenario_type
    if condition.ego in _OF_EGO:
        return _OF_EGO[condition.ego]
    if condition.events:
        return _of_event(condition.events[0], condition.road)
    if condition.scene.signal == "red":
        return "stopping_at_traffic_light_without_lead"
    return "traversing_intersection" if condition.needs_signal else "medium_magnitude_speed"


def _of_event(event: EventCondition, road: RoadType | None) -> str:
    manoeuvre = event.first
    if manoeuvre in _OF_KIND:
        return CORNER_KINDS[_OF_KIND[manoeuvre]].scenario_type
    if manoeuvre == Manoeuvre.CROSS:
        if event.kind == ActorKind.PEDESTRIAN:
            return "near_multiple_pedestrians" if road != RoadType.CROSSWALK else "traversing_crosswalk"
        return "crossed_by_bike" if event.kind in (ActorKind.CYCLIST, ActorKind.MOTORCYCLE) else "crossed_by_vehicle"
    if manoeuvre in (Manoeuvre.BRAKE, Manoeuvre.DRIVE) and event.relation in (None, Relation.AHEAD):
        return "behind_long_vehicle" if event.kind in _LONG else "following_lane_with_lead"
    if manoeuvre in (Manoeuvre.WALK, Manoeuvre.WAIT):
        return "near_multiple_pedestrians"
    return "near_long_vehicle" if event.kind in _LONG else "near_multiple_vehicles"
