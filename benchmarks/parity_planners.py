r"""Differences between our planners, simulator and scores and the devkit's over whole drives.

    python benchmarks/parity_planners.py --data ../shared/golden/world1
    python benchmarks/parity_planners.py --data WORLD --runs OUT/runs --planner pdm_closed

`--runs` holds the devkit's results: folders `closed_loop_<traffic>_agents_<planner>_planner` with `scores.json`
and one `<token>.npz` for each scenario. Prints, per planner and traffic, the largest distance of our ego from
the devkit's over the 15 s, the distance at the end, and the largest difference of any metric; then every exception.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from rich.table import Table
from tyro.conf import UseAppendAction, arg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, run

from driving import Scenario
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from planning.registry import load_planner
from simulation.metrics.score import score_simulation
from simulation.rollout import run_rollout

PLANNERS = ("simple", "idm", "log_future", "pdm_closed")
TRAFFIC = ("nonreactive", "reactive")
STEP_SCORE_TOLERANCE, CONTINUOUS_TOLERANCE = 1e-6, 1e-3
CONTINUOUS = frozenset({"ego_progress_along_expert_route", "speed_limit_compliance", "score"})
ALLOWED_M = {"nonreactive": 0.01, "reactive": 0.05}
ALLOWED_PDM_M = 0.10


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data, runs and planners."""

    data: Path
    """nuPlan data root."""
    runs: Path | None = None
    """The devkit's results; by default `runs` in the data root."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Planners; by default all that exist in the devkit, too."""


@dataclass
class Comparison:
    """Differences of one planner in one kind of traffic."""

    scenarios: int = 0
    worst_m: float = 0.0
    end_m: float = 0.0
    score: float = 0.0
    exceptions: list[str] = field(default_factory=list)


def main(arguments: Arguments) -> None:
    """Drive, compare, print."""
    runs = arguments.runs or arguments.data / "runs"
    entries = {entry.token: entry for entry in list_scenarios(DataRoot.find(arguments.data))}
    table = Table(title="Our drives beside the devkit's")
    for name in ("planner", "traffic", "scenarios", "farthest apart", "apart at the end", "scores differ by"):
        table.add_column(name, justify="right")
    exceptions: list[str] = []
    with progress(arguments) as bar:
        for planner in bar.track(arguments.planner or PLANNERS, description="planners"):
            for traffic in TRAFFIC:
                folder = runs / f"closed_loop_{traffic}_agents_{planner}_planner"
                if not folder.is_dir():
                    continue
                found = Comparison()
                expected = json.loads((folder / "scores.json").read_text())
                for token, scores in expected.items():
                    if token in entries:
                        compare(found, open_scenario(entries[token]), planner, traffic, folder, scores)
                table.add_row(
                    planner,
                    traffic,
                    str(found.scenarios),
                    f"{found.worst_m:.1e} m",
                    f"{found.end_m:.1e} m",
                    f"{found.score:.1e}",
                )
                exceptions.extend(found.exceptions)
    console.print(table)
    console.print("\n".join(exceptions) if exceptions else "No exception.")


def compare(
    found: Comparison, scenario: Scenario, planner: str, traffic: str, folder: Path, expected: dict[str, float | str]
) -> None:
    """Drive one scenario and add its differences."""
    token = scenario.scenario_id
    log = run_rollout(scenario, load_planner(planner), traffic=traffic)
    theirs = np.load(folder / f"{token}.npz")["ego"][:, 1:3]
    ours = log.ego.rear_axle_poses[0, : len(theirs), :2]
    apart_m = np.hypot(*(ours - theirs[: len(ours)]).T)
    found.scenarios += 1
    found.worst_m = max(found.worst_m, float(apart_m.max()))
    found.end_m = max(found.end_m, float(apart_m[-1]))
    allowed_m = ALLOWED_PDM_M if planner == "pdm_closed" else ALLOWED_M[traffic]
    if apart_m[-1] > allowed_m:
        found.exceptions.append(f"{planner} {traffic} {token}: {apart_m[-1]:.3f} m apart at the end")
    result = score_simulation(log, scenario)
    ours_by_name = {name: metric.score for name, metric in result.metrics.items()} | {"score": result.score}
    for name, value in expected.items():
        mine = ours_by_name.get(name)
        if not isinstance(value, float) or mine is None:
            continue
        found.score = max(found.score, abs(mine - value))
        if abs(mine - value) > (CONTINUOUS_TOLERANCE if name in CONTINUOUS else STEP_SCORE_TOLERANCE):
            found.exceptions.append(f"{planner} {traffic} {token}: {name} {mine:.6f}, the devkit has {value:.6f}")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
