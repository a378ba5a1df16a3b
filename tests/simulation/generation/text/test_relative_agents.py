import numpy as np
import pytest

from driving.synthetic.scenes import scene
from simulation.generation.text.relative_agents import RelativeAgents


@pytest.fixture(scope="module")
def queue():
    return RelativeAgents(scenario=scene("queue"))


def test_cars_of_the_queue_are_ahead_in_the_lane_and_at_rest(queue):
    assert queue.ahead_m.shape == (3, 151)
    assert queue.left_m == pytest.approx(np.zeros((3, 151)), abs=0.02)
    assert queue.is_aligned.all()
    assert not queue.is_opposite.any()
    assert queue.is_at_rest.tolist() == [True, True, True]


def test_gaps_count_from_box_to_box(queue):
    # The ego stops 3 m behind the last car.
    assert queue.gap_m[0, 0] == pytest.approx(58.0, abs=0.05)
    assert queue.gap_m[0, -1] == pytest.approx(3.0, abs=0.05)
    # The rear axle drives from x = 0 to x = 55.
    assert queue.ego_along[-1, 0] - queue.ego_along[0, 0] == pytest.approx(55.0, abs=0.05)


def test_only_agents_up_to_the_reach_are_ahead_in_the_lane(queue):
    assert queue.is_ahead_in_lane()[:, 0].tolist() == [True, False, False]
    assert queue.is_ahead_in_lane()[:, -1].all()


def test_poses_in_the_frame_of_the_ego_are_those_of_iteration_0(queue):
    assert queue.from_ego[0] == pytest.approx([58.0 + 5.176 / 2 + 2.4, 0.0, 0.0], abs=0.05)


def test_an_agent_that_moves_is_not_at_rest_and_its_acceleration_is_a_mean():
    view = RelativeAgents(scenario=scene("cut_in"))
    assert not view.is_at_rest[0]
    assert view.speeds[0] == pytest.approx(np.full(151, 10.0))
    assert np.nanmax(np.abs(view.accelerations)) == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(view.accelerations[0, -1])


def test_values_of_unobserved_agents_are_nan():
    view = RelativeAgents(scenario=scene("pedestrian_crossing"))
    late = 1
    assert not view.valid[late, 0]
    for values in (view.ahead_m, view.left_m, view.turn_rad, view.gap_m):
        assert np.isnan(values[late, 0])
        assert np.isfinite(values[late, -1])


def test_a_scenario_without_agents_has_empty_arrays():
    view = RelativeAgents(scenario=scene("straight_road"))
    assert view.ahead_m.shape == (0, 151)
    assert view.kinds == []
