"""Scenarios of learned scenes, for `generate_scenarios.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import CommonArguments, progress, require_count
from make_corner_cases import maps_of

from driving.map import MapGraph
from driving.recording import Recording
from simulation.benchmark.mapping import mapped
from simulation.generation.condition import SceneCondition

if TYPE_CHECKING:
    from simulation.generation.learned.generator import LearnedGenerator


@dataclass(frozen=True, kw_only=True)
class SceneJob:
    """One learned scenario."""

    seed: int
    turn: int
    """Decides which of the maps is used."""
    condition: SceneCondition
    checkpoint: Path | None
    """Folder of the network; None for the one that comes with the package."""
    map_from: Path | None
    """Data root of the maps; None for streets of generated small towns."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where scenarios are made."""

    backend: str = "serial"
    """serial, process or ray."""
    count: int = 1


def learned_scenes(jobs: Sequence[SceneJob], workers: Workers, arguments: CommonArguments) -> list[Recording]:
    """Scenarios of a learned generator, the same on every backend.

    Args:
        jobs: The scenarios.
        workers: Where they are made.
        arguments: Decide whether progress is shown.

    Raises:
        FileNotFoundError: When the folder holds no checkpoint.
        ValueError: For a map or a checkpoint that does not fit, or a condition that no scene meets.
    """
    require_count("--count", len(jobs))
    with progress(arguments) as bar:
        made = mapped(learned_scene, jobs, workers.backend, workers.count)
        return list(bar.track(made, total=len(jobs), description="scenarios"))


def learned_scene(job: SceneJob) -> Recording:
    """Make one scenario; network and maps stay loaded in the process."""
    generators = _generators(job.checkpoint, job.map_from)
    return generators[job.turn % len(generators)].record(job.seed, job.condition)


@lru_cache(maxsize=2)
def _generators(checkpoint: Path | None, map_from: Path | None) -> "list[LearnedGenerator]":
    """A generator for each map."""
    from simulation.generation.learned.checkpoint import SHIPPED, Checkpoint
    from simulation.generation.learned.generator import LearnedGenerator

    network = Checkpoint.load(checkpoint or SHIPPED)
    maps: list[MapGraph | None] = [None] if map_from is None else list(maps_of(map_from))
    return [LearnedGenerator(network, one) for one in maps]


def scene_condition(entries: tuple[str, ...], rarity: str | None) -> SceneCondition:
    """The condition of `--condition` and `--rarity`.

    Raises:
        ValueError: For a wrong entry; says what is possible.
    """
    return SceneCondition.parse([*entries, *([] if rarity is None else [f"rarity={rarity}"])])
