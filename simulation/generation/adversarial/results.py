"""Settings and results of the search in one scenario."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from driving.scenario import Scenario
from simulation.generation.adversarial.changes import AgentChange, ChangedMotion
from simulation.generation.adversarial.manoeuvres import Attack
from simulation.log import SimulationLog

Method = Literal["evolution", "random"]


NUM_POLICIES = 2
"""Agents of a scenario with a learned policy."""


class FailureKind(Enum):
    """What the planner is at fault for."""

    COLLISION = "collision"
    OFF_ROAD = "off road"
    NO_PROGRESS = "no progress"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failure of the planner by nuPlan's metrics."""

    kind: FailureKind
    step: int
    """From iteration 0."""
    sentence: str
    track_id: str | None = None
    """The agent of a collision."""
    closing_mps: float = 0.0
    """Relative speed at the contact."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A proven way out."""

    scenario: Scenario
    """The changed scenario with the way out as its logged ego."""
    visible_s: float
    """Time from iteration 0 at which the surprise is visible."""
    latest_start_s: float
    """Latest start of a way out that was found."""
    score: float
    """Closed-loop score of the way out."""
    ways: int
    """Candidates without a contact at the latest start."""

    @property
    def slack_s(self) -> float:
        """Time from the visible surprise to the latest start."""
        return self.latest_start_s - self.visible_s


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Sizes of the search in one scenario."""

    method: Method = "evolution"
    drives: int = 40
    """Drives of the planner, at most, cut ones included; the drive of the unchanged scenario does not count."""
    agents: int = 8
    """Causal agents."""
    neighbours: bool = True
    """Also insert generated neighbours."""
    drawn_neighbours: int = 3
    """Neighbours drawn by the scene network at most, where one is given."""
    population: int = 8
    generations: int = 8
    """Of each attack before its first drive."""
    policies: int = 0
    """Causal agents that the learned traffic model may move: `NUM_POLICIES` where that is searched."""
    generations_per_policy: int = 2
    """Of each of these attacks: a roll-out takes about 20 ms."""
    drives_per_attack: int = 3
    refusals_per_attack: int = 3
    """Changes of an attack that are refused before their drive, at most."""
    generations_per_block: int = 4
    """Of each attack that blocks the ego: it has few numbers, and its whole drives are long."""
    drives_per_block: int = 2
    refusals_per_block: int = 2
    lockstep: int = 8
    """Drives at a time, for planners that plan in batches."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A failure that the search found."""

    attack: Attack
    change: AgentChange
    motion: ChangedMotion
    scenario: Scenario
    """The changed scenario; with a certificate, its logged ego is the way out."""
    failure: Failure
    log: SimulationLog
    """Of the failed drive, up to the contact."""
    certificate: Certificate | None
    is_plausible: bool
    rarity_percentile: float | None = None
    """None where it was not measured."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What the search in one scenario came to."""

    found: tuple[Found, ...] = ()
    drives: int = 0
    screened: int = 0
    """Changes that the screen evaluated."""
    too_rare: int = 0
    """Changes that were refused before a drive because the agent is too rare."""
    no_way_out: int = 0
    """Changes that were refused before a drive because they leave no likely way out."""
    skipped: str = ""
    """Why the scenario was not searched; empty when it was."""
    not_drawn: str = ""
    """Why the scene network drew no neighbours; empty where it did, or was not used."""
    errors: tuple[str, ...] = ()
    """Sentences of exceptions of the planner; such a drive is no failure that counts."""
