"""Growth of the time per step with the number of agents and the size of the map.

    python benchmarks/growth.py
    python benchmarks/growth.py --planner none --output growth.png

Cars drive on all lanes around the ego: 10, 50 and 200 cars on a map of 2,000 polygons, and 50 cars on maps of 1,000
to 20,000 polygons. Prints the time per step and the exponent between the first and the last count (1 is linear),
plots both, and ends with exit code 1 when an exponent is above 1.1.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from large_inputs import LANE_M, ORIGIN, PITCH_M, ROADS_IN_A_ROW, large_map
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, run

from driving.agents import AgentKind, AgentTracks, TrafficLights
from driving.ego import EgoMotion
from driving.map import MapGraph
from driving.planner import reset_planner
from driving.recording import Mission, Recording, Tag
from driving.scenario import Scenario
from planning.registry import load_planner
from simulation.rollout import Rollout

AGENTS = (10, 50, 200)
POLYGONS = (1_000, 5_000, 20_000)
USUAL_AGENTS, USUAL_POLYGONS = 50, 2_000
STEPS = 240
FIRST_ROAD = 2
"""Place of the ego's road in its row."""
SPEED_MPS = 4.0
SPACING_M = 12.0
LINEAR = 1.1
"""Largest exponent that counts as linear, because timings scatter."""
STAGES = ("observation", "planning", "control", "traffic")


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Planner and number of drives."""

    planner: str = "idm"
    """A planner's name, or `none` for a constant velocity."""
    repeats: int = 3
    """Drives of each scenario; the fastest counts."""
    output: Path = Path("growth.png")
    """File of the plot."""


def main(arguments: Arguments) -> None:
    """Measure, print, plot; the exit code is 1 for growth faster than linear."""
    planner = "constant_velocity" if arguments.planner == "none" else arguments.planner
    cases = [("agents", count, count, USUAL_POLYGONS) for count in AGENTS]
    cases += [("polygons", count, USUAL_AGENTS, count) for count in POLYGONS]
    table = Table(title=f"Milliseconds per step, planner {planner}")
    for name in ("varied", "count", "traffic", *STAGES, "all"):
        table.add_column(name, justify="right")
    times: dict[tuple[str, str], list[float]] = {}
    maps: dict[int, MapGraph] = {}
    with progress(arguments) as bar:
        for varied, count, num_agents, num_polygons in bar.track(cases, description="cases"):
            if num_polygons not in maps:
                maps[num_polygons] = large_map(num_polygons)
            scenario = crowded(maps[num_polygons], num_agents)
            for traffic in ("nonreactive", "reactive"):
                stages = fastest(scenario, traffic, planner, arguments.repeats)
                times.setdefault((varied, traffic), []).append(sum(stages))
                table.add_row(
                    varied, str(count), traffic, *(f"{value:.3f}" for value in stages), f"{sum(stages):.3f}"
                )
    console.print(table)
    worst = max(exponent(varied, values) for (varied, _), values in times.items())
    for (varied, traffic), values in times.items():
        console.print(
            f"{traffic} traffic grows with the number of {varied} by exponent {exponent(varied, values):.2f}"
        )
    draw(times, planner, arguments.output)
    console.print(f"Plot: {arguments.output}")
    sys.exit(0 if worst <= LINEAR else 1)


def crowded(map_graph: MapGraph, num_agents: int) -> Scenario:
    """Cars on the lanes around the ego, the nearest places first, all at one speed."""
    num_roads = len(map_graph.roadblocks)
    rows = min(11, num_roads // ROADS_IN_A_ROW)
    ego_row = rows // 2
    start = ORIGIN + np.array([FIRST_ROAD * PITCH_M[0], ego_row * PITCH_M[1] + 2.0])
    along = np.arange(-2 * LANE_M, 2 * LANE_M, SPACING_M)
    offsets = np.array(
        [
            (x, (row - ego_row) * PITCH_M[1] + lane)
            for row in range(rows)
            for lane in (0.0, -4.0)
            for x in along
            if not (row == ego_row and lane == 0.0 and -SPACING_M < x < SPACING_M)
        ]
    )
    nearest = np.argsort(np.hypot(*offsets.T), kind="stable")[:num_agents]
    if len(nearest) < num_agents:
        raise ValueError(f"A map of {num_roads} roads has room for {len(nearest)} cars, not for {num_agents}.")
    moved = np.arange(STEPS)[:, None] * 0.1 * SPEED_MPS * np.array([1.0, 0.0])
    poses = np.zeros((num_agents, STEPS, 3))
    poses[..., :2] = (start + offsets[nearest])[:, None] + moved
    recording = Recording(
        log_name="2021.07.16.20.00.00_veh-35_00000_00024",
        map=map_graph,
        time_us=1_626_000_000_000_000 + np.arange(STEPS) * 100_000,
        ego=EgoMotion.from_log(
            time_us=1_626_000_000_000_000 + np.arange(STEPS) * 100_000,
            rear_axle_poses=np.column_stack([start + moved, np.zeros(STEPS)]),
            velocities_mps=np.tile([SPEED_MPS, 0.0], (STEPS, 1)),
            accelerations_mps2=np.zeros((STEPS, 2)),
        ),
        agents=AgentTracks(
            track_ids=tuple(f"{row + 1:016x}" for row in range(num_agents)),
            kinds=np.full(num_agents, AgentKind.VEHICLE, dtype=np.int8),
            poses=poses,
            velocities_mps=np.tile([SPEED_MPS, 0.0], (num_agents, STEPS, 1)),
            sizes=np.tile([4.6, 1.9], (num_agents, STEPS, 1)),
            valid=np.ones((num_agents, STEPS), dtype=bool),
        ),
        traffic_lights=TrafficLights.none(STEPS),
        missions=(Mission(first_frame=0, roadblock_ids=route(ego_row), goal_pose=None),),
        tags=(Tag(frame=60, scenario_type="near_multiple_vehicles"),),
    )
    return recording.scenarios()[0]


def route(row: int) -> tuple[int, ...]:
    """Roadblocks along the ego's row."""
    first = row * ROADS_IN_A_ROW + FIRST_ROAD + 1
    return tuple(number for road in range(first, first + 6) for number in (road, road + 10_000))


def fastest(scenario: Scenario, traffic: str, planner: str, repeats: int) -> list[float]:
    """Milliseconds per step in each stage, of the fastest drive."""
    return min((drive(scenario, traffic, planner) for _ in range(repeats + 1)), key=sum)


def drive(scenario: Scenario, traffic: str, planner_name: str) -> list[float]:
    """Milliseconds per step in each stage of one rollout."""
    planner = load_planner(planner_name)
    reset_planner(planner, scenario)
    rollout = Rollout(scenario, traffic=traffic)
    while not rollout.is_finished:
        observation = rollout.observation()
        started = time.perf_counter()
        plan = planner.plan(observation)
        rollout.advance(plan, time.perf_counter() - started)
    stage_time_s = rollout.log().stage_time_s
    return [1e3 * stage_time_s[stage] / rollout.num_steps for stage in STAGES]


def exponent(varied: str, values: list[float]) -> float:
    """Slope between the first and the last on logarithmic axes: 1 is linear."""
    counts = AGENTS if varied == "agents" else POLYGONS
    return float(np.log(values[-1] / values[0]) / np.log(counts[-1] / counts[0]))


def draw(times: dict[tuple[str, str], list[float]], planner: str, output: Path) -> None:
    """Plot time per step against agents and against polygons, with a line of linear growth."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, (varied, counts) in zip(axes, (("agents", AGENTS), ("polygons", POLYGONS)), strict=True):
        for traffic in ("nonreactive", "reactive"):
            axis.plot(counts, times[varied, traffic], marker="o", label=traffic)
        lowest = min(times[varied, "nonreactive"][0], times[varied, "reactive"][0])
        axis.plot(counts, lowest * np.array(counts) / counts[0], color="grey", linestyle=":", label="linear")
        axis.set(xscale="log", yscale="log", xlabel=f"number of {varied}", ylabel="time per step [ms]")
        axis.legend()
    figure.suptitle(f"Time per step, planner {planner}, one core")
    figure.savefig(output, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
