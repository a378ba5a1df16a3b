"""Counts of a filter: selected and removed scenarios, and requested names that are not in the data."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from driving.names import listed
from driving.nuplan.entries import ScenarioEntry

NOUNS = {
    "scenario_tokens": "tokens",
    "scenario_types": "scenario types",
    "map_names": "map names",
    "log_names": "log names",
}
"""Words for the settings of a filter that list names."""


@dataclass(frozen=True, kw_only=True)
class ConditionCount:
    """How many scenarios, or logs, one condition removed from those that reached it."""

    condition: str
    """Setting of the filter, or `valid scenes`: the first two and the last two scenes of a log hold no scenarios."""
    removed: int
    left: int
    unit: Literal["scenarios", "logs"] = "scenarios"

    @property
    def sentence(self) -> str:
        """For reports."""
        return f"{self.condition} removed {self.removed} of {self.removed + self.left} {self.unit}."


@dataclass(frozen=True, kw_only=True)
class MissingNames:
    """Names that a filter requests and no readable log of the data holds."""

    condition: str
    """`scenario_tokens`, `scenario_types`, `map_names` or `log_names`."""
    requested: int
    names: tuple[str, ...]
    place: str = "the data"
    """Place of the search: `the data`, or `the selected logs`."""

    @classmethod
    def of(
        cls, condition: str, requested: Collection[str] | None, found: Collection[str], place: str = "the data"
    ) -> "list[MissingNames]":
        """One entry when names are missing, else none."""
        wanted = dict.fromkeys(requested or ())
        names = tuple(name for name in wanted if name not in found)
        return [cls(condition=condition, requested=len(wanted), names=names, place=place)] if names else []

    @property
    def sentence(self) -> str:
        """For reports: `8 of 10 tokens are not in the data: ...`."""
        verb = "is" if len(self.names) == 1 else "are"
        counts = f"{len(self.names)} of {self.requested} {NOUNS[self.condition]} {verb} not in {self.place}"
        return f"{counts}: {listed(self.names)}."


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The scenarios of a data set that pass a filter, with an account of those that do not."""

    entries: tuple[ScenarioEntry, ...]
    """Sorted by token, or shuffled, as the devkit lists them."""
    counts: tuple[ConditionCount, ...] = ()
    """One per condition, in the order of application."""
    missing: tuple[MissingNames, ...] = ()
    log_errors: tuple[OSError | ValueError, ...] = field(default=(), compare=False)
    """Why a log could not be read: one per log that was left out."""

    @property
    def sentences(self) -> list[str]:
        """Losses between request and result: missing names, and conditions that removed scenarios."""
        conditions = [count.sentence for count in self.counts if count.removed]
        return [*(missing.sentence for missing in self.missing), *conditions]

    def require_scenarios(self) -> None:
        """Raise when nothing is left.

        Raises:
            ValueError: Says after which condition no scenario was left, which names are missing, and which logs
                could not be read.
        """
        if self.entries:
            return
        counts = ", ".join(f"{count.left} {count.unit} after {count.condition}" for count in self.counts)
        parts = [f"No scenario passes the filter: {counts}."] if counts else ["No scenario: no log can be read."]
        parts += [missing.sentence for missing in self.missing]
        if self.log_errors:
            parts.append(f"{len(self.log_errors)} logs cannot be read: {self.log_errors[0]}")
        raise ValueError(" ".join([*parts, "Loosen the condition that left none, or name other data."]))


class ConditionTally:
    """Adds up the counts of conditions over logs."""

    def __init__(self) -> None:
        self._removed: Counter[str] = Counter()
        self._left: Counter[str] = Counter()

    def add(self, condition: str, before: int, left: int) -> None:
        """Count the scenarios of one log before and after a condition."""
        self._removed[condition] += before - left
        self._left[condition] += left

    def counts(self) -> tuple[ConditionCount, ...]:
        """In the order in which conditions came first."""
        return tuple(
            ConditionCount(condition=name, removed=self._removed[name], left=left)
            for name, left in self._left.items()
        )
