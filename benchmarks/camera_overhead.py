"""Cost of cameras of which a planner reads no image.

    python benchmarks/camera_overhead.py
    python benchmarks/camera_overhead.py --data ../shared/golden/world1 --planner idm --repeats 40

Each scenario is driven with and without `cameras=` in turn, by processor time of this process; set-up and log
included, metrics excluded. Each figure is a mean over scenarios of medians over repeats. The control compares drives
without cameras with each other in the same way: it is the accuracy of the measurement.
"""

import gc
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from rich.table import Table
from tyro.conf import UseAppendAction, arg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, run

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.planner import Planner
from driving.scenario import Scenario
from driving.synthetic.scenes import SCENES, scene
from planning.registry import load_planner
from simulation.rollout import Rollout, run_lockstep
from simulation.sensors.rendered import CameraSettings

TARGET = 0.01
KINDS = (None, CameraSettings(), None)
"""Without cameras, with the default rig, and without once more for the control."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data, planners and repeats."""

    data: Path | None = None
    """nuPlan data root; hand-made scenes without it."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Planner to drive; may be repeated. [idm and pdm_closed]"""
    limit: int = 9
    """Maximum number of scenarios."""
    repeats: int = 15
    """Drives of each scenario with and without cameras."""


def main(arguments: Arguments) -> None:
    """Measure and print."""
    scenarios = opened(arguments)
    table = Table(title=f"Cost of cameras without a read image, {len(scenarios)} scenarios, target {TARGET:.0%}")
    for name in ("planner", "ms per drive without", "with cameras", "more", "control"):
        table.add_column(name, justify="left" if name == "planner" else "right")
    with progress(arguments) as bar:
        for name in bar.track(arguments.planner or ("idm", "pdm_closed"), description="planners"):
            planner = load_planner(name)
            seconds = np.array([times(scenario, planner, arguments.repeats) for scenario in scenarios])
            plain, seen, again = np.median(seconds, axis=1).mean(axis=0)
            middle = (plain + again) / 2
            table.add_row(
                name,
                f"{1e3 * middle:.2f}",
                f"{1e3 * seen:.2f}",
                f"{seen / middle - 1:+.2%}",
                f"{again / plain - 1:+.2%}",
            )
    console.print(table)


def opened(arguments: Arguments) -> list[Scenario]:
    """The scenarios to drive."""
    if arguments.data is None:
        return [scene(name) for name in sorted(SCENES)][: arguments.limit]
    return [open_scenario(entry) for entry in list_scenarios(DataRoot.find(arguments.data))[: arguments.limit]]


def times(scenario: Scenario, planner: Planner, repeats: int) -> list[list[float]]:
    """Seconds of each drive: a row for each repeat, a column for each of `KINDS`."""
    for cameras in KINDS:
        drive(scenario, planner, cameras)
    found = []
    for repeat in range(repeats):
        # In another order each time: a drive may profit from what the one before left in the caches.
        order = np.roll(range(len(KINDS)), repeat)
        row = dict.fromkeys(range(len(KINDS)), 0.0)
        for kind in order.tolist():
            row[kind] = drive(scenario, planner, KINDS[kind])
        found.append(list(row.values()))
    return found


def drive(scenario: Scenario, planner: Planner, cameras: CameraSettings | None) -> float:
    """Processor seconds of one drive and its log."""
    gc.collect()
    gc.disable()
    started = time.process_time()
    rollout = Rollout(scenario, cameras=cameras)
    (error,) = run_lockstep([rollout], planner)
    rollout.log()
    seconds = time.process_time() - started
    gc.enable()
    if error is not None:
        raise RuntimeError(f"Scenario {scenario.scenario_id}: {planner.name} failed.") from error
    return seconds


if __name__ == "__main__":
    run(Arguments, main, __doc__)
