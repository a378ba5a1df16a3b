"""States on the log, shifted beside it, and on-policy."""

import pickle

import numpy as np
import pytest

from distill.states import (
    FOLLOWER_GAP_M,
    LOGGED,
    ON_POLICY,
    SHIFTED,
    StateSettings,
    drawn_variations,
    driven_state,
    on_policy_states,
    overlaps_agent,
    scenario_states,
    shifted_state,
    with_ego,
    with_follower,
)
from driving.synthetic.scenes import scene
from planning.constant_velocity import ConstantVelocityPlanner
from planning.stand_still import StandStillPlanner

SIGHTS_M = {0: 21.553466, 7: 17.185064, 12345: 21.922392}
"""Of scenarios by number, with seed 0, at commit 4ae9cbc."""


def test_each_logged_state_has_its_shifted_ones_beside():
    states = list(scenario_states(scene("straight_road"), StateSettings(every_steps=50, shifted=2)))
    assert [state.kind for state in states] == [LOGGED, SHIFTED, SHIFTED] * 3
    logged, shifted = states[0].observation.ego_now, states[1].observation.ego_now
    assert logged.rear_axle_pose == pytest.approx(scene("straight_road").logged_ego_pose(0))
    assert not np.allclose(shifted.rear_axle_pose, logged.rear_axle_pose)


def test_the_same_seed_gives_the_same_states():
    one, two = (list(scenario_states(scene("cut_in"), StateSettings(every_steps=70))) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.observation.ego.rear_axle_poses, b.observation.ego.rear_axle_poses)


def test_a_logged_turn_gets_the_steering_that_it_needs():
    # The roundabout is driven at a radius of 18 m, at 6 m/s, half around it.
    scenario = scene("roundabout")
    states = [driven_state(scenario, iteration) for iteration in range(0, 150, 5)]
    steering = max(state.steering_rad for state in states)
    assert steering == pytest.approx(np.arctan(3.089 / 18.0), abs=0.03)
    assert all(state.velocity_mps[1] == 0.0 for state in states)


def test_the_past_moves_along_with_the_ego():
    observation = scene("straight_road").observation_at(30)
    moved = with_ego(observation, shifted_state(observation.ego_now, StateSettings(), np.random.default_rng(1)))
    before, after = (np.diff(one.ego.rear_axle_poses[0, :, :2], axis=0) for one in (observation, moved))
    assert np.hypot(*after.T) == pytest.approx(np.hypot(*before.T))


def test_a_share_of_the_scenarios_is_labelled_without_lights_and_example():
    lit = list(scenario_states(scene("red_light"), StateSettings(every_steps=50)))
    unlit = list(scenario_states(scene("red_light"), StateSettings(every_steps=50, unlit_share=1.0)))
    assert len(lit) == len(unlit) > 0
    for before, after in zip(lit, unlit, strict=True):
        assert len(before.observation.traffic_lights.statuses) > 0
        assert before.future.ego_poses is not None
        assert len(after.observation.traffic_lights.statuses) == 0
        assert len(after.future.traffic_lights.statuses) == 0
        assert after.future.ego_poses is None
        # The shifted states are the same ones.
        assert np.array_equal(before.observation.ego.rear_axle_poses, after.observation.ego.rear_axle_poses)
    (driven,) = on_policy_states(
        [scene("red_light")], StandStillPlanner(), StateSettings(every_steps=50, unlit_share=1.0)
    )
    assert all(len(state.observation.traffic_lights.statuses) == 0 for state in driven)
    assert all(state.future.ego_poses is None for state in driven)


def test_a_share_of_the_scenarios_is_labelled_without_agents():
    empty = list(scenario_states(scene("queue"), StateSettings(every_steps=50, empty_share=1.0)))
    assert [state.kind for state in empty[:3]] == [LOGGED, SHIFTED, SHIFTED]
    assert all(state.observation.agents.num_agents == state.future.agents.num_agents == 0 for state in empty)
    assert all(state.future.ego_poses is None for state in empty)


def test_agents_beyond_a_short_sight_are_left_to_the_teacher():
    settings = StateSettings(every_steps=50, shifted=0, short_sight_share=1.0, sight_m=(15.0, 15.0))
    for states in (
        list(scenario_states(scene("queue"), settings)),
        on_policy_states([scene("queue")], StandStillPlanner(), settings)[0],
    ):
        assert len(states) == 3
        for state in states:
            now = state.observation.agents
            logged = scene("queue").logged_ego_pose(state.observation.iteration)
            seen_m = np.hypot(*(now.poses[now.valid[:, -1], -1, :2] - logged[:2]).T)
            assert (seen_m <= 15.0).all()
            assert state.future.ego_poses is None
        assert any(state.future.agents.num_agents > state.observation.agents.valid[:, -1].sum() for state in states)


def test_a_share_of_the_scenarios_is_labelled_with_a_follower():
    settings = StateSettings(every_steps=50, shifted=0, followed_share=1.0)
    states = list(scenario_states(scene("straight_road"), settings))
    assert len(states) == 3
    for state in states:
        agents = state.observation.agents
        row = agents.track_ids.index("follower")
        ego = state.observation.ego_now
        behind_m = float(np.linalg.norm(ego.center_pose()[:2] - agents.poses[row, -1, :2]))
        assert 6.0 <= behind_m <= 9.0 + 1.8 * ego.speed_mps + 0.1
        assert agents.velocities_mps[row, -1] == pytest.approx(np.array([ego.speed_mps, 0.0]), abs=0.1)
        assert "follower" in state.future.agents.track_ids
    (driven,) = on_policy_states([scene("straight_road")], StandStillPlanner(), settings)
    assert all("follower" in state.observation.agents.track_ids for state in driven)


def test_a_follower_keeps_a_gap_when_the_ego_stands_and_needs_room():
    followed = with_follower(scene("red_light"), np.random.default_rng(0))
    assert followed.agents.track_ids[-1] == "follower"
    ego, follower = followed.ego.center_poses()[0], followed.agents.poses[-1]
    gaps_m = np.hypot(*(ego - follower)[:, :2].T)
    assert gaps_m.min() >= FOLLOWER_GAP_M[0] - 0.1
    assert with_follower(followed, np.random.default_rng(0)) is followed


def test_a_share_of_the_scenarios_is_labelled_without_speed_limits():
    original = scene("straight_road")
    assert np.isfinite(original.map.lanes.speed_limit_mps).all()
    settings = StateSettings(every_steps=50, shifted=0, unlimited_share=1.0)
    states = list(scenario_states(original, settings))
    assert len(states) == 3
    for state in states:
        assert np.isnan(state.observation.map.lanes.speed_limit_mps).all()
        assert state.future.ego_poses is None
    (driven,) = on_policy_states([original], StandStillPlanner(), settings)
    assert np.isnan(driven[0].observation.map.lanes.speed_limit_mps).all()
    # In another process, the map has still none.
    copied = pickle.loads(pickle.dumps(states[0].observation.map))
    assert np.isnan(copied.lanes.speed_limit_mps).all()


def test_a_variation_does_not_change_the_draws_of_the_others():
    ids = [f"{number:016x}" for number in range(200)]
    shares = {"unlit_share": 0.5, "empty_share": 0.5, "short_sight_share": 0.5, "followed_share": 0.5}
    for name in ids:
        without = drawn_variations(name, StateSettings(**shares))
        also = drawn_variations(name, StateSettings(**shares, unlimited_share=0.5))
        assert also.names - {"unlimited"} == without.names
        assert also.sight_m == without.sight_m
    # As before the last variation was added: labels of that time keep theirs.
    settings = StateSettings(**shares)
    drawn = {number: drawn_variations(f"{number:016x}", settings) for number in SIGHTS_M}
    assert {number: round(one.sight_m, 6) for number, one in drawn.items()} == SIGHTS_M
    assert 60 < sum("unlimited" in drawn_variations(n, StateSettings(unlimited_share=0.5)).names for n in ids) < 140


@pytest.mark.parametrize(
    "name", ["unlit_share", "empty_share", "short_sight_share", "followed_share", "unlimited_share"]
)
def test_an_impossible_share_of_changed_scenarios_is_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` is a share from 0 to 1, got 2"):
        StateSettings(**{name: 2.0})


def test_a_planner_that_stands_still_reaches_one_place_and_loses_its_example():
    states = on_policy_states([scene("straight_road")], StandStillPlanner(), StateSettings(every_steps=50))[0]
    assert [state.kind for state in states] == [ON_POLICY] * 3
    assert states[0].future.ego_poses is not None
    assert states[2].future.ego_poses is None


def test_a_drive_ends_where_the_ego_overlaps_an_agent():
    states = on_policy_states([scene("queue")], ConstantVelocityPlanner(), StateSettings(every_steps=10))[0]
    assert 0 < len(states) < 15
    assert not any(overlaps_agent(state.observation) for state in states)
