"""Fit the plans of towns to recorded lane graphs, and measure the fit on recordings that it has not used.

    python scripts/fit_plans.py --against recordings --output results/plans.json

An evolution strategy (CMA-ES) draws plans and lowers the mean distance of connectivity, density, reach and
convenience (docs/realism.md) to the recorded lane graphs. It changes the distance between junctions, the share of
removed streets, and the frequencies of arterials, collectors and local streets. Each fold of recordings is held out
once. The control of the search are random plans: as many, and the best of them in the same way.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cmaes import CMA
from command_line import CommonArguments, console, print_line, progress, run
from rich.table import Table

from driving.map import MapGraph
from simulation.benchmark.provenance import provenance
from simulation.files import write_atomically
from simulation.generation.town.layout import PlanStyle, TownSettings, plan_town, with_style
from simulation.generation.town.roads import build_roads
from simulation.realism.maps import STATISTICS, MapStatistics, map_distances, random_places, windows_of
from simulation.realism.sources import folds_of, measure, scenarios_in

NAMES = ("spacing_m", "removed", "arterial", "collector")
LOW, HIGH = np.array([105.0, 0.0, -3.0, -3.0]), np.array([260.0, 0.3, 3.0, 3.0])
"""Bounds; the last two are logarithms of the frequency relative to local streets."""
PLAN = TownSettings(columns=4, rows=4, removed_links=0)
WINDOWS = 16
"""Random places in a town."""
MAX_DRAWS = 6
"""Plans that are drawn until one can be built."""
FIT_SEEDS, FINAL_SEEDS, TEST_SEEDS = range(700_000, 700_002), range(750_000, 750_004), range(800_000, 800_006)
"""Of the towns of a search, of the choice among its best styles, and of the test."""
NUM_FINALISTS = 4
NO_PLAN = 5.0
"""Distance of a style with a town of which no plan can be built."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Recordings, and effort of the search."""

    against: Path
    """nuPlan data root, or folder of recordings that can be imported."""
    output: Path
    """JSON file: the style fitted to all recordings, and the measured distances."""
    folds: int = 2
    """Folds of recordings, each of them held out once."""
    evaluations: int = 24
    """Styles that a search tries, with 2 plans each."""
    seed: int = 0
    """Seed of the search."""


def main(arguments: Arguments) -> None:
    """Fit, test on held-out folds, fit on all, write."""
    recorded = measure(scenarios_in(arguments.against), every_s=2.0)
    names = folds_of(recorded.sources, arguments.folds)
    rows: list[dict[str, Any]] = []
    with progress(arguments) as bar:
        task = bar.add_task("Styles", total=(2 * len(names) + 1) * arguments.evaluations)

        def advance() -> None:
            bar.advance(task)

        plain = town_windows(PLAN, TEST_SEEDS)
        for fold in names:
            held_out = recorded.of(fold).map_statistics()
            others = recorded.of([name for name in recorded.sources if name not in fold]).map_statistics()
            kinds = {
                "fitted plans": held_out_windows(fit(others, arguments, advance)),
                "random plans": held_out_windows(best_random(others, arguments, advance)),
                "towns as they are": plain,
                "other recordings": others,
            }
            rows += [
                {"kind": kind, **map_distances(found, held_out), "windows": len(found)}
                for kind, found in kinds.items()
            ]
        final = fit(recorded.map_statistics(), arguments, advance)
    content = {**provenance(), "recordings": recorded.sources, "style": asdict(final), "folds": rows}
    write_atomically(arguments.output, (json.dumps(content, indent=1) + "\n").encode())
    console.print(_table(rows))
    print_line(f"Style of {len(recorded.sources)} recordings: {arguments.output}")


Judged = list[tuple[float, PlanStyle]]
"""Styles and their distances on the towns of the search."""


def fit(recorded: Sequence[MapStatistics], arguments: Arguments, advance: Callable[[], None]) -> PlanStyle:
    """The best style that an evolution strategy finds."""
    # Wide at first: the best styles lie at the border of the buildable ones.
    search = CMA(mean=np.full(4, 0.5), sigma=0.35, bounds=np.tile([0.0, 1.0], (4, 1)), seed=arguments.seed + 1)
    judged: Judged = []
    for _ in range(max(1, arguments.evaluations // search.population_size)):
        found = []
        for _ in range(search.population_size):
            point = search.ask()
            style = style_of(point)
            judged.append((distance(style, recorded), style))
            found.append((point, judged[-1][0]))
            advance()
        search.tell(found)
    return best_of(judged, recorded)


def best_random(recorded: Sequence[MapStatistics], arguments: Arguments, advance: Callable[[], None]) -> PlanStyle:
    """The best of as many styles, drawn uniformly."""
    rng = np.random.default_rng(arguments.seed)
    judged: Judged = []
    for _ in range(arguments.evaluations):
        style = style_of(rng.uniform(size=4))
        judged.append((distance(style, recorded), style))
        advance()
    return best_of(judged, recorded)


def best_of(judged: Judged, recorded: Sequence[MapStatistics]) -> PlanStyle:
    """The best style on further towns among those that were best on the towns of the search.

    The least of many noisy distances is too low, so it does not decide alone.
    """
    finalists = [style for _, style in sorted(judged, key=lambda one: one[0])[:NUM_FINALISTS]]
    return min(finalists, key=lambda style: distance(style, recorded, FINAL_SEEDS))


def style_of(point: np.ndarray) -> PlanStyle:
    """The style of a point of the unit cube."""
    spacing_m, removed, arterial, collector = LOW + point * (HIGH - LOW)
    weights = np.exp([arterial, collector, 0.0])
    return PlanStyle(
        spacing_m=round(float(spacing_m), 1),
        removed=round(float(removed), 3),
        profile_weights=tuple(np.round(weights / weights.sum(), 3).tolist()),
    )


def distance(style: PlanStyle, recorded: Sequence[MapStatistics], seeds: Sequence[int] | None = None) -> float:
    """Mean distance of the towns of a style; all styles of a search are judged on the same seeds."""
    found = town_windows(with_style(PLAN, style), FIT_SEEDS if seeds is None else seeds)
    return map_distances(found, recorded)["mean"] if found else NO_PLAN


def held_out_windows(style: PlanStyle) -> list[MapStatistics]:
    """Windows of towns that no search has used."""
    return town_windows(with_style(PLAN, style), TEST_SEEDS)


def town_windows(settings: TownSettings, seeds: Sequence[int]) -> list[MapStatistics]:
    """Windows at random places of towns. None where a town has no plan that can be built.

    As when towns are generated, a plan that cannot be built is drawn again.
    """
    windows: list[MapStatistics] = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        town = built(rng, settings, f"plan-{seed}")
        if town is None:
            return []
        windows += windows_of(town, random_places(town, rng, WINDOWS))
    return windows


def built(rng: np.random.Generator, settings: TownSettings, name: str) -> MapGraph | None:
    """The map of a plan; None when none of `MAX_DRAWS` plans can be built."""
    for _ in range(MAX_DRAWS):
        try:
            return build_roads(rng, plan_town(rng, settings), settings, name).map
        except ValueError:
            continue
    return None


def _table(rows: list[dict[str, Any]]) -> Table:
    columns = ("mean", *STATISTICS, "windows")
    table = Table("kind", *columns, title="Mean distance to held-out lane graphs")
    for kind in dict.fromkeys(row["kind"] for row in rows):
        values = [np.mean([row[name] for row in rows if row["kind"] == kind]) for name in columns]
        table.add_row(kind, *[f"{value:.3f}" for value in values])
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
