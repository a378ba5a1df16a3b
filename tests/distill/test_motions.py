"""Motions for vocabularies, logged and generated."""

from dataclasses import replace

import numpy as np
import pytest

from distill.motions import (
    MAX_CURVATURE_PM,
    MAX_LATERAL_ACCEL_MPS2,
    MAX_SPEED_MPS,
    agent_motions,
    generated_motions,
    logged_motions,
    slow_turns,
    with_slow_turns,
)
from distill.vocabulary_building import build_vocabulary
from driving.agents import AgentKind, AgentTracks
from driving.synthetic.scenes import scene
from planning.neural.vocabulary import NUM_POSES


def with_agent(kind: AgentKind, length_m: float, speed_mps: float, *, is_seen: bool = True):
    """The straight road with one agent that drives east, and its number of time steps."""
    road = scene("straight_road")
    steps = road.agents.num_steps
    poses = np.zeros((1, steps, 3))
    poses[0, :, 0] = 0.1 * speed_mps * np.arange(steps)
    agents = AgentTracks(
        track_ids=("a",),
        kinds=np.array([kind], dtype=np.int8),
        poses=poses,
        velocities_mps=np.full((1, steps, 2), [speed_mps, 0.0]),
        sizes=np.full((1, steps, 2), [length_m, 2.0]),
        valid=np.full((1, steps), is_seen),
    )
    return replace(road, agents=agents), steps


def test_logged_motions_start_every_half_second_in_their_own_frame():
    road = scene("straight_road")
    motions = logged_motions(road)
    assert len(motions) == (road.ego.num_steps - NUM_POSES) // 5 + 1
    # 10 m/s along a straight line.
    expected = np.zeros((NUM_POSES, 3))
    expected[:, 0] = np.arange(NUM_POSES)
    assert motions == pytest.approx(np.broadcast_to(expected, motions.shape), abs=1e-3)


def test_vehicles_give_motions_once_a_second():
    seen, steps = with_agent(AgentKind.VEHICLE, 4.5, 8.0)
    motions = agent_motions(seen)
    assert len(motions) == (steps - NUM_POSES) // 10 + 1
    assert motions[:, -1] == pytest.approx(np.broadcast_to([32.0, 0.0, 0.0], (len(motions), 3)), abs=1e-3)


@pytest.mark.parametrize(
    ("kind", "length_m", "speed_mps", "is_seen"),
    [
        (AgentKind.PEDESTRIAN, 4.5, 8.0, True),
        (AgentKind.VEHICLE, 2.0, 8.0, True),
        (AgentKind.VEHICLE, 12.0, 8.0, True),
        (AgentKind.VEHICLE, 4.5, -2.0, True),
        (AgentKind.VEHICLE, 4.5, MAX_SPEED_MPS + 1.0, True),
        (AgentKind.VEHICLE, 4.5, 8.0, False),
    ],
    ids=["pedestrian", "short", "bus", "reversing", "jumping", "unobserved"],
)
def test_other_agents_give_none(kind, length_m, speed_mps, is_seen):
    assert len(agent_motions(with_agent(kind, length_m, speed_mps, is_seen=is_seen)[0])) == 0


def test_generated_motions_obey_the_bounds_of_the_ego():
    motions = generated_motions(400, seed=2).astype(np.float64)
    assert not motions[:, 0].any()
    steps_m = np.hypot(*np.diff(motions[..., :2], axis=1).transpose(2, 0, 1))
    turns = np.abs(np.diff(motions[..., 2], axis=1))
    speeds_mps = steps_m / 0.1
    assert speeds_mps.max() <= MAX_SPEED_MPS + 1e-3
    moves = steps_m > 0.05
    curvatures = turns[moves] / steps_m[moves]
    assert curvatures.max() <= MAX_CURVATURE_PM * 1.01
    assert (curvatures * speeds_mps[moves] ** 2).max() <= MAX_LATERAL_ACCEL_MPS2 * 1.01


def test_generated_motions_depend_on_count_and_seed_only():
    assert np.array_equal(generated_motions(40, seed=3), generated_motions(40, seed=3))
    assert not np.array_equal(generated_motions(40, seed=3), generated_motions(40, seed=4))


def test_generated_motions_hold_slow_turning_and_stopping_ones():
    motions = generated_motions(400, seed=0)
    slow, turning, _, stopping = np.array_split(motions, 4)
    assert np.median(slow[:, -1, 0]) < 20.0
    assert (np.abs(turning[:, -1, 2]) > 0.5).mean() > 0.3
    last_steps_m = np.hypot(*(stopping[:, -1, :2] - stopping[:, -2, :2]).T)
    assert (last_steps_m == 0.0).mean() > 0.3


def test_slow_turns_are_slow_and_turn():
    motions = slow_turns(seed=2)
    length_m = np.hypot(*np.diff(motions[..., :2], axis=1).transpose(2, 0, 1)).sum(axis=1)
    assert len(motions) > 1000
    assert length_m.max() <= 4.0 * 4.0
    assert (np.abs(motions[:, -1, 2]) / length_m).min() > np.deg2rad(2.0)
    assert (motions[:, -1, 2] > 0.0).mean() == pytest.approx(0.5, abs=0.05)


def test_slow_turns_are_added_behind_the_entries_of_a_vocabulary():
    vocabulary = build_vocabulary(generated_motions(400, seed=1), 8)
    larger = with_slow_turns(vocabulary, 5, seed=2)
    assert np.array_equal(larger.poses[:8], vocabulary.poses)
    assert len(larger) == 13
    assert (np.abs(larger.poses[8:, -1, 2]) > 0.05).all()
    assert larger.metadata["slow_turns"] == 5
    with pytest.raises(ValueError, match="at least one slow turn, got 0"):
        with_slow_turns(vocabulary, 0)
