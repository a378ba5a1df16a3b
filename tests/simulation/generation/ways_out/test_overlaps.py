import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from driving.geometry import box_corners
from simulation.generation.ways_out.overlaps import AgentBoxes, collision_free


def test_only_motions_without_an_overlap_are_free():
    centers = np.zeros((2, 3, 3))
    centers[0, :, 0] = [0.0, 5.0, 10.0]
    centers[1, :, 1] = 4.0
    poses = np.tile(np.array([10.0, 0.0, 0.0]), (1, 3, 1))
    sizes = np.tile(np.array([4.0, 2.0]), (1, 3, 1))
    seen = np.ones((1, 3), dtype=bool)
    assert collision_free(centers, 4.0, 2.0, AgentBoxes(poses, sizes, seen)).tolist() == [False, True]
    assert collision_free(centers, 4.0, 2.0, AgentBoxes(poses, sizes, ~seen)).tolist() == [True, True]


def test_an_empty_road_is_free():
    nothing = AgentBoxes(np.zeros((0, 4, 3)), np.zeros((0, 4, 2)), np.zeros((0, 4), dtype=bool))
    assert collision_free(np.zeros((3, 4, 3)), 5.0, 2.0, nothing).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_the_result_is_that_of_polygons(seed):
    rng = np.random.default_rng(seed)
    centers = rng.uniform([-8.0, -8.0, -3.0], [8.0, 8.0, 3.0], (4, 3, 3))
    poses = rng.uniform([-8.0, -8.0, -3.0], [8.0, 8.0, 3.0], (3, 3, 3))
    sizes, valid = rng.uniform(1.0, 5.0, (3, 3, 2)), rng.uniform(size=(3, 3)) < 0.7

    def polygon(pose, size):
        return Polygon(box_corners(pose[np.newaxis], size[np.newaxis])[0])

    expected = [
        not any(
            valid[n, t] and polygon(centers[m, t], np.array([5.0, 2.0])).intersects(polygon(poses[n, t], sizes[n, t]))
            for n in range(3)
            for t in range(3)
        )
        for m in range(4)
    ]
    assert collision_free(centers, 5.0, 2.0, AgentBoxes(poses, sizes, valid)).tolist() == expected
