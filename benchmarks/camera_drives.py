"""Planners on perceived agents in the closed loop, beside the same planners with true agents and without agents.

    python benchmarks/camera_drives.py --data held_out_worlds --planner pdm_closed --planner student
    python benchmarks/camera_drives.py --data held_out_worlds --planner pdm_closed --every-s 0.5
    python benchmarks/camera_drives.py --data held_out_worlds --planner pdm_closed --appearance night

Traffic is non-reactive. For each collision at fault of a perceived drive, a line says which agent was hit, since when
some camera showed it, and in which share of the time since then a perceived agent was near it.
"""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from tyro.conf import UseAppendAction

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_line, print_lines, progress, require_count, run
from tables import TextTable

from driving.agents import AgentTracks, TrafficLights
from driving.map import MapGraph
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.observation import Observation
from driving.planner import Planner
from driving.route import Route
from driving.scenario import HISTORY_STEPS, Scenario
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from perception.checkpoint import SHIPPED
from planning.perceived import PerceivedPlanner
from planning.registry import load_planner
from simulation.benchmark.provenance import provenance
from simulation.log import SimulationLog
from simulation.metrics.result import Violation
from simulation.metrics.score import score_simulation
from simulation.rendering.snapshot import snapshot_of
from simulation.rendering.visibility import visible_agents
from simulation.rollout import run_rollout
from simulation.sensors.rendered import CameraSettings, renderer_for

NEAR_M = 2.5
"""An agent counts as perceived when a perceived agent is within this distance."""
EVERY_STEPS = 5
"""Steps of 0.1 s between two instants at which a failure is examined."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Scenarios, planners and network."""

    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root with scenarios that training did not use; may be repeated."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], None] = ()
    """Planner to drive; may be repeated. [pdm_closed]"""
    checkpoint: Path = SHIPPED
    """Folder of the network."""
    every_s: float = 0.2
    """Time between two runs of the network."""
    appearance: str = "day"
    """Light and weather, or `by_seed`."""
    limit: int | None = None
    """Largest number of scenarios, drawn at random."""
    controls: bool = True
    """Also drive with true agents and without agents."""
    seed: int = 0
    """Of the choice of scenarios and of the images."""


class WithoutAgents:
    """A planner that receives neither agents nor signals: the control."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self.name = f"{planner.name} without agents"

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002  (the field's word)
        """Prepare for a new scenario."""
        self._planner.reset(map, route)

    def plan(self, observation: Observation) -> Trajectory:
        """The plan without agents and signals."""
        nothing = replace(
            observation,
            agents=AgentTracks.none(observation.agents.num_steps),
            traffic_lights=TrafficLights.none(1),
        )
        return self._planner.plan(nothing)


class RecordedPerception:
    """A planner on perceived agents that keeps the positions of perceived agents at each step."""

    def __init__(self, planner: PerceivedPlanner) -> None:
        self._planner = planner
        self.name = planner.name
        self.camera_settings: CameraSettings = planner.camera_settings
        self.positions: list[np.ndarray] = []

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002  (the field's word)
        """Prepare for a new scenario."""
        self._planner.reset(map, route)
        self.positions = []

    def plan(self, observation: Observation) -> Trajectory:
        """The plan on perceived agents."""
        plan = self._planner.plan(observation)
        assert self._planner.scene is not None
        self.positions.append(self._planner.scene.agents.poses[:, -1, :2])
        return plan


def main(arguments: Arguments) -> None:
    """Drive and print."""
    require_count("--limit", arguments.limit)
    if not arguments.data:
        raise ValueError("Name at least one data root with scenarios, for example --data held_out_worlds.")
    torch.set_num_threads(1)
    scenarios = opened(arguments)
    names = arguments.planner or ("pdm_closed",)
    scores: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    failures: list[str] = []
    planners = {title: planner for name in names for title, planner in planners_of(name, arguments).items()}
    with progress(arguments) as bar:
        for scenario in bar.track(scenarios, description="scenarios"):
            for title, planner in planners.items():
                started = time.process_time()
                log = run_rollout(scenario, planner)
                seconds.setdefault(title, []).append(time.process_time() - started)
                result = score_simulation(log, scenario)
                scores.setdefault(title, []).append(result.score)
                if isinstance(planner, RecordedPerception):
                    collisions = result.metrics["no_ego_at_fault_collisions"].violations
                    failures += [explained(scenario, log, planner, one) for one in collisions]
    table = TextTable(title="Closed loop, non-reactive", head=("planner", "score", "drives", "CPU s per drive"))
    for title, values in scores.items():
        table.add(title, f"{np.mean(values):.3f}", str(len(values)), f"{np.mean(seconds[title]):.1f}")
    print_lines(table.markdown())
    for line in failures:
        print_line(line)
    about = provenance()
    print_line(
        f"{len(scenarios)} scenarios; network every {arguments.every_s:g} s; {arguments.appearance}; seed"
        f" {arguments.seed}; commit {about['commit']}; {about['hardware']}"
    )


def opened(arguments: Arguments) -> list[Scenario]:
    """The scenarios to drive."""
    entries = [entry for root in arguments.data for entry in list_scenarios(DataRoot.find(root))]
    order = np.random.default_rng(arguments.seed).permutation(len(entries))[: arguments.limit]
    return [open_scenario(entries[row]) for row in np.sort(order)]


def planners_of(name: str, arguments: Arguments) -> dict[str, Planner]:
    """The planner on perceived agents, and its controls."""
    perceived = PerceivedPlanner.load(lambda: load_planner(name), arguments.checkpoint, every_s=arguments.every_s)
    perceived.camera_settings = replace(
        perceived.camera_settings, appearance=arguments.appearance, seed=arguments.seed
    )
    found: dict[str, Planner] = {f"perceived:{name}": RecordedPerception(perceived)}
    if arguments.controls:
        found |= {f"{name}, true agents": load_planner(name), f"{name}, no agents": WithoutAgents(load_planner(name))}
    return found


def explained(scenario: Scenario, log: SimulationLog, planner: RecordedPerception, collision: Violation) -> str:
    """What the cameras and the network showed of the agent of a collision."""
    assert collision.track_id is not None
    step = min(round(collision.time_s / STEP_S), log.num_steps - 1)
    row = log.agents.track_ids.index(collision.track_id)
    steps = np.arange(step % EVERY_STEPS, step + 1, EVERY_STEPS)
    is_visible = np.array([is_shown(scenario, log, planner, (int(one), row)) for one in steps])
    gaps = [np.linalg.norm(planner.positions[one] - log.agents.poses[row, one, :2], axis=-1) for one in steps]
    is_perceived = np.array([bool((gap < NEAR_M).any()) for gap in gaps])
    if not is_visible.any():
        about = "no camera showed it"
    else:
        first = int(np.argmax(is_visible))
        shown_s, share = (step - steps[first]) * STEP_S, 100 * is_perceived[first:].mean()
        about = f"visible since {shown_s:.1f} s before, perceived in {share:.0f} % of that time"
        about += "" if is_perceived[-1] else ", not at the contact"
    return f"{planner.name}, {scenario.scenario_type} {scenario.scenario_id}: {collision.sentence}; {about}."


def is_shown(scenario: Scenario, log: SimulationLog, planner: RecordedPerception, at: tuple[int, int]) -> bool:
    """Whether a camera shows an agent.

    Args:
        scenario: For its map.
        log: Of the drive.
        planner: For its cameras.
        at: Step, and row of the agent.
    """
    step, row = at
    past = log.agents.steps(max(0, step + 1 - HISTORY_STEPS), step + 1)
    pose = log.ego.rear_axle_poses[0, step]
    snapshot = snapshot_of(pose, past, log.traffic_lights.steps(step, step + 1), int(log.ego.time_us[step]))
    track = log.agents.track_ids[row]
    if track not in snapshot.track_ids:
        return False
    rendered = renderer_for(scenario.map, planner.camera_settings).render(snapshot)
    return bool(visible_agents(rendered.instances, snapshot.kinds)[snapshot.track_ids.index(track)])


if __name__ == "__main__":
    run(Arguments, main, __doc__)
