import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driving.agents import AgentKind
from driving.synthetic.proving_ground import proving_ground
from simulation.generation.corner_cases.chains import LateralShift, chain_through
from simulation.generation.corner_cases.staging import (
    BEGIN_S,
    CURVE_ACCEL_MPS2,
    END_S,
    FRONT_M,
    NEVER_S,
    NominalEgo,
    changing_speed,
    constant_speed,
    object_beside,
    sample_times,
    speed_caps,
    track_across,
    track_along,
)

CAR_M = (4.6, 1.9)


@pytest.fixture(scope="module")
def chain():
    """The eastbound lane of the straight road of the proving ground, y = -1.75, in its site frame."""
    site = proving_ground().sites["road"]
    map_graph = proving_ground().map
    row = map_graph.lane_row(site.chains["east_0"][0])
    return chain_through(map_graph, (row,), 0.0, 500.0, site.builder.origin)


def test_the_frames_cover_history_scenario_and_open_loop_future():
    times = sample_times()
    assert (times[0], times[-1]) == (BEGIN_S, END_S)
    assert 0.0 in times.tolist()
    assert np.diff(times) == pytest.approx(0.1)


def test_the_front_of_the_nominal_ego_is_at_the_event_in_time(chain):
    ego = NominalEgo(chain=chain, speed_mps=10.0, event_m=200.0, event_s=6.0)
    assert ego.front_m(6.0) == pytest.approx(200.0, abs=1e-6)
    assert ego.front_m(0.0) == pytest.approx(140.0, abs=1e-6)
    assert ego.at(0.0)[0] == pytest.approx(140.0 - FRONT_M, abs=1e-6)
    assert ego.time_s(210.0) == pytest.approx(7.0, abs=1e-6)
    assert ego.starts_on_road


def test_an_ego_on_lanes_that_are_too_short_does_not_start_on_the_road(chain):
    assert not NominalEgo(chain=chain, speed_mps=10.0, event_m=60.0, event_s=6.0).starts_on_road


@settings(deadline=None, max_examples=25)
@given(st.floats(4.0, 13.0), st.floats(180.0, 300.0), st.floats(4.0, 9.0), st.floats(-1.0, 12.0))
def test_time_and_position_of_the_nominal_ego_are_inverse(chain, speed_mps, event_m, event_s, time_s):
    ego = NominalEgo(chain=chain, speed_mps=speed_mps, event_m=event_m, event_s=event_s)
    assert ego.time_s(ego.front_m(time_s)) == pytest.approx(time_s, abs=1e-6)


def test_the_ego_slows_before_its_lanes_end(chain):
    along, caps = speed_caps(chain.path, chain.speed_limits_mps)
    assert caps[0] == pytest.approx(13.89 - 0.3)
    assert caps[along > chain.length_m - 12.0].max() == 0.0
    assert (np.diff(caps[along > 480.0]) <= 1e-9).all()


def test_the_speed_in_a_curve_is_bounded_by_the_lateral_acceleration(chain):
    shifted = chain.shifted((LateralShift(begin_m=200.0, length_m=15.0, left_m=3.0),))
    along, caps = speed_caps(shifted, chain.speed_limits_mps)
    lateral_mps2 = caps**2 * np.abs(shifted.curvature(along))
    assert lateral_mps2.max() == pytest.approx(CURVE_ACCEL_MPS2, rel=0.02)
    rise = np.diff(caps**2) / (2 * (along[1] - along[0]))
    assert np.abs(rise[along[1:] < 540.0]).max() <= 1.4 + 1e-9


def test_a_vehicle_is_at_its_place_in_time_and_moves_by_its_speed(chain):
    car = track_along(chain, 200.0, 4.0, constant_speed(8.0), size_m=CAR_M)
    np.testing.assert_allclose(car.poses(np.array([4.0, 6.0]))[:, :2], [[80.0, -1.75], [96.0, -1.75]], atol=1e-6)
    assert car.size_m == CAR_M


def test_a_vehicle_is_unobserved_beyond_the_end_of_the_road(chain):
    car = track_along(chain, 500.0, 0.0, constant_speed(10.0), size_m=CAR_M)
    assert car.seen_s[1] == pytest.approx(6.0, abs=0.11)
    assert track_along(chain, -900.0, 0.0, constant_speed(1.0), size_m=CAR_M).seen_s == (NEVER_S, NEVER_S)


def test_an_object_beside_the_path_is_turned_and_at_rest(chain):
    barrier = object_beside(chain, 120.0, -2.0, kind=AgentKind.BARRIER, turn_rad=0.1)
    poses = barrier.poses(np.array([0.0, 9.0]))
    np.testing.assert_allclose(poses, [[0.0, -3.75, 0.1]] * 2, atol=1e-6)


@pytest.mark.parametrize(("lefts_m", "direction"), [((-8.0, 8.0), 1.0), ((8.0, -8.0), -1.0)])
def test_a_crossing_agent_is_on_the_path_in_time(chain, lefts_m, direction):
    walker = track_across(chain, 120.0, lefts_m, constant_speed(1.5), 5.0, kind=AgentKind.PEDESTRIAN)
    poses = walker.poses(np.array([5.0, 7.0]))
    np.testing.assert_allclose(poses[:, :2], [[0.0, -1.75], [0.0, -1.75 + direction * 3.0]], atol=1e-6)
    assert poses[0, 2] == pytest.approx(direction * np.pi / 2)


def test_a_crossing_agent_is_unobserved_behind_its_end(chain):
    walker = track_across(chain, 120.0, (-8.0, 4.0), constant_speed(2.0), 5.0, kind=AgentKind.PEDESTRIAN)
    assert walker.seen_s == (-np.inf, pytest.approx(7.0, abs=0.11))


def test_a_skewed_crossing_still_meets_the_path_in_time(chain):
    cyclist = track_across(chain, 120.0, (-8.0, 8.0), constant_speed(3.0), 5.0, kind=AgentKind.BICYCLE, skew_rad=0.3)
    pose = cyclist.poses(np.array([5.0]))[0]
    np.testing.assert_allclose(pose, [0.0, -1.75, np.pi / 2 + 0.3], atol=1e-6)


def test_a_change_of_speed_has_the_given_mean_acceleration():
    profile = changing_speed(10.0, (2.0, 2.5, 0.0))
    np.testing.assert_allclose(profile.speed_mps(np.array([2.0, 4.0, 6.0])), [10.0, 5.0, 0.0], atol=1e-9)


def test_changes_of_speed_follow_on_each_other():
    profile = changing_speed(8.0, (1.0, 2.0, 4.0), (5.0, 1.0, 8.0))
    np.testing.assert_allclose(profile.speed_mps(np.array([0.0, 3.0, 4.9, 9.0])), [8.0, 4.0, 4.0, 8.0], atol=1e-9)
