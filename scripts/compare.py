"""Compare two results folders: paired differences of scores, and the scenarios that changed most.

    python scripts/compare.py results/before results/after
    python scripts/compare.py results/idm results/pdm_closed --most 30

The interval covers the difference of 95 of 100 samples of scenarios of the same kind; when it holds 0,
the two may as well be equal.
"""

from dataclasses import dataclass
from pathlib import Path

from command_line import CommonArguments, console, run
from rich.table import Table
from tyro.conf import Positional

from simulation.benchmark.comparison import Comparison, compare_reports
from simulation.benchmark.report import Report
from simulation.benchmark.store import ResultStore


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Results to compare."""

    a: Positional[Path]
    """Results folder before."""
    b: Positional[Path]
    """Results folder after."""
    most: int = 15
    """How many changed scenarios to list."""
    seed: int = 0
    """Seed of the bootstrap."""


def main(arguments: Arguments) -> None:
    """Print one table of means and one of changes per planner and traffic."""
    reports = [Report.read(ResultStore(folder)) for folder in (arguments.a, arguments.b)]
    if reports[0].run["data_version"] != reports[1].run["data_version"]:
        console.print("The folders were made from different scenarios; only those in both are compared.")
    comparisons = compare_reports(reports[0], reports[1], arguments.seed)
    console.print(_means(comparisons))
    for comparison in comparisons:
        _print_changes(comparison, arguments.most)


def _means(comparisons: list[Comparison]) -> Table:
    table = Table(title="Mean score over the scenarios of both")
    for name in ("planner", "traffic", "scenarios", "A", "B", "B − A", "95 % interval", "only in one"):
        table.add_column(name)
    for item in comparisons:
        planner = item.planner_a if item.planner_a == item.planner_b else f"{item.planner_a} → {item.planner_b}"
        table.add_row(
            planner,
            item.traffic,
            str(len(item.changes)),
            f"{item.mean_a:.4f}",
            f"{item.mean_b:.4f}",
            f"{item.difference:+.4f}",
            f"{item.interval[0]:+.4f} … {item.interval[1]:+.4f}",
            str(item.unpaired),
        )
    return table


def _print_changes(comparison: Comparison, most: int) -> None:
    changed = [change for change in comparison.changes if change.difference != 0.0]
    title = f"{comparison.planner_b}, {comparison.traffic}: {len(changed)} of {len(comparison.changes)} changed"
    if not changed:
        console.print(title)
        return
    table = Table(title=title)
    for name in ("scenario", "type", "A", "B", "B − A", "why the lower one lost"):
        table.add_column(name)
    for change in changed[:most]:
        table.add_row(
            change.scenario,
            change.scenario_type,
            f"{change.before:.3f}",
            f"{change.after:.3f}",
            f"{change.difference:+.3f}",
            change.why,
        )
    console.print(table)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
