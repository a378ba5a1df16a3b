from dataclasses import replace

import numpy as np
import pytest

from driving.vehicle import PACIFICA
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.generator import staged_recording
from simulation.generation.corner_cases.kinds import CORNER_KINDS
from simulation.generation.corner_cases.search import (
    find_solutions,
    nominal_motion,
    speed_profiles,
)
from simulation.generation.corner_cases.sites import SiteSearch
from simulation.generation.corner_cases.staging import FRONT_M, sample_times
from simulation.generation.ways_out.scoring import NUM_SCORED


def drafted(kind, seed=0):
    """A staged case and its scenario with the nominal ego."""
    rng = np.random.default_rng(seed)
    staged = CORNER_KINDS[kind].stage(SiteSearch(map=corner_map(0), rng=rng, speed_mps=9.0))
    recording = staged_recording(staged, "corner-test", CORNER_KINDS[kind].scenario_type, 0)
    return staged, recording.scenario(recording.tags[0])


@pytest.fixture(scope="module")
def braking():
    return drafted("hard_braking_leader")


def test_speed_profiles_start_with_the_nominal_speed_and_brake_to_every_share():
    profiles = speed_profiles(10.0, may_speed_up=False)
    assert len(profiles) == 1 + 7 * 5 * 2 * 6
    late = np.array([0.0, 5.0, 30.0])
    assert profiles[0].speed_mps(late).tolist() == [10.0] * 3
    speeds = np.array([profile.speed_mps(np.linspace(0.0, 30.0, 301)) for profile in profiles])
    assert (speeds <= 10.0 + 1e-9).all()
    assert {round(value) for value in speeds.min(axis=1)} == {0, 2, 4, 6, 8, 10}


def test_faster_profiles_are_added_on_request():
    more = speed_profiles(10.0, may_speed_up=True)
    assert len(more) == len(speed_profiles(10.0, may_speed_up=False)) + 6
    assert max(profile.speed_mps(np.array([30.0]))[0] for profile in more) == pytest.approx(13.5)


def test_the_nominal_motion_keeps_its_lane_and_reaches_the_event(braking):
    staged, _ = braking
    motion = nominal_motion(staged.ego)
    chain = staged.ego.chain
    places = [chain.project_global(pose[:2]) for pose in motion.rear_axle_poses[0, ::20]]
    assert np.abs([left for _, left in places]).max() < 0.05
    step = int(np.argmin(np.abs(sample_times() - staged.ego.event_s)))
    along, _ = chain.project_global(motion.rear_axle_poses[0, step, :2])
    assert along + FRONT_M == pytest.approx(staged.ego.event_m, abs=0.5)
    assert motion.velocities_mps[0, 0, 0] == pytest.approx(9.0, abs=0.05)


def test_solutions_are_sorted_and_avoid_the_leader(braking):
    staged, draft = braking
    solutions = find_solutions(staged, draft)
    assert len(solutions) == solutions[0].passing <= NUM_SCORED
    assert solutions[0].candidates == 421
    assert solutions[0].clear >= solutions[0].passing
    scores = [solution.score for solution in solutions]
    assert scores == sorted(scores, reverse=True)
    leader = staged.agents[0].poses(sample_times()) + np.array([*staged.ego.chain.origin, 0.0])
    centers = solutions[0].ego.center_poses()[0]
    gap_m = np.hypot(*(leader[:, :2] - centers[:, :2]).T)
    seen = (sample_times() >= 0.0) & (sample_times() < 15.0)
    assert gap_m[seen].min() > (PACIFICA.length_m + 4.6) / 2


def test_a_solution_has_the_nominal_history(braking):
    staged, draft = braking
    solution, nominal = find_solutions(staged, draft)[0], nominal_motion(staged.ego)
    start = int(np.argmin(np.abs(sample_times())))
    np.testing.assert_array_equal(solution.ego.rear_axle_poses[:, :start], nominal.rear_axle_poses[:, :start])
    np.testing.assert_allclose(solution.ego.rear_axle_poses[0, start], nominal.rear_axle_poses[0, start], atol=1e-6)
    assert (solution.ego.velocities_mps[..., 0] >= 0.0).all()


def test_a_case_that_an_ego_without_reaction_passes_has_no_solution(braking):
    staged, draft = braking
    alone = replace(draft, agents=draft.agents.take(np.zeros(0, dtype=np.int64)), about_track=None)
    assert find_solutions(staged, alone) == []
    assert find_solutions(replace(staged, nominal_may_pass=True), alone)


def test_a_goal_out_of_reach_has_no_solution(braking):
    staged, draft = braking
    assert find_solutions(replace(staged, goal_m=1e4), draft) == []
