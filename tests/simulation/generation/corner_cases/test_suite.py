"""The corner suite covers all kinds evenly, is the same on every run, and its parts share no seed and no map."""

import numpy as np
import pytest

from driving.geometry import wrap_angle
from planning.log_future import LogFuturePlanner
from simulation.generation.corner_cases.generator import GOOD_SCORE, make_member
from simulation.generation.corner_cases.kinds import CORNER_KINDS
from simulation.generation.corner_cases.suite import suite_members
from simulation.metrics.score import score_simulation
from simulation.rollout import run_rollout


def test_the_suite_is_large_and_covers_every_kind_evenly():
    members = suite_members()
    assert len(members) == len(CORNER_KINDS) * 16 == 256
    for kind in CORNER_KINDS:
        parts = [member.part for member in members if member.kind == kind]
        assert (parts.count("train"), parts.count("test")) == (11, 5)


def test_the_parts_share_neither_a_seed_nor_a_map():
    train, test = suite_members(part="train"), suite_members(part="test")
    assert train + test == suite_members()
    assert not {one.seed for one in train} & {one.seed for one in test}
    assert not {one.map_number for one in train} & {one.map_number for one in test}


def test_a_smaller_suite_is_a_part_of_the_larger():
    small = suite_members(per_kind=1)
    assert len(small) == 2 * len(CORNER_KINDS)
    assert set(small) <= set(suite_members())


@pytest.fixture(scope="module")
def made():
    """Recordings of members by kind and seed, each made once."""
    recordings = {}

    def make(kind, seed):
        if (kind, seed) not in recordings:
            (member,) = [one for one in suite_members() if (one.kind, one.seed) == (kind, seed)]
            recordings[kind, seed] = make_member(member)
        return recordings[kind, seed]

    return make


def test_the_name_of_a_member_contains_its_kind_seed_and_map(made):
    recording = made("pedestrian_between_cars", 100)
    assert recording.log_name == "corner-pedestrian_between_cars-s0100-n000-corners-0100"
    assert recording.map.name == "corners-0100"


@pytest.mark.parametrize(("kind", "seed"), [("cut_in", 203), ("construction", 203), ("cut_in", 200)])
def test_routes_have_two_roadblocks_also_on_the_last_lane_of_a_road(made, kind, seed):
    (mission,) = made(kind, seed).missions
    assert len(mission.roadblock_ids) >= 2


@pytest.mark.parametrize(
    ("kind", "seed"), [("lane_change_light", 102), ("lane_change_light", 203), ("construction", 203)]
)
def test_a_solution_scores_well_with_coarse_plans_too(made, kind, seed):
    # Narrow cases: with plans of 0.5 s steps the tracker leaves road or lane in some solutions of each.
    recording = made(kind, seed)
    scenario = recording.scenario(recording.tags[0])
    result = score_simulation(run_rollout(scenario, LogFuturePlanner()), scenario)
    assert result.score > GOOD_SCORE
    assert float(recording.metadata["logged_score"]) > GOOD_SCORE


def test_the_logged_ego_of_a_member_moves_smoothly(made):
    ego = made("cut_in", 200).ego
    steps_m = np.hypot(*np.diff(ego.rear_axle_poses[0, :, :2], axis=0).T)
    assert np.abs(np.diff(steps_m)).max() < 0.06
    assert np.abs(wrap_angle(np.diff(ego.rear_axle_poses[0, :, 2]))).max() < 0.03
