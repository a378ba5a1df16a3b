import numpy as np

from driving.synthetic.curves import arc, link, parallel, resampled


def test_parallels_keep_their_distance_around_corners():
    square = parallel(np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]]), 1.0)
    np.testing.assert_allclose(square, [[0.0, 1.0], [9.0, 1.0], [9.0, 10.0]])
    circle = parallel(arc((0.0, 0.0), 10.0, 0.0, np.pi), -2.0)
    np.testing.assert_allclose(np.hypot(*circle.T), 12.0, atol=0.01)


def test_a_symmetric_link_is_an_arc():
    turn = link(np.array([0.0, 0.0, 0.0]), np.array([10.0, 10.0, np.pi / 2]))
    np.testing.assert_allclose(np.hypot(turn[:, 0], turn[:, 1] - 10.0), 10.0, atol=0.01)
    back = link(np.array([0.0, 0.0, 0.0]), np.array([0.0, 8.0, np.pi]))
    np.testing.assert_allclose(np.hypot(back[:, 0], back[:, 1] - 4.0), 4.0, atol=0.1)


def test_resampling_keeps_the_ends():
    points = resampled(np.array([[0.0, 0.0], [5.0, 0.0]]), 2.0)
    np.testing.assert_allclose(points[:, 0], [0.0, 5 / 3, 10 / 3, 5.0])
