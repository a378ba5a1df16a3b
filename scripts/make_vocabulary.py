"""Build the set of trajectories that a student scores, from logs and generated motions.

    python scripts/make_vocabulary.py --data worlds --output vocabulary_1024.npz
    python scripts/make_vocabulary.py --data worlds --data ~/nuplan/dataset --size 4096 --seed 1 --output big.npz

Prints the coverage: how far logged drives are from their nearest entry, in the mean over 4 s. A fifth of the
scenarios is held back for that.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import CommonArguments, console, progress, run
from tyro.conf import UseAppendAction

from distill.motions import agent_motions, generated_motions, logged_motions
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from planning.neural.vocabulary import build_vocabulary

HELD_BACK = 5
"""One scenario in so many measures coverage and is not learned from."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to build it from."""

    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root; may be repeated."""
    output: Path
    """File to write (.npz); a description (.json) is put beside it."""
    size: int = 1024
    """Entries, 256 to 8192."""
    generated: int = 40_000
    """Generated motions beside the recorded ones."""
    limit: int | None = None
    """Only so many scenarios of each data root."""
    seed: int = 0
    """Of the generated motions and of the clustering."""


def main(arguments: Arguments) -> None:
    """Collect motions, cluster, measure, write."""
    if not arguments.data:
        raise ValueError("Name at least one data set, for example --data worlds.")
    learned, others, held_back = [], [], []
    with progress(arguments) as bar:
        for data in arguments.data:
            entries = list_scenarios(DataRoot.find(data))[: arguments.limit]
            for number, entry in enumerate(bar.track(entries, description=str(data))):
                scenario = open_scenario(entry, allow_short=True, with_cameras=False)
                if number % HELD_BACK == HELD_BACK - 1:
                    held_back.append(logged_motions(scenario))
                    continue
                learned.append(logged_motions(scenario))
                others.append(agent_motions(scenario))
    if not learned:
        raise ValueError(f"No scenarios in {', '.join(map(str, arguments.data))}.")
    # Recorded motions are counted several times, so that generated ones do not outweigh them.
    recorded = np.concatenate([*learned, *learned, *learned, *others])
    motions = np.concatenate([recorded, generated_motions(arguments.generated, arguments.seed)])
    vocabulary = build_vocabulary(
        motions,
        arguments.size,
        seed=arguments.seed,
        metadata={
            "seed": arguments.seed,
            "recorded_motions": len(recorded),
            "generated_motions": arguments.generated,
            "data": [path.name for path in arguments.data],
        },
    )
    measured = np.concatenate(held_back or learned)
    coverage = vocabulary.coverage(measured)
    vocabulary.metadata["coverage"] = {**coverage, "drives": len(measured), "held_back": bool(held_back)}
    vocabulary.save(arguments.output)
    console.print(
        f"{len(vocabulary)} entries from {len(motions)} motions, digest {vocabulary.digest}.\n"
        f"Coverage of {len(measured)} logged drives: mean {coverage['mean_m']:.3f} m,"
        f" 95th percentile {coverage['p95_m']:.3f} m."
    )


if __name__ == "__main__":
    run(Arguments, main, __doc__)
