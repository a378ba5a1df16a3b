"""Compile the kernels of simulation, cameras, planners and towns now, so that the first drive does not wait for it.

    python scripts/compile_kernels.py

Compiled code is kept in the user's cache folder, apart for each state of the sources; a second call only loads it.
Kernels of learned traffic and of the Gymnasium environment are left out: they are compiled at their first use.
"""

import gc
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

from command_line import CommonArguments, console, run

STEP_TIMEOUT_S = 600.0
EXPECTED_S = 100
"""On two idle cores."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Common arguments only."""


def main(arguments: Arguments) -> None:
    """Compile in two processes."""
    started = time.perf_counter()
    if not arguments.quiet:
        console.print(f"Compiling kernels (about {EXPECTED_S} s on two idle cores, 10 s if they are compiled) ...")
    # Two chains that take about as long and share few kernels: more processes would compile the same ones.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=collect_rarely) as pool:
        for compiled in [pool.submit(chain) for chain in (score_and_plan, render_and_generate)]:
            compiled.result()
    if not arguments.quiet:
        console.print(f"Kernels are ready after {time.perf_counter() - started:.0f} s.")


def collect_rarely() -> None:
    """Look for unused memory rarely: compilation keeps most of its objects, and the search takes a tenth of it."""
    gc.set_threshold(100_000, 50, 1000)


def score_and_plan() -> None:
    """Drive and score a hand-made scene, then plan in some."""
    warm_up(traffic=("nonreactive",), planners=("pdm_closed", "student"))


def render_and_generate() -> None:
    """Render images, make a small town, then drive in reactive traffic and plan with the simple planners."""
    render_once()
    generate_once()
    warm_up(traffic=("reactive", "open_loop"), planners=("idm", "ignore_agents"))


def warm_up(traffic: tuple[str, ...], planners: tuple[str, ...]) -> None:
    """Start a benchmark worker, which drives, scores and plans in hand-made scenes."""
    # Imports of the simulation take seconds, which the process that starts the others does not need.
    from planning.registry import load_planner
    from simulation.benchmark.worker import BenchmarkWorker, WorkerSetup

    BenchmarkWorker(
        WorkerSetup(load_planner=load_planner, step_timeout_s=STEP_TIMEOUT_S, traffic=traffic, planners=planners)
    )


def generate_once() -> None:
    """Make a small town."""
    from simulation.generation.town.generator import generate_town
    from simulation.generation.town.layout import small_town

    generate_town(0, small_town())


def render_once() -> None:
    """Render small images with all that a lens and a sensor add."""
    from driving.rigs import NUPLAN_8
    from driving.synthetic.scenes import scene
    from simulation.rendering.appearance import RAIN
    from simulation.rendering.renderer import CameraRenderer
    from simulation.rendering.snapshot import snapshot_of

    now = scene("red_light").observation_at(0)
    looks = replace(RAIN, dirt=0.5, blur_px=0.5)
    renderer = CameraRenderer(now.map, NUPLAN_8.resized(sizes=(32, 18)), appearance=looks)
    renderer.render(snapshot_of(now.ego_now.rear_axle_pose, now.agents, now.traffic_lights, now.time_us), (0,))


if __name__ == "__main__":
    run(Arguments, main, __doc__)
