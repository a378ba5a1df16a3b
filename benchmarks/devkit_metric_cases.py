"""The devkit's own metric cases, reproduced by our metrics.

    python benchmarks/devkit_metric_cases.py ../shared/data/nuplan_devkit/test_scenes

The devkit's unit tests hold scenes at real places of Las Vegas with the statistics that each metric must give.
Without that map, a case is run when its result does not depend on the map: it is scored twice, with the ego within
one lane throughout and never within one lane, and both results must agree. The remaining cases are listed as
impossible, with reasons. The tolerance is the devkit's own, 0.01.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from driving.agents import AgentKind, AgentTracks
from driving.ego import EgoMotion
from driving.synthetic.roads import RoadBuilder
from driving.trajectory import Trajectory
from simulation.metrics.nuplan.comfort import BoundedQuantity
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.lanes import is_in_lane
from simulation.metrics.nuplan.time_to_collision import find_times_to_collision, times_to_collision
from simulation.metrics.result import MetricResult
from simulation.metrics.score import metric_named

TOLERANCE = 1e-2
RENAMED = {
    "no_ego_at_fault_collision": "no_ego_at_fault_collisions",
    "ego_expert_l2_error": "ego_expert_L2_error",
}
CASE_BOUNDS = {
    "ego_jerk": (-7.0, 7.0),
    "ego_lat_acceleration": (-10.0, 10.0),
    "ego_lon_acceleration": (0.0, 10.0),
    "ego_lon_jerk": (-8.0, 8.0),
    "ego_yaw_acceleration": (-3.0, 3.0),
    "ego_yaw_rate": (-5.0, 5.0),
}
"""Bounds of the devkit's unit tests, which differ from those of its benchmark."""
NEEDS_MAP = "needs the Las Vegas map"
MAP_METRICS = frozenset(
    {
        "drivable_area_compliance",
        "driving_direction_compliance",
        "ego_is_making_progress",
        "ego_lane_change",
        "ego_progress_along_expert_route",
        "speed_limit_compliance",
    }
)
WITHOUT_LANES = frozenset({"ego_no_route"})
"""Cases at places without lanes, which an empty map reproduces."""
OTHER_REASONS = {
    "ego_is_comfortable": "expects the value from before the parts are measured, as its test never does",
    "idm_agent_observation": "needs the devkit's own log",
    "load_from_scene": "holds no expected values: it reads predictions of agents",
    "interpolate_future": "holds no expected values: it resamples predictions of agents",
}
"""By file or folder."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One scene file and its result."""

    name: str
    outcome: str
    """`passed`, `failed` or `impossible`."""
    reason: str = ""


def motion_of(states: Sequence[dict[str, Any]]) -> EgoMotion:
    """Ego states of a scene: rear-axle poses, body velocities and accelerations."""
    return EgoMotion.from_log(
        time_us=np.array([state["time_us"] for state in states], dtype=np.int64),
        rear_axle_poses=np.array([state["pose"] for state in states], dtype=np.float64),
        velocities_mps=np.array([state["velocity"] for state in states], dtype=np.float64),
        accelerations_mps2=np.array([state["acceleration"] for state in states], dtype=np.float64),
    )


def agents_of(worlds: Sequence[dict[str, Any]]) -> AgentTracks:
    """Agents of a scene, one world per instant."""
    kinds = {"vehicles": AgentKind.VEHICLE, "bicycles": AgentKind.BICYCLE, "pedestrians": AgentKind.PEDESTRIAN}
    rows: dict[tuple[str, str], int] = {}
    for world in worlds:
        for label in kinds:
            for item in world.get(label, []):
                rows.setdefault((label, str(item["id"])), len(rows))
    shape = (len(rows), len(worlds))
    poses, velocities, sizes = (
        np.full((*shape, 3), np.nan),
        np.full((*shape, 2), np.nan),
        np.full((*shape, 2), np.nan),
    )
    valid = np.zeros(shape, dtype=bool)
    for step, world in enumerate(worlds):
        for (label, track), row in rows.items():
            for item in world.get(label, []):
                if str(item["id"]) == track:
                    width, length = item["box"].get("size", (0.5, 0.5))
                    poses[row, step], sizes[row, step] = item["box"]["pose"], (length, width)
                    velocities[row, step], valid[row, step] = (item["speed"], 0.0), True
    return AgentTracks(
        track_ids=tuple(track for _, track in rows),
        kinds=np.array([int(kinds[label]) for label, _ in rows], dtype=np.int8),
        poses=poses,
        velocities_mps=velocities,
        sizes=sizes,
        valid=valid,
    )


def straight_plan(state: dict[str, Any]) -> Trajectory:
    """The plan of the devkit's test planner: 10 s straight on in steps of 1 s, braking with 5 - v above 5 m/s."""
    x, y, heading = state["pose"]
    forward_mps, speed_mps, accel_mps2, along_m = (
        state["velocity"][0],
        float(np.hypot(*state["velocity"])),
        0.0,
        [0.0],
    )
    for _ in range(10):
        if speed_mps > 5.0:
            accel_mps2 = 5.0 - speed_mps
        along_m.append(along_m[-1] + forward_mps)
        forward_mps += accel_mps2
        speed_mps = abs(forward_mps)
    along = np.array(along_m)
    poses = np.stack(
        [x + along * np.cos(heading), y + along * np.sin(heading), np.full(len(along), heading)], axis=-1
    )
    return Trajectory(time_s=np.arange(len(along), dtype=np.float64), poses=poses)


def drive_of_scene(scene: dict[str, Any], in_lane: bool) -> Drive:
    """The scene on an empty map, with a given answer to whether the ego is within one lane."""
    states = [scene["ego"], *scene.get("ego_future_states", [])]
    map_graph = RoadBuilder().build()
    logged = None
    if "expert_ego_states" in scene:
        expert = motion_of(scene["expert_ego_states"])
        logged = Drive(motion=expert, agents=AgentTracks.none(expert.num_steps), map=map_graph)
    drive = Drive(
        motion=motion_of(states),
        agents=agents_of([scene["world"], *scene.get("world_future_states", [])]),
        map=map_graph,
        logged=logged,
        plans=tuple(straight_plan(state) for state in states),
    )
    drive.preset(is_in_lane, np.full((1, drive.num_steps), in_lane))
    return drive


def differences(result: MetricResult, expected: dict[str, Any]) -> list[str]:
    """Differences from a case's expected statistics (in the devkit's order) and time series."""
    ours = list(result.statistics.items())
    if len(ours) != len(expected["statistics"]):
        return [f"{len(ours)} statistics, expected {len(expected['statistics'])}"]
    found = [
        f"{name} is {value:.4f}, expected {theirs}"
        for (name, value), (_, theirs) in zip(ours, expected["statistics"], strict=True)
        if not np.isclose(float(theirs), value, atol=TOLERANCE)
    ]
    series = expected.get("time_series") or {}
    if series and not np.array_equal(np.round(result.series, 2), np.array(series["values"], dtype=np.float64)):
        found.append(f"series is {np.round(result.series, 2).tolist()}, expected {series['values']}")
    return found


def judge_scene(scene: dict[str, Any], name: str, in_lane: bool) -> MetricResult:
    """The metric's result, with the parameters of the devkit's unit test."""
    drive, metric = drive_of_scene(scene, in_lane), metric_named(name)
    if name in CASE_BOUNDS:
        assert isinstance(metric, BoundedQuantity)
        low, high = CASE_BOUNDS[name]
        metric = replace(metric, low=low, high=high)
    if "metric_parameters" in scene:
        drive.preset(times_to_collision, find_times_to_collision(drive, scene["metric_parameters"]["time_horizon"]))
    return metric(drive)[0]


def run_case(path: Path, root: Path) -> Case:
    """Score one scene file."""
    name = path.relative_to(root).with_suffix("").as_posix()
    scene = json.loads(path.read_text())
    metric = RENAMED.get(path.parent.name, path.parent.name)
    other = OTHER_REASONS.get(path.stem, OTHER_REASONS.get(path.parent.name))
    if other is not None:
        return Case(name=name, outcome="impossible", reason=other)
    if "expected" not in scene or (metric in MAP_METRICS and path.stem not in WITHOUT_LANES):
        return Case(name=name, outcome="impossible", reason=NEEDS_MAP)
    expected = scene["expected"][0] if isinstance(scene["expected"], list) else scene["expected"]
    within, outside = (judge_scene(scene, metric, in_lane) for in_lane in (True, False))
    if within.statistics != outside.statistics:
        agreeing = [
            words
            for words, result in (("within one lane", within), ("not within one lane", outside))
            if not differences(result, expected)
        ]
        note = f" (agrees if the ego is {agreeing[0]})" if agreeing else " (agrees in no lane)"
        return Case(name=name, outcome="impossible" if agreeing else "failed", reason=NEEDS_MAP + note)
    found = differences(within, expected)
    return Case(name=name, outcome="failed" if found else "passed", reason="; ".join(found))


def run_cases(root: Path) -> list[Case]:
    """Score all scene files below a folder."""
    return [run_case(path, root) for path in sorted(root.rglob("*.json"))]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Location of the cases."""

    scenes: tyro.conf.Positional[Path] = Path("../shared/data/nuplan_devkit/test_scenes")
    """Folder of scene files."""


def main(arguments: Arguments) -> int:
    """Print each case and the counts; the exit code is 1 when a case failed or none was found."""
    cases = run_cases(arguments.scenes)
    for case in cases:
        print(f"{case.outcome:10} {case.name}" + (f": {case.reason}" if case.reason else ""))
    counts = Counter(case.outcome for case in cases)
    reasons = Counter(case.reason.split(" (")[0] for case in cases if case.outcome == "impossible")
    print(
        f"{len(cases)} scene files: run {counts['passed'] + counts['failed']}, passed {counts['passed']},"
        f" impossible {counts['impossible']}"
    )
    for reason, count in reasons.most_common():
        print(f"  {count} impossible: {reason}")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__)))
