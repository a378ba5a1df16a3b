"""Time of a rollout by stage, without planner and metrics.

    python benchmarks/step_time.py                                      # hand-made scenes
    python benchmarks/step_time.py --data ../shared/golden/world1

A constant-velocity planner drives each scenario once for warm-up and then `--repeats` times; the fastest drive
counts. Targets for 150 steps: 25 ms with non-reactive traffic, 60 ms with reactive traffic.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, run

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.planner import reset_planner
from driving.scenario import Scenario
from driving.synthetic.scenes import SCENES, scene
from planning.registry import load_planner
from simulation.rollout import TRAFFIC, Rollout

STAGES = ("set_up", "observation", "control", "traffic", "packing")
TARGETS_MS = {"nonreactive": 25.0, "reactive": 60.0}


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data and planners."""

    data: Path | None = None
    """nuPlan data root; hand-made scenes without it."""
    limit: int = 20
    """Maximum number of scenarios."""
    repeats: int = 5
    """Drives of each scenario."""


def main(arguments: Arguments) -> None:
    """Measure and print."""
    scenarios = opened(arguments)
    table = Table(title=f"Milliseconds per rollout, median of {len(scenarios)} scenarios")
    for name in ("traffic", *STAGES, "all", "target"):
        table.add_column(name, justify="right")
    with progress(arguments) as bar:
        for traffic in bar.track(sorted(TRAFFIC), description="traffic"):
            rows = [fastest(scenario, traffic, arguments.repeats) for scenario in scenarios]
            middle = 1e3 * np.median(rows, axis=0)
            cells = [f"{value:.2f}" for value in (*middle, middle.sum())]
            table.add_row(traffic, *cells, f"{TARGETS_MS[traffic]:.0f}" if traffic in TARGETS_MS else "")
    console.print(table)


def opened(arguments: Arguments) -> list[Scenario]:
    """The scenarios to drive."""
    if arguments.data is None:
        return [scene(name) for name in sorted(SCENES)][: arguments.limit]
    return [open_scenario(entry) for entry in list_scenarios(DataRoot.find(arguments.data))[: arguments.limit]]


def fastest(scenario: Scenario, traffic: str, repeats: int) -> list[float]:
    """Seconds in each stage of the fastest drive."""
    return min((drive(scenario, traffic) for _ in range(repeats + 1)), key=sum)


def drive(scenario: Scenario, traffic: str) -> list[float]:
    """Seconds in each stage of one rollout."""
    planner = load_planner("constant_velocity")
    reset_planner(planner, scenario)
    rollout = Rollout(scenario, traffic=traffic)
    while not rollout.is_finished:
        rollout.advance(planner.plan(rollout.observation()))
    log = rollout.log()
    started = time.perf_counter()
    log.to_bytes()
    seconds = {**log.stage_time_s, "packing": time.perf_counter() - started}
    return [seconds[stage] for stage in STAGES]


if __name__ == "__main__":
    run(Arguments, main, __doc__)
