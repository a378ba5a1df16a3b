"""What the staging of events shares: the place, the numbers drawn so far, and the agents of one event."""

from dataclasses import dataclass

import numpy as np

from driving.synthetic.scripted_track import ScriptedTrack
from simulation.generation.corner_cases.kind_parts import Manoeuvre as Shifts
from simulation.generation.text.actors import speed_range_mps
from simulation.generation.text.condition import EventCondition
from simulation.generation.text.place import LEFT, RIGHT, Place
from simulation.generation.text.vocabulary import Relation

GAP_BETWEEN_M = 6.0
"""Bumper to bumper between consecutive agents of one event."""


@dataclass(frozen=True, kw_only=True)
class StagedEvent:
    """Agents of one event."""

    agents: list[ScriptedTrack]
    manoeuvres: tuple[Shifts, ...] = ()
    """Of the ego, beyond keeping its lane."""
    needs_reaction: bool = False
    """Whether an ego without reaction should collide."""
    stop_front_m: float | None = None
    """Arc length of the front of an agent ahead where it is slowest ..."""
    stop_s: float | None = None
    """... and the time at which it gets there."""


@dataclass(kw_only=True)
class Staging:
    """A place on which events are staged one after the other."""

    place: Place
    ahead_m: float = 0.0
    """Arc length behind which the next leading agent starts."""
    standing_m: float = -np.inf
    """Arc length at which the last object in the lane ends."""
    num_crossings: int = 0
    """Events across the road so far."""
    leader: StagedEvent | None = None
    red_until_s: float | None = None
    """Time at which the light of the ego's movement turns green; None without a red light."""

    @property
    def speed_mps(self) -> float:
        """Nominal speed of the ego."""
        return self.place.search.speed_mps

    def uniform(self, low: float, high: float) -> float:
        """A random number of a range."""
        return self.place.search.uniform(low, high)

    def speed_of(self, event: EventCondition) -> float:
        """Speed of the sentence, or a usual one."""
        return event.speed_mps or self.uniform(*speed_range_mps(event.kind, self.speed_mps))

    def side_of(self, event: EventCondition, *, default: int = 0) -> int:
        """Side of the sentence, or a random one."""
        if event.relation in (Relation.LEFT, Relation.RIGHT):
            return LEFT if event.relation == Relation.LEFT else RIGHT
        return default or (RIGHT if self.place.search.coin() else LEFT)
