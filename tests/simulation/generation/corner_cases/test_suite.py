"""The corner suite is large enough, the same for everyone, and its parts share nothing."""

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from planning.log_future import LogFuturePlanner
from simulation.generation.corner_cases.generator import GOOD_SCORE
from simulation.generation.corner_cases.kinds import CORNER_KINDS
from simulation.generation.corner_cases.proof import AsLogged
from simulation.generation.corner_cases.suite import make_member, suite_members
from simulation.metrics.score import score_simulation
from simulation.rollout import Rollout, run_rollout


def test_the_suite_is_large_and_covers_every_kind_evenly():
    members = suite_members()
    assert len(members) == len(CORNER_KINDS) * 16 >= 240
    for kind in CORNER_KINDS:
        parts = [member.part for member in members if member.kind == kind]
        assert (parts.count("train"), parts.count("test")) == (11, 5)


def test_train_and_test_share_neither_seed_nor_map():
    train, test = ([one for one in suite_members() if one.part == part] for part in ("train", "test"))
    assert not {one.seed for one in train} & {one.seed for one in test}
    assert not {one.ground_number for one in train} & {one.ground_number for one in test}


def test_a_smaller_suite_is_a_part_of_the_larger():
    small = suite_members(per_kind=1)
    assert len(small) == 2 * len(CORNER_KINDS)
    assert set(small) <= set(suite_members())


def test_a_member_is_what_its_name_says():
    member = suite_members(per_kind=1)[0]
    recording = make_member(member)
    assert recording.log_name == "corner-pedestrian_between_cars-s0100-n000-corners-0100"
    assert recording.map.name == "corners-0100"


@pytest.mark.parametrize(("kind", "seed"), [("cut_in", 203), ("construction", 203), ("cut_in", 200)])
def test_routes_have_two_roadblocks_also_where_the_ego_is_on_the_last_lane(kind, seed):
    (member,) = [each for each in suite_members() if (each.part, each.kind, each.seed) == ("test", kind, seed)]
    (mission,) = make_member(member).missions
    assert len(mission.roadblock_ids) >= 2


@pytest.mark.parametrize(
    ("part", "kind", "seed"),
    [("train", "lane_change_light", 102), ("test", "lane_change_light", 203), ("test", "construction", 203)],
)
def test_a_way_out_is_good_and_bears_being_planned_coarsely(part, kind, seed):
    # Narrow ones: of the ways out of each some leave road or lane when the tracker gets poses farther apart.
    (member,) = [each for each in suite_members() if (each.part, each.kind, each.seed) == (part, kind, seed)]
    recording = make_member(member)
    scenario = recording.scenario(recording.tags[0])
    result = score_simulation(run_rollout(scenario, LogFuturePlanner()), scenario)
    assert result.score > GOOD_SCORE
    assert float(recording.metadata["logged_score"]) > GOOD_SCORE


def test_the_coarse_proof_plans_as_nuplans_log_planner():
    scenario = scene("cut_in")
    mine, theirs = AsLogged(stride_steps=5, horizon_steps=80), LogFuturePlanner()
    rollout = Rollout(scenario)
    for planner in (mine, theirs):
        planner.reset_with_scenario(scenario)
    for _ in range(3):
        observation = rollout.observation()
        plan, other = mine.plan(observation), theirs.plan(observation)
        np.testing.assert_array_equal(plan.poses, other.poses)
        np.testing.assert_allclose(plan.time_s, other.time_s, atol=1e-6)
        rollout.advance(plan)
