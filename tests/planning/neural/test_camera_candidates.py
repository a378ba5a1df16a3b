"""Candidates of the camera student: geometry relative to the line, agents, and points of the footprint."""

import numpy as np
import pytest
from small_camera_student import empty_scenes, small_vocabulary

from driving.vehicle import PACIFICA
from planning.neural.camera_candidates import (
    AHEAD,
    AHEAD_S,
    CENTRE,
    CORNERS,
    KEPT_COLUMNS,
    NUM_POINTS,
    camera_candidates,
    footprint_points,
    forecasts_of_scenes,
    select_candidates,
)
from planning.neural.candidate_features import GAP, KINEMATIC_BLOCK, OFFSET
from planning.neural.candidate_selection import CandidateSelector
from simulation.ego.vocabulary_tracking import fit_vocabulary


def test_points_are_those_of_the_tracked_box_in_the_frame_of_the_grids():
    tracked = np.zeros((1, 1, 8, 10))
    tracked[..., 0], tracked[..., 3] = 4.0, 5.0
    points, headings = footprint_points(tracked, np.array([[1.0, 2.0, np.pi / 2]]))
    assert points.shape == (1, 1, 8, NUM_POINTS, 2)
    centre = PACIFICA.rear_axle_to_center_m
    # The ego faces along y of the grids.
    assert points[0, 0, 0, CENTRE] == pytest.approx(np.array([[1.0, 2.0 + 4.0 + centre]]), abs=1e-5)
    assert points[0, 0, 0, CORNERS].mean(axis=0) == pytest.approx([1.0, 6.0 + centre], abs=1e-5)
    assert np.ptp(points[0, 0, 0, CORNERS], axis=0) == pytest.approx([PACIFICA.width_m, PACIFICA.length_m], abs=1e-5)
    front = 6.0 + centre + 0.5 * PACIFICA.length_m
    assert points[0, 0, 0, AHEAD] == pytest.approx(np.array([[1.0, front + 5.0 * AHEAD_S]]), abs=1e-5)
    assert headings == pytest.approx(np.pi / 2)


def test_features_hold_the_offset_from_the_line_and_the_gap_to_perceived_agents():
    fitted = fit_vocabulary(small_vocabulary().poses)
    scenes = empty_scenes(2)
    scenes.route[1, :, 1] = 1.0
    agents = scenes.agents.copy()
    agents[0, 0, :6] = (20.0, 0.0, 1.0, 0.0, 4.5, 2.0)
    mask = scenes.agents_mask.copy()
    mask[0, 0] = True
    scenes = scenes._replace(agents=agents, agents_mask=mask)
    rows = select_candidates(CandidateSelector(fitted, 16), scenes)
    described = camera_candidates(fitted, scenes, rows)
    assert described.features.shape == (2, 16, 8, len(KEPT_COLUMNS))
    columns = KEPT_COLUMNS.tolist()
    offset, gap = columns.index(OFFSET), columns.index(KINEMATIC_BLOCK + GAP)
    same = rows[0] == rows[1]
    assert same.any()
    change = (described.features[1, same, 0, offset] - described.features[0, same, 0, offset]) * 2.0
    assert change == pytest.approx(-1.0, abs=0.05)
    assert described.features[0, :, :, gap].min() < described.features[1, :, :, gap].min()
    assert described.rear_axle_m.shape == (2, 16, 8, 2)


def test_the_forecast_of_perceived_agents_keeps_their_velocity():
    scenes = empty_scenes()
    agents = scenes.agents.copy()
    agents[0, 0, :8] = (20.0, 1.0, 1.0, 0.0, 4.5, 2.0, 2.0, -1.0)
    forecasts = forecasts_of_scenes(scenes._replace(agents=agents))
    assert forecasts.ahead[0, 0, -1] == pytest.approx([28.0, -3.0])
    assert forecasts.boxes[0, 0] == pytest.approx([1.0, 0.0, 4.5, 2.0])
