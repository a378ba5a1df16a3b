"""Compile the kernels of simulation, cameras, planners and towns now, so that the first drive does not wait for it.

    python scripts/compile_kernels.py

Compiled code is kept in the user's cache folder, apart for each state of the sources; a second call only loads it.
"""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

import numpy as np
from command_line import CommonArguments, console, run

from driving.rigs import NUPLAN_8
from driving.synthetic.scenes import scene
from planning.registry import PLANNERS, load_planner
from simulation.benchmark.worker import BenchmarkWorker, WorkerSetup
from simulation.environment.closed_loop import NuPlanEnv
from simulation.generation.town.generator import generate_town
from simulation.generation.town.layout import small_town
from simulation.rendering.appearance import RAIN
from simulation.rendering.renderer import CameraRenderer
from simulation.rendering.snapshot import snapshot_of
from simulation.rollout import TRAFFIC

MAX_PROCESSES = 2
"""More would compile the same kernels at the same time."""
STEP_TIMEOUT_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Common arguments only."""


def main(arguments: Arguments) -> None:
    """Render, plan, drive and score hand-made scenes, make a small town, and step the Gymnasium environment."""
    started = time.perf_counter()
    # The first part compiles what most others call.
    parts: list[Callable[[], None]] = [partial(drive_once, "nonreactive"), render_once, generate_once]
    parts += [partial(drive_once, traffic) for traffic in TRAFFIC if traffic != "nonreactive"]
    parts += [partial(plan_once, planner) for planner in PLANNERS]
    parts.append(step_once)
    with ProcessPoolExecutor(MAX_PROCESSES, mp_context=get_context("spawn")) as pool:
        for compiled in [pool.submit(part) for part in parts]:
            compiled.result()
    if not arguments.quiet:
        console.print(f"Kernels are ready after {time.perf_counter() - started:.0f} s.")


def drive_once(traffic: str) -> None:
    """Drive and score a hand-made scene in one kind of traffic."""
    BenchmarkWorker(WorkerSetup(load_planner=load_planner, step_timeout_s=STEP_TIMEOUT_S, traffic=(traffic,)))


def plan_once(planner: str) -> None:
    """Plan in hand-made scenes."""
    BenchmarkWorker(WorkerSetup(load_planner=load_planner, step_timeout_s=STEP_TIMEOUT_S, planners=(planner,)))


def generate_once() -> None:
    """Make a small town."""
    generate_town(0, small_town())


def step_once() -> None:
    """Step the Gymnasium environment."""
    env = NuPlanEnv(scenarios=["red_light"])
    env.reset()
    env.step(np.zeros(2))


def render_once() -> None:
    """Render small images with all that a lens and a sensor add."""
    now = scene("red_light").observation_at(0)
    looks = replace(RAIN, dirt=0.5, blur_px=0.5)
    renderer = CameraRenderer(now.map, NUPLAN_8.resized(sizes=(32, 18)), appearance=looks)
    renderer.render(snapshot_of(now.ego_now.rear_axle_pose, now.agents, now.traffic_lights, now.time_us), (0,))


if __name__ == "__main__":
    run(Arguments, main, __doc__)
