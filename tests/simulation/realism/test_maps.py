from itertools import pairwise

import numpy as np
import pytest

from driving.synthetic.curves import straight
from driving.synthetic.roads import RoadBuilder
from simulation.realism.maps import (
    STATISTICS,
    frechet_distance,
    map_distances,
    map_statistics,
    random_places,
    windows_of,
)


def fork(pieces=1):
    """A lane of 30 m to the east that leads to two connectors and two lanes, cut into pieces of equal length."""
    builder = RoadBuilder(origin=(0.0, 0.0), first_id=1)
    xs = np.linspace(-40.0, -10.0, pieces + 1)
    before = None
    for x0, x1 in pairwise(xs.tolist()):
        stop = x1 if x1 == xs[-1] else x1 - 2.0
        road = builder.add_road(straight((x0, 0.0), (stop, 0.0)), lanes_forward=1, lanes_backward=0)
        if before is not None:
            joint = builder.add_intersection()
            builder.add_connector(before.forward_lanes[0], road.forward_lanes[0], joint)
        before = road
    joint = builder.add_intersection()
    for y in (10.0, -10.0):
        road = builder.add_road(straight((10.0, y), (40.0, y)), lanes_forward=1, lanes_backward=0)
        builder.add_connector(before.forward_lanes[0], road.forward_lanes[0], joint)
    return builder.build()


ORIGIN = np.zeros(2)


def test_a_fork_by_hand():
    """Key points: the start, the fork, and two ends."""
    found = map_statistics(fork(), ORIGIN)
    assert found.density.tolist() == [4.0]
    assert sorted(found.connectivity) == [1.0, 1.0, 1.0, 3.0]
    assert sorted(found.reach) == [0.0, 0.0, 2.0, 3.0]
    # Start to fork, fork to both ends, start to both ends.
    assert len(found.convenience) == 5
    assert min(found.convenience) == pytest.approx(30.0, abs=3.0)
    assert max(found.convenience) == pytest.approx(82.0, abs=6.0)


def test_it_does_not_matter_into_how_many_pieces_lanes_are_cut():
    whole, cut = map_statistics(fork(), ORIGIN), map_statistics(fork(pieces=3), ORIGIN)
    for name in ("connectivity", "density", "reach"):
        assert sorted(getattr(whole, name)) == sorted(getattr(cut, name))
    assert sorted(cut.convenience) == pytest.approx(sorted(whole.convenience), abs=10.0)


def test_lanes_are_cut_at_the_window_and_do_not_meet_outside_of_it():
    """Around x = 75 only the ends of the two lanes remain, apart from each other."""
    found = map_statistics(fork(), np.array([75.0, 0.0]))
    assert found.density.tolist() == [4.0]
    assert found.connectivity.tolist() == [1.0] * 4
    assert found.convenience == pytest.approx([16.0, 16.0], abs=3.0)


def test_a_place_without_lanes_has_no_window():
    assert map_statistics(fork(), np.array([0.0, 500.0])) is None
    assert windows_of(fork(), np.array([[0.0, 500.0]])) == []


def test_windows_are_apart_from_each_other():
    places = np.array([[0.0, 0.0], [10.0, 0.0], [45.0, 0.0]])
    assert len(windows_of(fork(), places)) == 2


def test_frechet_distance_by_hand():
    assert frechet_distance(np.array([0.0, 2.0]), np.array([0.0, 2.0])) == 0.0
    # Means 1 and 4, deviations 1 and 5.
    assert frechet_distance(np.array([0.0, 2.0]), np.array([-1.0, 9.0])) == pytest.approx(5.0)
    assert np.isnan(frechet_distance(np.zeros(0), np.ones(2)))


def test_distances_of_maps():
    windows = windows_of(fork(), np.array([[0.0, 0.0]]))
    same = map_distances(windows, windows)
    assert set(same) == {"mean", *STATISTICS}
    assert set(same.values()) == {0.0}
    other = windows_of(fork(), np.array([[75.0, 0.0]]))
    assert map_distances(other, windows)["mean"] > 0.5


def test_random_places_are_on_the_lanes():
    places = random_places(fork(), np.random.default_rng(0), 20)
    assert places.shape == (20, 2)
    assert np.abs(places).max() <= 41.0
