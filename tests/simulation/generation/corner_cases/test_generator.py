"""Each kind of corner case gives a sound scenario with a solution, and the same one for the same seed."""

import numpy as np
import pytest

from driving.checks import check_scenario
from driving.synthetic.proving_ground import proving_ground
from simulation.generation.corner_cases.generator import CornerCaseGenerator, corner_kind_of, make_corner_case
from simulation.generation.corner_cases.kinds import CORNER_KINDS
from simulation.generation.corner_cases.sites import NoSiteError
from simulation.generation.ways_out.verification import verified_score
from simulation.metrics.nuplan.drive import Drive, logged_drive_of
from simulation.metrics.score import CLOSED_LOOP, compute_metrics


def scores_of_the_log(scenario):
    """Metrics of an ego that drives as logged."""
    frames = slice(scenario.first_frame, scenario.first_frame + scenario.num_frames - 1)
    drive = Drive(
        motion=scenario.ego.steps(frames.start, frames.stop),
        agents=scenario.agents.steps(frames.start, frames.stop),
        map=scenario.map,
        logged=logged_drive_of(scenario),
    )
    return {name: result.score for name, result in compute_metrics(drive, CLOSED_LOOP.scored)[0].items()}


@pytest.mark.parametrize("kind", CORNER_KINDS)
def test_each_kind_has_a_solution(kind):
    recording = make_corner_case(kind, 0)
    scenario = recording.scenario(recording.tags[0])
    check_scenario(scenario)
    assert (scenario.num_frames, scenario.first_frame) == (151, 22)
    assert scenario.metadata["corner_kind"] == corner_kind_of(scenario.log_name) == kind
    assert scenario.scenario_type == CORNER_KINDS[kind].scenario_type
    assert len(scenario.route.roadblock_ids) >= 2
    assert scenario.about_track in scenario.agents.track_ids
    scores = scores_of_the_log(scenario)
    assert {scores[name] for name in CLOSED_LOOP.multipliers} == {1.0}
    assert verified_score(scenario) == pytest.approx(float(scenario.metadata["logged_score"]), abs=1e-4)


def test_a_seed_gives_the_same_corner_case_and_another_number_another():
    first, again = make_corner_case("cut_in", 3), make_corner_case("cut_in", 3)
    np.testing.assert_array_equal(first.ego.rear_axle_poses, again.ego.rear_axle_poses)
    np.testing.assert_array_equal(first.agents.poses, again.agents.poses)
    assert (first.log_name, first.metadata) == (again.log_name, again.metadata)
    assert first.map is again.map
    other = make_corner_case("cut_in", 3, number=1)
    assert not np.array_equal(first.ego.rear_axle_poses, other.ego.rear_axle_poses)


def test_the_speed_is_within_its_range():
    recording = make_corner_case("hard_braking_leader", 5, speeds_mps=(9.0, 9.5))
    start = recording.ego.velocities_mps[0, 0, 0]
    assert 9.0 <= start <= 9.5
    assert 9.0 <= float(recording.metadata["speed_mps"]) <= 9.5


def test_the_logged_ego_brakes_for_a_braking_leader():
    scenario = CornerCaseGenerator().generate(2, "hard_braking_leader")
    slowest_mps = scenario.ego.speed_mps[0, scenario.frames].min()
    assert slowest_mps < 0.5 * scenario.ego.speed_mps[0, scenario.first_frame]


def test_without_a_condition_the_seed_determines_the_kind():
    scenario = CornerCaseGenerator().generate(2)
    assert scenario.metadata["corner_kind"] == list(CORNER_KINDS)[2]


def test_other_maps_can_be_used():
    recording = make_corner_case("cut_in", 0, map_graph=proving_ground().map, speeds_mps=(8.0, 10.0))
    assert recording.map.name == proving_ground().map.name
    assert recording.log_name.endswith(proving_ground().map.name)
    check_scenario(recording.scenario(recording.tags[0]))


def test_a_map_without_a_ramp_has_no_site_to_merge():
    with pytest.raises(NoSiteError, match="ramp_merge: Map us-nv-las-vegas-strip has no ramp that can be joined"):
        make_corner_case("ramp_merge", 0, map_graph=proving_ground().map)


def test_a_speed_above_all_limits_has_no_site():
    with pytest.raises(NoSiteError, match=r"no suitable stretch of lane at 40\.0 m/s"):
        make_corner_case("cut_in", 0, speeds_mps=(40.0, 40.0))


@pytest.mark.parametrize(("speeds_mps", "shown"), [((8.0, 4.0), "8.0 to 4.0"), ((0.0, 4.0), "0.0 to 4.0")])
def test_speeds_that_are_no_range_are_refused(speeds_mps, shown):
    with pytest.raises(ValueError, match=f"a range above 0 m/s, got {shown}"):
        make_corner_case("cut_in", 0, speeds_mps=speeds_mps)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="0 or more, got -1 and 0"):
        make_corner_case("cut_in", -1)


def test_an_unknown_kind_is_answered_by_the_nearest():
    with pytest.raises(ValueError, match=r"No kind of corner case named 'cutin'. Did you mean 'cut_in'"):
        CornerCaseGenerator().generate(0, "cutin")


def test_other_logs_have_no_kind():
    assert corner_kind_of("2021.05.12.22.00.38_veh-35_01008_01518") is None
