"""The navigation line follows a route coarsely and is shifted by a constant."""

import numpy as np
import pytest

from driving.navigation import MAX_SHIFT_M, NUM_AHEAD, NUM_BEHIND, SAMPLE_M, WAYPOINT_M, NavigationLine
from driving.route import Route
from driving.synthetic.scenes import scene


def straight_route(length_m=100.0):
    return Route(roadblock_ids=(1,), goal_pose=None, centerline=np.array([[0.0, 5.0], [length_m, 5.0]]))


def test_waypoints_are_10_m_apart_and_shifted_to_one_side_by_a_constant():
    shifts = []
    for seed in range(5):
        points = NavigationLine.of(straight_route(), seed).waypoints
        assert points[:, 0] == pytest.approx(np.arange(len(points)) * WAYPOINT_M)
        shift_m = points[:, 1] - 5.0
        assert np.ptp(shift_m) < 1e-9
        assert abs(shift_m[0]) <= MAX_SHIFT_M
        shifts.append(shift_m[0])
    assert len(set(shifts)) == 5
    assert NavigationLine.of(straight_route(), 3).waypoints[0, 1] - 5.0 == shifts[3]


def test_points_ahead_are_in_the_frame_of_the_ego():
    line = NavigationLine(waypoints=np.array([[0.0, 0.0], [0.0, 10.0], [0.0, 20.0], [0.0, 30.0]]))
    ahead = line.ahead(np.array([1.0, 12.0, np.pi / 2]))
    assert ahead.shape == (NUM_AHEAD, 4)
    assert ahead[:, 0] == pytest.approx((np.arange(NUM_AHEAD) - NUM_BEHIND) * SAMPLE_M, abs=1e-6)
    assert ahead[:, 1] == pytest.approx(1.0, abs=1e-6)
    assert ahead[:, 2] == pytest.approx(1.0)


def test_points_exist_before_the_start_and_beyond_the_end():
    line = NavigationLine.of(straight_route(4.0))
    for x_m in (-20.0, 0.0, 50.0, 500.0):
        assert np.isfinite(line.ahead(np.array([x_m, 5.0, 0.0]))).all()


def test_the_line_stays_near_the_route_in_a_turn():
    route = scene("roundabout").route
    line = NavigationLine.of(route)
    gaps_m = np.hypot(*(line.poses[20:-66, np.newaxis, :2] - route.centerline).transpose(2, 0, 1)).min(axis=1)
    assert gaps_m.max() < MAX_SHIFT_M + 1.0


def test_a_route_without_lanes_is_a_sentence():
    empty = Route(roadblock_ids=(), goal_pose=None, centerline=np.zeros((0, 2)))
    with pytest.raises(ValueError, match="The route names no lane of the map"):
        NavigationLine.of(empty)
