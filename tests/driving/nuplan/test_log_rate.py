import numpy as np
import pytest

from driving.agents import AgentTracks, TrafficLights
from driving.ego import EgoMotion
from driving.nuplan.log_rate import at_log_rate
from driving.nuplan.map_writer import empty_map
from driving.recording import Mission, Recording, Tag


def recording(time_us, headings=None, agents=None, lights=None, missions=None, tags=()):
    time_us = np.array(time_us, dtype=np.int64)
    steps = len(time_us)
    poses = np.zeros((steps, 3))
    poses[:, 0] = np.arange(steps) * 1.0
    if headings is not None:
        poses[:, 2] = headings
    return Recording(
        log_name="log",
        map=empty_map("nowhere", "1", 32611),
        time_us=time_us,
        ego=EgoMotion.from_log(
            time_us=time_us,
            rear_axle_poses=poses,
            velocities_mps=np.tile([10.0, 0.0], (steps, 1)),
            accelerations_mps2=np.zeros((steps, 2)),
        ),
        agents=agents or AgentTracks.none(steps),
        traffic_lights=lights or TrafficLights.none(steps),
        missions=missions or (Mission(first_frame=0, roadblock_ids=(), goal_pose=None),),
        tags=tags,
    )


def test_a_frame_is_added_halfway_between_two_recorded_frames():
    denser = at_log_rate(recording([0, 100_000, 200_000]))
    assert denser.time_us.tolist() == [0, 50_000, 100_000, 150_000, 200_000]
    np.testing.assert_allclose(denser.ego.rear_axle_poses[0, :, 0], [0.0, 0.5, 1.0, 1.5, 2.0])


def test_no_frame_is_added_in_a_pause_or_at_20_hz():
    denser = at_log_rate(recording([0, 50_000, 100_000, 1_100_000, 1_200_000]))
    assert denser.time_us.tolist() == [0, 50_000, 100_000, 1_100_000, 1_150_000, 1_200_000]


def test_headings_are_interpolated_over_the_smaller_angle():
    denser = at_log_rate(recording([0, 100_000], headings=[3.1, -3.1]))
    assert denser.ego.rear_axle_poses[0, 1, 2] == pytest.approx(np.pi)


def test_an_agent_observed_on_one_side_only_is_not_interpolated():
    valid = np.array([[True, True, False], [True, True, True]])
    x = np.array([[0.0, 2.0, np.nan], [10.0, 10.0, 12.0]])
    agents = AgentTracks(
        track_ids=("left", "stays"),
        kinds=np.zeros(2, dtype=np.int8),
        poses=np.stack([x, 0 * x, 0 * x], axis=-1),
        velocities_mps=np.stack([x, 0 * x], axis=-1),
        sizes=np.stack([4.0 + 0 * x, 2.0 + 0 * x], axis=-1),
        valid=valid,
        order=np.array([[1, 1, 0], [0, 0, 0]], dtype=np.int32),
    )
    denser = at_log_rate(recording([0, 100_000, 200_000], agents=agents)).agents
    assert denser.valid.tolist() == [[True, True, True, False, False], [True] * 5]
    np.testing.assert_allclose(denser.poses[:, :, 0], [[0, 1, 2, np.nan, np.nan], [10, 10, 10, 11, 12]])
    assert denser.rows_at(1).tolist() == [1, 0]


def test_lights_are_held():
    lights = TrafficLights(
        offsets=np.array([0, 2, 3]),
        lane_connector_ids=np.array([7, 8, 8]),
        statuses=np.array([0, 2, 1], dtype=np.int8),
    )
    denser = at_log_rate(recording([0, 100_000], lights=lights)).traffic_lights
    assert [denser.at(step)[0].tolist() for step in range(3)] == [[7, 8], [7, 8], [8]]
    assert [denser.at(step)[1].tolist() for step in range(3)] == [[0, 2], [0, 2], [1]]


def test_missions_and_tags_keep_their_frames():
    missions = tuple(Mission(first_frame=frame, roadblock_ids=(), goal_pose=None) for frame in (0, 2))
    denser = at_log_rate(
        recording([0, 100_000, 200_000], missions=missions, tags=(Tag(frame=1, scenario_type="changing_lane"),))
    )
    assert [mission.first_frame for mission in denser.missions] == [0, 4]
    assert [tag.frame for tag in denser.tags] == [2]
