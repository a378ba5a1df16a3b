"""Mirrored states: features and motions with left and right exchanged stay consistent with each other."""

import numpy as np
import pytest

from distill.mirroring import mirrored_features, mirrored_motions
from planning.neural.candidate_features import (
    ABS_OFFSET,
    FORECAST_BLOCK,
    LEFT_EDGE,
    LEFT_LANE_EDGE,
    MOTION_SIN,
    MOTION_Y,
    OFFSET,
    RIGHT_EDGE,
    RIGHT_LANE_EDGE,
    TURN_SIN,
    candidate_features,
    candidate_geometry,
)
from planning.neural.tokens import POSITION_M, ROUTE_BEHIND
from simulation.ego.vocabulary_tracking import drive_vocabulary, fit_vocabulary


@pytest.fixture
def tracked(labelled, vocabulary):
    rows = np.repeat(np.arange(len(vocabulary))[np.newaxis], len(labelled), axis=0)
    return drive_vocabulary(fit_vocabulary(vocabulary.poses), labelled.ego_states, rows)


def computed(features, tracked):
    geometry = candidate_geometry(features, tracked)
    return candidate_features(geometry, geometry.kinematic_m)


def test_mirroring_twice_gives_the_same_states(labelled, tracked):
    twice = mirrored_features(mirrored_features(labelled.features))
    assert all(np.array_equal(twice[name], values) for name, values in labelled.features.items())
    assert not np.array_equal(mirrored_features(labelled.features)["route"], labelled.features["route"])
    assert np.array_equal(mirrored_motions(mirrored_motions(tracked)), tracked)


def test_candidates_keep_their_gaps_and_exchange_the_edges(labelled, tracked):
    plain = computed(labelled.features, tracked)
    mirrored = computed(mirrored_features(labelled.features), mirrored_motions(tracked))
    expected = plain.copy()
    expected[..., [MOTION_Y, MOTION_SIN, OFFSET, TURN_SIN]] *= -1.0
    for left, right in ((LEFT_EDGE, RIGHT_EDGE), (LEFT_LANE_EDGE, RIGHT_LANE_EDGE)):
        expected[..., [left, right]] = plain[..., [right, left]]
    # Boxes of agents are the same on both sides: all columns about agents stay.
    assert np.abs(plain[..., ABS_OFFSET]).max() > 0.1
    assert np.isfinite(plain[..., FORECAST_BLOCK:]).all()
    assert mirrored == pytest.approx(expected, abs=1e-4)


def test_the_token_of_the_ego_follows_the_mirrored_route(labelled):
    mirrored = mirrored_features(labelled.features)
    for ego, route, mask in zip(mirrored["ego"], mirrored["route"], mirrored["route_mask"], strict=True):
        points = route[mask]
        nearest = points[int(np.argmin(np.hypot(points[:, 0], points[:, 1])))]
        offset = nearest[2] * nearest[1] - nearest[3] * nearest[0]
        assert ego[3] == pytest.approx(-offset * POSITION_M / 2.0, abs=1e-5)
        assert ego[4] == pytest.approx(nearest[3])
        assert len(points) > ROUTE_BEHIND
