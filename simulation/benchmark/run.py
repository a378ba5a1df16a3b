"""A benchmark from settings to report: list, hand out, keep, resume, sum up."""

import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.scenarios import list_scenarios
from driving.planner import Planner
from simulation.benchmark.backends import Backend, make_backend
from simulation.benchmark.data_version import data_version
from simulation.benchmark.jobs import Job, JobResult, failed
from simulation.benchmark.outcome import Outcome
from simulation.benchmark.settings import BenchmarkSettings
from simulation.benchmark.store import ResultStore
from simulation.benchmark.worker import WorkerSetup

MAX_DEATHS = 2
"""A job whose worker died so often is to blame; the first death may have come from outside."""

RESUME_MUST_MATCH = ("data", "maps", "filter", "planners", "probes", "traffic", "seed", "limit")
"""Settings that decide what the results are. How they are computed may change on resuming."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is."""

    done: int
    total: int
    failed: int
    newest: JobResult | None


def run_benchmark(
    settings: BenchmarkSettings,
    load_planner: Callable[[str], Planner],
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> ResultStore:
    """Run what is not finished yet and return the results folder; the report is made from it afterwards.

    Raises:
        FileExistsError: When the folder holds a run and `resume` is not set.
        ValueError: When no scenario is left by the filter, a planner is unknown, or a run is resumed with
            settings that would mix different results.
    """
    for name in (*settings.planners, *settings.probe_planners):
        load_planner(name)  # An unknown name is said now and not once per scenario.
    started = time.perf_counter()
    entries = _list_entries(settings)
    listing_s = time.perf_counter() - started
    store = ResultStore(settings.output)
    run = _prepare(store, settings, entries)
    jobs = _jobs(settings, entries)
    if settings.retry_failed:
        _forget_failed(store, jobs)
    if settings.backend == "serial":
        _give_up_on_killers(store, jobs)
    finished = store.finished()
    pending = [job for job in jobs if job.key not in finished]

    num_failed = sum(store.read(job.key).status == "failed" for job in jobs if job.key in finished)
    done = len(jobs) - len(pending)
    on_progress(Progress(done=done, total=len(jobs), failed=num_failed, newest=None))
    startup_s, work_s = 0.0, 0.0
    if pending:
        setup = WorkerSetup(
            load_planner=load_planner,
            step_timeout_s=settings.step_timeout_s,
            traffic=settings.traffic,
            planners=(*settings.planners, *settings.probe_planners),
        )
        backend = make_backend(settings, setup)
        startup_s, started = backend.startup_s, time.perf_counter()
        try:
            for job, result in _finish(backend, _started(store, pending, settings)):
                store.write(job.key, result)
                done, num_failed = done + 1, num_failed + (result.status == "failed")
                on_progress(Progress(done=done, total=len(jobs), failed=num_failed, newest=result))
        finally:
            backend.close()
            work_s = time.perf_counter() - started
    session = {
        "backend": settings.backend,
        "workers": settings.workers,
        "jobs": len(pending),
        "listing_s": listing_s,
        "startup_s": startup_s,
        "work_s": work_s,
    }
    store.write_run({**run, "sessions": [*run["sessions"], session]})
    return store


def _list_entries(settings: BenchmarkSettings) -> list[ScenarioEntry]:
    root = DataRoot.find(settings.data, settings.maps)
    scenario_filter = None if settings.filter is None else ScenarioFilter.from_yaml(settings.filter)
    entries = list_scenarios(root, scenario_filter)
    entries = entries[: settings.limit]
    if not entries:
        raise ValueError(
            f"No scenario to run: {settings.data} holds none"
            + (f" that {settings.filter} lets through." if settings.filter else " of nuPlan's known types.")
        )
    return entries


def _jobs(settings: BenchmarkSettings, entries: list[ScenarioEntry]) -> list[Job]:
    return [
        Job(planner=planner, traffic=traffic, entry=entry, seed=settings.seed)
        for planner in (*settings.planners, *settings.probe_planners)
        for traffic in settings.traffic
        for entry in entries
    ]


def _forget_failed(store: ResultStore, jobs: list[Job]) -> None:
    finished = store.finished()
    for job in jobs:
        if job.key in finished and store.read(job.key).status == "failed":
            store.remove(job.key)


def _journal(store: ResultStore) -> Path:
    return store.folder / "started.txt"


def _started(store: ResultStore, jobs: Iterable[Job], settings: BenchmarkSettings) -> Iterator[Job]:
    """Hand out jobs; in serial mode note their start, so that one that ends this process is known on resuming."""
    for job in jobs:
        if settings.backend == "serial":
            with _journal(store).open("a", encoding="utf-8") as file:
                file.write(job.key + "\n")
        yield job


def _give_up_on_killers(store: ResultStore, jobs: list[Job]) -> None:
    """Call the jobs failed in whose midst this process ended too often."""
    journal = _journal(store)
    starts = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    finished = store.finished()
    for job in jobs:
        if job.key not in finished and starts.count(job.key) >= MAX_DEATHS:
            store.write(job.key, failed(job, f"The process ended {MAX_DEATHS} times in the midst of it."))


def _finish(backend: Backend, jobs: Iterable[Job]) -> Iterator[tuple[Job, JobResult]]:
    """Give a job whose worker died another try on a new worker; then call it failed."""
    deaths: dict[str, int] = {}
    again: list[Job] = []
    waiting = jobs
    while True:
        for outcome in backend.run(waiting):
            result = _settled(outcome, deaths)
            if result is None:
                again.append(outcome.job)
            else:
                yield outcome.job, result
        if not again:
            return
        waiting, again = again, []


def _settled(outcome: Outcome, deaths: dict[str, int]) -> JobResult | None:
    if outcome.result is not None:
        return outcome.result
    key = outcome.job.key
    deaths[key] = deaths.get(key, 0) + 1
    if deaths[key] < MAX_DEATHS:
        return None
    return failed(outcome.job, f"{outcome.death} It happened {MAX_DEATHS} times.")


def _prepare(store: ResultStore, settings: BenchmarkSettings, entries: list[ScenarioEntry]) -> dict[str, Any]:
    run = {
        "format_version": 1,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "settings": settings.as_dict(),
        "probes": list(settings.probe_planners),
        "commit": _commit(),
        "seed": settings.seed,
        "data_version": data_version(entries),
        "scenarios": len(entries),
        "hardware": _hardware(),
        "software": {name: version(name) for name in ("camber", "numpy", "numba", "shapely", "pyarrow")}
        | {"python": platform.python_version()},
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "sessions": [],
    }
    if not (settings.resume and store.run_file.exists()):
        store.create(run)
        return run
    before = store.read_run()
    for name in RESUME_MUST_MATCH:
        old, new = before["settings"][name], settings.as_dict()[name]
        if old != new:
            raise ValueError(
                f"{settings.output} was run with {name} = {old!r}, now it is {new!r}. Results of both would mix:"
                " resume with the settings of the first run, or name another --output."
            )
    if before["data_version"] != run["data_version"]:
        raise ValueError(f"The data of {settings.output} has changed since its first run. Name another --output.")
    return before


def _commit() -> str:
    folder = Path(__file__).resolve().parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown (not a git checkout)"
    return found.stdout.strip()


def _hardware() -> dict[str, Any]:
    return {
        "cpu": _cpu_name(),
        "cores": psutil.cpu_count(logical=True),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
