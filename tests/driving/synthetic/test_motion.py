import numpy as np
import pytest

from driving.synthetic.curves import arc, straight
from driving.synthetic.motion import SmoothPath, SpeedChange, SpeedProfile, shifted_aside


def test_a_change_of_speed_covers_the_mean_of_both():
    profile = SpeedProfile(
        start_mps=10.0,
        changes=(
            SpeedChange(begin_s=1.0, duration_s=4.0, speed_mps=0.0),
            SpeedChange(begin_s=6.0, duration_s=2.0, speed_mps=5.0),
        ),
    )
    time_s = np.array([-1.0, 0.0, 1.0, 3.0, 5.0, 6.0, 8.0, 10.0])
    np.testing.assert_allclose(profile.speed_mps(time_s), [10, 10, 10, 5, 0, 0, 5, 5], atol=1e-9)
    distance_m = profile.distance_m(time_s)
    np.testing.assert_allclose(distance_m[[0, 1, 2, 4, 5, 6, 7]], [-10, 0, 10, 30, 30, 35, 45], atol=1e-9)
    assert profile.acceleration_mps2(np.array([3.0]))[0] == pytest.approx(-np.pi / 2 * 10.0 / 4.0)


def test_changes_before_time_0_do_not_shift_the_distance():
    profile = SpeedProfile(start_mps=4.0, changes=(SpeedChange(begin_s=-3.0, duration_s=2.0, speed_mps=8.0),))
    np.testing.assert_allclose(profile.distance_m(np.array([-1.0, 0.0, 1.0])), [-8.0, 0.0, 8.0], atol=1e-12)


def test_a_smooth_path_has_the_curvature_of_its_circle():
    path = SmoothPath(arc((0.0, 0.0), 20.0, 0.0, np.pi, spacing_m=0.5))
    along = np.linspace(5.0, 55.0, 11)
    np.testing.assert_allclose(path.curvature(along), 0.05, atol=2e-3)
    np.testing.assert_allclose(np.hypot(*path.poses(along)[:, :2].T), 20.0, atol=0.01)


def test_a_path_is_straight_beyond_its_ends():
    path = SmoothPath(np.array([[0.0, 0.0], [0.0, 10.0]]), smoothing_m=2.0)
    np.testing.assert_allclose(
        path.poses(np.array([-5.0, 12.0])), [[0.0, -5.0, np.pi / 2], [0.0, 12.0, np.pi / 2]], atol=1e-9
    )
    assert path.curvature(np.array([12.0]))[0] == 0.0


def test_rounding_a_line_makes_its_curvature_gradual():
    corner = np.concatenate([straight((0.0, 0.0), (40.0, 0.0)), arc((40.0, 15.0), 15.0, -np.pi / 2, np.pi / 2)[1:]])
    sharp, round_ = SmoothPath(corner), SmoothPath(corner, smoothing_m=3.0)
    along = np.arange(30.0, 50.0, 0.5)
    assert np.abs(np.diff(round_.curvature(along))).max() < 0.5 * np.abs(np.diff(sharp.curvature(along))).max()


def test_a_lateral_shift_is_half_complete_after_half_the_distance():
    line = shifted_aside(straight((0.0, 0.0), (100.0, 0.0)), 20.0, 40.0, -2.0)
    heights = np.interp([10.0, 20.0, 40.0, 60.0, 90.0], line[:, 0], line[:, 1])
    np.testing.assert_allclose(heights, [0.0, 0.0, -1.0, -2.0, -2.0], atol=1e-9)
