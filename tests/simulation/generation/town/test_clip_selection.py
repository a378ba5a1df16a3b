import numpy as np
import pytest

from driving.scenario_types import CHALLENGE_SCENARIO_TYPES
from driving.timing import STEP_S
from simulation.generation.town.clip_selection import (
    FRAMES_BETWEEN_TAGS,
    FUTURE_FRAMES,
    HISTORY_FRAMES,
    MAX_TAGS_PER_RECORDING,
    MIN_DRIVEN_M,
    STEPS_BETWEEN_SAME_TYPE,
    STEPS_BETWEEN_STARTS,
    ClipSelection,
)
from simulation.generation.town.observed import Clip
from simulation.generation.town.tagging import tag_frames

LENGTH = 400
LEFT, RIGHT, SLOW = "starting_left_turn", "starting_right_turn", "low_magnitude_speed"


@pytest.fixture(scope="module")
def found(observed):
    return ClipSelection(observed, LENGTH)


@pytest.fixture
def selection_with(observed):
    """Make a selection whose only events are those of its first vehicle; returns the vehicle as well."""

    def make(length=LENGTH, **steps):
        selection = ClipSelection(observed, length)
        nothing = {name: np.zeros(0, dtype=np.int64) for name in CHALLENGE_SCENARIO_TYPES}
        first = next(iter(selection.events))
        selection.events = dict.fromkeys(selection.events, nothing)
        selection.events[first] = nothing | {name: np.array(at) for name, at in steps.items()}
        selection.total = {name: len(at) for name, at in selection.events[first].items()}
        selection.rarity = {name: 1.0 / max(total, 1) ** 0.5 for name, total in selection.total.items()}
        return selection, first

    return make


def starts(selection, vehicle):
    return [start for (one, start), is_open in selection.is_open.items() if one == vehicle and is_open]


def test_candidate_clips_of_every_ego_vehicle_cover_the_observed_interval(observed, found):
    last = len(observed.history.v) - LENGTH
    vehicles = np.flatnonzero(observed.drivers["is_ego_make"]).tolist()
    assert list(found.events) == vehicles
    assert set(found.is_open) == {(one, at) for one in vehicles for at in range(0, last + 1, STEPS_BETWEEN_STARTS)}
    assert all(found.is_open.values())


def test_events_are_tagged_steps_apart_in_time_at_which_the_vehicle_drives(observed, found):
    for vehicle, events in found.events.items():
        masks, v = tag_frames(observed, vehicle), observed.history.v[:, vehicle]
        for name, steps in events.items():
            assert masks[name][steps].all()
            assert (np.diff(steps) >= STEPS_BETWEEN_SAME_TYPE).all()
            driven = [v[max(step - 30, 0) : step + 120].sum() * STEP_S for step in steps]
            assert all(one > MIN_DRIVEN_M for one in driven)


def test_rare_types_weigh_more(found):
    assert sum(found.total.values()) == sum(len(at) for one in found.events.values() for at in one.values())
    assert all(found.rarity[name] == pytest.approx(max(total, 1) ** -0.5) for name, total in found.total.items())


def test_the_best_clip_has_the_tags_of_its_events(selection_with):
    selection, vehicle = selection_with(starting_left_turn=[100], starting_right_turn=[160])
    clip, tags = selection.best({LEFT: 1, RIGHT: 1})
    assert clip == Clip(vehicle, 0, LENGTH)
    assert [(tag.frame, tag.scenario_type) for tag in tags] == [(100, LEFT), (160, RIGHT)]
    _, tags = selection.best({LEFT: 0, RIGHT: 1})
    assert [tag.scenario_type for tag in tags] == [RIGHT]


@pytest.mark.parametrize(
    ("step", "start"),
    [
        (HISTORY_FRAMES - 1, None),
        (HISTORY_FRAMES, 0),
        (LENGTH - FUTURE_FRAMES - 1, 0),
        (LENGTH - FUTURE_FRAMES, 50),
        (LENGTH - FUTURE_FRAMES + 50, None),
    ],
)
def test_a_tag_needs_the_history_and_the_future_of_its_scenario(selection_with, step, start):
    selection, vehicle = selection_with(starting_left_turn=[step])
    best = selection.best({LEFT: 1})
    assert best is None if start is None else best[0] == Clip(vehicle, start, start + LENGTH)


def test_the_rarer_of_two_simultaneous_events_is_tagged(selection_with):
    near = 100 + FRAMES_BETWEEN_TAGS - 1
    selection, _ = selection_with(starting_left_turn=[near], low_magnitude_speed=[100, 400, 410, 420])
    _, tags = selection.best({SLOW: 1, LEFT: 1})
    assert [(tag.frame, tag.scenario_type) for tag in tags] == [(near, LEFT)]
    apart, _ = selection_with(starting_left_turn=[near + 1], low_magnitude_speed=[100, 400, 410, 420])
    assert len(apart.best({SLOW: 1, LEFT: 1})[1]) == 2


def test_a_recording_has_a_bounded_number_of_tags(selection_with):
    selection, _ = selection_with(
        starting_left_turn=range(60, 190, 20), starting_right_turn=range(70, 190, 20), low_magnitude_speed=[189]
    )
    _, tags = selection.best({LEFT: 99, RIGHT: 99, SLOW: 1})
    frames = [tag.frame for tag in tags]
    assert len(tags) == MAX_TAGS_PER_RECORDING
    assert frames == sorted(frames)
    assert (np.diff(frames) >= FRAMES_BETWEEN_TAGS).all()
    _, tags = selection.best({LEFT: 2, RIGHT: 99, SLOW: 1})
    assert [tag.scenario_type for tag in tags].count(LEFT) == 2


def test_the_tags_of_a_town_keep_the_rules(found):
    wanted = dict.fromkeys(CHALLENGE_SCENARIO_TYPES, 2)
    clip, tags = found.best(wanted)
    frames = np.array([tag.frame for tag in tags])
    assert clip.stop - clip.start == LENGTH
    assert 1 <= len(tags) <= MAX_TAGS_PER_RECORDING
    assert ((frames >= HISTORY_FRAMES) & (frames < LENGTH - FUTURE_FRAMES)).all()
    assert (np.diff(frames) >= FRAMES_BETWEEN_TAGS).all()
    assert all(clip.start + tag.frame in found.events[clip.vehicle][tag.scenario_type] for tag in tags)


def test_clips_that_overlap_a_recorded_one_are_excluded(selection_with):
    selection, vehicle = selection_with(length=100)
    other = list(selection.events)[1]
    before = starts(selection, other)
    selection.close(Clip(vehicle, 150, 250))
    assert starts(selection, vehicle) == [0, 50, 250, 300, 350]
    assert starts(selection, other) == before


def test_the_most_frequent_type_is_that_of_open_clips(selection_with):
    selection, vehicle = selection_with(starting_left_turn=[100], low_magnitude_speed=[120, 180])
    assert selection.most_frequent() == SLOW
    selection.events[vehicle][SLOW] = np.array([10, 20])
    assert selection.most_frequent() == LEFT
    selection.close(Clip(vehicle, 0, LENGTH))
    assert selection.most_frequent() is None
    assert selection.best({LEFT: 1}) is None
