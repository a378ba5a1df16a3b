import numpy as np
import pytest

from simulation.metrics.nuplan.lanes import center_lanes, common_lanes, corner_lanes, is_in_lane
from tests.support.drives import (
    LEFT_LANE_Y,
    RIGHT_LANE_Y,
    STEPS,
    drive,
    fork_map,
    lane_row_at,
    motion,
    steady,
    straight_map,
)


def test_the_centre_is_on_the_lane_that_contains_it():
    lanes = center_lanes(drive(steady(y=RIGHT_LANE_Y)))
    assert (lanes.first() == lane_row_at(straight_map(), 30.0, RIGHT_LANE_Y)).all()
    assert (lanes.counts == 1).all()


def test_off_the_road_there_is_no_lane():
    lanes = center_lanes(drive(steady(y=-50.0)))
    assert (lanes.counts == 0).all()
    assert (lanes.first() == -1).all()
    assert lanes.at(0, 3) == []


def test_of_overlapping_connectors_the_one_driven_on_remains():
    ego = motion(80.0 + 8.0 * np.arange(STEPS) * 0.1, 0.0)
    found = center_lanes(drive(ego, on=fork_map()))
    connectors = {row for step in range(STEPS) for row in found.at(0, step) if row >= fork_map().lanes.num_lanes}
    straight_on = [row for row in connectors if abs(fork_map().lanes.centerlines[row][-1, 1]) < 0.1]
    # At x = 105 both connectors contain the centre; only the one that leads to the lane ahead is kept.
    assert list(connectors) == straight_on
    assert len(fork_map().connector_rows_at(np.array([102.0, 0.0]))) == 2


def test_a_box_on_two_lanes_in_a_row_is_in_lane():
    ego = motion(80.0 + 8.0 * np.arange(STEPS) * 0.1, 0.0)
    in_lane = is_in_lane(drive(ego, on=fork_map()))[0]
    assert in_lane.all()


def test_a_box_across_two_parallel_lanes_is_not():
    across = drive(steady(y=(LEFT_LANE_Y + RIGHT_LANE_Y) / 2))
    assert not is_in_lane(across).any()
    assert (common_lanes(across).counts == -1).all()


def test_a_box_off_all_lanes_has_an_empty_set():
    off = drive(steady(y=-50.0))
    assert (common_lanes(off).counts == 0).all()
    assert not is_in_lane(off).any()


def test_corners_are_looked_up_one_by_one():
    across = drive(steady(y=(LEFT_LANE_Y + RIGHT_LANE_Y) / 2))
    front_left, rear_left, rear_right, front_right = corner_lanes(across).first()[0, 10]
    assert front_left == rear_left == lane_row_at(straight_map(), 30.0, LEFT_LANE_Y)
    assert front_right == rear_right == lane_row_at(straight_map(), 30.0, RIGHT_LANE_Y)


@pytest.mark.parametrize("measure", [center_lanes, corner_lanes, common_lanes])
def test_a_batch_of_motions_equals_its_members(measure):
    x = 20.0 + np.array([[8.0], [5.0], [-1.0]]) * np.arange(STEPS) * 0.1
    y = np.array([[-1.75], [-3.5], [-40.0]]) + np.zeros(STEPS)
    whole = drive(motion(x, y))
    together = whole.cached(measure)
    for m in range(3):
        assert np.array_equal(together.counts[m], whole.one(m).cached(measure).counts[0])
        assert np.array_equal(together.first()[m], whole.one(m).cached(measure).first()[0])
