"""Results of a flywheel: drives, failures, rounds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

DATA = "data"
"""Folder of a data root in the folder of a search or of neighbours."""
CORNER, AGENT, SCENE = "corner-case parameters", "motion of the agent", "learned scene"
WAYS = (CORNER, AGENT, SCENE)
"""Ways of generating neighbours."""


def counted(number: int, word: str) -> str:
    """A number of things: `1 failure`, `2 failures`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class DrivenSet:
    """Scenarios of a data root."""

    name: str
    root: Path
    tokens: tuple[str, ...] | None = None
    """None for all."""


@dataclass(frozen=True, kw_only=True)
class Driven:
    """One drive of the student."""

    token: str
    log_name: str
    scenario_type: str
    score: float
    is_failure: bool
    """Whether a multiplier of the score is below 1, or the student raised."""
    reason: str
    track_id: str | None
    """The agent of an at-fault collision."""


@dataclass(frozen=True, kw_only=True)
class SetScore:
    """Drives of one set."""

    name: str
    drives: tuple[Driven, ...] = field(default=())

    @property
    def score(self) -> float:
        """Mean closed-loop score."""
        return sum(one.score for one in self.drives) / max(len(self.drives), 1)

    @property
    def num_failures(self) -> int:
        """Drives that failed."""
        return sum(one.is_failure for one in self.drives)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A scenario in which the student failed."""

    root: Path
    """Data root with the scenario."""
    token: str
    log_name: str
    mode: str
    """Mode of the search, kind of corner case, or type of the scenario."""
    reason: str
    track_id: str | None
    """The agent of an at-fault collision."""
    is_searched: bool
    is_proved: bool
    """Whether the logged ego passes all multipliers of the score: it is the way out."""


class Account(NamedTuple):
    """Drives of the student of before in a round, and the failures in them."""

    driven: int
    failed: int
    searched: int
    """Drives of the search."""
    found: int
    """Failures of the search."""
    solvable: int
    """Those of the search with a proved way out; only these can be learned from."""

    @property
    def usable(self) -> int:
        """Failures that the round draws from, up to its budget."""
        return self.failed + self.solvable


@dataclass(frozen=True, kw_only=True)
class Round:
    """The result of a round."""

    number: int
    is_kept: bool
    reason: str
    """Of the decision."""
    student: Path | None
    """Folder of the student that the round trained, None without a solvable failure."""
    account: Account
    failures: tuple[Failure, ...]
    """Those that were drawn from the usable ones."""
    neighbours: dict[str, dict[str, int]]
    """Draws and proved neighbours by way."""
    states: int
    """Labelled states of the training."""
    before: tuple[SetScore, ...]
    """Validation sets, driven by the student of before the round."""
    after: tuple[SetScore, ...]
    """The same, driven by the student that the round trained."""
    learned: tuple[SetScore, ...]
    """The failures of the round, driven by that student."""
    seconds: dict[str, float]
    """Time of each stage."""


@dataclass(frozen=True, kw_only=True)
class FlywheelResult:
    """All rounds, and the test sets before and after them."""

    rounds: tuple[Round, ...]
    student: Path
    """Folder of the last student that was kept."""
    before: tuple[SetScore, ...]
    after: tuple[SetScore, ...]
    seconds: float
    """Time of all stages."""
