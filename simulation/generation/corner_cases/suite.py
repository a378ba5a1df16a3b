"""The fixed corner suite: every kind with the same seeds on the same maps, split into train and test.

Train and test share neither a seed nor a map. Results are comparable as long as `SUITE_VERSION` is equal.
"""

from dataclasses import dataclass
from typing import Literal

from driving.recording import Recording
from simulation.generation.corner_cases.generator import make_corner_case
from simulation.generation.corner_cases.grounds import ground
from simulation.generation.corner_cases.kinds import CORNER_KINDS

SUITE_VERSION = 2
"""Goes up whenever a member changes."""
TRAIN_SEEDS = range(100, 111)
TEST_SEEDS = range(200, 205)
TRAIN_GROUNDS = (100, 101, 102, 103, 104, 105)
TEST_GROUNDS = (200, 201, 202)
SPEEDS_MPS = (8.0, 13.0)

Part = Literal["train", "test"]


@dataclass(frozen=True, kw_only=True)
class SuiteMember:
    """One corner case of the suite."""

    part: Part
    kind: str
    seed: int
    ground_number: int


def suite_members(per_kind: int | None = None) -> list[SuiteMember]:
    """All members, train first, kind by kind.

    Args:
        per_kind: Only so many of each kind and part.
    """
    members = []
    parts: tuple[tuple[Part, range, tuple[int, ...]], ...] = (
        ("train", TRAIN_SEEDS, TRAIN_GROUNDS),
        ("test", TEST_SEEDS, TEST_GROUNDS),
    )
    for part, seeds, grounds in parts:
        for kind in CORNER_KINDS:
            for place, seed in enumerate(seeds[:per_kind]):
                number = grounds[place % len(grounds)]
                members.append(SuiteMember(part=part, kind=kind, seed=seed, ground_number=number))
    return members


def make_member(member: SuiteMember) -> Recording:
    """The recording of a member; the same on every machine and run."""
    return make_corner_case(member.kind, member.seed, map_graph=ground(member.ground_number), speeds_mps=SPEEDS_MPS)
