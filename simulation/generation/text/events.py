"""The staging of each manoeuvre of the vocabulary."""

from collections.abc import Callable

from driving.map import TurnKind
from simulation.generation.text import events_across, events_between, events_lane
from simulation.generation.text.condition import EventCondition
from simulation.generation.text.stage import StagedEvent, Staging
from simulation.generation.text.vocabulary import Manoeuvre, Relation

Stage = Callable[[Staging, EventCondition], StagedEvent]

STAGES: dict[Manoeuvre, Stage] = {
    Manoeuvre.CROSS: events_across.crossing,
    Manoeuvre.BRAKE: events_lane.leading,
    Manoeuvre.BRAKE_HARD: events_lane.leading,
    Manoeuvre.STOP: events_lane.leading,
    Manoeuvre.STAND: events_lane.standing,
    Manoeuvre.PARK: events_lane.parked,
    Manoeuvre.CUT_IN: events_between.cutting_in,
    Manoeuvre.CUT_OUT: events_between.cutting_out,
    Manoeuvre.OVERTAKE: events_between.overtaking,
    Manoeuvre.MERGE: events_between.merging,
    Manoeuvre.TURN_LEFT: events_across.turning,
    Manoeuvre.TURN_RIGHT: events_across.turning,
    Manoeuvre.RUN_RED: events_across.running_red,
    Manoeuvre.WRONG_LANE: events_between.wrong_lane,
    Manoeuvre.FOLLOW: events_lane.following,
    Manoeuvre.DRIVE: events_lane.leading,
    Manoeuvre.WAIT: events_lane.beside_road,
    Manoeuvre.WALK: events_lane.beside_road,
}
ORDER = (*tuple(STAGES)[1:], Manoeuvre.CROSS)
"""People cross in front of an agent ahead that slows down, so that they are staged after it."""


def stage_event(staging: Staging, event: EventCondition) -> StagedEvent:
    """The agents of an event.

    Raises:
        NoSiteError: When the place or the numbers drawn do not allow the event.
    """
    staged = _stage_of(staging, event)(staging, event)
    if staged.stop_front_m is not None:
        staging.leader = staged
    return staged


def _stage_of(staging: Staging, event: EventCondition) -> Stage:
    """The staging of a manoeuvre; that of an agent that drives depends on its place."""
    if event.first != Manoeuvre.DRIVE or event.relation in (None, Relation.AHEAD):
        return STAGES[event.first]
    if event.relation == Relation.BEHIND:
        return events_lane.following
    if event.relation == Relation.ONCOMING:
        turns = staging.place.movements(Relation.ONCOMING, TurnKind.STRAIGHT)
        return events_across.oncoming_at_turn if turns else events_between.oncoming
    return events_between.beside
