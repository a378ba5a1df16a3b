"""Each kind of corner case gives a sound scenario with a way out, and the same one for the same seed."""

import pytest

from driving.checks import check_scenario
from driving.scenario_types import KNOWN_SCENARIO_TYPES
from simulation.generation.corner_cases.generator import (
    corner_kind_of,
    make_corner_case,
)
from simulation.generation.corner_cases.kinds import CORNER_KINDS
from simulation.metrics.drive import Drive, logged_drive_of
from simulation.metrics.road import road_of
from simulation.metrics.score import CLOSED_LOOP, judge


def scores_of_the_log(scenario):
    """Metrics of an ego that drives as logged."""
    frames = slice(scenario.first_frame, scenario.first_frame + scenario.num_frames - 1)
    drive = Drive(
        motion=scenario.ego.steps(frames.start, frames.stop),
        agents=scenario.agents.steps(frames.start, frames.stop),
        road=road_of(scenario.map),
        map=scenario.map,
        logged=logged_drive_of(scenario),
    )
    return {name: result.score for name, result in judge(drive, CLOSED_LOOP.scored)[0].items()}


@pytest.mark.parametrize("kind", CORNER_KINDS)
def test_each_kind_has_a_way_out(kind):
    recording = make_corner_case(kind, 0)
    scenario = recording.scenario(recording.tags[0])
    check_scenario(scenario)
    assert (scenario.num_frames, scenario.first_frame) == (151, 22)
    assert scenario.metadata["corner_kind"] == corner_kind_of(scenario.log_name) == kind
    assert scenario.scenario_type in KNOWN_SCENARIO_TYPES
    scores = scores_of_the_log(scenario)
    assert {scores[name] for name in CLOSED_LOOP.multipliers} == {1.0}
