"""How hard the corner suite is: scores of the simple planners, kind by kind.

    python benchmarks/corner_suite.py                          # the whole suite: 256 scenarios, 5 planners
    python benchmarks/corner_suite.py --per-kind 1 --part test
    python benchmarks/corner_suite.py --traffic reactive_scripted --planner idm --output results/corners

Corner cases are written to OUTPUT/data and driven through the benchmark, whose results are kept in OUTPUT/runs. Both
are used again by the next call with the same output.
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

from driving.nuplan.writer import write_world
from simulation.benchmark.scores import counted_score
from simulation.generation.corner_cases.generator import corner_kind_of
from simulation.generation.corner_cases.kinds import CORNER_KINDS
from simulation.generation.corner_cases.suite import SUITE_VERSION, Part, make_member, suite_members

DEFAULT_PLANNERS = ("log_future", "stand_still", "constant_velocity", "idm", "pdm_closed")


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to drive."""

    output: Path = Path("corner_suite")
    """Folder for data and results."""
    per_kind: int | None = None
    """Only so many corner cases of each kind and part."""
    part: Literal["train", "test", "both"] = "test"
    """Part of the suite."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Planners; by default log_future, stand_still, constant_velocity, idm and pdm_closed."""
    traffic: Literal["nonreactive", "reactive", "reactive_scripted"] = "nonreactive"
    """Whether the others answer to the ego: nobody, all vehicles, or all but those whom the case is about."""
    workers: int = 1
    """Processes."""


def main(arguments: Arguments) -> None:
    """Write, drive, and print a table of kinds and planners."""
    planners = arguments.planner or DEFAULT_PLANNERS
    parts: tuple[Part, ...] = ("train", "test") if arguments.part == "both" else (arguments.part,)
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for part in parts:
        data = written(arguments, part)
        for planner in planners:
            for kind, score in driven(arguments, data, planner):
                scores[kind, planner].append(score)
    console.print(table_of(scores, planners, arguments))


def written(arguments: Arguments, part: Part) -> Path:
    """The data root of a part, made unless it is there."""
    amount = "all" if arguments.per_kind is None else str(arguments.per_kind)
    data = arguments.output / "data" / f"v{SUITE_VERSION}-{part}-{amount}"
    if data.exists():
        return data
    members = [member for member in suite_members(arguments.per_kind) if member.part == part]
    with progress(arguments) as bar:
        write_world([make_member(one) for one in bar.track(members, description=f"staging {part}")], data)
    return data


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
    """Mean scores, one row a kind."""
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
