import numpy as np
import pytest

from driving.agents import AgentKind, static_mask
from driving.synthetic.scenes import SCENES
from simulation.realism.snapshots import SceneSnapshot, snapshot_at, snapshots_of

PEDESTRIAN = int(AgentKind.PEDESTRIAN)


def test_the_ego_is_in_row_0_with_its_centre_and_static_objects_are_left_out(any_scenario):
    found = snapshot_at(any_scenario, 5)
    step = any_scenario.first_frame + 5
    np.testing.assert_array_equal(found.poses[0], any_scenario.ego.center_poses()[0, step])
    assert found.speeds_mps[0] == pytest.approx(np.hypot(*any_scenario.ego.velocities_mps[0, step]))
    agents = any_scenario.agents
    assert len(found.kinds) == 1 + (agents.valid[:, step] & ~static_mask(agents.kinds)).sum()
    assert found.source == any_scenario.log_name


def test_iterations_outside_of_the_scenario_are_refused(any_scenario):
    with pytest.raises(IndexError, match=f"iterations 0 to {any_scenario.num_frames - 1}, got -1"):
        snapshot_at(any_scenario, -1)


def test_snapshots_are_taken_at_equal_intervals(any_scenario):
    assert len(list(snapshots_of(any_scenario, every_s=1.0))) == len(range(0, any_scenario.num_frames, 10))
    with pytest.raises(ValueError, match=r"at least 0\.1 s, got 0\.01"):
        next(snapshots_of(any_scenario, every_s=0.01))


def test_the_field_is_a_square_in_the_direction_of_the_ego(scene):
    found = scene((50, -1.75, 0, 5), (81, -1.75, 0, 5), (83, -1.75, 0, 5)).in_field()
    assert len(found.kinds) == 2
    # Turned by 45 degrees, the square reaches 45 m along the road.
    turned = scene((50, -1.75, np.pi / 4, 5), (81, -1.75, 0, 5), (83, -1.75, 0, 5)).in_field()
    assert len(turned.kinds) == 3


def test_vehicles_parked_beside_the_road_are_no_part_of_the_traffic_but_pedestrians_are(scene):
    kinds = [0, 0, 0, PEDESTRIAN]
    whole = scene((50, -1.75, 0, 5), (60, -7.7, 0, 0), (60, -7.8, 0, 0), (60, -12, 0, 1), kinds=kinds)
    assert whole.in_field().kinds.tolist() == [0, 0, PEDESTRIAN]
    # In generated scenes they are errors and count.
    assert whole.in_field(max_from_lane_m=np.inf).kinds.tolist() == kinds


def test_an_ego_off_all_lanes_stays_in_row_0(scene):
    found = scene((50, -30, 0, 5), (60, -1.75, 0, 2)).in_field()
    assert found.speeds_mps.tolist() == [5, 2]


def test_a_snapshot_needs_an_ego(road):
    with pytest.raises(ValueError, match="needs the ego in row 0"):
        SceneSnapshot(
            map=road,
            source="log",
            kinds=np.zeros(0, dtype=np.int8),
            poses=np.zeros((0, 3)),
            sizes=np.zeros((0, 2)),
            speeds_mps=np.zeros(0),
        )


@pytest.fixture(scope="module")
def any_scenario():
    return next(iter(SCENES.values()))().scenarios()[0]
