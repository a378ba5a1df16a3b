import numpy as np
import pytest

from driving import AgentKind, AgentTracks, EgoMotion
from driving.importers.tagging import scenario_type_at

STEPS = 120
FRAME = 30
TIME_S = np.arange(STEPS) / 10


def ego_along(speed_mps, yaw_rate_radps=0.0):
    """An ego that starts at the origin along x and drives by its speeds and yaw rates."""
    speed_mps = np.broadcast_to(speed_mps, STEPS).astype(float)
    headings = np.cumsum(np.broadcast_to(yaw_rate_radps, STEPS)) * 0.1
    position = (
        np.cumsum(speed_mps[:, np.newaxis] * np.column_stack([np.cos(headings), np.sin(headings)]), axis=0) * 0.1
    )
    return EgoMotion.from_log(
        time_us=(TIME_S * 1e6).astype(np.int64),
        rear_axle_poses=np.column_stack([position, headings]),
        velocities_mps=np.column_stack([speed_mps, np.zeros(STEPS)]),
        accelerations_mps2=np.zeros((STEPS, 2)),
    )


def agent(x, y=0.0, *, velocity=(0.0, 0.0), heading=0.0, kind=AgentKind.VEHICLE, length_m=4.5):
    """An agent that is at (x, y) at the tagged frame."""
    moved = (TIME_S - FRAME / 10)[:, np.newaxis] * np.array(velocity)
    return np.column_stack([moved + np.array([x, y]), np.full(STEPS, heading)]), velocity, kind, length_m


def tracks(*agents):
    if not agents:
        return AgentTracks.none(STEPS)
    count = len(agents)
    return AgentTracks(
        track_ids=tuple(str(row) for row in range(count)),
        kinds=np.array([kind for _, _, kind, _ in agents], dtype=np.int8),
        poses=np.stack([poses for poses, _, _, _ in agents]),
        velocities_mps=np.stack([np.tile(np.array(velocity), (STEPS, 1)) for _, velocity, _, _ in agents]),
        sizes=np.stack([np.tile([length_m, 1.9], (STEPS, 1)) for _, _, _, length_m in agents]),
        valid=np.ones((count, STEPS), dtype=bool),
    )


def type_of(ego, *agents, changes_lane=False):
    return scenario_type_at(FRAME, ego, tracks(*agents), changes_lane)


@pytest.mark.parametrize(
    ("speed_mps", "scenario_type"),
    [
        (12.0, "high_magnitude_speed"),
        (5.0, "medium_magnitude_speed"),
        (1.0, "low_magnitude_speed"),
        (0.0, "stationary"),
    ],
)
def test_an_ego_alone_has_a_type_by_its_speed(speed_mps, scenario_type):
    assert type_of(ego_along(speed_mps)) == scenario_type


@pytest.mark.parametrize(
    ("turn_rad", "scenario_type"),
    [(np.pi / 2, "starting_left_turn"), (-np.pi / 2, "starting_right_turn"), (np.pi, "starting_u_turn")],
)
def test_turns_follow_from_the_change_of_heading(turn_rad, scenario_type):
    turning = (TIME_S >= 4) & (TIME_S < 8)
    assert type_of(ego_along(4.0, np.where(turning, turn_rad / 4, 0.0))) == scenario_type


def test_a_turn_that_starts_much_later_does_not_count():
    turning = TIME_S >= 9
    assert type_of(ego_along(5.0, np.where(turning, 0.6, 0.0))) == "medium_magnitude_speed"


def test_a_lead_in_the_lane_is_followed():
    ego = ego_along(8.0)
    here = float(ego.rear_axle_poses[0, FRAME, 0])
    assert type_of(ego, agent(here + 20, velocity=(8.0, 0.0))) == "following_lane_with_lead"
    assert type_of(ego, agent(here + 20, y=3.5, velocity=(8.0, 0.0))) == "medium_magnitude_speed"
    assert type_of(ego, agent(here - 20, velocity=(8.0, 0.0))) == "medium_magnitude_speed"


def test_a_long_lead_nearby_has_priority():
    ego = ego_along(8.0)
    here = float(ego.rear_axle_poses[0, FRAME, 0])
    truck = agent(here + 20, velocity=(8.0, 0.0), length_m=12.0)
    assert type_of(ego, truck) == "behind_long_vehicle"


def test_stopping_behind_a_lead():
    speed_mps = np.clip(8.0 - 2.0 * np.maximum(TIME_S - 3.0, 0.0), 0.0, None)
    ego = ego_along(speed_mps)
    here = float(ego.rear_axle_poses[0, FRAME, 0])
    assert type_of(ego, agent(here + 26)) == "stopping_with_lead"


def test_standing_behind_a_lead_or_before_a_pedestrian():
    ego = ego_along(0.0)
    assert type_of(ego, agent(12.0)) == "stationary_in_traffic"
    walker = agent(8.0, -1.0, velocity=(0.0, 1.3), heading=np.pi / 2, kind=AgentKind.PEDESTRIAN)
    assert type_of(ego, walker) == "waiting_for_pedestrian_to_cross"
    assert type_of(ego, agent(8.0, -1.0, kind=AgentKind.PEDESTRIAN)) == "stationary"


def test_a_lane_change_counts_when_there_is_no_turn():
    assert type_of(ego_along(8.0), changes_lane=True) == "changing_lane"


def test_many_moving_vehicles_nearby():
    ego = ego_along(3.0)
    here = float(ego.rear_axle_poses[0, FRAME, 0])
    around = [agent(here + x, y, velocity=(2.0, 0.0)) for x in (-4, 0, 4, 6) for y in (3.5, -3.5)]
    assert type_of(ego, *around) == "near_multiple_vehicles"


def test_fast_curves_have_high_lateral_acceleration():
    # 10 m/s at 0.2 rad/s: 2 m/s2, and 0.4 rad in the 2 s that it lasts.
    turning = (TIME_S >= 2) & (TIME_S < 4)
    assert type_of(ego_along(10.0, np.where(turning, 0.2, 0.0))) == "high_lateral_acceleration"
