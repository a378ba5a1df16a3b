"""A generated scenario is the same in memory and from its files, to the last digit, and so are its scores."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest
import shapely

from driving.agents import AgentTracks
from driving.nuplan.data import DataRoot
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world
from planning.registry import load_planner
from simulation.generation.corner_cases.generator import make_member
from simulation.generation.corner_cases.suite import suite_members
from simulation.metrics.score import score_simulation
from simulation.rollout import run_rollout

SAMPLE = {"pedestrian_between_cars": 202, "construction": 203, "lane_change_dense": 200}
"""Members of the test part: agents of several kinds, a route of one lane, a case that rounding once decided."""
NOT_STORED = ("metadata", "source", "order", "cameras")


def differences(one, other, path="scenario"):
    """Names of the fields that differ, of nested dataclasses too."""
    if is_dataclass(one):
        names = [field.name for field in fields(one) if field.name not in NOT_STORED]
        return [
            found
            for name in names
            for found in differences(getattr(one, name), getattr(other, name), f"{path}.{name}")
        ]
    if isinstance(one, np.ndarray) and one.dtype == object:
        return [] if shapely.to_wkb(one).tolist() == shapely.to_wkb(other).tolist() else [path]
    if isinstance(one, np.ndarray):
        same = one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        return [] if same else [path]
    return [] if one == other else [path]


def box_order(agents: AgentTracks):
    return [agents.rows_at(step).tolist() for step in range(agents.num_steps)]


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """Per kind the scenario in memory and the one from its file."""
    made = [make_member(one) for one in suite_members() if (one.kind, one.seed) in SAMPLE.items()]
    folder = tmp_path_factory.mktemp("corner_suite")
    write_world(made, folder)
    opened = {entry.log_name: open_scenario(entry) for entry in list_scenarios(DataRoot.find(folder))}
    return {one.metadata["corner_kind"]: (one.scenario(one.tags[0]), opened[one.log_name]) for one in made}


@pytest.mark.parametrize("kind", SAMPLE)
def test_a_corner_case_from_its_file_equals_the_one_in_memory(members, kind):
    in_memory, from_file = members[kind]
    assert differences(in_memory, from_file) == []
    assert box_order(in_memory.agents) == box_order(from_file.agents)


@pytest.mark.parametrize(
    ("kind", "planner"),
    [*((kind, "idm") for kind in SAMPLE), ("lane_change_dense", "student")],
)
def test_planners_score_the_same_in_memory_and_from_the_file(members, kind, planner):
    scores = []
    for scenario in members[kind]:
        result = score_simulation(run_rollout(scenario, load_planner(planner)), scenario)
        scores.append({name: metric.score for name, metric in result.metrics.items()})
    assert scores[0] == scores[1]


def test_towns_from_their_files_equal_those_in_memory(recordings, tmp_path):
    write_world(recordings, tmp_path)
    every_tag = ScenarioFilter(remove_invalid_goals=False)
    entries = list_scenarios(DataRoot.find(tmp_path), every_tag)
    found = [open_scenario(entry) for entry in entries if entry.scenario_type != "unknown"]
    opened = {scenario.scenario_id: scenario for scenario in found}
    scenarios = [scenario for recording in recordings for scenario in recording.scenarios()]
    assert len(scenarios) == len(opened)
    for scenario in scenarios:
        assert differences(scenario, opened[scenario.scenario_id]) == []
        assert box_order(scenario.agents) == box_order(opened[scenario.scenario_id].agents)
