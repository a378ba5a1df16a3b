"""Selection of candidates from a vocabulary: those that the ego can reach at its speed and that stay near the route.

A car at 12 m/s cannot follow an entry that creeps, and of the entries that brake to a stop a few differ. For each
speed, the entries are ordered by farthest-point sampling of their re-timed motions, so that the first of them cover
what is possible at that speed, whatever the size of the vocabulary. In a state, entries that leave the route far to
the side are skipped: before a right turn, all that go straight on.
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

from planning.neural.farthest_points import farthest_points
from planning.neural.route_distance import nearest_to_route
from planning.neural.tokens import route_points
from simulation.ego.dynamics import STATE_SIZE, VELOCITY_X
from simulation.ego.vocabulary_tracking import FittedVocabulary, retime_entries

NUM_TRAINING_CANDIDATES = 256
"""Candidates of a state in training."""
NUM_ORDERED = 1024
"""Entries ordered for each speed; the remaining ones of a larger vocabulary are never selected at it."""
SPEED_STEP_MPS, MAX_SPEED_MPS = 0.5, 25.0
_SLOWER_MPS, _FASTER_MPS = 7.5, 4.0
"""Entries with a speed after 1 s farther from the ego's are left out, unless too few remain."""
_SPEED_STEP = 10
_INSTANTS = (10, 20, 30, 40)
"""Steps at which the distance to the route is measured."""
_FORWARD_WEIGHT, _HEADING_WEIGHT_M = 0.5, 2.0


class CandidateSelector:
    """Selects rows of a vocabulary by the speed of the ego and its route."""

    def __init__(self, fitted: FittedVocabulary, count: int = NUM_TRAINING_CANDIDATES) -> None:
        """Order the entries for all speeds; takes seconds for a vocabulary of some thousands."""
        self.count = min(count, len(fitted.poses))
        speeds = np.arange(0.0, MAX_SPEED_MPS + SPEED_STEP_MPS / 2, SPEED_STEP_MPS)
        self._ordered = [_order(fitted, float(speed), self.count) for speed in speeds]

    def select(
        self,
        speeds_mps: Float[np.ndarray, "states"],
        route: Float[np.ndarray, "states points values"],
        route_mask: Bool[np.ndarray, "states points"],
    ) -> Int64[np.ndarray, "states candidates"]:
        """Rows of the candidates of each state, ascending.

        Args:
            speeds_mps: Of the ego.
            route: Of `Features`, stacked.
            route_mask: Which route points are valid.
        """
        bins = np.clip(np.rint(np.asarray(speeds_mps) / SPEED_STEP_MPS), 0, len(self._ordered) - 1).astype(np.int64)
        points, num_points = route_points(route), route_mask.sum(axis=1)
        candidates = np.empty((len(bins), self.count), dtype=np.int64)
        for state, speed_bin in enumerate(bins.tolist()):
            rows, poses = self._ordered[speed_bin]
            near = nearest_to_route(poses, points[state], int(num_points[state]), self.count)
            candidates[state] = np.sort(rows[near])
        return candidates


def _order(
    fitted: FittedVocabulary, speed_mps: float, count: int
) -> tuple[Int64[np.ndarray, "ordered"], Float[np.ndarray, "ordered 4 3"]]:
    """Rows of the entries in farthest-point order at a speed, and their poses at `_INSTANTS`."""
    gain_mps = fitted.speeds[:, min(_SPEED_STEP, fitted.speeds.shape[1] - 1)] - speed_mps
    beyond = np.maximum(np.maximum(gain_mps - _FASTER_MPS, -_SLOWER_MPS - gain_mps), 0.0)
    rows = np.argsort(beyond, kind="stable")[: max(count, int((beyond == 0.0).sum()))]
    state = np.zeros(STATE_SIZE)
    state[VELOCITY_X] = speed_mps
    retimed = retime_entries(fitted, state, rows)
    compared = retimed[:, 5::5].copy()
    # A metre forward differs less than a metre to the side.
    compared[..., 0] *= _FORWARD_WEIGHT
    compared[..., 2] *= _HEADING_WEIGHT_M
    order = farthest_points(compared.reshape(len(rows), -1), min(len(rows), max(count, NUM_ORDERED)))
    return rows[order], np.ascontiguousarray(retimed[order][:, _INSTANTS])
