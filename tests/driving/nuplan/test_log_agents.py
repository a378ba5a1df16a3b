import sqlite3

import numpy as np
import pytest

from driving.agents import AgentKind, LightStatus
from driving.nuplan.database import reading
from driving.nuplan.log_agents import check_boxes, read_agents, read_traffic_lights
from driving.nuplan.logs import log_index, read_frames

CAR, CONE = ((5_000_000 + number).to_bytes(8, "big").hex() for number in range(2))


@pytest.fixture
def read(log_file):
    """Reads rows 520 to 522 of the log with a function of this module."""

    def run(function):
        index = log_index(log_file)
        with reading(log_file) as connection:
            return function(connection, index, read_frames(connection, index, np.arange(520, 523)))

    return run


def test_boxes_become_tracks(read):
    agents = read(read_agents)
    assert set(agents.track_ids) == {CAR, CONE}
    car = agents.track_ids.index(CAR)
    assert agents.kinds[car] == AgentKind.VEHICLE
    np.testing.assert_allclose(np.diff(agents.poses[car, :, 0]), 0.5)
    np.testing.assert_array_equal(agents.sizes[car], [[4.0, 2.0]] * 3)
    assert agents.valid.all()


def test_a_box_of_a_missing_frame_leaves_its_agent_unobserved(read, change):
    change("DELETE FROM lidar_box WHERE rowid IN (1043, 1044)")
    agents = read(read_agents)
    assert agents.valid.tolist() == [[True, False, True]] * 2
    assert np.isnan(agents.poses[:, 1]).all()


def test_of_two_boxes_of_a_track_in_one_frame_the_last_one_is_read(read, change, caplog):
    change(
        "INSERT INTO lidar_box SELECT x'99', lidar_pc_token, track_token, x + 1, y, z, width, length, height, vx, vy,"
        " yaw FROM lidar_box WHERE rowid = 1041"
    )
    whole = read(read_agents)
    assert whole.valid.all()
    assert "1 boxes are the second of their track in one frame; the last one counts" in caplog.text


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE lidar_box SET x = NULL WHERE rowid = 1041",
        "UPDATE lidar_box SET yaw = 9e999 WHERE rowid = 1041",
        "UPDATE lidar_box SET y = 'left' WHERE rowid = 1041",
        "UPDATE lidar_box SET vx = NULL WHERE rowid IN (1041, 1042)",
        "UPDATE lidar_box SET length = -4 WHERE rowid = 1041",
    ],
)
def test_listing_and_opening_refuse_the_same_boxes(read, change, sql):
    read(check_boxes)
    change(sql)
    for function in (read_agents, check_boxes):
        with pytest.raises(ValueError, match=r"the box of track .* at 1626000026000000 us .*`lidar_box`"):
            read(function)


def test_the_velocity_of_a_static_object_is_not_needed(read, change):
    change(f"UPDATE lidar_box SET vx = NULL WHERE track_token = x'{CONE}'")
    read(check_boxes)
    agents = read(read_agents)
    assert agents.velocities_mps[agents.track_ids.index(CONE)].tolist() == [[0.0, 0.0]] * 3


def test_a_status_that_is_no_colour_is_unknown(read, log_file):
    with sqlite3.connect(log_file) as connection:
        connection.execute("UPDATE traffic_light_status SET status = 'flashing' WHERE rowid = 522")
    lights = read(read_traffic_lights)
    assert lights.statuses.tolist() == [LightStatus.RED, LightStatus.UNKNOWN, LightStatus.RED]
    assert lights.offsets.tolist() == [0, 1, 2, 3]
