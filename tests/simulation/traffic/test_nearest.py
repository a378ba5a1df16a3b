import numpy as np
import pytest
import shapely

from simulation.traffic.nearest import nearest_in_tree


def _nearest(boxes, own):
    bounds = np.array([box.bounds for box in boxes])
    return nearest_in_tree(bounds, shapely.distance(boxes, own), np.array(own.bounds))


@pytest.mark.parametrize("most", [16, 60])
def test_ties_fall_as_in_shapelys_tree(most):
    random = np.random.default_rng(0)
    own = shapely.box(10, 10, 18, 14)
    ties = 0
    for _ in range(500):
        centers = random.uniform(0, 30, (random.integers(1, most + 1), 2))
        boxes = [shapely.box(x - 2, y - 1, x + 2, y + 1) for x, y in centers]
        assert _nearest(boxes, own) == shapely.STRtree(boxes).nearest(own)
        ties += (shapely.distance(boxes, own) == 0).sum() > 1
    assert ties > 50


def test_ties_on_one_line_fall_as_in_shapelys_tree():
    random = np.random.default_rng(1)
    own = shapely.box(0, -1, 40, 1)
    for _ in range(200):
        places = random.permutation(20)[: random.integers(1, 11)]
        boxes = [shapely.box(2 * x, -1, 2 * x + 5, 1) for x in places]
        assert _nearest(boxes, own) == shapely.STRtree(boxes).nearest(own)
