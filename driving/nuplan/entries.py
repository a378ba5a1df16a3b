"""Handles of scenarios, and their frames in the logs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from driving.nuplan.logs import LogIndex
from driving.scenario import FUTURE_STEPS, HISTORY_STEPS
from driving.scenario_types import KNOWN_SCENARIO_TYPES
from driving.timing import STEP_S

logger = logging.getLogger(__name__)

KNOWN_CUT_S = (15.0, -3.0)
"""Duration, and start relative to the tagged frame, of nuPlan's known types ..."""
OTHER_CUT_S = (20.0, 0.0)
"""... and of other types."""
MAX_ID_DIGITS = 19
"""Ids of maps are below 2^63."""
STRIDE = 2
"""Frames are every second row of a log at 20 Hz."""


@dataclass(frozen=True, kw_only=True)
class ScenarioEntry:
    """A scenario that can be opened: small, for lists and for workers."""

    token: str
    """16 hex digits: the token of the tagged frame."""
    scenario_type: str
    log_name: str
    map_name: str
    log_file: str
    maps_root: str
    sensor_root: str
    time_us: int
    """Time of the tagged frame."""
    is_single_frame: bool = False
    """Whether the scenario is its tagged frame alone, as the devkit's expanded scenarios."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """Frames of a scenario, as indices into the frames of its log at 20 Hz."""

    history: Int64[np.ndarray, "before"]
    """Up to 22 steps before the first frame."""
    frames: Int64[np.ndarray, "frames"]
    future: Int64[np.ndarray, "after"]
    """Up to 80 steps after the last frame."""
    expected_frames: int
    """Number of frames if the log covered the whole scenario."""

    @property
    def rows(self) -> Int64[np.ndarray, "rows"]:
        """History, frames and future, in time order."""
        return np.concatenate([self.history, self.frames, self.future])

    @property
    def is_short(self) -> bool:
        """Whether the log starts or ends within the scenario."""
        return len(self.frames) < self.expected_frames


def scenario_window(index: LogIndex, entry: ScenarioEntry) -> Window:
    """The frames of a scenario by nuPlan's rule.

    Raises:
        ValueError: When the log has no frame at the entry's time.

    Source:
        nuPlan devkit, `extract_sensor_tokens_as_scenario` and `nuplan_scenario_mapping.yaml`.
    """
    time_us = index.time_us
    anchor = int(np.searchsorted(time_us, entry.time_us))
    if anchor == len(time_us) or time_us[anchor] != entry.time_us:
        raise ValueError(f"Log {entry.log_name} has no frame at {entry.time_us} us. List its scenarios again.")
    if entry.is_single_frame:
        frames, expected = np.array([anchor]), 1
    else:
        duration_s, offset_s = KNOWN_CUT_S if entry.scenario_type in KNOWN_SCENARIO_TYPES else OTHER_CUT_S
        start_us = int(entry.time_us + offset_s * 1e6)
        first = int(np.searchsorted(time_us, start_us, side="left"))
        stop = int(np.searchsorted(time_us, int(start_us + duration_s * 1e6), side="right"))
        frames = np.arange(first, stop, STRIDE)
        # Within a log a window may have one frame more or less, because sweep times jitter.
        is_at_end = first == 0 or stop == len(time_us)
        expected = round(duration_s / STEP_S) + 1 if is_at_end else len(frames)
    before = np.arange(frames[0] - STRIDE, -1, -STRIDE)[:HISTORY_STEPS]
    after = np.arange(frames[-1] + STRIDE, len(time_us), STRIDE)[:FUTURE_STEPS]
    return Window(
        history=before[::-1].copy(), frames=frames, future=after, expected_frames=max(expected, len(frames))
    )


def short_sentence(entry: ScenarioEntry, frames: int, expected_frames: int) -> str:
    """The sentence about a scenario that its log does not cover."""
    return (
        f"Scenario {entry.token} ({entry.scenario_type}) is cut off by the end of its log {entry.log_name}: it has"
        f" {frames} of {expected_frames} frames. Leave it out, or allow short scenarios (--allow-short)."
    )


def roadblock_numbers(entry: ScenarioEntry, roadblock_ids: Sequence[str]) -> tuple[int, ...]:
    """The route's ids as integers. A route without roadblocks is logged as a warning.

    Raises:
        ValueError: When one is no integer.
    """
    wrong = [text for text in roadblock_ids if not (text.isascii() and text.isdigit() and len(text) < MAX_ID_DIGITS)]
    if wrong:
        raise ValueError(
            f"{entry.log_file}: table `scene`, scenario {entry.token}: roadblock ids must be integers separated by"
            f" spaces, got {wrong[:3]}."
        )
    if not roadblock_ids:
        logger.warning(
            "%s: table `scene` names no roadblocks for scenario %s; it has no route.", entry.log_file, entry.token
        )
    return tuple(int(text) for text in roadblock_ids)
