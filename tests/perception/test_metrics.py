import numpy as np
import pytest
from small_perception import GRID

from perception.boxes import Boxes
from perception.decoding import Detections
from perception.metrics import BoxFrame, BoxQuery, GridCounts, MeanMap, ring, score_boxes


def boxes(*rows):
    """Rows of class, x, y, velocity x."""
    values = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Boxes(
        classes=values[:, 0].astype(np.int64),
        poses=np.column_stack([values[:, 1:3], np.zeros(len(values))]),
        sizes_m=np.ones((len(values), 3)),
        velocities_mps=np.column_stack([values[:, 3], np.zeros(len(values))]),
    )


def frame(truth, detected, scores, visible=None):
    is_visible = np.ones(len(truth), dtype=bool) if visible is None else np.array(visible)
    return BoxFrame(
        Detections(boxes=boxes(*detected), scores=np.array(scores, dtype=float)), boxes(*truth), is_visible
    )


def test_iou_counts_cells_above_each_threshold():
    probability = np.array([[0.9, 0.6, 0.3, 0.1]])
    truth = np.array([[True, False, True, False]])
    counts = GridCounts()
    counts.add(probability, truth, np.ones((1, 4), dtype=bool))
    assert counts.iou(0.5) == pytest.approx(1 / 3)
    assert counts.iou(0.2) == pytest.approx(2 / 3)
    assert counts.best() == (pytest.approx(2 / 3), pytest.approx(0.15))
    counts.add(probability, truth, np.zeros((1, 4), dtype=bool))
    assert counts.cells == 4


def test_the_iou_of_nothing_is_nan():
    assert np.isnan(GridCounts().iou())
    assert np.isnan(GridCounts().best()[0])


def test_the_mean_map_is_the_share_of_samples():
    mean = MeanMap.empty(1, GRID)
    truth = np.zeros((4, 1, *GRID.shape), dtype=bool)
    truth[0, 0, 3, 3] = True
    counted = np.ones((4, *GRID.shape), dtype=bool)
    counted[2:, 3, 3] = False
    mean.add(truth, counted)
    assert mean.probability()[0, 3, 3] == 0.5
    assert mean.probability().sum() == 0.5


def test_a_ring_holds_the_cells_at_a_distance():
    inner, outer = ring(GRID, 0.0, 4.0), ring(GRID, 4.0, 8.0)
    assert not (inner & outer).any()
    assert inner.sum() * 0.25 == pytest.approx(np.pi * 16, rel=0.05)


def test_perfect_detections_have_an_average_precision_of_one():
    truth = [[0, 5, 0, 2], [0, -5, 3, 0]]
    scores = score_boxes([frame(truth, truth, [0.9, 0.8])], BoxQuery())
    assert scores.average_precision == pytest.approx(1.0)
    assert (scores.recall, scores.precision, scores.num_true) == (1.0, 1.0, 2)
    assert scores.position_error_m == 0.0
    assert (scores.velocity_error_mps, scores.standing_error_mps) == (0.0, 1.0)


def test_a_false_detection_above_the_true_ones_halves_the_precision():
    frames = [frame([[0, 5, 0, 0]], [[0, 20, 0, 0], [0, 5.4, 0, 0]], [0.9, 0.8])]
    scores = score_boxes(frames, BoxQuery())
    assert (scores.recall, scores.precision) == (1.0, 0.5)
    assert scores.position_error_m == pytest.approx(0.4)
    assert scores.average_precision == pytest.approx((0.5 - 0.1) / 0.9)


def test_a_box_is_matched_once_and_within_the_distance_only():
    frames = [frame([[0, 5, 0, 0]], [[0, 5, 0.3, 0], [0, 5, 0.6, 0], [1, 5, 0, 0]], [0.9, 0.8, 0.7])]
    assert score_boxes(frames, BoxQuery()).precision == 0.5
    assert score_boxes(frames, BoxQuery(match_m=0.2)).recall == 0.0
    assert score_boxes(frames, BoxQuery(kind=1)).num_true == 0


def test_detections_of_agents_that_no_camera_shows_are_neither_right_nor_wrong():
    frames = [frame([[0, 5, 0, 0], [0, 10, 0, 0]], [[0, 5, 0, 0], [0, 10, 0, 0]], [0.9, 0.8], visible=[True, False])]
    visible, every = (score_boxes(frames, BoxQuery(visible_only=only)) for only in (True, False))
    assert (visible.num_true, visible.recall, visible.precision) == (1, 1.0, 1.0)
    assert (every.num_true, every.recall, every.precision) == (2, 1.0, 1.0)


def test_ranges_select_by_the_true_distance():
    frames = [frame([[0, 19.9, 0, 0], [0, 30, 0, 0]], [[0, 20.3, 0, 0]], [0.9])]
    near = score_boxes(frames, BoxQuery(range_m=(0.0, 20.0)))
    far = score_boxes(frames, BoxQuery(range_m=(20.0, 40.0)))
    assert (near.num_true, near.recall, near.precision) == (1, 1.0, 1.0)
    assert (far.num_true, far.recall) == (1, 0.0)
    assert np.isnan(far.precision)


def test_weak_detections_do_not_count_for_recall():
    frames = [frame([[0, 5, 0, 0]], [[0, 5, 0, 0]], [0.2])]
    assert score_boxes(frames, BoxQuery()).recall == 0.0
    assert score_boxes(frames, BoxQuery()).average_precision == pytest.approx(1.0)


def test_unknown_classes_are_refused():
    with pytest.raises(ValueError, match=r"No class 7\. Known: \{0: 'vehicle'"):
        score_boxes([], BoxQuery(kind=7))
