"""Fine-tune a student's decoder by reinforcement (PPO) in the Gymnasium environment.

    python scripts/train_ppo.py --data worlds --output checkpoints/reinforced
    python scripts/train_ppo.py --data worlds --validation other_worlds --output checkpoints/reinforced

Prints the score on the training scenarios, and on others if given, of the student before and after: by its heads
alone, as it is trained, and with the exact terms, as it drives (--planner student:checkpoints/reinforced).

The result is written at the end: there are no checkpoints in between, and an interrupted training starts anew.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import copy
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from command_line import CommonArguments, print_line, require_count, run

from distill.ppo import PpoSettings, train
from driving.scenario import Scenario
from planning.neural.exact_terms import StudentSettings
from planning.neural.network import Student
from planning.neural.planner import SHIPPED, StudentPlanner
from simulation.environment.closed_loop import NuPlanEnv
from simulation.environment.encoders import RawObservations
from simulation.environment.scenario_pool import scenario_pool
from simulation.metrics.score import score_simulation
from simulation.rollout import Rollout, run_lockstep

DRIVEN_TOGETHER = 8
"""Rollouts in lockstep of an evaluation."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Student, scenarios and length of the training."""

    data: Path | None = None
    """nuPlan data root to train on. [the hand-made scenes]"""
    validation: Path | None = None
    """nuPlan data root that is only driven, before and after."""
    output: Path
    """Checkpoint folder of the result; new or empty."""
    student: Path = SHIPPED
    """Checkpoint folder to start from."""
    traffic: str = "nonreactive"
    """Kind of traffic."""
    limit: int = 24
    """Only the first so many scenarios of each data root."""
    iterations: int = 20
    """Iterations, at least 3: the first 2 train the value only. Each drives about one scenario per environment."""
    environments: int = 8
    """Drives in lockstep."""
    temperature: float = PpoSettings.temperature
    """Of the policy's softmax."""
    learning_rate: float = PpoSettings.learning_rate
    """Of Adam."""
    seed: int = 0
    """Seed of scenarios, choices and value head."""


def main(arguments: Arguments) -> None:
    """Evaluate, train, evaluate and store."""
    for option in ("limit", "iterations", "environments"):
        require_count(f"--{option}", getattr(arguments, option))
    settings = PpoSettings(
        iterations=arguments.iterations,
        temperature=arguments.temperature,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )
    make_new_folder(arguments.output)
    student = Student.load(arguments.student)
    sets = {"training": opened(arguments.data, arguments.limit)}
    if arguments.validation is not None:
        sets["validation"] = opened(arguments.validation, arguments.limit)
    envs = [
        NuPlanEnv(
            scenarios=sets["training"],
            traffic=arguments.traffic,
            actions="trajectory",
            encoder=RawObservations,
            end_at_zero=True,
        )
        for _ in range(arguments.environments)
    ]
    history = {"before": evaluated(student, sets, arguments.traffic, "before")}
    curve: list[dict[str, float]] = []

    def report(row: dict[str, float]) -> None:
        curve.append(row)
        print_line("  ".join(f"{name} {value:.4g}" for name, value in row.items()))

    train(student, envs, settings, report)
    trained = replace(student, metadata={**student.metadata, "reinforced": settings.__dict__})
    trained.save(arguments.output)
    after = evaluated(trained, sets, arguments.traffic, "after")
    text = json.dumps({**history, "after": after, "curve": curve}, indent=2)
    (arguments.output / "reinforcement.json").write_text(text + "\n", encoding="utf-8")


def make_new_folder(output: Path) -> None:
    """Make a folder before the training, whose result is written at its end.

    Raises:
        FileExistsError: When it holds files, or is a file.
        OSError: When it cannot be made or written.
    """
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise FileExistsError(
            f"{output} exists and is no empty folder. A training by reinforcement cannot be resumed: name another"
            " --output, or empty the folder."
        )
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=output):
        pass


def opened(data: Path | None, limit: int) -> list[Scenario]:
    """The first scenarios of a data root, or the hand-made scenes."""
    pool = scenario_pool(data)
    return [pool.open(name) for name in pool.names[:limit]]


def evaluated(
    student: Student, sets: dict[str, list[Scenario]], traffic: str, when: str
) -> dict[str, dict[str, list[float]]]:
    """Scores of a student on each set, by its heads alone and with its exact terms; printed as means."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, settings in (("heads", StudentSettings.without(("all",))), ("student", StudentSettings())):
        # A copy: the planner may move its network.
        planner = StudentPlanner(copy.deepcopy(student), settings=settings)
        found[name] = {kind: scores_of(planner, scenarios, traffic) for kind, scenarios in sets.items()}
        means = ", ".join(f"{kind} {np.mean(scores):.4f}" for kind, scores in found[name].items())
        print_line(f"{when}, {name}: {means}")
    return found


def scores_of(planner: StudentPlanner, scenarios: Sequence[Scenario], traffic: str) -> list[float]:
    """Closed-loop scores of a planner.

    Raises:
        BaseException: The first failure of a drive.
    """
    scores = []
    for start in range(0, len(scenarios), DRIVEN_TOGETHER):
        group = scenarios[start : start + DRIVEN_TOGETHER]
        rollouts = [Rollout(scenario, traffic=traffic, planner_name=planner.name) for scenario in group]
        for rollout, error in zip(rollouts, run_lockstep(rollouts, planner), strict=True):
            if error is not None:
                raise error
            scores.append(score_simulation(rollout.log(), rollout.scenario).score)
    return scores


if __name__ == "__main__":
    run(Arguments, main, __doc__)
