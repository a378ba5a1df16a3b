"""Where the time of a rollout goes, planner and metrics left out.

    python benchmarks/step_time.py                                      # hand-made scenes
    python benchmarks/step_time.py --data ../shared/golden/world1

Each scenario is driven by a planner that keeps its speed, once to warm up and then `--repeats` times; the fastest
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
from driving.planner import begin
from driving.scenario import Scenario
from driving.synthetic.scenes import SCENES, scene
from planning.registry import load_planner
from simulation.rollout import TRAFFIC, Rollout, valid_plan

STAGES = ("set_up", "observation", "checking", "control", "traffic", "packing")
TARGETS_MS = {"nonreactive": 25.0, "reactive": 60.0}


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to drive."""

    data: Path | None = None
    """nuPlan data root; hand-made scenes without it."""
    limit: int = 20
    """Scenarios at most."""
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
    """Seconds in each stage, of the drive with the least time in whole."""
    return min((drive(scenario, traffic) for _ in range(repeats + 1)), key=sum)


def drive(scenario: Scenario, traffic: str) -> list[float]:
    """Seconds in each stage of one rollout."""
    planner = load_planner("constant_velocity")
    begin(planner, scenario)
    rollout = Rollout(scenario, traffic=traffic)
    checking_s = 0.0
    while not rollout.is_finished:
        plan = planner.plan(rollout.observation())
        started = time.perf_counter()
        plan = valid_plan(planner, plan, rollout)
        checking_s += time.perf_counter() - started
        rollout.advance(plan)
    log = rollout.log()
    started = time.perf_counter()
    log.to_bytes()
    seconds = {**log.stage_time_s, "checking": checking_s, "packing": time.perf_counter() - started}
    return [seconds[stage] for stage in STAGES]


if __name__ == "__main__":
    run(Arguments, main, __doc__)
