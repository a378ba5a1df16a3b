"""Manoeuvres are measured in hand-made scenes and in staged corner cases, neither of which the vocabulary made."""

import numpy as np
import pytest
from staged_cases import staged

from driving.synthetic.scenes import scene
from simulation.generation.corner_cases import kinds_junction, kinds_lanes, kinds_street
from simulation.generation.corner_cases.generator import staged_recording
from simulation.generation.text.measuring import MEASURES, NEVER, first_steps
from simulation.generation.text.relative_agents import RelativeAgents
from simulation.generation.text.vocabulary import ActorKind, Manoeuvre, Relation


def view_of(stage, seed: int = 0) -> RelativeAgents:
    """A staged corner case with the nominal ego as its log."""
    recording = staged_recording(staged(stage, seed), "corner-test", "unknown", 0)
    return RelativeAgents(scenario=recording.scenario(recording.tags[0]))


def found_in(view: RelativeAgents, manoeuvre: Manoeuvre) -> list[int]:
    return np.flatnonzero(MEASURES[manoeuvre](view).steps != NEVER).tolist()


def test_a_car_that_cuts_in_from_the_left_begins_after_three_seconds():
    view = RelativeAgents(scenario=scene("cut_in"))
    found = MEASURES[Manoeuvre.CUT_IN](view)
    assert found.relations == [(Relation.LEFT,)]
    # The quintic begins slowly: 0.3 m are reached after about 0.7 s of 3 s.
    assert found.steps.tolist() == pytest.approx([37], abs=6)
    assert found_in(view, Manoeuvre.CUT_OUT) == []
    assert found_in(view, Manoeuvre.MERGE) == []
    assert view.gap_m[0, 0] == pytest.approx(27.0, abs=0.2)


def test_cars_of_a_queue_stand_and_do_not_stop():
    view = RelativeAgents(scenario=scene("queue"))
    assert found_in(view, Manoeuvre.STAND) == [0, 1, 2]
    assert found_in(view, Manoeuvre.STOP) == []
    assert found_in(view, Manoeuvre.BRAKE) == []
    assert view.gap_m[:, 0] == pytest.approx([58.0, 64.8, 71.6], abs=0.1)


def test_a_pedestrian_on_the_crosswalk_crosses_from_the_right():
    view = RelativeAgents(scenario=scene("pedestrian_crossing"))
    found = MEASURES[Manoeuvre.CROSS](view)
    assert found.steps[0] == pytest.approx(36, abs=4)
    assert found.relations[0] == (Relation.RIGHT,)
    assert found_in(view, Manoeuvre.CROSS) == [0]
    assert view.kinds == [ActorKind.PEDESTRIAN] * len(view.kinds)


def test_cones_and_barriers_stand_in_the_closed_lane():
    view = RelativeAgents(scenario=scene("construction"))
    standing = [view.kinds[row] for row in found_in(view, Manoeuvre.STAND)]
    assert {ActorKind.CONE, ActorKind.BARRIER} <= set(standing)
    assert ActorKind.CAR not in standing


@pytest.mark.parametrize(
    ("stage", "manoeuvre", "kind"),
    [
        (kinds_lanes.hard_braking_leader, Manoeuvre.BRAKE_HARD, ActorKind.CAR),
        (kinds_lanes.cut_in, Manoeuvre.CUT_IN, ActorKind.CAR),
        (kinds_lanes.cut_out, Manoeuvre.CUT_OUT, ActorKind.CAR),
        (kinds_street.cyclist_crossing, Manoeuvre.CROSS, ActorKind.CYCLIST),
        (kinds_street.oncoming_in_lane, Manoeuvre.WRONG_LANE, ActorKind.CAR),
        (kinds_street.broken_down_in_lane, Manoeuvre.STAND, ActorKind.CAR),
        (kinds_junction.red_light_runner, Manoeuvre.RUN_RED, None),
        (kinds_junction.unprotected_left, Manoeuvre.DRIVE, ActorKind.CAR),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_agent_of_a_corner_case_shows_its_manoeuvre(stage, manoeuvre, kind, seed):
    case = staged(stage, seed)
    recording = staged_recording(case, "corner-test", "unknown", 0)
    scenario = recording.scenario(recording.tags[0])
    view = RelativeAgents(scenario=scenario)
    row = scenario.agents.track_ids.index(scenario.about_track)
    assert MEASURES[manoeuvre](view).steps[row] != NEVER
    if kind is not None:
        assert view.kinds[row] == kind


def test_the_side_of_a_crossing_cyclist_is_the_one_drawn():
    for seed in range(4):
        case = staged(kinds_street.cyclist_crossing, seed)
        view = view_of(kinds_street.cyclist_crossing, seed)
        side = Relation.RIGHT if case.drawn["from_right"] else Relation.LEFT
        assert MEASURES[Manoeuvre.CROSS](view).relations[0] == (side,)


def test_a_leader_that_brakes_hard_does_not_also_brake_softly():
    view = view_of(kinds_lanes.hard_braking_leader)
    assert found_in(view, Manoeuvre.BRAKE) == []
    assert MEASURES[Manoeuvre.BRAKE_HARD](view).relations[0] == (Relation.AHEAD,)


def test_oncoming_cars_of_a_left_turn_are_oncoming():
    view = view_of(kinds_junction.unprotected_left)
    found = MEASURES[Manoeuvre.DRIVE](view)
    assert all(one in ((), (Relation.ONCOMING,)) for one in found.relations)


def test_parked_cars_stand_beside_the_lane_and_not_in_it():
    view = view_of(kinds_street.pedestrian_between_cars)
    parked = found_in(view, Manoeuvre.PARK)
    assert len(parked) >= 2
    assert found_in(view, Manoeuvre.STAND) == []
    assert MEASURES[Manoeuvre.PARK](view).relations[parked[0]][0] == Relation.RIGHT


@pytest.mark.parametrize("manoeuvre", Manoeuvre)
def test_an_empty_road_shows_no_manoeuvre(manoeuvre):
    assert found_in(RelativeAgents(scenario=scene("straight_road")), manoeuvre) == []


def test_the_first_step_of_an_empty_row_is_never():
    assert first_steps(np.array([[False, True, True], [False, False, False]])).tolist() == [1, NEVER]
