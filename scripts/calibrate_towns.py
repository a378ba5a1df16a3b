"""Fit the traffic of towns to recordings, and measure the fit on recordings that it has not used.

    python scripts/calibrate_towns.py --against recordings --output results/calibration.json

Sizes and lateral offsets are quantiles of the recorded vehicles. Factors on the numbers of vehicles and pedestrians,
on headways, gaps in queues and speeds come from an evolution strategy (CMA-ES): it generates towns and lowers the sum
of the two mean divergences to the recordings, `six` and `pair` (docs/realism.md). With folds, each fold of recordings
is held out once: the calibration is fitted on the others, and full towns with it are compared with the held-out
ones. Last, a calibration is fitted on all recordings and written. Equal arguments give equal numbers.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from cmaes import CMA
from command_line import CommonArguments, console, print_line, progress, run
from rich.table import Table

from simulation.benchmark.provenance import provenance
from simulation.files import write_atomically
from simulation.generation.town.calibrated_traffic import with_calibration
from simulation.generation.town.calibration import Calibration, fitted
from simulation.generation.town.generator import generate_town
from simulation.generation.town.layout import TownSettings
from simulation.realism.scene_statistics import SceneStatistics, scene_divergences, scene_statistics
from simulation.realism.snapshots import SceneSnapshot, snapshots_of
from simulation.realism.sources import folds_of, measure, scenarios_in
from simulation.realism.vehicles import vehicle_samples

FACTORS = ("vehicles", "pedestrians", "headway", "min_gap", "speed")
SMALLEST, LARGEST = 0.5, 2.5
"""Bounds of the factors."""
FIT_TOWN = TownSettings(
    columns=4,
    rows=4,
    removed_links=0,
    vehicles=227,
    bicycles=13,
    pedestrians=200,
    warm_up_s=40.0,
    recorded_s=60.0,
    recording_s=45.0,
)
"""Towns of the search: the density of a full town on 24 of its 55 streets."""
FIT_SEED, TEST_SEED = 500_000, 600_000
"""First seeds of the towns of the search and of the test."""


NO_TOWN = 2.0
"""Cost of a calibration with which no town can be generated; a mean divergence is below ln 2."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Recordings, and effort of the search."""

    against: Path
    """nuPlan data root, or folder of recordings that can be imported."""
    output: Path
    """JSON file: the calibration of all recordings, and the measured divergences."""
    folds: int = 2
    """Folds of recordings, each of them held out once; 0 fits on all recordings only."""
    evaluations: int = 32
    """Towns that a search generates."""
    towns: int = 2
    """Full towns of a test, with 60 scenarios each."""
    seed: int = 0
    """Seed of the search."""


def main(arguments: Arguments) -> None:
    """Fit, test on held-out folds, fit on all, write."""
    recorded = measure(scenarios_in(arguments.against))
    folds = folds_of(recorded.sources, arguments.folds) if arguments.folds else []
    with progress(arguments) as bar:
        task = bar.add_task("Towns", total=(len(folds) + 1) * arguments.evaluations)

        def advance() -> None:
            bar.advance(task)

        rows: list[dict[str, Any]] = []
        plain = scene_statistics(held_out_town_snapshots(None, arguments)) if folds else None
        for names in folds:
            held_out = scene_statistics(recorded.of(names).snapshots)
            others = recorded.of([name for name in recorded.sources if name not in names]).snapshots
            calibration = fit(others, arguments, advance)
            kinds = {
                "calibrated towns": scene_statistics(held_out_town_snapshots(calibration, arguments)),
                "towns as they are": plain,
                "other recordings": scene_statistics(others),
            }
            rows += [_row(kind, found, held_out) for kind, found in kinds.items() if found is not None]
        final = fit(recorded.snapshots, arguments, advance)
    held_out_means = _means(rows)
    effort = {name: getattr(arguments, name) for name in ("folds", "evaluations", "towns", "seed")}
    content = {
        **provenance(),
        "recordings": recorded.sources,
        "arguments": effort,
        "calibration": asdict(final),
        "held_out": held_out_means,
        "folds": rows,
    }
    write_atomically(arguments.output, (json.dumps(content, indent=1) + "\n").encode())
    console.print(_table(held_out_means))
    print_line(f"Calibration of {len(recorded.sources)} recordings: {arguments.output}")


def fit(snapshots: Sequence[SceneSnapshot], arguments: Arguments, advance: Callable[[], None]) -> Calibration:
    """The calibration of recorded snapshots.

    All candidates of one generation are judged on the same town, those of the next on another one.
    """
    recorded = scene_statistics(snapshots)
    samples = vehicle_samples(snapshots)
    bounds = np.tile(np.log([SMALLEST, LARGEST]), (len(FACTORS), 1))
    search = CMA(mean=np.zeros(len(FACTORS)), sigma=0.25, bounds=bounds, seed=arguments.seed + 1)
    for generation in range(max(1, arguments.evaluations // search.population_size)):
        found = []
        for _ in range(search.population_size):
            point = search.ask()
            settings = with_calibration(FIT_TOWN, fitted(*samples, factors=_factors(point)))
            town = scene_statistics(town_snapshots(replace(settings, scenarios=28), FIT_SEED + generation))
            divergences = scene_divergences(town, recorded)
            cost = divergences["six"] + divergences["pair"]
            found.append((point, cost if np.isfinite(cost) else NO_TOWN))
            advance()
        search.tell(found)
    return fitted(*samples, factors=_factors(search.mean))


def _factors(point: np.ndarray) -> dict[str, float]:
    return dict(zip(FACTORS, np.round(np.exp(point), 3).tolist(), strict=True))


def held_out_town_snapshots(calibration: Calibration | None, arguments: Arguments) -> list[SceneSnapshot]:
    """Snapshots of full towns that no search has used."""
    settings = TownSettings() if calibration is None else with_calibration(TownSettings(), calibration)
    return [one for town in range(arguments.towns) for one in town_snapshots(settings, TEST_SEED + town)]


def town_snapshots(settings: TownSettings, seed: int) -> list[SceneSnapshot]:
    """Snapshots of a town, every 2 s of its scenarios; none when it is too crowded or lacks the scenarios."""
    try:
        recordings = generate_town(seed, settings)
    except ValueError:
        return []
    return [
        snapshot
        for recording in recordings
        for scenario in recording.scenarios()
        for snapshot in snapshots_of(scenario, every_s=2.0)
    ]


def _row(kind: str, found: SceneStatistics, held_out: SceneStatistics) -> dict[str, Any]:
    return {
        "kind": kind,
        **scene_divergences(found, held_out),
        "overlaps": found.overlap_share,
        "off_lane": found.off_lane_share,
        "snapshots": float(found.num_snapshots),
    }


def _means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    return [
        {
            name: kind if name == "kind" else float(np.mean([row[name] for row in rows if row["kind"] == kind]))
            for name in rows[0]
        }
        for kind in kinds
    ]


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Mean Jensen-Shannon divergence to held-out recordings")
    for name in rows[0] if rows else ():
        table.add_column(name, justify="left" if name == "kind" else "right")
    for row in rows:
        table.add_row(*[value if isinstance(value, str) else f"{value:.3f}" for value in row.values()])
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
