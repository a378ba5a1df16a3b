"""A benchmark run: list scenarios, hand out batches of jobs, store results, resume."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulation.benchmark.backends import Backend, make_backend
from simulation.benchmark.camera_options import CameraOptions
from simulation.benchmark.data_version import data_version
from simulation.benchmark.data_warnings import collected_warnings
from simulation.benchmark.jobs import Job, JobResult, failed
from simulation.benchmark.listing import RunScenarios, list_run
from simulation.benchmark.provenance import provenance
from simulation.benchmark.schedule import Batch, batches_of, chunks_of_jobs
from simulation.benchmark.settings import BenchmarkSettings
from simulation.benchmark.store import ResultStore
from simulation.benchmark.worker import PlannerLoader, WorkerSetup

logger = logging.getLogger(__name__)

MAX_DEATHS = 2
"""A job whose worker died this often is called failed; the cause of a single death may lie outside the job."""

RESUME_MUST_MATCH = (
    "data",
    "maps",
    "filter",
    "planners",
    "planner_arguments",
    "probes",
    "traffic",
    "seed",
    "cameras",
    "limit",
    "allow_short",
)
"""Settings that decide what the results are. How they are computed may change on resuming."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a run."""

    done: int
    total: int
    failed: int
    newest: JobResult | None


def run_benchmark(
    settings: BenchmarkSettings,
    load_planner: PlannerLoader,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    num_gpus: int = 0,
) -> ResultStore:
    """Run all unfinished jobs and return the results folder; the report is made from it afterwards.

    Args:
        settings: Of the run.
        load_planner: Makes the planners, here once for a check and in each worker.
        on_progress: Called after each finished job.
        num_gpus: GPUs of this machine that the planners can use.

    Raises:
        FileExistsError: When the folder holds a run and `resume` is not set.
        ValueError: When no scenario passes the filter, a planner is unknown, or a run is resumed with settings that
            would mix different results.
    """
    # A wrong name or argument is reported here and not once per scenario.
    batch_sizes, cameras, has_cameras = {}, CameraOptions.from_json(settings.cameras), False
    for name in settings.all_planners:
        planner = load_planner(name, device="cpu", arguments=settings.planner_arguments.get(name, ()))
        batch_sizes[name] = settings.batch_size(is_batched=hasattr(planner, "plan_batch"))
        has_cameras |= cameras.settings_for(planner) is not None
    if settings.cameras is not None and not has_cameras:
        raise ValueError("No planner of this run has cameras of its own: options of cameras need a rig (--cameras).")
    started = time.perf_counter()
    warnings: list[str] = []
    with collected_warnings(warnings, propagate=True):
        scenarios = list_run(settings)
    listing_s = time.perf_counter() - started
    store = ResultStore(settings.output)
    run = _prepare(store, settings, scenarios)
    _note_warnings(store, run, warnings)
    chunks = chunks_of_jobs(
        scenarios.entries, batch_sizes, settings.planner_arguments, settings.traffic, settings.seed
    )
    jobs = [job for chunk in chunks for job in chunk]
    if settings.backend == "serial":
        _fail_jobs_that_end_the_process(store, jobs)
    finished = _finished(store, jobs, retry_failed=settings.retry_failed)
    done, num_failed = len(finished), sum(is_failed for is_failed in finished.values())
    on_progress(Progress(done=done, total=len(jobs), failed=num_failed, newest=None))
    startup_s, work_s = 0.0, 0.0
    if done < len(jobs):
        setup = WorkerSetup(
            load_planner=load_planner,
            step_timeout_s=settings.step_timeout_s,
            planners=settings.all_planners,
            traffic=settings.traffic,
            arguments=settings.planner_arguments,
            opened_scenarios=max(batch_sizes.values()),
            allow_short=settings.allow_short,
            cameras=cameras,
        )
        backend = make_backend(settings, setup, num_gpus)
        startup_s, started = backend.startup_s, time.perf_counter()
        alone = set(_starts(store))
        batches = batches_of(chunks, batch_sizes, finished=finished, alone=alone)
        try:
            for job, result in _finish(backend, _noted(store, batches, settings)):
                for line in _note_warnings(store, run, result.warnings):
                    logger.warning("%s", line)
                store.write(job.key, result)
                done, num_failed = done + 1, num_failed + (result.status == "failed")
                on_progress(Progress(done=done, total=len(jobs), failed=num_failed, newest=result))
        finally:
            backend.close()
            work_s = time.perf_counter() - started
    session = {
        "backend": settings.backend,
        "workers": settings.workers,
        "device": settings.device,
        "batch": max(batch_sizes.values()),
        "jobs": len(jobs) - len(finished),
        "listing_s": listing_s,
        "startup_s": startup_s,
        "work_s": work_s,
    }
    store.write_run({**run, "sessions": [*run["sessions"], session]})
    return store


def _note_warnings(store: ResultStore, run: dict[str, Any], lines: Iterable[str]) -> list[str]:
    """Add warnings about the data to the description of the run; returns those that are new."""
    known = run.setdefault("data_warnings", [])
    new = [line for line in dict.fromkeys(lines) if line not in known]
    if new:
        known += new
        store.write_run(run)
    return new


def _finished(store: ResultStore, jobs: list[Job], *, retry_failed: bool) -> dict[str, bool]:
    """By key of each finished job: whether it failed. A damaged row, and on request a failed one, is removed."""
    there, finished = store.finished(), {}
    for job in jobs:
        if job.key not in there:
            continue
        try:
            is_failed = store.read(job.key).status == "failed"
        except (OSError, ValueError) as error:
            logger.warning("Row %s is damaged and its scenario is run again: %s", job.key, error)
            store.remove(job.key)
            continue
        if is_failed and retry_failed:
            store.remove(job.key)
        else:
            finished[job.key] = is_failed
    return finished


def _journal(store: ResultStore) -> Path:
    return store.folder / "started.txt"


def forget_starts(output: Path) -> None:
    """Forget which jobs were running when an earlier serial run ended, so that they do not fail for its ends.

    Args:
        output: Of the run; there may be none yet.
    """
    _journal(ResultStore(output)).unlink(missing_ok=True)


def _starts(store: ResultStore) -> Counter[str]:
    """How often each unfinished job was started in this process."""
    journal = _journal(store)
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    finished = store.finished()
    return Counter(key for key in lines if key not in finished)


def _noted(store: ResultStore, batches: Iterable[Batch], settings: BenchmarkSettings) -> Iterator[Batch]:
    """Hand out batches; in serial mode note their start, to find a job that ends this process on resuming."""
    for batch in batches:
        if settings.backend == "serial":
            with _journal(store).open("a", encoding="utf-8") as file:
                file.writelines(job.key + "\n" for job in batch.jobs)
        yield batch


def _fail_jobs_that_end_the_process(store: ResultStore, jobs: list[Job]) -> None:
    """Give a failed row to each job that was running when this process ended, `MAX_DEATHS` times."""
    starts = _starts(store)
    for job in jobs:
        if starts[job.key] >= MAX_DEATHS:
            store.write(job.key, failed(job, f"The process ended {MAX_DEATHS} times during this job."))


def _finish(backend: Backend, batches: Iterable[Batch]) -> Iterator[tuple[Job, JobResult]]:
    """Repeat the jobs of a batch whose worker died one by one on a new worker; a second death fails the job."""
    deaths: Counter[str] = Counter()
    waiting = batches
    while True:
        again: list[Batch] = []
        for outcome in backend.run(waiting):
            if outcome.results is not None:
                yield from zip(outcome.jobs, outcome.results, strict=True)
                continue
            for job in outcome.jobs:
                deaths[job.key] += 1
                if deaths[job.key] < MAX_DEATHS:
                    again.append(Batch(jobs=(job,), chunk=len(again)))
                else:
                    yield job, failed(job, f"{outcome.death} It happened {MAX_DEATHS} times.")
            # At once, as the other batches may take hours.
            logger.warning("%s %s", outcome.death, _consequence(deaths[job.key] for job in outcome.jobs))
        if not again:
            return
        waiting = again


def _consequence(deaths: Iterable[int]) -> str:
    """What follows from the death of a worker for its jobs, which have had so many each."""
    counts = list(deaths)
    what = "Its scenario" if len(counts) == 1 else f"Its {len(counts)} scenarios"
    if max(counts) >= MAX_DEATHS:
        return f"{what} failed, as it happened {MAX_DEATHS} times."
    return f"{what} will be driven again."


def _prepare(store: ResultStore, settings: BenchmarkSettings, scenarios: RunScenarios) -> dict[str, Any]:
    run = {
        "format_version": 1,
        "settings": settings.as_dict(),
        "probes": list(settings.probe_planners),
        "seed": settings.seed,
        "data_version": data_version(scenarios.entries),
        "scenarios": len(scenarios.entries),
        "selection": scenarios.as_dict(),
        "sessions": [],
        **provenance(),
    }
    if not (settings.resume and store.run_file.exists()):
        store.create(run)
        return run
    before = store.read_run()
    for name in RESUME_MUST_MATCH:
        # Runs of earlier versions lack some settings, which then had their defaults.
        new = settings.as_dict()[name]
        old = before["settings"].get(name, {"planner_arguments": {}, "allow_short": False}.get(name))
        if old != new:
            raise ValueError(
                f"{settings.output} was run with {name} = {old!r}, now it is {new!r}. Results of both would mix:"
                " resume with the settings of the first run, or name another --output."
            )
    if before["data_version"] != run["data_version"]:
        raise ValueError(f"The data of {settings.output} has changed since its first run. Name another --output.")
    return before
