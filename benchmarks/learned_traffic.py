"""Learned traffic against the log: divergences, collisions, leaving the road, likelihoods under samples, and speed.

    python benchmarks/learned_traffic.py --towns 4
    python benchmarks/learned_traffic.py --towns 4 --recordings ../shared/data
    python benchmarks/learned_traffic.py --towns 2 --first-town 980000 --traffic learned:checkpoint=checkpoints/mine

The ego follows the log. Measured are the agents of the first frame, at the steps at which the log has them, over 8 s;
leaving the road over 15 s, at all steps. Controls are the log, nuPlan's IDM and constant velocity. Likelihoods are
those of the logged vehicles' values under 32 samples of the traffic, in the manner of the Waymo Sim Agents challenge:
a histogram per vehicle and step, smoothed by a tenth of a sample per bin, the geometric mean over its steps, the mean
over vehicles. They compare the rows of this table, and not with published numbers: data, bins and agents differ.

Towns from seed 970000 on are for reports; choices are made on towns from 980000 on.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from tables import TextTable

from driving.agents import AgentKind, AgentTracks
from driving.importers.registry import IMPORTERS
from driving.scenario import Scenario
from driving.vehicle import PACIFICA
from simulation.ego.dynamics import states_of
from simulation.generation.town.generator import generate_town, town_settings
from simulation.realism.rollouts import (
    KINEMATICS,
    RolloutStatistics,
    agent_series,
    constant_velocity,
    joined,
    rollout_divergences,
    rollout_statistics,
    with_ego,
)
from simulation.rollout import TrafficSetting, traffic_mode
from simulation.traffic.learned.state import DECISION_STEPS
from simulation.traffic.learned.traffic import LearnedTraffic
from simulation.traffic.tracks import TrackWindow

FORMATS = {"argoverse2": "argoverse2/sensor", "track_archive": "nuscenes_mini"}
"""Folder of each format below the recordings."""
LOG, CONSTANT_VELOCITY = "log", "constant velocity"
STEPS, LONG_STEPS = 80, 150
PSEUDO_COUNT = 0.1
SCENARIOS_PER_TOWN = 6


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Data, traffic and measurements."""

    towns: int = 4
    """Towns with scenarios."""
    first_town: int = 970_000
    """Seed of the first town."""
    recordings: Path | None = None
    """Folder that holds argoverse2/sensor and nuscenes_mini, or one of them."""
    traffic: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Kinds of traffic beside the controls. [learned]"""
    samples: int = 32
    """Roll-outs per scenario for likelihoods; 0 leaves the table out."""
    seeds: int = 1
    """Roll-outs per scenario for the other measures."""
    output: Path | None = None
    """Markdown file to write the tables to."""


def main(arguments: Arguments) -> None:
    """Measure and print."""
    kinds = ("reactive", *(arguments.traffic or ("learned",)))
    sources: dict[str, list[Scenario]] = {}
    if arguments.towns:
        sources[f"{arguments.towns} towns from seed {arguments.first_town}"] = list(town_scenarios(arguments))
    if arguments.recordings is not None:
        sources["recordings"] = list(recorded_scenarios(arguments.recordings))
    console, tables = Console(width=150), []
    for title, scenarios in sources.items():
        for table in tables_of(title, scenarios, kinds, arguments):
            console.print(table.printed())
            tables.append(table)
    if arguments.output is not None:
        arguments.output.write_text("\n".join(table.markdown() for table in tables), encoding="utf-8")


def tables_of(
    title: str, scenarios: Sequence[Scenario], kinds: Sequence[str], arguments: Arguments
) -> Iterator[TextTable]:
    """The tables of one source of scenarios, each as soon as it is complete."""
    yield realism_table(title, scenarios, kinds, arguments.seeds)
    if arguments.samples:
        yield likelihood_table(title, scenarios, kinds, arguments.samples)
    yield speed_table(title, scenarios, kinds)


def town_scenarios(arguments: Arguments) -> Iterator[Scenario]:
    """Scenarios of towns, of different recordings where a town has several."""
    for number in range(arguments.towns):
        seed = arguments.first_town + number
        recordings = generate_town(seed, replace(town_settings(seed), scenarios=24))
        found = [recording.scenario(tag) for recording in recordings for tag in recording.tags]
        yield from found[:: max(1, len(found) // SCENARIOS_PER_TOWN)][:SCENARIOS_PER_TOWN]


def recorded_scenarios(folder: Path) -> Iterator[Scenario]:
    """The scenario of each recording.

    Raises:
        FileNotFoundError: When the folder holds no recordings.
    """
    found = [name for name in FORMATS if (folder / FORMATS[name]).is_dir()]
    if not found:
        raise FileNotFoundError(f"{folder} holds none of {', '.join(FORMATS.values())}.")
    for name in found:
        for source in IMPORTERS[name].find(folder / FORMATS[name]):
            yield IMPORTERS[name].read(source).scenarios()[0]


def steps_of(scenario: Scenario, most: int) -> int:
    """Steps that a scenario's time axis has behind its first frame, at most `most`."""
    return min(most, len(scenario.time_us) - 1 - scenario.first_frame)


def driven(scenario: Scenario, kind: str, steps: int, seed: int = 0, *, only_logged: bool = True) -> AgentTracks:
    """The agents of the first frame under a kind of traffic, and the logged ego in the first row.

    Args:
        scenario: Its ego follows the log.
        kind: `LOG`, `CONSTANT_VELOCITY`, or a name of the simulation's traffic.
        steps: After the first frame.
        seed: Of the traffic.
        only_logged: Leave out steps at which the log lacks an agent.
    """
    first, stop = scenario.first_frame, scenario.first_frame + steps + 1
    if kind in (LOG, CONSTANT_VELOCITY):
        tracks = scenario.agents.steps(first, stop)
    else:
        mode, options = traffic_mode(kind)
        traffic = mode.make_traffic(scenario, TrafficSetting(seed, options))
        states = states_of(scenario.ego)[0]
        for iteration in range(steps):
            traffic.step(iteration, states[first + iteration])
        tracks = TrackWindow(scenario.agents.track_ids, traffic.tracks).steps(first, stop)
    tracks = tracks.take(np.flatnonzero(tracks.valid[:, 0]))
    if only_logged:
        rows = [scenario.agents.track_ids.index(track) for track in tracks.track_ids]
        valid = tracks.valid & scenario.agents.valid[rows, first:stop]
        tracks = replace(tracks, valid=valid, poses=np.where(valid[..., np.newaxis], tracks.poses, np.nan))
    if kind == CONSTANT_VELOCITY:
        tracks = constant_velocity(tracks)
    centers = scenario.ego.center_poses()[0, first:stop]
    return with_ego(tracks, centers, (PACIFICA.length_m, PACIFICA.width_m))


def measured(scenarios: Sequence[Scenario], kind: str, steps: int, seeds: int, **options: bool) -> RolloutStatistics:
    """Statistics over scenarios and seeds."""
    return joined(
        [
            rollout_statistics(driven(one, kind, steps_of(one, steps), seed, **options), one.map)
            for one in scenarios
            for seed in range(seeds if kind not in (LOG, CONSTANT_VELOCITY, "reactive") else 1)
        ]
    )


def realism_table(title: str, scenarios: Sequence[Scenario], kinds: Sequence[str], seeds: int) -> TextTable:
    """Divergences to the log and collisions over 8 s, off-road shares over 15 s."""
    table = TextTable(
        title=f"{title}: {len(scenarios)} scenarios",
        head=("traffic", "divergence", *KINEMATICS, "agents", "colliding", "off-road, 15 s"),
    )
    logged = measured(scenarios, LOG, STEPS, 1)
    for kind in (LOG, CONSTANT_VELOCITY, *kinds):
        found = measured(scenarios, kind, STEPS, seeds)
        long = measured(scenarios, kind, LONG_STEPS, seeds, only_logged=kind == CONSTANT_VELOCITY)
        values = rollout_divergences(found, logged)
        table.add(
            kind,
            *(f"{values[name]:.4f}" for name in ("mean", *KINEMATICS)),
            str(found.num_agents),
            f"{100 * found.colliding_share:.1f} %",
            f"{100 * long.off_road_share:.1f} % of {long.num_vehicles}",
        )
    return table


def likelihood_table(title: str, scenarios: Sequence[Scenario], kinds: Sequence[str], samples: int) -> TextTable:
    """Likelihoods of the logged values of vehicles under samples; pedestrians replay the log under IDM."""
    table = TextTable(
        title=f"{title}: likelihood of logged vehicles under {samples} samples", head=("traffic", "mean", *KINEMATICS)
    )
    for kind in (LOG, CONSTANT_VELOCITY, *kinds):
        found: dict[str, list[float]] = {name: [] for name in KINEMATICS}
        for scenario in scenarios:
            for name, values in likelihoods(scenario, kind, samples).items():
                found[name] += values
        means = {name: float(np.mean(values)) for name, values in found.items()}
        table.add(kind, f"{np.mean(list(means.values())):.3f}", *(f"{means[name]:.3f}" for name in KINEMATICS))
    return table


def likelihoods(scenario: Scenario, kind: str, samples: int) -> dict[str, list[float]]:
    """Of each moving vehicle, by statistic: geometric mean over its steps."""
    steps = steps_of(scenario, STEPS)
    log_tracks = driven(scenario, LOG, steps)
    logged = agent_series(log_tracks, scenario.map)
    counts = {name: np.zeros((*values.shape, _num_bins(name))) for name, values in logged.items()}
    # Deterministic traffic gives the same sample each time.
    distinct = 1 if kind in (LOG, CONSTANT_VELOCITY, "reactive") else samples
    for seed in range(distinct):
        tracks = driven(scenario, kind, steps, seed)
        series = agent_series(tracks, scenario.map)
        rows = [log_tracks.track_ids.index(track) for track in tracks.track_ids]
        for name, values in series.items():
            agents, at = np.nonzero(np.isfinite(values))
            np.add.at(counts[name], (np.array(rows)[agents], at, _bin(name, values[agents, at])), samples / distinct)
    found = {}
    for name, values in logged.items():
        is_known = np.isfinite(values)
        agents, at = np.nonzero(is_known)
        total = counts[name].sum(axis=-1) + PSEUDO_COUNT * _num_bins(name)
        logs = np.zeros(values.shape)
        hits = counts[name][agents, at, _bin(name, values[agents, at])] + PSEUDO_COUNT
        logs[agents, at] = np.log(hits / total[agents, at])
        is_vehicle = log_tracks.kinds == AgentKind.VEHICLE
        is_vehicle[0] = False  # The ego is not simulated.
        agents_with = np.flatnonzero(is_known.any(axis=1) & is_vehicle)
        found[name] = np.exp(logs.sum(axis=1)[agents_with] / is_known.sum(axis=1)[agents_with]).tolist()
    return found


def _num_bins(name: str) -> int:
    return len(KINEMATICS[name].bins.edges) - 1


def _bin(name: str, values: np.ndarray) -> np.ndarray:
    bins = KINEMATICS[name].bins
    return np.clip(((values - bins.low) / bins.width).astype(np.int64), 0, _num_bins(name) - 1)


def speed_table(title: str, scenarios: Sequence[Scenario], kinds: Sequence[str]) -> TextTable:
    """Time of a decision with its five steps, in the scenario with the most simulated agents."""
    table = TextTable(
        title=f"{title}: CPU time of one thread",
        head=("traffic", "agents", "ms per decision", "ms for 32 agents", "ms to set up"),
    )
    for kind in kinds:
        mode, options = traffic_mode(kind)
        found = []
        for scenario in scenarios:
            started = time.process_time()
            traffic = mode.make_traffic(scenario, TrafficSetting(0, options))
            set_up_s = time.process_time() - started
            if not isinstance(traffic, LearnedTraffic):
                continue
            states, steps = states_of(scenario.ego)[0], steps_of(scenario, 50)
            deciding, started = 0, time.process_time()
            for iteration in range(steps):
                traffic.step(iteration, states[scenario.first_frame + iteration])
                deciding += len(traffic.deciding)
            decision_ms = 1e3 * (time.process_time() - started) / steps * DECISION_STEPS
            found.append((deciding / steps, decision_ms, 1e3 * set_up_s))
        if found:
            count, decision_ms, set_up_ms = max(found)
            for_32 = decision_ms / max(count, 1) * 32
            table.add(kind, f"{count:.1f}", f"{decision_ms:.2f}", f"{for_32:.2f}", f"{set_up_ms:.0f}")
    return table


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
