"""Drives of a student through sets of scenarios: scores, and which of them are failures."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distill.flywheel.config import FlywheelConfig
from distill.flywheel.results import Driven, DrivenSet, SetScore
from distill.flywheel.stages import Advance, read_json
from simulation.benchmark.jobs import JobResult
from simulation.benchmark.scores import counted_score, reason_of
from simulation.benchmark.settings import BenchmarkSettings
from simulation.benchmark.store import ResultStore
from simulation.files import write_atomically
from simulation.metrics.score import CLOSED_LOOP

FILTER = "scenarios.yaml"


def drive_sets(
    config: FlywheelConfig, student: Path, sets: Sequence[DrivenSet], folder: Path, advance: Advance
) -> list[SetScore]:
    """Drive sets in closed loop with recorded traffic; finished drives of an earlier call are kept.

    Args:
        config: Backend, workers and seed.
        student: Folder of its checkpoint.
        sets: To drive; sets without scenarios are left out.
        folder: Of the results, one folder for each set.
        advance: Receives the number of finished drives of a set and of all its drives.
    """
    # Here, as everything of a benchmark hangs on it.
    from planning.registry import load_planner
    from simulation.benchmark.run import forget_starts, run_benchmark

    scores = []
    for one in sets:
        if one.tokens == ():
            continue
        output = folder / one.name
        settings = BenchmarkSettings(
            data=one.root,
            output=output,
            filter=_filter(one, folder),
            planners=(f"student:{student}",),
            backend=config.run_backend,  # type: ignore[arg-type]
            workers=config.workers,
            seed=config.seed,
            probes=False,
            resume=(output / "run.json").exists(),
        )
        # A flywheel that is killed twice in one drive says nothing about the student.
        forget_starts(output)
        store = run_benchmark(settings, load_planner, lambda state: advance(state.done, state.total))
        scores.append(SetScore(name=one.name, drives=driven_in(store)))
    return scores


def driven_in(store: ResultStore) -> tuple[Driven, ...]:
    """The finished drives of a benchmark, ordered by scenario."""
    return tuple(driven(result) for result in sorted(store.read_all(), key=lambda one: one.scenario))


def driven(result: JobResult) -> Driven:
    """What a flywheel reads from a drive."""
    multipliers = [result.metrics.get(name) for name in CLOSED_LOOP.multipliers]
    return Driven(
        token=result.scenario,
        log_name=result.log_name,
        scenario_type=result.scenario_type,
        score=counted_score(result),
        is_failure=result.status == "failed" or any(value != 1.0 for value in multipliers),
        reason=reason_of(result),
        track_id=result.violation_tracks.get(CLOSED_LOOP.multipliers[0]),
    )


def write_scores(scores: Sequence[SetScore], path: Path) -> None:
    """Write the drives of sets."""
    write_atomically(path, json.dumps([asdict(one) for one in scores], indent=1).encode())


def read_scores(path: Path) -> list[SetScore]:
    """The inverse of `write_scores`."""
    content: list[dict[str, Any]] = read_json(path)
    return [SetScore(name=one["name"], drives=tuple(Driven(**row) for row in one["drives"])) for one in content]


def _filter(one: DrivenSet, folder: Path) -> Path | None:
    """A filter file with the tokens of a set; a JSON list is YAML."""
    if one.tokens is None:
        return None
    path = folder / f"{one.name}-{FILTER}"
    write_atomically(path, f"scenario_tokens: {json.dumps(sorted(one.tokens))}\n".encode())
    return path
