"""Measure how real generated data is: scenes, motion and maps against held-out recordings, beside controls.

    python scripts/realism.py --data worlds --against recordings
    python scripts/realism.py --data worlds calibrated --against recordings --controls random,marginal,paste --folds 2

DATA are nuPlan data roots, for example of scripts/make_worlds.py. AGAINST is a data root that scripts/import_logs.py
wrote, or a folder of recordings that can be imported (docs/importing.md). Each fold of recordings is held out once;
the table shows the mean over the folds. The row "other recordings" is the floor. Controls fill the held-out maps with
agents by simple rules. Statistics, their bins and the limits of the measure are in docs/realism.md.

OUTPUT gets realism.json (all rows, per fold) and realism.html (tables and histograms, in one file). Use recordings
with complete sets of agents, true sizes and urban roads: no roadside sensors with default sizes, no motorways.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from command_line import CommonArguments, console, print_line, progress, require_count, run
from rich.table import Table

from driving.names import unknown_name
from driving.scenario import Scenario
from simulation.benchmark.provenance import provenance
from simulation.files import write_atomically
from simulation.realism.comparison import Comparison, Row, compare, means
from simulation.realism.controls import CONTROLS, Control, control_of
from simulation.realism.page import html_page, number
from simulation.realism.sources import Measured, measure, scenarios_in


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data, recordings and controls."""

    data: tuple[Path, ...] = ()
    """nuPlan data roots to judge; without one, only controls and the floor are measured."""
    against: Path
    """Recordings: a nuPlan data root, or a folder of recordings that can be imported."""
    controls: str = "random,marginal,paste"
    """Names of controls, separated by commas: random, marginal, paste, learned, untrained; empty for none."""
    output: Path = Path("results/realism")
    """Folder for realism.json and realism.html."""
    folds: int = 2
    """Folds of recordings."""
    every: float = 1.0
    """Seconds between two snapshots of a scenario."""
    limit: int | None = None
    """Scenarios of each data root at most."""
    seed: int = 0
    """Seed of the controls."""


def _learned() -> Control:
    from scene_samplers import learned_control

    return learned_control()


def _untrained() -> Control:
    from scene_samplers import untrained_control

    return untrained_control()


GENERATED: dict[str, Callable[[], Control]] = {"learned": _learned, "untrained": _untrained}
"""Loaders of controls that are generators of scenes, with their heavy imports inside."""


def main(arguments: Arguments) -> None:
    """Measure, print the tables, write both files."""
    require_count("--limit", arguments.limit)
    controls = {name: _control(name) for name in dict.fromkeys(arguments.controls.split(",")) if name}
    with progress(arguments) as bar:
        task = bar.add_task("Scenarios", total=None)

        def measured(folder: Path, limit: int | None) -> Measured:
            def counted() -> Iterator[Scenario]:
                for scenario in islice(scenarios_in(folder), limit):
                    bar.advance(task)
                    yield scenario

            return measure(counted(), arguments.every)

        recorded = measured(arguments.against, None)
        names = _names(arguments.data)
        data = {name: measured(folder, arguments.limit) for name, folder in zip(names, arguments.data, strict=True)}
    comparison = compare(recorded, data, controls, folds=arguments.folds, seed=arguments.seed)
    made = provenance()
    content = {
        **made,
        "folds": comparison.folds,
        **{name: _plain(rows) for name, rows in _tables(comparison).items()},
    }
    write_atomically(arguments.output / "realism.json", (json.dumps(content, indent=1) + "\n").encode())
    write_atomically(arguments.output / "realism.html", html_page(comparison, made).encode())
    for title, rows in _tables(comparison).items():
        console.print(_table(title, means(rows)))
    print_line(f"Histograms: {arguments.output / 'realism.html'}")


def _control(name: str) -> Control:
    known: dict[str, Callable[[], Control]] = {simple: partial(control_of, simple) for simple in CONTROLS}
    known |= GENERATED
    if name not in known:
        raise KeyError(unknown_name("control", name, known))
    return known[name]()


def _names(folders: Sequence[Path]) -> list[str]:
    """The last part of each path, with its parents where two are equal."""
    short = [folder.resolve().name for folder in folders]
    return [name if short.count(name) == 1 else str(folder) for name, folder in zip(short, folders, strict=True)]


def _tables(comparison: Comparison) -> dict[str, list[Row]]:
    return {"scenes": comparison.scenes, "motion": comparison.rollouts, "maps": comparison.maps}


def _plain(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Rows per fold, then the means (fold -1)."""
    return [{"kind": row.kind, "fold": row.fold, **row.values} for row in [*rows, *means(rows)]]


def _table(title: str, rows: Sequence[Row]) -> Table:
    table = Table("kind", title=title.capitalize(), title_justify="left")
    for column in rows[0].values:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row.kind, *[number(value) for value in row.values.values()])
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
