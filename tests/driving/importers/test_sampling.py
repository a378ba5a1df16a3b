import numpy as np
import pytest

from driving.importers.notes import ImportNotes
from driving.importers.sampling import (
    bridged_gap_us,
    grid_times,
    interpolated_poses,
    longest_stretch,
    sampling_interval_us,
)


def test_the_grid_may_end_10_ms_after_the_last_time():
    assert grid_times(7, 15_499_814 + 7)[-1] == 15_500_007
    assert len(grid_times(0, 989_000)) == 10


@pytest.mark.parametrize(("interval_us", "gap_us"), [(33_000, 250_000), (100_000, 250_000), (500_000, 750_000)])
def test_the_bridged_gap_grows_with_the_interval(interval_us, gap_us):
    assert bridged_gap_us(interval_us) == gap_us


def test_the_interval_is_the_median_of_the_differences():
    notes = ImportNotes()
    assert sampling_interval_us(np.array([0, 100_000, 200_000, 900_000]), "agents", notes) == 100_000
    assert notes.notes == []


def test_a_single_sample_has_the_interval_of_the_grid():
    assert sampling_interval_us(np.array([5]), "agents", ImportNotes()) == 100_000


def test_an_interval_above_1_s_is_refused():
    with pytest.raises(ValueError, match=r"gives agents every 1.50 s; the interval must not exceed 1.0 s"):
        sampling_interval_us(np.arange(9) * 1_500_000, "agents", ImportNotes())


def test_the_longest_stretch_is_the_longest_in_time():
    # 5 samples in 0.4 s, then 3 samples in 0.5 s.
    time_us = np.array([0, 100, 200, 300, 400, 2_000, 2_250, 2_500]) * 1000
    assert longest_stretch(time_us, 250_000) == slice(5, 8)
    assert longest_stretch(time_us, 2_000_000) == slice(0, 8)


def test_headings_are_interpolated_across_pi():
    poses = np.array([[0.0, 0.0, np.pi - 0.1], [1.0, 2.0, -np.pi + 0.1]])
    middle = interpolated_poses(np.array([0.5]), np.array([0.0, 1.0]), poses)
    np.testing.assert_allclose(middle, [[0.5, 1.0, np.pi]])
