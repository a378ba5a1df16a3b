r"""Time of a plan of the student on one core, single and in a batch.

    python benchmarks/student_latency.py
    python benchmarks/student_latency.py --student checkpoints/first --agents 50 --batch 32
    python benchmarks/student_latency.py --recipe small --entries 4096

The ego is in a signalised intersection among standing vehicles. Prints medians of processor time, features
and tracking included.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, run

from distill.contract import SUB_SCORES
from distill.motions import generated_motions
from distill.recipes import recipe
from driving import AgentTracks, Observation
from driving.synthetic.scenes import scene
from planning.neural.network import ScoreWeights, Student, StudentNetwork
from planning.neural.planner import SHIPPED, StudentPlanner
from planning.neural.vocabulary import TrajectoryVocabulary

TARGET_MS, BATCH_TARGET_MS = 15.0, 5.0


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Student and load."""

    student: Path = SHIPPED
    """Checkpoint folder; by default the shipped student."""
    recipe: str | None = None
    """Recipe of an untrained network to time instead."""
    entries: int = 1024
    """Size of the vocabulary of an untrained network."""
    agents: int = 50
    """Number of agents around the ego."""
    batch: int = 32
    """Observations planned together."""
    repeats: int = 30
    """Timed plans."""


def main(arguments: Arguments) -> None:
    """Time and print."""
    planner = StudentPlanner(_student(arguments))
    observation = with_standing_agents(scene("red_light").observation_at(60), arguments.agents)
    planner.reset(observation.map, observation.route)
    single_ms = median_ms(lambda: planner.plan(observation), arguments.repeats)
    many = [observation] * arguments.batch
    batch_ms = median_ms(lambda: planner.plan_batch(many), max(3, arguments.repeats // 10)) / arguments.batch
    console.print(f"One plan with {arguments.agents} agents: [bold]{single_ms:.1f} ms[/] (target {TARGET_MS:g} ms).")
    console.print(
        f"In a batch of {arguments.batch}: [bold]{batch_ms:.1f} ms[/] each (target {BATCH_TARGET_MS:g} ms)."
    )


def median_ms(plan: Callable[[], object], repeats: int) -> float:
    """Median processor time after one untimed run."""
    plan()
    times_s = []
    for _ in range(repeats):
        started = time.process_time()
        plan()
        times_s.append(time.process_time() - started)
    return float(np.median(times_s) * 1e3)


def with_standing_agents(observation: Observation, count: int) -> Observation:
    """The observation with standing vehicles in a ring around the ego."""
    steps = observation.agents.num_steps
    angle = np.arange(count) / max(count, 1) * 2 * np.pi
    poses = np.zeros((count, steps, 3))
    ring = (
        np.stack([np.cos(angle), np.sin(angle)], axis=-1) * (12.0 + 40.0 * (np.arange(count) % 7) / 7)[:, np.newaxis]
    )
    poses[..., :2] = (observation.ego_now.rear_axle_pose[:2] + ring)[:, np.newaxis]
    agents = AgentTracks(
        track_ids=tuple(f"{number:016x}" for number in range(count)),
        kinds=np.zeros(count, dtype=np.int8),
        poses=poses,
        velocities_mps=np.zeros((count, steps, 2)),
        sizes=np.tile(np.array([4.8, 2.0]), (count, steps, 1)),
        valid=np.ones((count, steps), dtype=bool),
    )
    return replace(observation, agents=agents)


def _student(arguments: Arguments) -> Student:
    if arguments.recipe is None:
        return Student.load(arguments.student)
    vocabulary = TrajectoryVocabulary(poses=generated_motions(arguments.entries))
    network = StudentNetwork(recipe(arguments.recipe).network, SUB_SCORES)
    return Student(network=network, vocabulary=vocabulary, weights=ScoreWeights())


if __name__ == "__main__":
    run(Arguments, main, __doc__)
