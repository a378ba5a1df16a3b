r"""Steps per second of the Gymnasium environment on one core, for a policy that costs nothing.

    python benchmarks/environment.py
    python benchmarks/environment.py --data ../shared/golden/world1 --traffic nonreactive --traffic reactive

    PYTHONPATH=path/to/nuplan-devkit python benchmarks/environment.py --data ../shared/golden/world1 --devkit

Whole episodes: reset, 150 steps, observations and rewards, and the score at the end. Each scenario is driven once
before the measured episodes, so that compiled code and maps are loaded. Time is processor time of this process.
With --devkit, the devkit drives the first scenarios in the same run (its requirements: docs/extending.md); the time
of its planner and the opening of its scenarios are left out, and it computes no metrics.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import gymnasium
import numpy as np
from rich.table import Table
from tyro.conf import UseAppendAction, arg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, require_count, run
from devkit_bridge import devkit_simulation

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from simulation.environment.closed_loop import NuPlanEnv
from simulation.environment.encoders import RawObservations
from simulation.environment.vector import NuPlanVectorEnv

DEVKIT_SCENARIOS = 3
"""The devkit takes seconds for each."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to drive."""

    data: Path | None = None
    """nuPlan data root. [the hand-made scenes]"""
    traffic: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Kinds of traffic; by default nonreactive and reactive."""
    episodes: int = 40
    """Measured episodes of each row."""
    limit: int = 20
    """Only the first so many scenarios."""
    devkit: bool = False
    """Also measure nuPlan's devkit."""


def main(arguments: Arguments) -> None:
    """Drive and print."""
    require_count("--episodes", arguments.episodes)
    table = Table(title="Steps per second of one core, whole episodes")
    for name in ("traffic", "environment", "steps/s", "ms per reset"):
        table.add_column(name, justify="right")
    rows = [
        (traffic, kind)
        for traffic in arguments.traffic or ("nonreactive", "reactive")
        for kind in ("commands, default encoder", "commands, raw observations", "trajectory", "8 in a vector")
    ]
    with progress(arguments) as bar:
        for traffic, kind in bar.track(rows, description="environments"):
            steps_per_s, reset_ms = measured(arguments, traffic, kind)
            table.add_row(traffic, kind, f"{steps_per_s:.0f}", f"{reset_ms:.1f}")
        if arguments.devkit:
            table.add_row("nonreactive", "the devkit, without planner", f"{devkit_steps_per_s(arguments):.0f}", "")
    console.print(table)


def devkit_steps_per_s(arguments: Arguments) -> float:
    """Steps per second of the devkit's own closed loop with its simple planner, the planner's time left out.

    Raises:
        ValueError: Without a data root or the devkit.
    """
    try:
        from nuplan.planning.simulation.planner.simple_planner import SimplePlanner
    except ModuleNotFoundError as error:
        raise ValueError("nuPlan's devkit is not on the PYTHONPATH; see docs/extending.md.") from error
    if arguments.data is None:
        raise ValueError("The devkit drives a data root: give --data.")
    root = DataRoot.find(arguments.data)
    steps, spent_s = 0, 0.0
    for entry in list_scenarios(root)[:DEVKIT_SCENARIOS]:
        simulation = devkit_simulation(entry, root)
        planner = SimplePlanner(horizon_seconds=4.0, sampling_time=0.25, acceleration=[0.0, 0.0])
        planner.initialize([simulation.initialize()])
        while simulation.is_simulation_running():
            started = time.process_time()
            planner_input = simulation.get_planner_input()
            observed = time.process_time()
            plan = planner.compute_trajectory(planner_input)
            planned = time.process_time()
            simulation.propagate(plan)
            spent_s += (observed - started) + (time.process_time() - planned)
            steps += 1
    return steps / spent_s


def measured(arguments: Arguments, traffic: str, kind: str) -> tuple[float, float]:
    """Steps per second over whole episodes, and milliseconds of a reset."""
    scenarios = NuPlanEnv(data=arguments.data).scenario_names[: arguments.limit]
    settings: dict[str, Any] = {"data": arguments.data, "scenarios": scenarios, "traffic": traffic}
    if kind == "8 in a vector":
        return of_vector(arguments, settings)
    if kind == "commands, raw observations":
        settings["encoder"] = RawObservations
    if kind == "trajectory":
        settings["actions"] = "trajectory"
    env = NuPlanEnv(**settings)
    action = np.zeros(env.action_space.shape or ())
    if kind == "trajectory":
        action[:, 0] = 4.0 * np.arange(1, len(action) + 1)
    for name in scenarios:
        drive(env, name, action)
    reset_s, steps, started = 0.0, 0, time.process_time()
    for episode in range(arguments.episodes):
        took_s, count = drive(env, scenarios[episode % len(scenarios)], action)
        reset_s, steps = reset_s + took_s, steps + count
    return steps / (time.process_time() - started), 1e3 * reset_s / arguments.episodes


def drive(env: gymnasium.Env[Any, Any], name: str, action: np.ndarray) -> tuple[float, int]:
    """One episode under one action: seconds of the reset, and steps."""
    started = time.process_time()
    env.reset(options={"scenario": name})
    reset_s = time.process_time() - started
    steps, ended = 0, False
    while not ended:
        ended = env.step(action)[2]
        steps += 1
    return reset_s, steps


def of_vector(arguments: Arguments, settings: dict[str, Any]) -> tuple[float, float]:
    """Steps of all members per second, and milliseconds of a joint reset."""
    envs = NuPlanVectorEnv(8, **settings)
    actions = np.zeros((8, 2), dtype=np.float32)
    for name in settings["scenarios"]:
        drive(envs.envs[0], name, actions[0])
    started = time.process_time()
    envs.reset(seed=0)
    reset_s, steps = time.process_time() - started, 0
    starts = np.zeros(8, dtype=bool)
    for _ in range(max(1, arguments.episodes // 8) * 151 - 1):
        ended = envs.step(actions)[2]
        # The step that resets a member drives nothing.
        steps += 8 - int(np.count_nonzero(starts))
        starts = ended
    return steps / (time.process_time() - started), 1e3 * reset_s


if __name__ == "__main__":
    run(Arguments, main, __doc__)
