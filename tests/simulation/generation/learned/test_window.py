import numpy as np
import pytest

from driving.agents import LightStatus
from driving.map import IntersectionKind
from simulation.generation.learned import window as window_module
from simulation.generation.learned.pieces import KIND_COLUMNS, LIGHT_COLUMNS, NUM_STATIC, PROFILE_M, lane_pieces
from simulation.generation.learned.window import (
    NUM_FEATURES,
    NUM_LIGHT,
    scene_window,
    window_features,
    without_layers,
    without_lights,
)
from simulation.geometry.lane_anchors import lane_lengths


def test_pieces_come_after_those_that_follow_them(scene):
    for place in range(len(scene.window)):
        assert (scene.window.successors[place] < place).all()


def test_the_centre_lies_on_its_piece(street, lane_row):
    window = scene_window(street, lane_row, 60.0)
    pieces = lane_pieces(street)
    own = window.pieces[window.center_piece]
    assert pieces.lane_rows[own] == lane_row
    assert abs(pieces.begin_m[own] + window.center_along_m - 60.0) < 1e-9


def test_too_few_pieces_are_one_sentence(street, lane_row, monkeypatch):
    monkeypatch.setattr(window_module, "WINDOW_M", 5.0)
    with pytest.raises(ValueError, match=r"has \d lane pieces of up to 20 m; scenes need 4 to 384"):
        scene_window(street, lane_row, 60.0)


def test_too_many_pieces_are_one_sentence(street, lane_row, monkeypatch):
    monkeypatch.setattr(window_module, "MAX_PIECES", 5)
    with pytest.raises(ValueError, match=r"scenes need 4 to 5. Choose another place or map"):
        scene_window(street, lane_row, 60.0)


def test_features_are_finite_and_show_lights(street):
    lanes = street.lanes
    lit = int(np.flatnonzero(lanes.has_traffic_lights)[0])
    before = int(lanes.predecessors[lit][0])
    window = scene_window(street, before, 10.0)
    features = window_features(window, {int(lanes.ids[lit]): LightStatus.RED})
    assert features.shape == (len(window), NUM_FEATURES)
    assert np.isfinite(features).all()
    rows = lane_pieces(street).lane_rows[window.pieces]
    assert (features[rows == lit, -NUM_LIGHT + LightStatus.RED] == 1.0).all()
    assert (features[rows == before, -4 + LightStatus.RED] == 1.0).all()
    assert window_features(window)[:, -NUM_LIGHT:].sum() == 0.0


def test_a_layer_of_areas_is_hidden_alone(street, lane_row):
    window = scene_window(street, lane_row, 60.0)
    features = window_features(window)
    hidden = without_layers(features, ("drivable_area",))
    changed = np.flatnonzero((features != hidden).any(axis=0))
    assert set(changed.tolist()) <= set(range(NUM_STATIC, NUM_STATIC + len(PROFILE_M)))
    assert not hidden[:, changed].any()
    assert len(changed) > 0
    np.testing.assert_array_equal(without_layers(features, ()), features)


def test_without_lights_a_map_has_default_intersections(street):
    lanes = street.lanes
    lit = int(np.flatnonzero(lanes.has_traffic_lights)[0])
    before = int(lanes.predecessors[lit][0])
    window = scene_window(street, before, lane_lengths(street)[before] - 2.0)
    features = window_features(window, {int(lanes.ids[lit]): LightStatus.RED})
    hidden = without_lights(features)
    changed = np.flatnonzero((features != hidden).any(axis=0))
    kinds = [
        begin + kind for begin in KIND_COLUMNS for kind in (IntersectionKind.DEFAULT, IntersectionKind.TRAFFIC_LIGHT)
    ]
    assert set(LIGHT_COLUMNS) <= set(changed.tolist())
    assert set(changed.tolist()) <= {*LIGHT_COLUMNS, *kinds, *range(NUM_FEATURES - NUM_LIGHT, NUM_FEATURES)}
    # Each piece keeps an intersection kind where it had one.
    for begin in KIND_COLUMNS:
        np.testing.assert_array_equal(
            hidden[:, begin : begin + 6].sum(axis=1), features[:, begin : begin + 6].sum(axis=1)
        )
    np.testing.assert_array_equal(without_lights(hidden), hidden)
