"""Label the scenarios of a data set, in this process, in local processes or on Ray."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from distill.contract import Teacher
from distill.labels import LabelHeader, LabelStore, label_states
from distill.states import State, StateSettings, on_policy_states, scenario_states
from distill.teacher import load_teacher
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import open_scenario
from driving.planner import Planner
from planning.neural.features import FeatureBuilder
from planning.neural.vocabulary import TrajectoryVocabulary
from planning.registry import load_planner
from simulation.benchmark.mapping import mapped


@dataclass(frozen=True, kw_only=True)
class LabelJob:
    """One scenario to label."""

    entry: ScenarioEntry
    vocabulary: Path
    output: Path
    teacher: str = "rules"
    settings: StateSettings = field(default_factory=StateSettings)
    driven_by: str | None = None
    """Label on-policy states of this planner instead of states on and beside the log."""
    name: str = ""
    """Of the part in the store; the scenario's id by default."""

    @property
    def part(self) -> str:
        """Name of the part in the store."""
        return self.name or self.entry.token

    @property
    def state_settings(self) -> dict[str, Any]:
        """What the choice of the states depends on, by name."""
        return {**asdict(self.settings), "driven_by": self.driven_by}


def label_scenario(job: LabelJob) -> int:
    """Label one scenario, write its part and return the number of states; a finished part is skipped and counts 0."""
    teacher, builder = _tools(job.vocabulary, job.teacher)
    store = LabelStore(job.output, LabelHeader.of(teacher))
    if store.has(job.part):
        return 0
    scenario = open_scenario(job.entry, allow_short=True, with_cameras=False)
    states: Iterable[State]
    if job.driven_by is None:
        states = scenario_states(scenario, job.settings)
    else:
        (states,) = on_policy_states([scenario], _planner(job.driven_by), job.settings)
    labelled = label_states(states, teacher, builder)
    store.write(job.part, labelled, job.entry.map_name, job.state_settings)
    return 0 if labelled is None else len(labelled)


def label_all(jobs: list[LabelJob], processes: int = 1, on_ray: bool = False) -> Iterator[int]:
    """Label scenarios and yield the number of states of each, in the order of the jobs.

    Args:
        jobs: The scenarios.
        processes: Local processes, or tasks of Ray at a time; 1 means this process.
        on_ray: Use a Ray cluster instead of local processes.
    """
    backend = "ray" if on_ray else "process" if processes > 1 else "serial"
    return mapped(label_scenario, jobs, backend, processes)


@lru_cache(maxsize=2)
def _tools(vocabulary: Path, teacher: str) -> tuple[Teacher, FeatureBuilder]:
    return load_teacher(teacher, TrajectoryVocabulary.load(vocabulary)), FeatureBuilder()


@lru_cache(maxsize=1)
def _planner(spec: str) -> Planner:
    return load_planner(spec)
