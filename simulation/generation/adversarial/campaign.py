"""A campaign: searches in many scenarios, in one process or several, within a budget; it continues after an end.

    OUTPUT/search.json            what is searched: planner, seed, sizes, scenarios
    OUTPUT/tasks/00007.json       a finished task; written last
    OUTPUT/tasks/00007-0.npz      arrays of its first failure

A task is one scenario in one round. Tasks do not depend on each other, so that their results depend on seed and sizes
only, not on the number of processes.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import open_scenario
from driving.planner import Planner
from simulation.files import write_atomically
from simulation.generation.adversarial.rarity_limit import Rarity
from simulation.generation.adversarial.records import (
    Campaign,
    TaskRecord,
    arrays_file,
    record_of,
    tasks_folder,
    write_arrays,
)
from simulation.generation.adversarial.results import SearchSettings
from simulation.generation.adversarial.scene_network import DrawsAgents
from simulation.process_tasks import task_results

MakePlanner = Callable[[], Planner]
"""Makes the planner in a worker; must pickle."""
MAX_ROUNDS = 1000


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a campaign ends: after a CPU time or after a number of tasks' drives."""

    cpu_s: float | None = None
    """CPU time of all tasks together. Tasks that have begun are finished."""
    drives: int | None = None
    """Drives that are allotted to tasks; unused ones are not passed on, so that tasks stay independent."""

    def __post_init__(self) -> None:
        if (self.cpu_s is None) == (self.drives is None):
            raise ValueError("A budget is either a CPU time or a number of drives; give one of the two.")
        if (self.cpu_s or self.drives or 0) <= 0:
            raise ValueError(f"A budget is above 0, got {self.cpu_s or self.drives or 0}.")


@dataclass(frozen=True, kw_only=True)
class SearchTask:
    """The search in one scenario."""

    number: int
    entry: ScenarioEntry
    search: SearchSettings
    seed: int
    folder: Path
    """Output of the campaign."""


class SearchWorker:
    """Runs tasks with one planner."""

    def __init__(
        self,
        make_planner: MakePlanner,
        rarity: Callable[[], Rarity] | None,
        scenes: Callable[[], DrawsAgents] | None = None,
    ) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._planner = make_planner()
        self._rarity = None if rarity is None else rarity()
        self._scenes = None if scenes is None else scenes()

    def run(self, task: SearchTask) -> TaskRecord:
        """Search, and write the result."""
        # Only workers need the metrics and everything below them.
        from simulation.generation.adversarial.search import ScenarioSearch

        began = time.process_time()
        scenario = open_scenario(task.entry, with_cameras=False)
        search = ScenarioSearch(
            scenario, self._planner, task.search, task.seed, rarity=self._rarity, scenes=self._scenes
        )
        result = search.run()
        records = []
        for place, found in enumerate(result.found):
            write_arrays(found, arrays_file(task.folder, task.number, place))
            records.append(record_of(found, scenario, task.number, place))
        record = TaskRecord(
            task=task.number,
            scenario_id=scenario.scenario_id,
            scenario_type=scenario.scenario_type,
            source_log=scenario.log_name,
            map_name=scenario.map_name,
            drives=result.drives,
            screened=result.screened,
            too_rare=result.too_rare,
            no_way_out=result.no_way_out,
            skipped=result.skipped,
            not_drawn=result.not_drawn,
            errors=result.errors,
            failures=tuple(records),
            cpu_s=time.process_time() - began,
        )
        record.write(tasks_folder(task.folder) / f"{task.number:05d}.json")
        return record


RunTasks = Callable[[Callable[[], SearchWorker], Iterator[SearchTask]], Iterator[TaskRecord]]
"""Runs tasks elsewhere than in local processes, with equal results."""


@dataclass(frozen=True, kw_only=True)
class CampaignSettings(Campaign):
    """What is searched, and how."""

    make_planner: MakePlanner
    budget: Budget
    workers: int = 1
    run_tasks: RunTasks | None = None
    """Runs the tasks elsewhere, such as on Ray; None runs them in `workers` processes. Their results are equal."""
    search: SearchSettings = field(default_factory=SearchSettings)
    rarity: Callable[[], Rarity] | None = None
    scenes: Callable[[], DrawsAgents] | None = None
    """Makes the scene network that draws further neighbours, in a worker; None uses those of rules only."""
    resume: bool = False
    until: int | None = None
    """End when this many failures have a certificate."""
    max_rounds: int = MAX_ROUNDS

    def described(self) -> dict[str, Any]:
        """What determines the results, for `search.json`."""
        return {
            "planner": self.planner,
            "seed": self.seed,
            "search": asdict(self.search),
            "drives": self.budget.drives,
            "rarity": self.rarity is not None,
            "scenes": self.scenes is not None,
            "scenarios": [entry.token for entry in self.entries],
        }


def finished_tasks(output: Path) -> dict[int, TaskRecord]:
    """Finished tasks by number, in ascending order."""
    paths = sorted(tasks_folder(output).glob("[0-9]*.json"))
    return {int(path.stem): TaskRecord.read(path) for path in paths}


def run_campaign(
    settings: CampaignSettings, on_task: Callable[[TaskRecord], None] = lambda _record: None
) -> list[TaskRecord]:
    """Search until the budget is used up; finished tasks of an earlier call count.

    Returns:
        The finished tasks in ascending order.

    Raises:
        FileExistsError: When the output holds a search and `resume` is not set.
        ValueError: When there is no scenario, or the output holds another search.
    """
    if not settings.entries:
        raise ValueError("There is no scenario to search.")
    _prepare(settings)
    done = finished_tasks(settings.output)
    for record in done.values():
        on_task(record)
    tasks = (task for task in _tasks(settings) if task.number not in done)
    progress = _Progress(settings, list(done.values()))
    make = partial(SearchWorker, settings.make_planner, settings.rarity, settings.scenes)
    run = settings.run_tasks or partial(task_results, workers=settings.workers)
    for record in run(make, takewhile(lambda _: not progress.is_over, tasks)):
        progress.add(record)
        done[record.task] = record
        on_task(record)
    return [done[number] for number in sorted(done)]


class _Progress:
    """What was spent and found up to now."""

    def __init__(self, settings: CampaignSettings, records: list[TaskRecord]) -> None:
        self._settings = settings
        self._spent_s, self._solved = 0.0, 0
        for record in records:
            self.add(record)

    def add(self, record: TaskRecord) -> None:
        """Count a finished task."""
        self._spent_s += record.cpu_s
        self._solved += sum(failure.is_solved for failure in record.failures)

    @property
    def is_over(self) -> bool:
        """Whether no further task begins."""
        limit, until = self._settings.budget.cpu_s, self._settings.until
        return (limit is not None and self._spent_s >= limit) or (until is not None and self._solved >= until)


def _prepare(settings: CampaignSettings) -> None:
    path = settings.output / "search.json"
    wanted = settings.described()
    if path.exists():
        if not settings.resume:
            raise FileExistsError(
                f"{settings.output} holds a search already. Continue it with --resume, or name another --output."
            )
        known = json.loads(path.read_text(encoding="utf-8"))
        different = sorted(name for name in wanted if known.get(name) != json.loads(json.dumps(wanted[name])))
        if different:
            raise ValueError(
                f"{settings.output} holds a search with other {', '.join(different)}. Name another --output."
            )
    tasks_folder(settings.output).mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(wanted, indent=1).encode())


def _tasks(settings: CampaignSettings) -> Iterator[SearchTask]:
    """The tasks in order: all scenarios, then all again with other random numbers."""
    left = settings.budget.drives
    for number in range(settings.max_rounds * len(settings.entries)):
        drives = settings.search.drives if left is None else min(settings.search.drives, left)
        if drives <= 0:
            return
        left = None if left is None else left - drives
        yield SearchTask(
            number=number,
            entry=settings.entries[number % len(settings.entries)],
            search=replace(settings.search, drives=drives),
            seed=settings.seed * 1_000_000 + number,
            folder=settings.output.resolve(),
        )
