import numpy as np
import pytest

from simulation.traffic.learned.paths import PathBuilder, arc_of
from simulation.traffic.learned.state import (
    FORECAST_POSES,
    FORECAST_STEP_S,
    forecast_along_path,
    forecast_free,
    forecasts,
    has_path,
    is_past_end,
    next_gate,
    no_users,
    relative,
    stop_distance,
    travelled,
)


@pytest.fixture
def world(queue):
    """Paths of the queue, and a state in which its cars stand and the ego is far away."""
    agents, now = queue.agents, queue.first_frame
    paths = PathBuilder(queue).build(np.arange(agents.num_agents))
    state = no_users(agents.num_agents + 1, len(queue.map.lanes))
    state.present[:-1] = agents.valid[:, now]
    state.poses[:-1], state.sizes[:-1] = agents.poses[:, now], agents.sizes[:, now]
    state.velocities[:] = 0.0
    for row in range(agents.num_agents):
        x, y = agents.poses[row, now, :2].tolist()
        state.progress[row] = arc_of(paths, row, (x, y), 0.0)
    return paths, state


@pytest.mark.parametrize(
    ("speed", "accel", "time_s", "expected"),
    [
        (10.0, 0.0, 2.0, (20.0, 10.0)),
        (0.0, 2.0, 1.0, (1.0, 2.0)),
        (4.0, -2.0, 5.0, (4.0, 0.0)),
        (0.0, -3.0, 1.0, (0.0, 0.0)),
    ],
)
def test_a_braking_agent_stops_and_stays(speed, accel, time_s, expected):
    assert travelled(speed, accel, time_s) == pytest.approx(expected)


def test_a_forecast_keeps_the_speed(world):
    paths, state = world
    state.speed[0] = 8.0
    out = np.zeros((FORECAST_POSES, 3))
    forecast_along_path(paths, state, 0, np.nan, out)
    moved = np.hypot(*(out[:, :2] - out[0, :2]).T)
    np.testing.assert_allclose(moved, 8.0 * FORECAST_STEP_S * np.arange(FORECAST_POSES), atol=0.1)


def test_a_decided_agent_is_expected_to_do_what_it_decided(world):
    paths, state = world
    state.speed[0] = 8.0
    out = np.zeros((FORECAST_POSES, 3))
    forecast_along_path(paths, state, 0, -4.0, out)
    assert np.hypot(*(out[2, :2] - out[0, :2])) == pytest.approx(8.0 * 0.5 - 2.0 * 0.25, abs=0.05)
    assert np.hypot(*(out[-1, :2] - out[0, :2])) == pytest.approx(8.0, abs=0.05)


def test_a_road_user_without_path_keeps_velocity_and_turns_on_for_a_second():
    state = no_users(1, 0)
    state.poses[0], state.velocities[0] = (0.0, 0.0, 0.0), (2.0, 0.0)
    out = np.zeros((FORECAST_POSES, 3))
    forecast_free(state, 0, out)
    np.testing.assert_allclose(out[-1], [8.0, 0.0, 0.0], atol=1e-9)
    state.yaw_rate[0] = 0.5
    forecast_free(state, 0, out)
    assert out[-1, 1] > 1.0
    assert out[-1, 2] == pytest.approx(0.5)


def test_forecasts_skip_the_absent(world):
    paths, state = world
    state.present[:] = False
    out = np.full((len(state.present), FORECAST_POSES, 3), 7.0)
    forecasts(paths, state, out)
    assert (out == 7.0).all()


def test_the_ego_has_no_path(world):
    paths, state = world
    assert has_path(paths, state, 0)
    assert not has_path(paths, state, len(state.present) - 1)


def test_only_open_ends_are_left(world):
    paths, _ = world
    assert is_past_end(paths, 0, 1e4)
    assert not is_past_end(paths, 0, 1.0)
    paths.is_open[0] = False
    assert not is_past_end(paths, 0, 1e4)


def test_a_red_light_is_a_reason_to_stop_when_there_is_room(world):
    paths, state = world
    lit = type(paths)(
        **{
            **paths._asdict(),
            "gate_offsets": np.array([0, *[1] * (len(paths.offsets) - 1)]),
            "gate_arc": np.array([float(state.progress[0]) + 32.25]),
            "gate_rows": np.array([0]),
            "gate_kinds": np.array([0], dtype=np.int8),
        }
    )
    state.speed[0] = 10.0
    assert next_gate(lit, state, 0).status == 3
    assert stop_distance(lit, state, 0) == np.inf
    state.lights[0] = 2
    half = state.sizes[0, 0] / 2
    assert stop_distance(lit, state, 0) == pytest.approx(32.25 - half)
    state.speed[0] = 20.0
    assert stop_distance(lit, state, 0) == np.inf


def test_relative_poses_are_in_the_frame_of_the_first():
    assert relative(np.array([1.0, 1.0, np.pi / 2]), 1.0, 3.0, np.pi) == pytest.approx((2.0, 0.0, np.pi / 2))
