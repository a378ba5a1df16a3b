"""Build the trajectory vocabulary of a student from logged and generated motions.

    python scripts/make_vocabulary.py --data worlds --output vocabulary_1024.npz
    python scripts/make_vocabulary.py --data worlds --data ~/nuplan/dataset --size 4096 --seed 1 --output big.npz
    python scripts/make_vocabulary.py --extend vocabulary_1024.npz --slow-turns 96 --output vocabulary_1120.npz

Prints the coverage: the mean distance over 4 s of logged trajectories from their nearest entry, measured on a
held-out fifth of the scenarios. --extend keeps the entries of a vocabulary, so that a student that was trained with
them can use the larger one: its network receives the geometry of each entry only.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import CommonArguments, console, progress, run
from tyro.conf import UseAppendAction

from distill.motions import agent_motions, generated_motions, logged_motions, with_slow_turns
from distill.vocabulary_building import build_vocabulary, coverage
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from planning.neural.vocabulary import TrajectoryVocabulary

HELD_BACK = 5
"""One scenario in so many is held out to measure coverage."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Sources and size of the vocabulary."""

    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root; may be repeated."""
    output: Path
    """File to write (.npz); a description (.json) is written beside it."""
    size: int = 1024
    """Entries, 256 to 8192."""
    generated: int = 40_000
    """Number of generated motions."""
    slow_turns: int = 0
    """Entries added to these: generated motions that turn at up to 4 m/s, which logs hardly have."""
    extend: Path | None = None
    """Vocabulary (.npz) whose entries are kept; --slow-turns are added to it, and no data is read."""
    limit: int | None = None
    """Maximum number of scenarios of each data root."""
    seed: int = 0
    """Seed of the generated motions and of the clustering."""


def main(arguments: Arguments) -> None:
    """Collect motions, cluster, measure, write."""
    if arguments.slow_turns < 0:
        raise ValueError(f"--slow-turns is a number of entries of at least 0, got {arguments.slow_turns}.")
    if arguments.extend is not None:
        extend(arguments, arguments.extend)
        return
    if not arguments.data:
        raise ValueError("Name at least one data set, for example --data worlds.")
    ego, agents, held_back = [], [], []
    with progress(arguments) as bar:
        for data in arguments.data:
            entries = list_scenarios(DataRoot.find(data))[: arguments.limit]
            for number, entry in enumerate(bar.track(entries, description=str(data))):
                scenario = open_scenario(entry, allow_short=True, with_cameras=False)
                if number % HELD_BACK == HELD_BACK - 1:
                    held_back.append(logged_motions(scenario))
                    continue
                ego.append(logged_motions(scenario))
                agents.append(agent_motions(scenario))
    if not ego:
        raise ValueError(f"No scenarios in {', '.join(map(str, arguments.data))}.")
    # Motions of the ego have three times the weight, so that generated motions do not dominate.
    recorded = np.concatenate([*ego, *ego, *ego, *agents])
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
    if arguments.slow_turns:
        vocabulary = with_slow_turns(vocabulary, arguments.slow_turns, arguments.seed)
    measured = np.concatenate(held_back or ego)
    measures = coverage(vocabulary, measured)
    vocabulary.metadata["coverage"] = {**measures, "drives": len(measured), "held_back": bool(held_back)}
    vocabulary.save(arguments.output)
    console.print(
        f"{len(vocabulary)} entries from {len(motions)} motions, digest {vocabulary.digest}.\n"
        f"Coverage of {len(measured)} logged trajectories: mean {measures['mean_m']:.3f} m,"
        f" 95th percentile {measures['p95_m']:.3f} m."
    )


def extend(arguments: Arguments, path: Path) -> None:
    """Add slow turns to a vocabulary."""
    if arguments.data or not arguments.slow_turns:
        raise ValueError("--extend adds --slow-turns to a vocabulary: give their number, and no --data.")
    vocabulary = with_slow_turns(TrajectoryVocabulary.load(path), arguments.slow_turns, arguments.seed)
    vocabulary.metadata.pop("coverage", None)
    vocabulary.save(arguments.output)
    console.print(f"{len(vocabulary)} entries, digest {vocabulary.digest}.")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
