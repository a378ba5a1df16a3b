r"""Students of several training seeds and rule-based planners in closed loop, and ablations of the student.

    python benchmarks/students.py --data towns=worlds_test --data corners=corner_suite/test --workers 2 \
        --group distilled=ck/d0,ck/d1,ck/d2 --group imitation=ck/i0,ck/i1,ck/i2 --planner idm --planner pdm_closed \
        --against imitation --against pdm_closed --traffic nonreactive --traffic reactive --output results/students
    python benchmarks/students.py ... --list-failures --threshold 0.3
    python benchmarks/students.py --data towns=worlds_test --planner student --without each --output results/ablation

Each member of a group is one training seed: a checkpoint folder, or a planner as scripts/benchmark.py takes it. The
score of a group is the mean over its seeds, ± the standard deviation over them (of a sample). Drives are kept in
OUTPUT/runs and used again by the next call with the same output; failed scenarios count as 0. Prints the tables and
writes them to OUTPUT/students.md and, with all figures, OUTPUT/students.json.

`--without TERM` also drives each student with one exact term turned off (`planning/neural/exact_terms.py`), and
`--without each` with each part in turn: every exact term, the network, and all exact terms together. The ablation
table gives scores and the difference to the complete student in points of 100.
"""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, run
from kept_runs import STUDENT, KeptRun, drive_kept, is_student
from student_tables import (
    COMPLETE,
    Column,
    ablation_table,
    failure_table,
    gap_table,
    kind_table,
    metric_table,
    score_table,
)
from tyro.conf import UseAppendAction, arg

from planning.neural.exact_terms import PARTS, StudentSettings
from simulation.benchmark.scores import counted_score, reason_of
from simulation.benchmark.seeds import Contender, as_values, gap_between
from simulation.benchmark.settings import Traffic
from simulation.files import write_atomically
from simulation.generation.corner_cases.generator import corner_kind_of


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Planners and data."""

    output: Path
    """Folder for drives and tables."""
    data: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=DIR")] = ()
    """A nuPlan data root and its name in the tables; may be repeated."""
    group: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=DIR,DIR,...")] = ()
    """Checkpoint folders of one kind of student, one per training seed; may be repeated."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """A planner to compare with; may be repeated."""
    traffic: Annotated[UseAppendAction[tuple[Traffic, ...]], arg()] = ()
    """Whether agents react to the ego; may be repeated. [nonreactive]"""
    against: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Group or planner to compute differences to; may be repeated."""
    without: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="TERM")] = ()
    """Also drive the students without this part, "all" exact terms or "each" part in turn; may be repeated."""
    list_failures: bool = False
    """Also list the scenarios with a low score of each planner, and of the first member of each group."""
    threshold: float = 0.5
    """Scenarios below this score are listed."""
    limit: int | None = None
    """Only the first so many scenarios of each data root."""
    allow_short: bool = False
    """Drive scenarios that the end of their log cuts off at their length, instead of leaving them out."""
    workers: int = 1
    """Processes."""


def main(arguments: Arguments) -> None:
    """Drive, print, write."""
    roots = {name: Path(folder) for name, folder in named("data", arguments.data).items()}
    planners = members_of(arguments)
    if not roots or not planners:
        raise ValueError("Name at least one --data NAME=DIR, and one --group NAME=DIR,... or --planner NAME.")
    unknown = [name for name in arguments.against if name not in planners]
    if unknown:
        raise ValueError(f"--against {unknown[0]}: no group or planner has that name. Known: {sorted(planners)}.")
    parts = parts_of(arguments.without)
    students = [name for name, members in planners.items() if parts and all(map(is_student, members))]
    if parts and not students:
        raise ValueError("--without needs a student: name a --group NAME=DIR,... or --planner student.")
    columns: list[Column] = []
    ablations: dict[str, list[Column]] = {name: [] for name in students}
    runs: list[KeptRun] = []
    for data_name, root in roots.items():
        for traffic in arguments.traffic or ("nonreactive",):
            drives = Drives(arguments=arguments, data=data_name, root=root, traffic=traffic, runs=runs)
            complete = {name: drives.contender(name, members) for name, members in planners.items()}
            columns.append(Column(data=data_name, traffic=traffic, contenders=tuple(complete.values())))
            for name in students:
                reduced = [drives.contender(reduced_name(part), planners[name], part) for part in parts]
                contenders = (replace(complete[name], name=COMPLETE), *reduced)
                ablations[name].append(Column(data=data_name, traffic=traffic, contenders=contenders))
    write(arguments, columns, ablations, runs)


@dataclass(frozen=True, kw_only=True)
class Drives:
    """Drives through one data root under one kind of traffic."""

    arguments: Arguments
    data: str
    root: Path
    traffic: Traffic
    runs: list[KeptRun]
    """Receives all runs."""

    def contender(self, name: str, members: list[str], without: str | None = None) -> Contender:
        """Drive the members of a contender, or take kept results."""
        kept = [
            drive_kept(
                self.arguments,
                name=self.data,
                data=self.root,
                planner=member,
                traffic=self.traffic,
                output=self.arguments.output,
                workers=self.arguments.workers,
                limit=self.arguments.limit,
                allow_short=self.arguments.allow_short,
                without=without,
            )
            for member in members
        ]
        self.runs.extend(kept)
        return Contender(name=name, members=tuple(one.group for one in kept))


def parts_of(without: Sequence[str]) -> list[str]:
    """The parts of the student to turn off, one after the other.

    Raises:
        ValueError: When a name is unknown.
    """
    parts = [part for name in without for part in ((*PARTS, "all") if name == "each" else (name,))]
    for part in parts:
        StudentSettings.without((part,))
    return list(dict.fromkeys(parts))


def reduced_name(part: str) -> str:
    """Name of a student without a part, for the ablation table."""
    return f"without {'all exact terms' if part == 'all' else part.replace('_', ' ')}"


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


def write(
    arguments: Arguments, columns: list[Column], ablations: dict[str, list[Column]], runs: list[KeptRun]
) -> None:
    """Print the tables and write both files."""
    tables = [score_table(columns)]
    tables += [gap_table(columns, name) for name in arguments.against]
    tables += [ablation_table(found, name) for name, found in ablations.items()]
    tables += [table for column in columns if (table := kind_table(column)) is not None]
    tables += [metric_table(column) for column in columns]
    if arguments.list_failures:
        names = [one.name for one in columns[0].contenders]
        tables += [failure_table(columns, name, arguments.threshold) for name in names]
    for table in tables:
        console.print(table.printed())
    left_out = selection_lines(runs)
    for line in left_out:
        console.print(line, markup=False, soft_wrap=True)
    made = [*how_it_was_made(runs), *(f"- {line}" for line in left_out)]
    text = "\n".join(["# Students in closed loop", "", *(table.markdown() for table in tables), *made, ""])
    write_atomically(arguments.output / "students.md", text.encode())
    values = {
        "command": command(),
        "commits": commits(runs),
        "columns": [values_of(arguments, column) for column in columns],
        "ablations": {
            name: [
                {"data": one.data, "traffic": one.traffic, "contenders": [as_values(c, {}) for c in one.contenders]}
                for one in found
            ]
            for name, found in ablations.items()
        },
    }
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


def selection_lines(runs: list[KeptRun]) -> list[str]:
    """Which scenarios of which data were left out or cut off, once each."""
    return list(dict.fromkeys(f"{kept.data}: {line}" for kept in runs for line in kept.selection_lines))


def how_it_was_made(runs: list[KeptRun]) -> list[str]:
    """Command and commits that reproduce the tables."""
    return ["## How it was made", "", f"- Command: `{command()}`", f"- Driven at commit: {', '.join(commits(runs))}"]


def command() -> str:
    """The command line of this process."""
    return shlex.join(["python", "benchmarks/students.py", *sys.argv[1:]])


def commits(runs: list[KeptRun]) -> list[str]:
    """Commits that the drives were made at; several if some kept drives are older."""
    return sorted({kept.commit for kept in runs})


if __name__ == "__main__":
    run(Arguments, main, __doc__)
