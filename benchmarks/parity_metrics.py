"""Differences between our metrics and the devkit's, on drives that the devkit recorded.

    python benchmarks/parity_metrics.py ../shared/golden/world1
    python benchmarks/parity_metrics.py WORLD --runs OUT/runs        (drives recorded elsewhere)

Each recorded drive (ego, agents as shown, plans) is scored by our metrics alone, without our planners and
simulation. Prints the largest differences of scores and statistics per metric, and the CPU time.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from driving.agents import AgentTracks, TrafficLights
from driving.ego import EgoMotion
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.scenario import Scenario
from driving.trajectory import Trajectory
from simulation.log import SimulationLog
from simulation.metrics.score import score_simulation

STEP_SCORE_TOLERANCE, CONTINUOUS_TOLERANCE = 1e-6, 1e-3
CONTINUOUS = frozenset({"ego_progress_along_expert_route", "speed_limit_compliance", "score"})
"""Besides the open-loop errors."""
TRAFFIC = {"closed_loop_nonreactive_agents": "nonreactive", "closed_loop_reactive_agents": "reactive"}


def tolerance(metric: str) -> float:
    """Allowed difference of a score from the devkit's."""
    is_continuous = metric in CONTINUOUS or "error_within_bound" in metric
    return CONTINUOUS_TOLERANCE if is_continuous else STEP_SCORE_TOLERANCE


def recorded_log(path: Path, scenario: Scenario, traffic: str, planner: str) -> SimulationLog:
    """A drive that the devkit recorded, as `SimulationLog`.

    Args:
        path: `<token>.npz` with `ego` (T, 11), `obs` (K, 10), `tracks` and `plans` (T, P, 4).
        scenario: Of that token.
        traffic: `nonreactive`, `reactive` or `open_loop`.
        planner: Name for the log.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    ego, time_us = arrays["ego"], arrays["ego"][:, 0].astype(np.int64)
    motion = EgoMotion(
        time_us=time_us,
        rear_axle_poses=np.ascontiguousarray(ego[np.newaxis, :, 1:4]),
        velocities_mps=np.ascontiguousarray(ego[np.newaxis, :, 4:6]),
        accelerations_mps2=np.ascontiguousarray(ego[np.newaxis, :, 6:8]),
        steering_rad=np.ascontiguousarray(ego[np.newaxis, :, 8]),
        yaw_rate_radps=np.ascontiguousarray(ego[np.newaxis, :, 9]),
        yaw_acceleration_radps2=np.ascontiguousarray(ego[np.newaxis, :, 10]),
    )
    plans = tuple(
        Trajectory(time_s=(plan[:, 0] - now_us) * 1e-6, poses=np.ascontiguousarray(plan[:, 1:]))
        for plan, now_us in zip(arrays["plans"], time_us, strict=True)
    )
    return SimulationLog(
        scenario_id=scenario.scenario_id,
        scenario_type=scenario.scenario_type,
        log_name=scenario.log_name,
        map_name=scenario.map_name,
        planner_name=planner,
        traffic=traffic,
        seed=0,
        ego=motion,
        agents=_tracks(arrays["obs"], [str(token) for token in arrays["tracks"]], len(time_us)),
        traffic_lights=TrafficLights.none(len(time_us)),
        plans=plans,
        planning_time_s=np.zeros(len(time_us)),
    )


def _tracks(boxes: np.ndarray, tokens: list[str], num_steps: int) -> AgentTracks:
    count = len(tokens)
    frame, track = boxes[:, 0].astype(int), boxes[:, 1].astype(int)
    kinds = np.zeros(count, dtype=np.int8)
    kinds[track] = boxes[:, 2].astype(np.int8)
    poses, velocities, sizes = (np.full((count, num_steps, width), np.nan) for width in (3, 2, 2))
    valid = np.zeros((count, num_steps), dtype=bool)
    poses[track, frame], velocities[track, frame] = boxes[:, 3:6], boxes[:, 6:8]
    sizes[track, frame], valid[track, frame] = boxes[:, 8:10], True
    order = np.zeros((count, num_steps), dtype=np.int32)
    first = np.searchsorted(frame, frame)
    order[track, frame] = np.arange(len(boxes)) - first
    return AgentTracks(
        track_ids=tuple(tokens),
        kinds=kinds,
        poses=poses,
        velocities_mps=velocities,
        sizes=sizes,
        valid=valid,
        order=order,
    )


@dataclass
class Comparison:
    """Largest differences, and CPU seconds of each drive."""

    scores: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    statistics: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    exceptions: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def num_drives(self) -> int:
        """Number of compared drives."""
        return len(self.seconds)

    def add(self, label: str, log: SimulationLog, scenario: Scenario, scores: dict, statistics: dict) -> None:
        """Score one drive and add its differences from the devkit's figures."""
        start = time.process_time()
        judged = score_simulation(log, scenario)
        results = judged.metrics
        ours = {name: result.score for name, result in results.items() if result.score is not None}
        ours["score"] = judged.score
        self.seconds.append(time.process_time() - start)
        for name, value in ours.items():
            gap = abs(value - scores[name])
            self.scores[name] = max(self.scores[name], gap)
            if not gap <= tolerance(name):
                self.exceptions.append(f"{label}: {name} is {value}, the devkit's {scores[name]}")
        for name, expected in statistics.items():
            if name not in results:
                self.exceptions.append(f"{label}: we have no metric {name}")
                continue
            self._add_statistics(label, name, results[name].statistics, expected)

    def _add_statistics(self, label: str, name: str, ours: dict[str, float], expected: dict[str, Any]) -> None:
        theirs = {key.removesuffix("_stat_value"): value for key, value in expected.items() if key != "metric_score"}
        if set(ours) != set(theirs):
            self.exceptions.append(f"{label}: {name} has statistics {sorted(ours)}, the devkit's {sorted(theirs)}")
        for key in set(ours) & set(theirs):
            a, b = ours[key], float("nan") if theirs[key] is None else float(theirs[key])
            gap = 0.0 if a == b or (np.isnan(a) and np.isnan(b)) else abs(a - b)
            self.statistics[name] = max(self.statistics[name], gap)
            if not gap <= CONTINUOUS_TOLERANCE:
                self.exceptions.append(f"{label}: {name}.{key} is {a}, the devkit's {b}")


def recorded_drives(world: Path, runs: Path) -> Iterator[tuple[str, Path, Scenario, str, dict, dict]]:
    """Label, npz, scenario, traffic, scores and statistics of each recorded drive."""
    scenarios: dict[str, Scenario] = {}
    entries = {entry.token: entry for entry in list_scenarios(DataRoot.find(world))}
    for folder in sorted(path for path in runs.iterdir() if (path / "scores.json").is_file()):
        challenge = next((name for name in (*TRAFFIC, "open_loop_boxes") if folder.name.startswith(name)), "")
        scores = json.loads((folder / "scores.json").read_text())
        statistics = json.loads((folder / "statistics.json").read_text())
        for token in scores:
            if token not in scenarios:
                scenarios[token] = open_scenario(entries[token])
            label = f"{folder.name}/{token}"
            traffic = TRAFFIC.get(challenge, "open_loop")
            yield label, folder / f"{token}.npz", scenarios[token], traffic, scores[token], statistics[token]


def compare(world: Path, runs: Path, only: str = "") -> Comparison:
    """Compare all recorded drives with `only` in the name of their run folder."""
    found = Comparison()
    for label, path, scenario, traffic, scores, statistics in recorded_drives(world, runs):
        if only in label:
            log = recorded_log(path, scenario, traffic, label.split("/")[0])
            found.add(label, log, scenario, scores, statistics)
    return found


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Data and runs."""

    world: tyro.conf.Positional[Path] = Path("../shared/golden/world1")
    """A nuPlan data root."""
    runs: Path | None = None
    """Folder of recorded runs; by default `runs` in the world."""
    only: str = ""
    """Compare only runs with this text in their names."""


def main(arguments: Arguments) -> int:
    """Print the comparison; the exit code is 1 when a score differs by more than allowed."""
    found = compare(arguments.world, arguments.runs or arguments.world / "runs", arguments.only)
    if not found.num_drives:
        print(f"No recorded drives in {arguments.runs or arguments.world / 'runs'}.")
        return 1
    print(f"{'metric':52} {'score':>10} {'allowed':>8} {'statistics':>11}   largest difference")
    for name in sorted({*found.scores, *found.statistics}):
        score = f"{found.scores[name]:10.1e} {tolerance(name):8.0e}" if name in found.scores else " " * 19
        rest = f" {found.statistics[name]:11.1e}" if name in found.statistics else ""
        print(f"{name:52} {score}{rest}")
    seconds = np.array(found.seconds) * 1e3
    warm = (
        f"{np.median(seconds):.1f} ms median, {seconds.min():.1f} ms fastest, {seconds.max():.0f} ms first or slowest"
    )
    print(f"{found.num_drives} drives; scoring one takes {warm} of CPU time")
    for line in found.exceptions:
        print(f"EXCEPTION {line}")
    return 1 if found.exceptions else 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__)))
