import numpy as np
import torch

from simulation.generation.learned.inputs import batch_of, traced
from simulation.generation.learned.likelihood import decision_losses, rarity_score, scene_log_likelihoods


def test_the_parts_of_a_scene_sum_up_to_its_losses(quiet, scene):
    (values, none), *_ = scene_log_likelihoods(quiet.network, [scene])
    losses = decision_losses(quiet.network, batch_of([traced(scene)]))
    is_none = traced(scene).drawn < 0
    assert len(values) == len(scene.agents)
    np.testing.assert_allclose(none, -losses["class"].detach().numpy()[is_none].sum(), rtol=1e-5)


def test_a_scene_has_the_same_likelihood_alone_and_among_others(quiet, scene):
    alone, none = scene_log_likelihoods(quiet.network, [scene])[0]
    together = scene_log_likelihoods(quiet.network, [scene, scene, scene], batch_size=2)
    for values, rest in together:
        np.testing.assert_allclose(values, alone, atol=1e-4)
        np.testing.assert_allclose(rest, none, atol=1e-3)


def test_what_is_given_of_the_ego_costs_nothing(quiet, scene):
    batch = batch_of([traced(scene)])
    losses = decision_losses(quiet.network, batch)
    ego = int(torch.nonzero(batch.targets.is_ego)[0, 0])
    assert all(float(losses[name][ego].detach()) == 0.0 for name in ("length", "width", "position"))
    assert float(losses["class"][batch.targets.row[ego]].detach()) == 0.0
    assert float(losses["speed"][ego].detach()) > 0.0


def test_rarity_is_per_agent():
    assert rarity_score(np.array([-1.0, -3.0]), -2.0) == 3.0
