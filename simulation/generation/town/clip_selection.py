"""Choice of the clips to record, so that few recordings contain the wanted scenario types."""

import numpy as np
from jaxtyping import Int64

from driving.recording import Tag
from driving.scenario_types import CHALLENGE_SCENARIO_TYPES
from driving.timing import STEP_S
from simulation.generation.town.observed import Clip, ObservedTown
from simulation.generation.town.tagging import spaced, tag_frames

HISTORY_FRAMES = 53
"""Frames before the first tag: 3 s of scenario, 2.2 s of history and one more."""
FUTURE_FRAMES = 201
"""Frames behind the last tag: 12 s of scenario and 8 s of open-loop future."""
STEPS_BETWEEN_STARTS = 50
"""Steps between the starts of candidate clips."""
FRAMES_BETWEEN_TAGS = 10
STEPS_BETWEEN_SAME_TYPE = 60
MAX_TAGS_PER_RECORDING = 10
MIN_DRIVEN_M = 16.0
"""Distance that the ego drives in a scenario: below 10 m nuPlan's progress metric rewards standing still."""


class ClipSelection:
    """Candidate clips of one length, their events, and the clips that are recorded already."""

    def __init__(self, observed: ObservedTown, length: int) -> None:
        self.length = length
        vehicles = np.flatnonzero(observed.drivers["is_ego_make"]).tolist()
        self.events = {vehicle: _events(observed, vehicle) for vehicle in vehicles}
        last_start = len(observed.history.v) - length
        self.is_open = {
            (vehicle, start): True for vehicle in vehicles for start in range(0, last_start + 1, STEPS_BETWEEN_STARTS)
        }
        self.total = {
            name: sum(len(events[name]) for events in self.events.values()) for name in CHALLENGE_SCENARIO_TYPES
        }
        self.rarity = {name: 1.0 / max(total, 1) ** 0.5 for name, total in self.total.items()}

    def close(self, clip: Clip) -> None:
        """Exclude the clips of the same vehicle that overlap a recorded one."""
        for other in range(clip.start - self.length + 1, clip.start + self.length):
            if (clip.vehicle, other) in self.is_open:
                self.is_open[clip.vehicle, other] = False

    def most_frequent(self) -> str | None:
        """The most frequent type that an open clip contains; None for no type."""
        order = sorted(CHALLENGE_SCENARIO_TYPES, key=lambda name: -self.total[name])
        for name in order:
            if self.best({name: 1}) is not None:
                return name
        return None

    def best(self, missing: dict[str, int]) -> tuple[Clip, list[Tag]] | None:
        """The open clip with the highest sum of rarities over its tags, and these tags; None for no tag.

        Args:
            missing: Scenarios wanted of each type.
        """
        best, best_worth = None, 0.0
        for (vehicle, start), is_open in self.is_open.items():
            if not is_open:
                continue
            tags = self._tags(vehicle, start, missing)
            worth = sum(self.rarity[tag.scenario_type] for tag in tags)
            if worth > best_worth:
                best, best_worth = (Clip(vehicle, start, start + self.length), tags), worth
        return best

    def _tags(self, vehicle: int, start: int, missing: dict[str, int]) -> list[Tag]:
        taken: list[Tag] = []
        for name in sorted(missing, key=lambda one: self.total.get(one, 0)):
            count = 0
            for step in self.events[vehicle][name].tolist():
                frame = step - start
                if count >= missing[name] or len(taken) >= MAX_TAGS_PER_RECORDING:
                    break
                if not HISTORY_FRAMES <= frame < self.length - FUTURE_FRAMES:
                    continue
                if any(abs(frame - tag.frame) < FRAMES_BETWEEN_TAGS for tag in taken):
                    continue
                taken.append(Tag(frame=frame, scenario_type=name))
                count += 1
        return sorted(taken, key=lambda tag: tag.frame)


def _events(observed: ObservedTown, vehicle: int) -> dict[str, Int64[np.ndarray, "steps"]]:
    """Steps for tags by type, with a minimum distance in time and a minimum distance driven in the scenario."""
    driven = np.concatenate([[0.0], np.cumsum(observed.history.v[:, vehicle] * STEP_S)])
    steps = np.arange(len(observed.history.v))
    driven_in_scenario_m = driven[np.minimum(steps + 120, len(steps))] - driven[np.maximum(steps - 30, 0)]
    return {
        name: spaced(np.flatnonzero(mask & (driven_in_scenario_m > MIN_DRIVEN_M)), STEPS_BETWEEN_SAME_TYPE)
        for name, mask in tag_frames(observed, vehicle).items()
    }
