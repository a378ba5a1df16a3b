"""Difficulty of the corner suite: scores of planners by kind.

    python benchmarks/corner_suite.py                          # the test part: 80 scenarios, 5 planners
    python benchmarks/corner_suite.py --per-kind 1 --part both
    python benchmarks/corner_suite.py --traffic reactive_scripted --planner idm --output results/corners
    python benchmarks/corner_suite.py --compare-file-and-memory --planner idm --planner pdm_closed

Corner cases are written to OUTPUT/data and driven through the benchmark, whose results are stored in OUTPUT/runs. A
later call with the same output reuses both.

`--compare-file-and-memory` drives each scenario from its file and from memory instead, compares all metric scores to
the last digit, and ends with exit code 1 when one differs.
"""

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from rich.table import Table
from tyro.conf import UseAppendAction, arg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, run
from kept_runs import drive_kept

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world
from driving.recording import Recording
from driving.scenario import Scenario
from planning.registry import load_planner
from simulation.benchmark.scores import counted_score
from simulation.generation.corner_cases.generator import corner_kind_of, make_member
from simulation.generation.corner_cases.kinds import CORNER_KINDS
from simulation.generation.corner_cases.suite import SUITE_VERSION, Part, suite_members
from simulation.metrics.score import score_simulation
from simulation.rollout import run_rollout

DEFAULT_PLANNERS = ("log_future", "stand_still", "constant_velocity", "idm", "pdm_closed")


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Scenarios and planners."""

    output: Path = Path("corner_suite")
    """Folder for data and results."""
    per_kind: int | None = None
    """Number of corner cases per kind and part."""
    part: Literal["train", "test", "both"] = "test"
    """Part of the suite."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Planners; by default log_future, stand_still, constant_velocity, idm and pdm_closed."""
    traffic: Literal["nonreactive", "reactive", "reactive_scripted"] = "nonreactive"
    """Agents that react to the ego: none, all vehicles, or all vehicles except the one that the case is about."""
    workers: int = 1
    """Number of processes."""
    compare_file_and_memory: bool = False
    """Compare the scores of scenarios from files and from memory."""


def main(arguments: Arguments) -> None:
    """Write, drive, and print a table of kinds and planners."""
    planners = arguments.planner or DEFAULT_PLANNERS
    parts: tuple[Part, ...] = ("train", "test") if arguments.part == "both" else (arguments.part,)
    if arguments.compare_file_and_memory:
        are_equal = [compare(arguments, part, planners) for part in parts]
        sys.exit(0 if all(are_equal) else 1)
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for part in parts:
        data = written(arguments, part)
        for planner in planners:
            for kind, score in driven(arguments, data, planner):
                scores[kind, planner].append(score)
    console.print(table_of(scores, planners, arguments))


def made(arguments: Arguments, part: Part) -> list[Recording]:
    """The recordings of a part."""
    members = suite_members(arguments.per_kind, part)
    with progress(arguments) as bar:
        return [make_member(one) for one in bar.track(members, description=f"generating {part}")]


def data_folder(arguments: Arguments, part: Part) -> Path:
    """Folder of a part's data."""
    amount = "all" if arguments.per_kind is None else str(arguments.per_kind)
    return arguments.output / "data" / f"v{SUITE_VERSION}-{part}-{amount}"


def written(arguments: Arguments, part: Part) -> Path:
    """The data root of a part, written by the first call."""
    data = data_folder(arguments, part)
    if not data.exists():
        write_world(made(arguments, part), data)
    return data


def compare(arguments: Arguments, part: Part, planners: tuple[str, ...]) -> bool:
    """Whether all scores of a part are equal from files and from memory."""
    recordings = made(arguments, part)
    data = data_folder(arguments, part)
    write_world(recordings, data)
    from_file = {entry.log_name: entry for entry in list_scenarios(DataRoot.find(data))}
    differing = 0
    with progress(arguments) as bar:
        for planner in planners:
            for recording in bar.track(recordings, description=f"{planner}, file and memory"):
                scenarios = recording.scenarios()[0], open_scenario(from_file[recording.log_name])
                memory, file = (scores_of(scenario, planner, arguments.traffic) for scenario in scenarios)
                unequal = {name: (memory[name], file[name]) for name in memory if memory[name] != file[name]}
                if unequal:
                    differing += 1
                    console.print(f"{planner}, {recording.log_name}: memory and file differ in {unequal}")
    total = len(planners) * len(recordings)
    console.print(f"{part}: {total - differing} of {total} drives have equal scores from memory and from the file.")
    return not differing


def scores_of(scenario: Scenario, planner: str, traffic: str) -> dict[str, float | None]:
    """Score of each metric and of the scenario."""
    result = score_simulation(run_rollout(scenario, load_planner(planner), traffic=traffic), scenario)
    return {"score": result.score, **{name: metric.score for name, metric in result.metrics.items()}}


def driven(arguments: Arguments, data: Path, planner: str) -> list[tuple[str, float]]:
    """Kind and score of each scenario; failed ones count as 0."""
    kept = drive_kept(
        arguments,
        name=data.name,
        data=data,
        planner=planner,
        traffic=arguments.traffic,
        output=arguments.output,
        workers=arguments.workers,
    )
    found = []
    for result in kept.group.results:
        kind = corner_kind_of(result.log_name)
        assert kind is not None
        found.append((kind, counted_score(result)))
    return found


def table_of(scores: dict[tuple[str, str], list[float]], planners: tuple[str, ...], arguments: Arguments) -> Table:
    """Mean scores, one row per kind."""
    first = planners[0]
    total = sum(len(values) for (_, planner), values in scores.items() if planner == first)
    table = Table(
        title=f"Corner suite v{SUITE_VERSION}, {arguments.part}, {arguments.traffic}: mean score of {total} scenarios"
    )
    table.add_column("kind")
    table.add_column("scenarios", justify="right")
    for planner in planners:
        table.add_column(planner, justify="right")
    for kind in CORNER_KINDS:
        if scores[kind, first]:
            means = [f"{np.mean(scores[kind, planner]):.3f}" for planner in planners]
            table.add_row(kind, str(len(scores[kind, first])), *means)
    overall = [np.mean([one for kind in CORNER_KINDS for one in scores[kind, planner]]) for planner in planners]
    table.add_section()
    table.add_row("all", str(total), *[f"{value:.3f}" for value in overall])
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
