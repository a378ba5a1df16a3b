from dataclasses import replace

import numpy as np
import pytest
from adversarial_cases import RaisingPlanner, ignoring_planner, straight_scenario, with_car

from driving.synthetic.scenes import scene
from planning.idm import IdmPlanner
from planning.stand_still import StandStillPlanner
from simulation.ego.dynamics import states_of
from simulation.generation.adversarial.cuts import cut_scenario
from simulation.generation.adversarial.drives import DriveJob, drive_planner, lacks_progress
from simulation.generation.adversarial.results import FailureKind


def driven(scenario, planner=None, **options):
    (drive,) = drive_planner([DriveJob(scenario=scenario, **options)], planner or ignoring_planner())
    return drive


def test_a_drive_into_a_standing_car_ends_at_the_contact():
    drive = driven(with_car(straight_scenario(), 60.0, 0.0, 0.0))
    assert drive.touched
    assert drive.failure.kind == FailureKind.COLLISION
    assert drive.failure.track_id == "00000000000000aa"
    # 60 m - 2.4 m - 4.05 m at 10 m/s and a little more.
    assert 40 < drive.failure.step < 55
    assert drive.log.ego.num_steps == drive.failure.step + 1
    assert drive.failure.closing_mps == pytest.approx(drive.log.ego.speed_mps[0, -1], abs=0.2)


def test_a_drive_without_contact_is_whole_and_no_failure():
    drive = driven(straight_scenario())
    assert drive.failure is None
    assert not drive.touched
    assert drive.log.ego.num_steps == 150


def test_a_drive_ends_after_its_last_step():
    assert driven(straight_scenario(), last_step=20).log.ego.num_steps == 21


def test_a_contact_from_behind_is_no_failure():
    drive = driven(with_car(straight_scenario(), -20.0, 0.0, 20.0))
    assert drive.touched
    assert drive.failure is None


def test_a_planner_that_raises_has_an_error_and_no_failure():
    drive = driven(straight_scenario(), RaisingPlanner())
    assert drive.error == "RuntimeError: no plan today"
    assert drive.failure is None


def test_standing_still_lacks_progress():
    scenario = straight_scenario()
    drive = driven(scenario, StandStillPlanner())
    failure = lacks_progress(drive.log, scenario)
    assert failure.kind == FailureKind.NO_PROGRESS
    assert lacks_progress(driven(scenario).log, scenario) is None


def test_progress_is_judged_in_jobs_that_say_so():
    assert driven(straight_scenario(), StandStillPlanner()).failure is None
    failure = driven(straight_scenario(), StandStillPlanner(), judges_progress=True).failure
    assert failure.kind == FailureKind.NO_PROGRESS
    assert failure.step == 149


def test_a_drive_ends_when_the_ego_has_driven_enough():
    drive = driven(straight_scenario(), enough_m=30.0, judges_progress=True)
    assert drive.failure is None
    # About 3 s at 10 m/s and a little more.
    assert 20 < drive.log.ego.num_steps < 35


def test_the_end_of_a_scenario_drives_as_the_whole():
    scenario = scene("cut_in")
    whole = driven(scenario, IdmPlanner())
    states = states_of(whole.log.ego)[0]
    cut = cut_scenario(scenario, states, 60, 40)
    assert cut.num_frames == 40
    assert cut.first_frame == 21
    drive = driven(cut, IdmPlanner())
    end = whole.log.ego.rear_axle_poses[0, 60:99]
    np.testing.assert_allclose(drive.log.ego.rear_axle_poses[0], end, atol=0.05)


def test_a_cut_near_the_end_is_shorter():
    scenario = straight_scenario()
    states = states_of(scenario.ego)[0, scenario.frames]
    cut = cut_scenario(replace(scenario, about_track=None), states, 140, 40)
    assert cut.num_frames == 11
