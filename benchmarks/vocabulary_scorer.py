r"""Time to score a whole vocabulary of trajectories in one scene.

    python benchmarks/vocabulary_scorer.py
    python benchmarks/vocabulary_scorer.py --motions 4096 --agents 200 --repeats 5

8,192 drivable trajectories of 4 s at 10 Hz start in a signalised intersection among 64 vehicles of constant
velocity; every sub-score of the PDM score is computed for each. One core: the scorer starts no threads. Prints the
median of the repeats, and the additional time for tracking the vocabulary.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, run

from driving import PACIFICA
from driving.synthetic.scenes import scene
from simulation.ego.dynamics import STATE_SIZE, Commands, step_bicycle
from simulation.ego.tracking import track_proposals
from simulation.metrics.pdm.agents import AgentsNow, constant_velocity_agents
from simulation.metrics.pdm.areas import scoring_areas
from simulation.metrics.pdm.rules import EPDMS_RULES
from simulation.metrics.pdm.scorer import Centerline, PdmScene, score_motions

STEPS = 40


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Size of the problem."""

    motions: int = 8192
    """Trajectories in the vocabulary."""
    agents: int = 64
    """Number of agents around the ego."""
    repeats: int = 9
    """Timed repeats after an untimed one, which loads the compiled kernels."""
    seed: int = 0
    """Seed of trajectories and agents."""


def main(arguments: Arguments) -> None:
    """Time and print."""
    rng = np.random.default_rng(arguments.seed)
    scenario = scene("red_light")
    ego_pose = scenario.logged_ego_pose(0)
    states = vocabulary(rng, arguments.motions, ego_pose)
    areas = scoring_areas(scenario.map)
    route_rows = [row for block in scenario.route.roadblock_ids for row in scenario.map.lane_rows_of_roadblock(block)]
    kinds = areas.kinds_near(ego_pose[:2], areas.on_route(route_rows), EPDMS_RULES)
    line = Centerline(points=np.ascontiguousarray(scenario.route.centerline))
    poses, sizes, speeds = agents_around(rng, arguments.agents, ego_pose)
    velocities = speeds[:, np.newaxis] * np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=-1)
    none = np.zeros(arguments.agents, dtype=bool)
    times_s, tracking_s = [], []
    for _ in range(arguments.repeats + 1):
        started = time.perf_counter()
        agents = constant_velocity_agents(AgentsNow(poses, sizes, velocities, speeds, none, none), STEPS + 1)
        scored = PdmScene(areas=areas, kinds=kinds, agents=agents, centerline=line)
        scores = score_motions(states, scored, EPDMS_RULES)
        times_s.append(time.perf_counter() - started)
        started = time.perf_counter()
        track_proposals(states[0, 0], states[..., :3])
        tracking_s.append(time.perf_counter() - started)
    console.print(
        f"{arguments.motions} trajectories x {STEPS} steps against {arguments.agents} agents:"
        f" [bold]{np.median(times_s[1:]):.3f} s[/] (best {min(times_s[1:]):.3f} s); target 0.5 s."
    )
    console.print(f"Tracking them with the LQR tracker and the bicycle model adds {np.median(tracking_s[1:]):.3f} s.")
    for name in ("no_collision", "drivable_area", "driving_direction", "time_to_collision", "comfort", "progress"):
        console.print(f"  mean {name:18s} {getattr(scores, name).mean():.3f}")


def vocabulary(rng: np.random.Generator, num_motions: int, start: np.ndarray) -> np.ndarray:
    """States (M, 41, 10) of a bicycle under random smooth commands."""
    states = np.zeros((num_motions, STEPS + 1, STATE_SIZE))
    states[:, 0, :3] = start
    states[:, 0, 3] = 8.0
    accels = rng.uniform(-3.0, 2.0, num_motions)
    rates = rng.normal(0.0, 0.08, num_motions)
    for m in range(num_motions):
        for t in range(STEPS):
            accel = accels[m] if states[m, t, 3] > 0.1 else 0.0
            commands = Commands(accel, rates[m] if t < STEPS // 2 else -rates[m])
            step_bicycle(states[m, t], commands, 0.1, 3.089, states[m, t + 1])
    return states


def agents_around(
    rng: np.random.Generator, num_agents: int, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poses (N, 3), sizes (N, 2) and speeds (N,) of vehicles within 60 m, none on the ego."""
    away = rng.uniform(PACIFICA.length_m + 3.0, 60.0, num_agents)
    angle = rng.uniform(-np.pi, np.pi, num_agents)
    poses = np.stack(
        [start[0] + away * np.cos(angle), start[1] + away * np.sin(angle), rng.uniform(-np.pi, np.pi, num_agents)],
        axis=-1,
    )
    sizes = np.stack([rng.uniform(4.0, 6.0, num_agents), rng.uniform(1.7, 2.1, num_agents)], axis=-1)
    return poses, sizes, rng.uniform(0.0, 10.0, num_agents)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
