"""Which entries of a vocabulary are worth asking in a state: those that can be reached and stay near the route.

A car at 12 m/s cannot follow an entry that creeps, and of those that brake to a stop a few differ. For each speed,
entries are put in an order in which each lies farthest from those before as it would be driven, so that the first of
them cover all that can be done from there, whatever the size of the vocabulary. In a state, those are passed over
that leave the route far to the side: before a right turn, all that go on straight.
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

from planning.neural.farthest_points import far_apart
from planning.neural.features import route_points
from planning.neural.route_distance import nearest_the_route
from simulation.ego.dynamics import STATE_SIZE, VELOCITY_X
from simulation.ego.vocabulary_tracking import FittedVocabulary, retime_entries

NUM_ASKED = 256
"""Entries asked at a time."""
NUM_ORDERED = 1024
"""Entries that are put in order for each speed; of larger vocabularies, the others are never asked at it."""
SPEED_STEP_MPS, MAX_SPEED_MPS = 0.5, 25.0
_SLOWER_MPS, _FASTER_MPS = 7.5, 4.0
"""Entries whose speed after a second is farther from the ego's are left out, unless too few are left."""
_SPEED_PLACE = 10
_PLACES = (10, 20, 30, 40)
"""Steps at which entries are looked up beside the route."""
_AHEAD_WEIGHT, _HEADING_WEIGHT_M = 0.5, 2.0


class ReachableEntries:
    """Rows of the entries to ask, by the speed of the ego and its route."""

    def __init__(self, fitted: FittedVocabulary, count: int = NUM_ASKED) -> None:
        """Put entries in order for all speeds; takes some seconds for a vocabulary of some thousands."""
        self.count = min(count, len(fitted.poses))
        speeds = np.arange(0.0, MAX_SPEED_MPS + SPEED_STEP_MPS / 2, SPEED_STEP_MPS)
        ordered = [_in_order(fitted, float(speed), self.count) for speed in speeds]
        self._rows = [rows for rows, _ in ordered]
        self._places = [places for _, places in ordered]

    def at(
        self,
        speeds_mps: Float[np.ndarray, "states"],
        route: Float[np.ndarray, "states points values"],
        route_mask: Bool[np.ndarray, "states points"],
    ) -> Int64[np.ndarray, "states asked"]:
        """The rows to ask in each state, ascending.

        Args:
            speeds_mps: Of the ego.
            route: Of `Features`, stacked.
            route_mask: Which route points are there.
        """
        bins = np.clip(np.rint(np.asarray(speeds_mps) / SPEED_STEP_MPS), 0, len(self._rows) - 1).astype(np.int64)
        points, counts = route_points(route), route_mask.sum(axis=1)
        asked = np.empty((len(bins), self.count), dtype=np.int64)
        for state, place in enumerate(bins.tolist()):
            near = nearest_the_route(self._places[place], points[state], int(counts[state]), self.count)
            asked[state] = np.sort(self._rows[place][near])
        return asked


def _in_order(
    fitted: FittedVocabulary, speed_mps: float, count: int
) -> tuple[Int64[np.ndarray, "ordered"], Float[np.ndarray, "ordered 4 3"]]:
    gain_mps = fitted.speeds[:, min(_SPEED_PLACE, fitted.speeds.shape[1] - 1)] - speed_mps
    beyond = np.maximum(np.maximum(gain_mps - _FASTER_MPS, -_SLOWER_MPS - gain_mps), 0.0)
    rows = np.argsort(beyond, kind="stable")[: max(count, int((beyond == 0.0).sum()))]
    state = np.zeros(STATE_SIZE)
    state[VELOCITY_X] = speed_mps
    driven = retime_entries(fitted, state, rows)
    compared = driven[:, 5::5].copy()
    # A metre ahead matters less than one aside.
    compared[..., 0] *= _AHEAD_WEIGHT
    compared[..., 2] *= _HEADING_WEIGHT_M
    order = far_apart(compared.reshape(len(rows), -1), min(len(rows), max(count, NUM_ORDERED)))
    return rows[order], np.ascontiguousarray(driven[order][:, _PLACES])
