"""Notes about hand-made scenarios: a changed agent, a way out, rarities, and samples of traffic."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from driving.geometry import shifted_along_heading
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from simulation.log import SimulationLog
from simulation.scenario_notes import ScenarioNotes

ASIDE_M = 3.0
"""Distance between the changed agent and the same agent without the change, and between the samples."""
SURPRISE_S, LATEST_START_S, FAILURE_S = 3.0, 4.2, 6.0


def driven_by_log(scenario: Scenario) -> Trajectory:
    """The logged ego from iteration 0 on, rear axle."""
    poses = scenario.ego.rear_axle_poses[0, scenario.frames.start : scenario.frames.stop]
    return Trajectory(time_s=np.arange(len(poses)) * STEP_S, poses=poses)


def notes_of(log: SimulationLog, scenario: Scenario, **parts: object) -> ScenarioNotes:
    """Notes of a failure that has a way out: the first agent would otherwise drive `ASIDE_M` to its left."""
    agents = log.agents
    steps = np.flatnonzero(agents.valid[0])
    turned = agents.poses[0, steps] + [0.0, 0.0, np.pi / 2]
    unchanged = shifted_along_heading(turned, ASIDE_M) - [0.0, 0.0, np.pi / 2]
    values: dict[str, object] = {
        "scenario_id": scenario.scenario_id,
        "mode": "cut_in",
        "planner": log.planner_name,
        "failure": f"The ego hits vehicle {agents.track_ids[0]} at 6.0 m/s.",
        "failure_s": FAILURE_S,
        "is_solvable": True,
        "seed": 3,
        "rarity": {track: (row + 0.5) / agents.num_agents for row, track in enumerate(agents.track_ids)},
        "track_id": agents.track_ids[0],
        "unchanged": Trajectory(time_s=steps * STEP_S, poses=unchanged),
        "way_out": driven_by_log(scenario),
        "surprise_visible_s": SURPRISE_S,
        "latest_start_s": LATEST_START_S,
    }
    return ScenarioNotes(**{**values, **parts})


def save_samples(log: SimulationLog, folder: Path, count: int) -> tuple[str, ...]:
    """Save copies of a drive whose agents drift to the north, further in each; returns their names in the notes."""
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    names = []
    for number in range(count):
        drift_m = np.zeros((log.num_steps, 3))
        drift_m[:, 1] = ASIDE_M * number * np.linspace(0.0, 1.0, log.num_steps)
        moved = replace(log.agents, poses=log.agents.poses + drift_m)
        names.append(f"samples/{log.scenario_id}.{number}.simlog")
        replace(log, agents=moved, seed=number).save(folder / names[-1])
    return tuple(names)
