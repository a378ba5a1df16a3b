import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from simulation.generation.town.layout import JunctionKind, TownSettings, plan_town


@pytest.mark.parametrize("seed", range(5))
def test_all_junctions_hang_together_and_no_street_ends(seed):
    plan = plan_town(np.random.default_rng(seed), TownSettings())
    ends = np.array([(link.tail, link.head) for link in plan.links])
    count = len(plan.junctions)
    graph = csr_array((np.ones(len(ends)), ends.T), shape=(count, count))
    assert connected_components(graph, directed=False)[0] == 1
    arms = [len(junction.arms) for junction in plan.junctions]
    assert min(arms) == 2
    assert arms.count(2) == 4  # The corners of the ring road.
    assert max(arms) == 4


def test_towns_have_all_kinds_of_junctions():
    kinds = [
        junction.kind
        for seed in range(4)
        for junction in plan_town(np.random.default_rng(seed), TownSettings()).junctions
    ]
    assert set(kinds) == set(JunctionKind)


def test_a_town_covers_one_to_three_square_kilometres():
    plan = plan_town(np.random.default_rng(0), TownSettings())
    points = np.concatenate([link.curve for link in plan.links])
    area_km2 = np.prod(np.ptp(points, axis=0)) / 1e6
    assert 1.0 < area_km2 < 3.0


def test_the_smallest_grid_is_named():
    with pytest.raises(ValueError, match="at least 3 by 3 junctions, got 2 by 6"):
        TownSettings(columns=2)


def test_a_recording_has_to_fit():
    with pytest.raises(ValueError, match="A recording of 60 s does not fit into the recorded interval of 50 s"):
        TownSettings(recording_s=60, recorded_s=50)
