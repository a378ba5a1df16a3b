r"""Measure networks of scenes against recordings that neither they nor their calibration have used.

    for fold in 0 1; do python scripts/train_generator.py --data RECORDINGS --folds 2 --held-out $fold --towns 2 \
        --recorded-plans 1 --calibrated --bare-share 0.4 --start CHECKPOINT --steps 120 --learning-rate 0.001 \
        --output checkpoints/fold$fold; done
    python benchmarks/recorded_scenes.py --against RECORDINGS --networks checkpoints/fold0 checkpoints/fold1 \
        --output results/recorded_scenes.json

Each fold of recordings is compared with scenes that the network of that fold draws on its maps, given map and place
of the ego. `before` is one network for all folds, by default that of calibrated towns in the package. Both also draw
scenes with the numbers of agents of a random scene of the other recordings. The floor are the other recordings.
Prints and writes the mean over the folds, and each fold.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, run
from rich.table import Table
from scene_samplers import control_of_checkpoint

from simulation.benchmark.provenance import provenance
from simulation.files import write_atomically
from simulation.generation.learned.checkpoint import CALIBRATED, Checkpoint
from simulation.generation.learned.threads import one_thread
from simulation.realism.controls import sampled
from simulation.realism.scene_statistics import SceneStatistics, scene_divergences, scene_statistics
from simulation.realism.snapshots import SceneSnapshot, snapshots_of
from simulation.realism.sources import folds_of, scenarios_in


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Recordings and networks."""

    against: Path
    """nuPlan data root, or folder of recordings that can be imported."""
    networks: tuple[Path, ...]
    """A checkpoint for each fold, trained without it; their number is that of the folds."""
    before: Path = CALIBRATED
    """Checkpoint that has seen no recording."""
    every: float = 1.0
    """Seconds between two snapshots of a recording, as in scripts/realism.py. Few snapshots raise all divergences,
    that of the floor as well."""
    seed: int = 0
    """Of all draws."""
    output: Path
    """JSON file."""


def main(arguments: Arguments) -> None:
    """Measure, print and write."""
    networks = [Checkpoint.load(folder) for folder in arguments.networks]
    before = Checkpoint.load(arguments.before)
    snapshots = [
        snapshot
        for scenario in scenarios_in(arguments.against)
        for snapshot in snapshots_of(scenario, arguments.every)
    ]
    folds = folds_of(list({one.source for one in snapshots}), len(networks))
    rows: list[dict[str, Any]] = []
    for network, names in zip(networks, folds, strict=True):
        held_out = [one for one in snapshots if one.source in names]
        reference = scene_statistics(held_out)
        others = [one for one in snapshots if one.source not in names]
        kinds = {
            "learned from other recordings": drawn(network, held_out, arguments.seed),
            "before": drawn(before, held_out, arguments.seed),
            "learned, counts of other recordings": drawn(network, held_out, arguments.seed, others),
            "before, counts of other recordings": drawn(before, held_out, arguments.seed, others),
            "other recordings (floor)": scene_statistics(others),
        }
        rows += [row(kind, found, reference) for kind, found in kinds.items()]
    content = {**provenance(), "folds": folds, "rows": rows, "means": means(rows)}
    write_atomically(arguments.output, (json.dumps(content, indent=1) + "\n").encode())
    console.print(table(means(rows)))


def drawn(
    network: Checkpoint, scenes: list[SceneSnapshot], seed: int, counts: Sequence[SceneSnapshot] = ()
) -> SceneStatistics:
    """Statistics of one drawn scene on each recorded map, with numbers of agents as in `counts`, if there are any."""
    sampler = control_of_checkpoint(network, has_training_counts=bool(counts))(counts)
    with one_thread():
        return scene_statistics(sampled(sampler, scenes, seed))


def row(kind: str, found: SceneStatistics, reference: SceneStatistics) -> dict[str, Any]:
    """The divergences of one kind of scenes."""
    return {
        "kind": kind,
        **scene_divergences(found, reference),
        "overlaps": found.overlap_share,
        "off_lane": found.off_lane_share,
        "agents": found.num_agents / max(1, found.num_snapshots),
    }


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The mean of each kind over the folds."""
    kinds = list(dict.fromkeys(one["kind"] for one in rows))
    return [
        {
            name: kind if name == "kind" else float(np.mean([one[name] for one in rows if one["kind"] == kind]))
            for name in rows[0]
        }
        for kind in kinds
    ]


def table(rows: list[dict[str, Any]]) -> Table:
    """The rows for the terminal."""
    found = Table(title="Mean Jensen-Shannon divergence to held-out recordings", title_justify="left")
    for name in rows[0]:
        found.add_column(name, justify="left" if name == "kind" else "right")
    for one in rows:
        found.add_row(*[value if isinstance(value, str) else f"{value:.3f}" for value in one.values()])
    return found


if __name__ == "__main__":
    run(Arguments, main, __doc__)
