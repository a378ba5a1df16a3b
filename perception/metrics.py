"""Scores of perception: IoU of grids, and average precision, recall, position and velocity errors of boxes.

Source:
    Average precision by distance of centres: Caesar et al., "nuScenes", arXiv 1903.11027, section 3.1 (recall and
    precision below 10 % are left out and the area is normalised).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from perception.boxes import Boxes
from perception.contract import CENTRE_CLASSES
from perception.decoding import Detections
from perception.grid import BevGrid

THRESHOLDS = np.round(np.arange(0.05, 1.0, 0.05), 2)
"""Of probabilities, for the best IoU."""
DISTANCES_M = (0.5, 1.0, 2.0, 4.0)
"""Largest distances of matched centres."""
MIN_RECALL, MIN_PRECISION = 0.1, 0.1


class GridCounts:
    """Intersection and union of predicted and true cells of one class, by threshold, over any number of samples."""

    def __init__(self) -> None:
        self.intersection = np.zeros(len(THRESHOLDS))
        self.union = np.zeros(len(THRESHOLDS))
        self.cells = self.true_cells = 0

    def add(
        self,
        probability: Float[np.ndarray, "*samples X Y"],
        truth: Bool[np.ndarray, "*samples X Y"],
        counted: Bool[np.ndarray, "*samples X Y"],
    ) -> None:
        """Count cells where `counted` is true."""
        values, is_true = probability[counted], truth[counted]
        # A cell exceeds the thresholds below its bin.
        bins = np.searchsorted(THRESHOLDS, values, side="right")
        all_above = _above(np.bincount(bins, minlength=len(THRESHOLDS) + 1))
        true_above = _above(np.bincount(bins[is_true], minlength=len(THRESHOLDS) + 1))
        self.intersection += true_above
        self.union += all_above + is_true.sum() - true_above
        self.cells += len(values)
        self.true_cells += int(is_true.sum())

    def iou(self, threshold: float = 0.5) -> float:
        """IoU at one of `THRESHOLDS`; NaN without predicted and true cells."""
        (row,) = np.flatnonzero(np.isclose(THRESHOLDS, threshold))
        return _ratio(self.intersection[row], self.union[row])

    def best(self) -> tuple[float, float]:
        """Highest IoU, and its threshold."""
        ious = [_ratio(*pair) for pair in zip(self.intersection, self.union, strict=True)]
        if not np.isfinite(ious).any():
            return np.nan, np.nan
        row = int(np.nanargmax(ious))
        return ious[row], float(THRESHOLDS[row])


def _above(counts: Int64[np.ndarray, "bins"]) -> Int64[np.ndarray, "thresholds"]:
    return np.cumsum(counts[::-1])[::-1][1:]


def _ratio(part: float, whole: float | int) -> float:
    return float(part / whole) if whole > 0 else float("nan")


@dataclass
class MeanMap:
    """The control of the grids: the share of samples in which a cell was true, predicted for every sample."""

    total: Float64[np.ndarray, "classes X Y"]
    counted: Float64[np.ndarray, "X Y"]

    @classmethod
    def empty(cls, classes: int, grid: BevGrid) -> "MeanMap":
        """Without samples."""
        return cls(np.zeros((classes, *grid.shape)), np.zeros(grid.shape))

    def add(self, truth: Bool[np.ndarray, "B classes X Y"], counted: Bool[np.ndarray, "B X Y"]) -> None:
        """Take in training samples."""
        self.total += (truth & counted[:, np.newaxis]).sum(axis=0)
        self.counted += counted.sum(axis=0)

    def probability(self) -> Float64[np.ndarray, "classes X Y"]:
        """Of each class in each cell."""
        return self.total / np.maximum(self.counted, 1)


def ring(grid: BevGrid, low_m: float, high_m: float) -> Bool[np.ndarray, "X Y"]:
    """Cells at a distance from the rear axle of at least `low_m` and below `high_m`."""
    distance = np.linalg.norm(grid.centres(), axis=-1)
    return (distance >= low_m) & (distance < high_m)


class BoxFrame(NamedTuple):
    """Detections and truth of one instant."""

    detections: Detections
    truth: Boxes
    is_visible: Bool[np.ndarray, "boxes"]
    """Whether some camera shows the true box; a detection of another one is neither right nor wrong."""


class BoxScores(NamedTuple):
    """Of one class within a range of distances, at one distance of matching."""

    average_precision: float
    recall: float
    """At the score given."""
    precision: float
    position_error_m: float
    """Median over matches."""
    velocity_error_mps: float
    """Mean over matches."""
    standing_error_mps: float
    """Mean velocity error over the same matches, if all agents were taken to stand: the control."""
    num_true: int


@dataclass(frozen=True, kw_only=True)
class BoxQuery:
    """What to score."""

    kind: int = 0
    """Index into `CENTRE_CLASSES`."""
    match_m: float = 1.0
    """Largest distance between matched centres."""
    min_score: float = 0.25
    """Detections below count for the average precision only. For vehicles of the shipped network within 20 m, the
    lower one of recall and precision is highest at this score (validation towns)."""
    range_m: tuple[float, float] = (0.0, np.inf)
    """Distance from the rear axle."""
    visible_only: bool = True
    """False counts agents that no camera shows as missed."""


@dataclass
class _Matches:
    scores: list[float] = field(default_factory=list)
    is_right: list[bool] = field(default_factory=list)
    position: list[float] = field(default_factory=list)
    velocity: list[float] = field(default_factory=list)
    standing: list[float] = field(default_factory=list)


def score_boxes(frames: Sequence[BoxFrame], query: BoxQuery) -> BoxScores:
    """Scores of one class over frames.

    Each detection, by falling score, is matched with the closest true box of its class that is free and near enough.
    True boxes count within the range; detections count where they lie within it, or where their match does.

    Raises:
        ValueError: For an unknown class.
    """
    if query.kind not in range(len(CENTRE_CLASSES)):
        raise ValueError(f"No class {query.kind}. Known: {dict(enumerate(CENTRE_CLASSES))}.")
    found, num_true = _Matches(), 0
    for frame in frames:
        num_true += _match(frame, query, found)
    scores, is_right = np.array(found.scores), np.array(found.is_right, dtype=bool)
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_right[order])
    kept = scores >= query.min_score
    sure = np.array(found.scores)[is_right] >= query.min_score
    return BoxScores(
        average_precision=_average_precision(hits, num_true),
        recall=_ratio(float((is_right & kept).sum()), num_true),
        precision=_ratio(float((is_right & kept).sum()), float(kept.sum())),
        position_error_m=_summary(np.median, np.array(found.position)[sure]),
        velocity_error_mps=_summary(np.mean, np.array(found.velocity)[sure]),
        standing_error_mps=_summary(np.mean, np.array(found.standing)[sure]),
        num_true=num_true,
    )


def _match(frame: BoxFrame, query: BoxQuery, found: _Matches) -> int:
    """Match one frame, append to the matches, and count the true boxes."""
    truth = frame.truth
    detected = frame.detections.take(frame.detections.boxes.classes == query.kind)
    detected = detected.take(np.argsort(-detected.scores, kind="stable"))
    distance = np.linalg.norm(truth.poses[:, :2], axis=-1)
    is_inside = (distance >= query.range_m[0]) & (distance < query.range_m[1])
    counts = (truth.classes == query.kind) & is_inside & (frame.is_visible | (not query.visible_only))
    is_free = truth.classes == query.kind
    for row, score in enumerate(detected.scores):
        position = detected.boxes.poses[row, :2]
        gaps = np.where(is_free, np.linalg.norm(truth.poses[:, :2] - position, axis=-1), np.inf)
        match = int(np.argmin(gaps)) if len(gaps) else -1
        if match >= 0 and gaps[match] < query.match_m:
            is_free[match] = False
            if counts[match]:
                velocity = truth.velocities_mps[match]
                found.scores.append(float(score))
                found.is_right.append(True)
                found.position.append(float(gaps[match]))
                found.velocity.append(float(np.linalg.norm(detected.boxes.velocities_mps[row] - velocity)))
                found.standing.append(float(np.linalg.norm(velocity)))
        elif query.range_m[0] <= np.linalg.norm(position) < query.range_m[1]:
            found.scores.append(float(score))
            found.is_right.append(False)
    return int(counts.sum())


def _average_precision(hits: Int64[np.ndarray, "detections"], num_true: int) -> float:
    if num_true == 0:
        return float("nan")
    recall = hits / num_true
    precision = hits / np.arange(1, len(hits) + 1)
    grid = np.linspace(0, 1, 101)
    # Precision at a recall is the best one at this recall or above.
    best = np.maximum.accumulate(precision[::-1])[::-1]
    values = np.array([best[recall >= wanted - 1e-9].max(initial=0.0) for wanted in grid])
    above = values[grid > MIN_RECALL + 1e-9] - MIN_PRECISION
    return float(np.clip(above, 0, None).mean() / (1 - MIN_PRECISION))


def _summary(function: object, values: Float64[np.ndarray, "matches"]) -> float:
    return float(function(values)) if len(values) else float("nan")  # type: ignore[operator]
