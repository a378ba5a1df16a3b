"""Neighbours of corner cases: near in their parameters, of the same kind, with a solution."""

import numpy as np
import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world
from driving.synthetic.scenes import scene
from simulation.generation.corner_cases.generator import (
    corner_kind_of,
    has_parameters,
    make_corner_case,
    make_neighbour,
)
from simulation.generation.corner_cases.nearby import NearbySearch

BRAKE_RANGE_MPS2, GAP_RANGE_S = 2.5, 1.2
"""Of the kind hard_braking_leader."""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A case as data on disk: its parameters are the log's metadata."""
    root = tmp_path_factory.mktemp("case")
    write_world([make_corner_case("hard_braking_leader", 7)], root)
    return open_scenario(list_scenarios(DataRoot.find(root))[0])


def test_a_neighbour_has_parameters_near_those_of_its_case(case):
    near = make_neighbour(case, 5, spread=0.1)
    assert near is not None
    assert corner_kind_of(near.log_name) == "hard_braking_leader"
    assert near.map.name == case.map_name
    drawn, own = near.metadata, case.metadata
    assert abs(float(drawn["gap_s"]) - float(own["gap_s"])) <= 0.1 * GAP_RANGE_S + 1e-3
    assert abs(float(drawn["brake_mps2"]) - float(own["brake_mps2"])) <= 0.1 * BRAKE_RANGE_MPS2 + 1e-3
    assert drawn["gap_s"] != own["gap_s"]
    assert not has_parameters(near.scenario(near.tags[0]))


def test_seeds_give_different_neighbours_and_equal_seeds_equal_ones(case):
    first, same, other = (make_neighbour(case, seed) for seed in (1, 1, 2))
    assert first.metadata == same.metadata
    assert first.metadata["gap_s"] != other.metadata["gap_s"]
    assert first.log_name != other.log_name


def test_changed_numbers_stay_in_their_range():
    search = NearbySearch(
        map=None, rng=np.random.default_rng(0), speed_mps=8.0, noise=np.random.default_rng(1), spread=5.0
    )
    numbers = [search.uniform(2.0, 3.0) for _ in range(50)]
    assert min(numbers) == 2.0
    assert max(numbers) == 3.0


def test_other_scenarios_have_no_parameters_to_vary():
    other = scene("cut_in")
    assert not has_parameters(other)
    with pytest.raises(ValueError, match="is no corner case of make_corner_case"):
        make_neighbour(other, 0)
