"""Scenarios near a failure: other corner-case parameters, another motion of the agent, other agents around it."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from distill.flywheel.config import FlywheelConfig, entries_of, entry_of
from distill.flywheel.results import AGENT, CORNER, DATA, SCENE, WAYS, Failure
from distill.flywheel.stages import Advance, stored_results
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.maps import open_map
from driving.nuplan.scenarios import open_scenario
from driving.nuplan.writer import write_scenarios
from driving.recording import frame_token
from driving.scenario import Scenario
from simulation.files import write_atomically
from simulation.generation.adversarial.variations import varied_agent
from simulation.generation.ways_out.verification import verified_score

COUNTS = "counts.json"
MAX_TRIES = 3
"""Draws for each wanted neighbour."""


@dataclass(frozen=True, kw_only=True)
class NeighbourJob:
    """Neighbours of one failure to generate."""

    entry: ScenarioEntry
    track_id: str | None
    count: int
    """Of each way."""
    seed: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbours:
    """Proved neighbours of one failure."""

    scenarios: tuple[Scenario, ...]
    """The logged ego of each passes all multipliers of the score."""
    tried: dict[str, int]
    """Draws by way."""
    proved: dict[str, int]


def generate(
    config: FlywheelConfig, number: int, failures: Sequence[Failure], folder: Path, advance: Advance
) -> None:
    """Write the proved neighbours of the proved failures as a data root, and their counts.

    Args:
        config: Number of neighbours, seed, workers.
        number: Of the round.
        failures: Of the round.
        folder: Gets `data` (absent without any neighbour) and `counts.json`.
        advance: Receives the number of failures whose neighbours are made.
    """
    first = int(config.rng(number, 2).integers(1_000_000)) * 1000
    entries = [(entry_of(one.root, one.token), one.track_id) for one in failures if one.is_proved]
    jobs = [
        NeighbourJob(entry=entry, track_id=track_id, count=config.neighbours, seed=first + place)
        for place, (entry, track_id) in enumerate(entries)
    ]
    scenarios: list[Scenario] = []
    counts: dict[str, Counter[str]] = {"tried": Counter(), "proved": Counter()}
    results = stored_results(
        neighbours_of, jobs, folder, backend=config.run_backend, workers=config.workers, advance=advance
    )
    for job, made in zip(jobs, results, strict=True):
        counts["tried"].update(made.tried)
        counts["proved"].update(made.proved)
        # One map object for all scenarios on it: those of workers are copies.
        map_graph = open_map(Path(job.entry.maps_root), job.entry.map_name)
        scenarios += [replace(one, map=map_graph) for one in made.scenarios]
    if scenarios:
        write_scenarios(scenarios, folder / DATA)
    write_atomically(folder / COUNTS, json.dumps(counts, indent=1).encode())


def neighbour_entries(folder: Path) -> list[ScenarioEntry]:
    """The scenarios that `generate` wrote."""
    return entries_of(folder / DATA) if (folder / DATA).is_dir() else []


def neighbours_of(job: NeighbourJob) -> Neighbours:
    """Generate neighbours of a failure in each way that suits it."""
    scenario = open_scenario(job.entry, with_cameras=False)
    tried: Counter[str] = Counter()
    made: list[tuple[str, Scenario]] = []
    for way in WAYS:
        if not _suits(way, scenario, job.track_id):
            continue
        for place in range(MAX_TRIES * job.count):
            if sum(name == way for name, _ in made) == job.count:
                break
            tried[way] += 1
            found = _MAKE[way](scenario, job.track_id, job.seed * 100 + place)
            if found is not None:
                made.append((way, found))
    return Neighbours(
        scenarios=tuple(one for _, one in made), tried=dict(tried), proved=dict(Counter(way for way, _ in made))
    )


def _suits(way: str, scenario: Scenario, track_id: str | None) -> bool:
    from simulation.generation.corner_cases.generator import has_parameters

    is_corner = has_parameters(scenario)
    return is_corner if way == CORNER else not is_corner and track_id in scenario.agents.track_ids


def _corner(scenario: Scenario, _track_id: str | None, seed: int) -> Scenario | None:
    from simulation.generation.corner_cases.generator import make_neighbour

    made = make_neighbour(scenario, seed)
    return None if made is None else made.scenario(made.tags[0])


def _agent(scenario: Scenario, track_id: str | None, seed: int) -> Scenario | None:
    assert track_id is not None
    varied = varied_agent(scenario, track_id, np.random.default_rng(seed))
    if varied is None or verified_score(varied) is None:
        return None
    log_name = f"near-{seed}-{scenario.log_name}"
    token = frame_token(log_name, int(scenario.time_us[scenario.anchor_frame]))
    return replace(varied, log_name=log_name, scenario_id=token)


def _scene(scenario: Scenario, track_id: str | None, seed: int) -> Scenario | None:
    assert track_id is not None
    try:
        made = _scene_generator().complete(scenario, seed, keep=(track_id,))
    except ValueError:  # No scene there, or left-hand traffic.
        return None
    completed = made.scenario(made.tags[0])
    return completed if verified_score(completed) is not None else None


@lru_cache(maxsize=1)
def _scene_generator() -> Any:
    # Loads a network that the other ways do not need.
    from simulation.generation.learned.generator import LearnedGenerator

    return LearnedGenerator()


_MAKE: dict[str, Callable[[Scenario, str | None, int], Scenario | None]] = {
    CORNER: _corner,
    AGENT: _agent,
    SCENE: _scene,
}
