r"""Students of several training seeds beside each other and beside the rule-based planners, in closed loop.

    python benchmarks/students.py --data towns=worlds_test --data corners=corner_suite/test --workers 2 \
        --group distilled=ck/d0,ck/d1,ck/d2 --group imitation=ck/i0,ck/i1,ck/i2 --planner idm --planner pdm_closed \
        --against imitation --against pdm_closed --traffic nonreactive --traffic reactive --output results/students
    python benchmarks/students.py ... --list-failures --threshold 0.3

Each member of a group is one training seed: a checkpoint folder, or a planner as scripts/benchmark.py takes it. The
score of a group is the mean over its seeds, ± the standard deviation over them (of a sample). Drives are kept in
OUTPUT/runs and used again by the next call with the same output; failed scenarios count as 0. Prints the tables and
writes them to OUTPUT/students.md and, with all figures, OUTPUT/students.json.
"""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, run
from kept_runs import STUDENT, KeptRun, drive_kept
from student_tables import Column, failure_table, gap_table, kind_table, metric_table, score_table
from tyro.conf import UseAppendAction, arg

from simulation.benchmark.scores import counted_score, reason_of
from simulation.benchmark.seeds import Contender, as_values, gap_between
from simulation.benchmark.settings import Traffic
from simulation.files import write_atomically
from simulation.generation.corner_cases.generator import corner_kind_of


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to compare, on what."""

    output: Path
    """Folder for drives and tables."""
    data: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=DIR")] = ()
    """A nuPlan data root and its name in the tables; may be repeated."""
    group: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=DIR,DIR,...")] = ()
    """Checkpoint folders of one kind of student, one per training seed; may be repeated."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """A planner to stand beside them; may be repeated."""
    traffic: Annotated[UseAppendAction[tuple[Traffic, ...]], arg()] = ()
    """Whether the others answer to the ego; may be repeated. [nonreactive]"""
    against: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Group or planner that the others are compared with; may be repeated."""
    list_failures: bool = False
    """Also list the scenarios in which the first member of each group does badly."""
    threshold: float = 0.5
    """Scenarios below this score are listed."""
    limit: int | None = None
    """Only the first so many scenarios of each data root."""
    workers: int = 1
    """Processes."""


def main(arguments: Arguments) -> None:
    """Drive, print, write."""
    roots = {name: Path(folder) for name, folder in named("data", arguments.data).items()}
    planners = members_of(arguments)
    if not roots or not planners:
        raise ValueError("Name at least one --data NAME=DIR, and one --group NAME=DIR,... or --planner NAME.")
    strangers = [name for name in arguments.against if name not in planners]
    if strangers:
        raise ValueError(f"--against {strangers[0]}: no group or planner has that name. Known: {sorted(planners)}.")
    columns, runs = [], []
    for data_name, root in roots.items():
        for traffic in arguments.traffic or ("nonreactive",):
            driven = {
                name: [drive(arguments, data_name, root, member, traffic) for member in members]
                for name, members in planners.items()
            }
            contenders = tuple(
                Contender(name=name, members=tuple(kept.group for kept in found)) for name, found in driven.items()
            )
            columns.append(Column(data=data_name, traffic=traffic, contenders=contenders))
            runs += [kept for found in driven.values() for kept in found]
    write(arguments, columns, runs)


def named(option: str, texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE options as a dictionary.

    Raises:
        ValueError: When one has no name or value, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not name or not value:
            raise ValueError(f"--{option} is written NAME=VALUE, for example {option}_a=some/folder; got {text!r}.")
        if name in found:
            raise ValueError(f"--{option} {name} is given twice; each needs a name of its own.")
        found[name] = value
    return found


def members_of(arguments: Arguments) -> dict[str, list[str]]:
    """The planners to drive, by the name of their group; a planner is a group of its own."""
    found: dict[str, list[str]] = {}
    for name, text in named("group", arguments.group).items():
        members = [member.strip() for member in text.split(",") if member.strip()]
        found[name] = [member if ":" in member else f"{STUDENT}{member}" for member in members]
        if len(set(members)) != len(members):
            raise ValueError(f"Group {name} names a member twice: {text}. Each is one training seed.")
    for planner in arguments.planner:
        if planner in found:
            raise ValueError(f"{planner} is given twice; each group and planner needs a name of its own.")
        found[planner] = [planner]
    return found


def drive(arguments: Arguments, data_name: str, root: Path, planner: str, traffic: Traffic) -> KeptRun:
    """Drive one planner through one data root, or take what is kept."""
    return drive_kept(
        arguments,
        name=data_name,
        data=root,
        planner=planner,
        traffic=traffic,
        output=arguments.output,
        workers=arguments.workers,
        limit=arguments.limit,
    )


def write(arguments: Arguments, columns: list[Column], runs: list[KeptRun]) -> None:
    """Print the tables and write both files."""
    tables = [score_table(columns)]
    tables += [gap_table(columns, name) for name in arguments.against]
    tables += [table for column in columns if (table := kind_table(column)) is not None]
    tables += [metric_table(column) for column in columns]
    if arguments.list_failures:
        groups = named("group", arguments.group)
        tables += [failure_table(columns, name, arguments.threshold) for name in groups]
    for table in tables:
        console.print(table.printed())
    made = how_it_was_made(runs)
    text = "\n".join(["# Students in closed loop", "", *(table.markdown() for table in tables), *made, ""])
    write_atomically(arguments.output / "students.md", text.encode())
    values = {"command": command(), "commits": commits(runs), "columns": [values_of(arguments, c) for c in columns]}
    write_atomically(arguments.output / "students.json", json.dumps(values, indent=2).encode())
    console.print(f"Written: {arguments.output / 'students.md'} and students.json", soft_wrap=True)


def values_of(arguments: Arguments, column: Column) -> dict[str, object]:
    """All figures of one data root and kind of traffic, as plain values."""
    by_name = {contender.name: contender for contender in column.contenders}
    kinds = {name: one.by_kind(lambda result: corner_kind_of(result.log_name)) for name, one in by_name.items()}
    return {
        "data": column.data,
        "traffic": column.traffic,
        "contenders": [as_values(one, kinds[name]) for name, one in by_name.items()],
        "gaps": {
            other: {name: asdict(gap_between(one, by_name[other])) for name, one in by_name.items() if name != other}
            for other in arguments.against
        },
        "failures": {
            name: [
                {"log": result.log_name, "scenario": result.scenario, "score": counted_score(result)}
                | {"kind": corner_kind_of(result.log_name), "reason": reason_of(result)}
                for result in one.failures(arguments.threshold)
            ]
            for name, one in by_name.items()
        },
    }


def how_it_was_made(runs: list[KeptRun]) -> list[str]:
    """What a reader needs to get the tables again."""
    return ["## How it was made", "", f"- Command: `{command()}`", f"- Driven at commit: {', '.join(commits(runs))}"]


def command() -> str:
    """As it was called."""
    return shlex.join(["python", "benchmarks/students.py", *sys.argv[1:]])


def commits(runs: list[KeptRun]) -> list[str]:
    """States of the project that drove; more than one where kept drives are older."""
    return sorted({kept.commit for kept in runs})


if __name__ == "__main__":
    run(Arguments, main, __doc__)
