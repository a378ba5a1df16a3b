"""What is better known of the agents replaces what a network expects of them, and only that."""

import numpy as np
import torch

from driving.synthetic.scenes import scene
from planning.neural.features import FEATURE_NAMES, FeatureBuilder
from planning.neural.relations import forecast_agents, relations_of

FORESEEN, STRAIGHT = slice(19, 25), slice(25, 31)
"""Columns of the relations to agents."""


def test_agents_that_are_known_are_judged_by_where_they_are_known_to_be():
    built = FeatureBuilder().build(scene("cut_in").observation_at(40))
    features = {name: torch.from_numpy(getattr(built, name)[np.newaxis]) for name in FEATURE_NAMES}
    driven = torch.zeros((1, 3, 8, 5))
    driven[0, :, :, 0] = torch.tensor([1.0, 4.0, 8.0])[:, None] * torch.arange(1, 9) * 0.5
    agents = features["agents"]
    expected = forecast_agents(agents, torch.zeros((*agents.shape[:2], 8, 2)))
    plain = relations_of(driven, features, expected)
    nothing = torch.full_like(expected, torch.nan)
    assert torch.equal(relations_of(driven, features, expected, nothing), plain)
    # Somebody who is said to stand on the ego's way is met, whatever the network expects.
    known = nothing.clone()
    known[0, 0] = torch.tensor([12.0, 0.0])
    told = relations_of(driven, features, expected, known)
    assert torch.equal(told[..., :19], plain[..., :19])
    assert float(told[0, 2, -1, FORESEEN.start]) < 0.0 or float(told[0, 2, 2, FORESEEN.start]) < 0.0
    assert not torch.equal(told[..., FORESEEN], plain[..., FORESEEN])
    assert not torch.equal(told[..., STRAIGHT], plain[..., STRAIGHT])
