import numpy as np
import pytest
from adversarial_cases import TRACK, ignoring_planner, screen_of, straight_scenario, with_car

from simulation.generation.adversarial.certificate import certify, may_have_way_out
from simulation.generation.adversarial.changes import AgentChange, changed_motion, changed_scenario
from simulation.generation.adversarial.courses import agent_course
from simulation.generation.adversarial.drives import DriveJob, drive_planner
from simulation.generation.adversarial.output import renamed
from simulation.generation.ways_out.verification import verified_score


def failed(**numbers):
    scenario = with_car(straight_scenario(), 25.0, 0.0, 10.0)
    screen = screen_of(scenario)
    course = agent_course(scenario, 0)
    motion = changed_motion(course, AgentChange(manoeuvre="brake", track_id=TRACK, **numbers), scenario.frames)
    changed = changed_scenario(scenario, course, motion, TRACK)
    (drive,) = drive_planner([DriveJob(scenario=changed)], ignoring_planner())
    assert drive.failure is not None
    return changed, drive, screen, motion


@pytest.fixture(scope="module")
def proved():
    changed, drive, screen, motion = failed(event_s=3.0, accel_mps2=4.0, target_mps=3.0)
    return changed, drive, certify(changed, drive.log, drive.failure, screen.reference, motion.visible_step)


def test_the_way_out_passes_all_multipliers_and_starts_late_enough(proved):
    _, drive, certificate = proved
    assert certificate.latest_start_s - certificate.visible_s >= 0.8 - 1e-9
    assert certificate.latest_start_s < drive.failure.step * 0.1
    assert verified_score(certificate.scenario) == pytest.approx(certificate.score)


def test_up_to_the_latest_start_the_way_out_is_the_failed_drive(proved):
    changed, drive, certificate = proved
    start = round(certificate.latest_start_s * 10)
    first = changed.first_frame
    ego = certificate.scenario.ego.rear_axle_poses[0]
    np.testing.assert_array_equal(ego[first : first + start], drive.log.ego.rear_axle_poses[0, :start])
    last = drive.log.ego.num_steps - 1
    assert np.abs(ego[first + last, :2] - drive.log.ego.rear_axle_poses[0, last, :2]).max() > 0.3


def test_a_failure_without_a_way_out_has_no_certificate():
    changed, drive, screen, motion = failed(event_s=3.0, accel_mps2=7.5, target_mps=0.0, time_shift_s=-1.2)
    assert certify(changed, drive.log, drive.failure, screen.reference, motion.visible_step) is None
    assert not may_have_way_out(changed, screen.states, screen.reference, motion.visible_step)


def test_a_surprise_that_is_visible_too_late_has_no_certificate(proved):
    changed, drive, _ = proved
    late = changed.first_frame + drive.failure.step - 3
    reference = screen_of(with_car(straight_scenario(), 25.0, 0.0, 10.0)).reference
    assert certify(changed, drive.log, drive.failure, reference, late) is None


def test_a_renamed_scenario_has_a_token_of_its_own(proved):
    changed, _, _ = proved
    other = renamed(changed, "adversarial-test", origin="here")
    assert other.log_name == "adversarial-test"
    assert other.scenario_id != changed.scenario_id
    assert other.scenario_id == renamed(changed, "adversarial-test").scenario_id
    assert other.metadata["origin"] == "here"
