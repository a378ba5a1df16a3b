"""Failures of a student: those of its drives and those that a search finds; each is proved to be solvable or not."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from distill.flywheel.config import FlywheelConfig, entries_of, entry_of
from distill.flywheel.results import DATA, DrivenSet, Failure, SetScore
from distill.flywheel.stages import Advance, read_json, stored_results
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import open_scenario
from simulation.files import write_atomically
from simulation.generation.ways_out.verification import verified_score

FAILURES = "failures.json"
SEARCH_SEEDS = 1000
"""Seeds of the searches of one flywheel: its own times this, plus the round."""


def search(
    config: FlywheelConfig,
    number: int,
    student: Path,
    entries: Sequence[ScenarioEntry],
    folder: Path,
    advance: Advance,
) -> None:
    """Search for changes of scenarios by which the student fails; an interrupted search continues.

    Args:
        config: Budget, seed, workers.
        number: Of the round.
        student: Folder of its checkpoint.
        entries: Scenarios to change.
        folder: Of the search, as written by scripts/find_failures.py.
        advance: Receives the number of searched scenarios and of all that the budget suffices for.
    """
    # Here, as planner and search hang on most of the project.
    from planning.registry import load_planner
    from simulation.generation.adversarial.campaign import Budget, CampaignSettings, run_campaign
    from simulation.generation.adversarial.output import write_output
    from simulation.generation.adversarial.results import SearchSettings
    from simulation.generation.learned.further_agents import FurtherAgents
    from simulation.generation.learned.rarity import LearnedRarity

    campaign = CampaignSettings(
        planner=f"student-round-{number}",
        make_planner=partial(load_planner, f"student:{student}"),
        entries=entries,
        output=folder,
        seed=config.seed * SEARCH_SEEDS + number,
        budget=Budget(drives=config.search_drives),
        workers=config.workers,
        run_tasks=_run_on_ray(config.workers) if config.backend == "ray" else None,
        search=SearchSettings(drives=config.drives_per_scenario),
        rarity=partial(LearnedRarity.among, entries) if config.rarity else None,
        scenes=FurtherAgents if config.drawn_neighbours else None,
        resume=True,
    )
    done, total = count(1), math.ceil(config.search_drives / config.drives_per_scenario)
    write_output(campaign, run_campaign(campaign, lambda _: advance(next(done), total)))


def _run_on_ray(workers: int) -> Callable[..., Iterator[Any]]:
    # The library imports slowly.
    from simulation.benchmark.ray_tasks import RayOptions, ray_results

    return partial(ray_results, settings=RayOptions(workers=workers))


def collect(
    config: FlywheelConfig,
    number: int,
    scores: Sequence[SetScore],
    sets: Sequence[DrivenSet],
    found: Path,
    folder: Path,
    advance: Advance,
) -> None:
    """Write the failures of a round: of the drives, proved by their logged ego, and those of the search.

    Args:
        config: Number of failures, seed, workers.
        number: Of the round.
        scores: Drives of the sets.
        sets: The driven sets.
        found: Folder of the search.
        folder: Gets `failures.json`.
        advance: Receives the number of proofs.
    """
    from simulation.generation.corner_cases.generator import corner_kind_of

    roots = {one.name: one.root for one in sets}
    failures = [
        Failure(
            root=roots[score.name],
            token=one.token,
            log_name=one.log_name,
            mode=corner_kind_of(one.log_name) or one.scenario_type,
            reason=one.reason,
            track_id=one.track_id,
            is_searched=False,
            is_proved=False,
        )
        for score in scores
        for one in score.drives
        if one.is_failure
    ]
    proofs = stored_results(
        _is_proved,
        [entry_of(one.root, one.token) for one in failures],
        folder,
        backend=config.run_backend,
        workers=config.workers,
        advance=advance,
    )
    failures = [replace(one, is_proved=proved) for one, proved in zip(failures, proofs, strict=True)]
    failures += _found_in(found)
    rows = np.sort(config.rng(number, 1).permutation(len(failures))[: config.failures])
    content = [asdict(failures[row]) for row in rows.tolist()]
    write_atomically(folder / FAILURES, json.dumps(content, indent=1, default=str).encode())


def read_failures(path: Path) -> list[Failure]:
    """The inverse of `collect`."""
    content = read_json(path)
    return [Failure(**{**one, "root": Path(one["root"])}) for one in content]


def _found_in(folder: Path) -> list[Failure]:
    """The failures of a search with a certificate."""
    if not (folder / DATA).is_dir():
        return []
    rows = {one["log_name"]: one for one in read_json(folder / "failures.json")["failures"]}
    return [
        Failure(
            root=folder / DATA,
            token=entry.token,
            log_name=entry.log_name,
            mode=rows[entry.log_name]["mode"],
            reason=rows[entry.log_name]["sentence"],
            track_id=rows[entry.log_name]["track_id"],
            is_searched=True,
            is_proved=True,
        )
        for entry in entries_of(folder / DATA)
    ]


def _is_proved(entry: ScenarioEntry) -> bool:
    return verified_score(open_scenario(entry, with_cameras=False)) is not None
