"""The fixed corner suite: all kinds with fixed seeds and maps, split into a training and a test part.

The two parts share neither a seed nor a map. Results are comparable between suites of equal `SUITE_VERSION`.
"""

from dataclasses import dataclass
from typing import Literal

from simulation.generation.corner_cases.kinds import CORNER_KINDS

SUITE_VERSION = 3
"""Raised whenever a member changes."""
TRAIN_SEEDS = range(100, 111)
TEST_SEEDS = range(200, 205)
TRAIN_MAPS = (100, 101, 102, 103, 104, 105)
TEST_MAPS = (200, 201, 202)
SPEEDS_MPS = (8.0, 13.0)

Part = Literal["train", "test"]


@dataclass(frozen=True, kw_only=True)
class SuiteMember:
    """One corner case of the suite."""

    part: Part
    kind: str
    seed: int
    map_number: int


def suite_members(per_kind: int | None = None, part: Part | None = None) -> list[SuiteMember]:
    """Members of the suite, the training part first, kind by kind.

    Args:
        per_kind: Number of members per kind and part; None for all.
        part: One of the parts; None for both.
    """
    parts: tuple[tuple[Part, range, tuple[int, ...]], ...] = (
        ("train", TRAIN_SEEDS, TRAIN_MAPS),
        ("test", TEST_SEEDS, TEST_MAPS),
    )
    return [
        SuiteMember(part=name, kind=kind, seed=seed, map_number=maps[place % len(maps)])
        for name, seeds, maps in parts
        if part in (None, name)
        for kind in CORNER_KINDS
        for place, seed in enumerate(seeds[:per_kind])
    ]
