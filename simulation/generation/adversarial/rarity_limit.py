"""Which changed agents are too rare to be plausible."""

from typing import Protocol

from driving.scenario import Scenario

MAX_RARITY_PERCENTILE = 99.5
"""A rarer changed agent is not plausible."""


class Rarity(Protocol):
    """Rarity of an agent by the likelihood of a model of scenes."""

    def percentile(self, scenario: Scenario, track_id: str) -> float | None:
        """Share of other agents that are more likely than this one, in [0, 100]; None where it is not measured."""
        ...


def is_too_rare(percentile: float | None) -> bool:
    """Whether an agent of a percentile is not plausible; one that was not measured may be."""
    return percentile is not None and percentile >= MAX_RARITY_PERCENTILE
