"""Speed of planners on an empty straight road: how fast they drive, and how much their speed varies.

    python benchmarks/empty_road.py
    python benchmarks/empty_road.py --planner student:checkpoints/first --planner idm --without off_route

The hand-made scene `straight_road`: 15 s without agents and lights, from 10 m/s, limit 13.89 m/s. Mean and standard
deviation are those after 5 s. `--without` also drives the students without a part (`planning/neural/exact_terms.py`).
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_line, print_lines, run
from kept_runs import is_student
from tables import TextTable
from tyro.conf import UseAppendAction

from driving.synthetic.scenes import scene
from planning.registry import load_planner
from simulation.benchmark.provenance import provenance
from simulation.rollout import run_rollout

FIRST_STEP = 50


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Planners."""

    planner: Annotated[UseAppendAction[tuple[str, ...]], None] = ()
    """As of scripts/benchmark.py; may be repeated. [student and pdm_closed]"""
    without: Annotated[UseAppendAction[tuple[str, ...]], None] = ()
    """Also drive the students without this part; may be repeated."""


def main(arguments: Arguments) -> None:
    """Drive and print."""
    text = TextTable(
        title="Speed after 5 s on an empty straight road [m/s]",
        head=("planner", "mean", "standard deviation", "slowest", "fastest"),
    )
    for name in arguments.planner or ("student", "pdm_closed"):
        parts = arguments.without if is_student(name) else ()
        for part in (None, *parts):
            planner = load_planner(name, arguments=() if part is None else (f"without={part}",))
            speeds = run_rollout(scene("straight_road"), planner).ego.velocities_mps[0, FIRST_STEP:, 0]
            shown = name if part is None else f"{name} without {part}"
            text.add(shown, *(f"{value:.2f}" for value in (speeds.mean(), speeds.std(), speeds.min(), speeds.max())))
    print_lines(text.markdown())
    about = provenance()
    print_line(f"Command: python {about['command']}; commit {about['commit']}")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
