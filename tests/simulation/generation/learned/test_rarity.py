from dataclasses import replace

import numpy as np
import pytest
import torch

from driving.agents import AgentKind
from simulation.generation.corner_cases.generator import CornerCaseGenerator
from simulation.generation.learned.rarity import MIN_REFERENCES, LearnedRarity, agent_rarities, agent_rarity
from simulation.generation.learned.threads import one_thread


@pytest.fixture(scope="module")
def scenario():
    return CornerCaseGenerator().generate(5, "lane_change_dense")


@pytest.fixture(scope="module")
def rarity(scenario):
    """Compares with the agents of one scenario."""
    return LearnedRarity([scenario], min_references=1)


def moving_vehicle(scenario):
    """The vehicle that moves farthest."""
    agents = scenario.agents
    moved = np.nanmax(agents.velocities_mps[..., 0] ** 2 + agents.velocities_mps[..., 1] ** 2, axis=1)
    return int(np.argmax(np.where(agents.kinds == AgentKind.VEHICLE, np.nan_to_num(moved), -1.0)))


def turned(scenario, row):
    """The scenario with one agent across its lane."""
    poses = scenario.agents.poses.copy()
    poses[row, :, 2] += np.pi / 2
    return replace(scenario, agents=replace(scenario.agents, poses=poses))


def test_an_agent_across_its_lane_is_rarer_than_before(scenario, rarity):
    row = moving_vehicle(scenario)
    track = scenario.agents.track_ids[row]
    before, after = rarity.percentile(scenario, track), rarity.percentile(turned(scenario, row), track)
    assert after == 100.0
    assert before is not None
    assert before < after


def test_percentiles_rank_the_reference_agents(scenario, rarity):
    known = rarity.references(AgentKind.VEHICLE)
    assert (np.diff(known) >= 0).all()
    vehicles = [
        scenario.agents.track_ids[row]
        for row in agent_rarities(rarity._network, scenario)
        if scenario.agents.kinds[row] == AgentKind.VEHICLE
    ]
    ranks = sorted(rarity.percentile(scenario, track) for track in vehicles)
    assert ranks == pytest.approx(np.arange(len(known)) / len(known) * 100)


def test_too_few_agents_of_a_kind_leave_the_rarity_unmeasured(scenario):
    single = LearnedRarity([scenario], min_references=MIN_REFERENCES)
    row = moving_vehicle(scenario)
    assert 0 < len(single.references(AgentKind.VEHICLE)) < MIN_REFERENCES
    assert single.percentile(scenario, scenario.agents.track_ids[row]) is None


def test_a_scenario_without_lanes_near_the_ego_has_no_rarities(scenario, rarity):
    ego = replace(scenario.ego, rear_axle_poses=scenario.ego.rear_axle_poses + np.array([5000.0, 0.0, 0.0]))
    assert agent_rarities(rarity._network, replace(scenario, ego=ego)) == {}


def test_one_agent_has_the_value_that_it_has_among_all(scenario, rarity):
    every = agent_rarities(rarity._network, scenario)
    for row in range(scenario.agents.num_agents):
        assert agent_rarity(rarity._network, scenario, row) == every.get(row)


def test_one_thread_is_temporary():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
