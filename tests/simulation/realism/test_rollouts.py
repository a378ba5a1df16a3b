import numpy as np
import pytest

from driving.agents import AgentKind, AgentTracks
from simulation.realism.rollouts import (
    KINEMATICS,
    colliding_agents,
    constant_velocity,
    joined,
    rollout_divergences,
    rollout_statistics,
    with_ego,
)

ORIGIN = np.array([664_400.0, 3_997_600.0])
STEPS = 40
TIME_S = np.arange(STEPS) * 0.1


def tracks(*paths, kinds=None, valid=None, size=(4.0, 2.0)):
    """Agents on paths of (x, y, heading) arrays or numbers."""
    poses = np.stack([np.stack(np.broadcast_arrays(*path, TIME_S)[:3], axis=-1) for path in paths]).astype(float)
    poses[..., :2] += ORIGIN
    count = len(paths)
    return AgentTracks(
        track_ids=tuple(f"{row:016x}" for row in range(count)),
        kinds=np.array(kinds or [AgentKind.VEHICLE] * count, dtype=np.int8),
        poses=poses,
        velocities_mps=np.zeros((count, STEPS, 2)),
        sizes=np.broadcast_to(size, (count, STEPS, 2)).copy(),
        valid=np.ones((count, STEPS), dtype=bool) if valid is None else valid,
    )


def test_a_straight_accelerating_drive_by_hand(road):
    found = rollout_statistics(tracks((5 + 4 * TIME_S + TIME_S**2, -1.55, 0.0)), road)
    assert found.num_agents == found.num_vehicles == 1
    assert found.samples["speed"] == pytest.approx(4 + 2 * (TIME_S[:-5] + 0.25))
    assert found.samples["acceleration"] == pytest.approx(np.full(STEPS - 10, 2.0))
    assert found.samples["yaw_rate"] == pytest.approx(np.zeros(STEPS - 5))
    assert found.samples["lateral"] == pytest.approx(np.full(STEPS, 0.2), abs=1e-6)
    assert len(found.samples["nearest"]) == 0
    assert found.colliding_share == found.off_road_share == 0.0


def test_yaw_rate_has_no_jump_at_a_half_turn(road):
    heading = np.pi - 0.2 + 0.1 * TIME_S
    heading[heading >= np.pi] -= 2 * np.pi
    found = rollout_statistics(tracks((80 - 4 * TIME_S, 1.75, heading)), road)
    assert found.samples["yaw_rate"] == pytest.approx(np.full(STEPS - 5, 0.1))


def test_parked_agents_are_obstacles_only(road):
    found = rollout_statistics(tracks((5 + 4 * TIME_S, -1.75, 0.0), (10.0, -1.75, 0.0)), road)
    assert found.num_agents == 1
    assert found.num_colliding == 1
    assert len(found.samples["nearest"]) == STEPS


def test_boxes_that_overlap_from_the_start_and_people_do_not_collide():
    together = tracks((5 + 4 * TIME_S, -1.75, 0.0), (6 + 4 * TIME_S, -1.75, 0.0))
    assert not colliding_agents(together).any()
    walkers = tracks((5 + 2 * TIME_S, 0.0, 0.0), (10.0 - 2 * TIME_S, 0.0, 0.0), kinds=[AgentKind.PEDESTRIAN] * 2)
    assert not colliding_agents(walkers).any()
    drivers = tracks((5 + 4 * TIME_S, 0.0, 0.0), (18.0 - 2 * TIME_S, 0.0, 0.0))
    assert colliding_agents(drivers).all()


def test_leaving_the_road_counts_but_driving_on_behind_the_end_of_the_map_does_not(road):
    leaving = (20 + 4 * TIME_S, -5.25 - 3 * TIME_S, -0.6)
    beyond = (190 + 6 * TIME_S, -1.75, 0.0)
    never_on = (20 + 4 * TIME_S, -30.0, 0.0)
    found = rollout_statistics(tracks(leaving, beyond, never_on), road)
    assert found.num_off_road == 1
    assert found.off_road_share == pytest.approx(1 / 3)


def test_unobserved_steps_have_no_samples(road):
    valid = np.ones((1, STEPS), dtype=bool)
    valid[0, 10:12] = False
    found = rollout_statistics(tracks((5 + 4 * TIME_S, -1.75, 0.0), valid=valid), road)
    assert len(found.samples["speed"]) == STEPS - 5 - 4
    assert len(found.samples["lateral"]) == STEPS - 2


def test_the_ego_joins_as_an_agent():
    ego = np.stack([5 + 4 * TIME_S + ORIGIN[0], np.full(STEPS, ORIGIN[1]), np.zeros(STEPS)], axis=-1)
    both = with_ego(tracks((18.0, 0.0, 0.0)), ego, (5.0, 2.0))
    assert both.track_ids[0] == "ego"
    assert both.velocities_mps[0] == pytest.approx(np.tile([4.0, 0.0], (STEPS, 1)))
    assert colliding_agents(both).tolist() == [True, True]


def test_many_rollouts_are_joined_and_compared(road):
    slow = rollout_statistics(tracks((5 + 4 * TIME_S, -1.75, 0.0)), road)
    fast = rollout_statistics(tracks((5 + 9 * TIME_S, -1.75, 0.0), (60 + 9 * TIME_S, -1.75, 0.0)), road)
    both = joined([slow, fast])
    assert both.num_agents == 3
    assert len(both.samples["speed"]) == 3 * (STEPS - 5)
    same, other = rollout_divergences(fast, fast), rollout_divergences(joined([slow, slow, fast]), fast)
    assert same["mean"] == 0.0
    assert other["speed"] > 0.0
    assert other["mean"] == pytest.approx(np.mean([other[name] for name in KINEMATICS]))


def test_no_agents_and_short_drives_have_no_samples(road):
    assert rollout_statistics(AgentTracks.none(5), road).num_agents == 0
    short = tracks((5 + 40 * TIME_S, -1.75, 0.0)).steps(0, 8)
    found = rollout_statistics(short, road)
    assert found.num_agents == 1
    assert len(found.samples["speed"]) == 0


def test_at_constant_velocity_agents_drive_straight_from_their_first_step():
    valid = np.ones((1, STEPS), dtype=bool)
    valid[0, :5] = False
    agents = tracks((5 + 4 * TIME_S + TIME_S**2, -1.75, 0.3), valid=valid)
    agents.velocities_mps[:] = [5.0, 1.0]
    found = constant_velocity(agents)
    expected = agents.poses[0, 5, :2] + np.outer(TIME_S[5:] - TIME_S[5], [5.0, 1.0])
    np.testing.assert_allclose(found.poses[0, 5:, :2], expected)
    assert np.isnan(found.poses[0, :5]).all()
    assert (found.poses[0, 5:, 2] == 0.3).all()
