import numpy as np

from simulation.generation.condition import SceneCondition
from simulation.generation.learned.facts import condition_vector, count_targets
from simulation.generation.learned.inputs import batch_of, closing_bins, traced
from simulation.generation.learned.vocabulary import CLOSING, GAP


def test_each_agent_and_each_piece_of_both_passes_is_a_decision(scene):
    found = traced(scene)
    assert len(found.drawn) == 2 * len(scene.window) + len(scene.agents)
    assert sorted(found.drawn[found.drawn >= 0].tolist()) == list(range(len(scene.agents)))


def test_given_agents_are_not_drawn(scene):
    kept = np.array([True, False, False, True, False])
    found = traced(scene, is_kept=kept)
    assert sorted(found.drawn[found.drawn >= 0].tolist()) == [1, 2, 4]


def test_the_ego_is_drawn_first_and_sees_nothing(scene):
    found = traced(scene)
    assert found.drawn[0] == scene.ego
    assert not found.rows.is_near[0].any()


def test_a_follower_has_the_gap_and_speed_of_its_leader(scene):
    found = traced(scene)
    follower = int(np.flatnonzero(scene.agents.speeds_mps == 7.0)[0])
    row = int(np.flatnonzero(found.drawn == follower)[0])
    speed = found.slots.speed[row]
    # The ego is 15 m ahead, from centre to centre.
    gap_m = 15.0 - (5.176 + 4.6) / 2
    assert speed[0] >= 0.0
    assert speed[1] == 1.0
    np.testing.assert_allclose(speed[2], gap_m / 20.0, atol=2e-3)
    np.testing.assert_allclose(found.slots.lead_speed[row], 8.0)
    position = int(scene.agents.along_m[follower] / 0.5)
    edges = GAP.edges[found.slots.gap_ahead[row, position] + np.arange(2)]
    assert edges[0] - 0.5 <= gap_m <= edges[1] + 0.5


def test_the_agent_s_own_position_is_free(scene):
    batch = batch_of([traced(scene)])
    rows = np.arange(len(batch.targets.row))
    assert batch.slots.is_free.numpy()[rows, batch.targets.bins["position"].numpy()].all()


def test_a_batch_stacks_scenes(scene):
    one, two = batch_of([traced(scene)]), batch_of([traced(scene), traced(scene)])
    assert len(two.rows.features) == 2 * len(one.rows.features)
    assert two.pieces.features.shape[0] == 2
    assert (two.rows.piece[len(one.rows.piece) :] == one.rows.piece + one.pieces.features.shape[1]).all()


def test_closing_bins_are_relative_to_the_leader():
    bins = closing_bins(np.array([5.0, np.nan]))
    assert bins[0, 0] == CLOSING.of(np.array([-5.0]))[0]
    assert (bins[1] == CLOSING.of(np.zeros(1))[0]).all()


def test_conditions_become_numbers():
    vector = condition_vector(SceneCondition(vehicles=20, density="high", ego_speed_mps=(7.0, 8.0)))
    assert vector.tolist() == [1.0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 1.0, 0, 0, 0, 1.0, 0.5]
    targets = count_targets(SceneCondition(pedestrians=3))
    assert np.isnan(targets[:3]).all()
    assert targets[3] == 3.0
