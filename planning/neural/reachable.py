"""Which entries of a vocabulary are worth asking at a speed: re-timed, many come to the same motion.

A car at 12 m/s cannot follow an entry that creeps, and of those that brake to a stop a few differ. For each speed,
those entries are chosen that lie farthest apart from each other as they would be driven, so that a fixed number
covers all that can be done from there, whatever the size of the vocabulary.
"""

import numpy as np
from jaxtyping import Float, Int64

from simulation.dynamics import STATE_SIZE, VELOCITY_X
from simulation.kernels.spread import far_apart
from simulation.vocabulary_tracking import FittedVocabulary, retime_entries

NUM_ASKED = 320
"""Entries asked at a time."""
SPEED_STEP_MPS, MAX_SPEED_MPS = 0.5, 25.0
_SLOWER_MPS, _FASTER_MPS = 7.5, 4.0
"""Entries whose speed after a second is farther from the ego's are left out, unless too few are left."""
_SPEED_PLACE = 10
_AHEAD_WEIGHT, _HEADING_WEIGHT_M = 0.5, 2.0


class ReachableEntries:
    """Rows of the entries to ask, by the speed of the ego."""

    def __init__(self, fitted: FittedVocabulary, count: int = NUM_ASKED) -> None:
        """Choose for all speeds; takes a second for a vocabulary of some thousands."""
        num = len(fitted.poses)
        self.count = min(count, num)
        speeds = np.arange(0.0, MAX_SPEED_MPS + SPEED_STEP_MPS / 2, SPEED_STEP_MPS)
        if self.count == num:
            self._rows = np.tile(np.arange(num), (len(speeds), 1))
        else:
            self._rows = np.stack([_choose(fitted, float(speed), self.count) for speed in speeds])

    def at(self, speeds_mps: Float[np.ndarray, "states"]) -> Int64[np.ndarray, "states asked"]:
        """The rows to ask at each speed, ascending."""
        places = np.rint(np.asarray(speeds_mps) / SPEED_STEP_MPS).astype(np.int64)
        return self._rows[np.clip(places, 0, len(self._rows) - 1)]


def _choose(fitted: FittedVocabulary, speed_mps: float, count: int) -> Int64[np.ndarray, "asked"]:
    gain_mps = fitted.speeds[:, min(_SPEED_PLACE, fitted.speeds.shape[1] - 1)] - speed_mps
    beyond = np.maximum(np.maximum(gain_mps - _FASTER_MPS, -_SLOWER_MPS - gain_mps), 0.0)
    rows = np.argsort(beyond, kind="stable")[: max(count, int((beyond == 0.0).sum()))]
    state = np.zeros(STATE_SIZE)
    state[VELOCITY_X] = speed_mps
    driven = retime_entries(fitted, state, rows)[:, 5::5]
    # A metre ahead matters less than one aside.
    driven[..., 0] *= _AHEAD_WEIGHT
    driven[..., 2] *= _HEADING_WEIGHT_M
    return np.sort(rows[far_apart(driven.reshape(len(rows), -1), count)])
