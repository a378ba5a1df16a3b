import numpy as np

from driving.agents import AgentKind
from simulation.realism.vehicles import vehicle_samples


def test_sizes_are_those_of_other_vehicles_and_offsets_those_of_all_on_the_road(scene):
    one = scene(
        (50, -1.55, 0, 5),
        (60, -1.75, 0, 3),
        (70, -8.0, 0, 0),
        (55, -1.75, 0, 1),
        kinds=[0, 0, 0, int(AgentKind.PEDESTRIAN)],
        sizes=[[5.2, 2.3], [4.5, 1.8], [4.0, 1.7], [0.5, 0.5]],
    )
    sizes, offsets = vehicle_samples([one])
    assert sizes.tolist() == [[4.5, 1.8], [4.0, 1.7]]
    np.testing.assert_allclose(offsets, [0.2, 0.0], atol=1e-6)


def test_without_snapshots_there_are_no_samples():
    sizes, offsets = vehicle_samples([])
    assert sizes.shape == (0, 2)
    assert offsets.shape == (0,)
