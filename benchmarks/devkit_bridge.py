r"""Both directions of the devkit bridge: devkit planners in our simulator, our planners in the devkit.

    PYTHONPATH=path/to/nuplan-devkit python benchmarks/devkit_bridge.py --data ../shared/golden/world1 \
        --reference ../shared/golden/world1/runs

Needs the official devkit on the PYTHONPATH and its requirements (docs/extending.md). Without the devkit it ends with
an error message. Prints, for each scenario in non-reactive traffic: the largest difference
between our scores of the devkit's IDM planner and the reference scores, and between the drive of our planner in our
simulator and inside the devkit's.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, run

from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import list_scenarios, open_scenario
from planning.registry import load_planner
from simulation.metrics.score import score_simulation
from simulation.rollout import run_rollout

DEVKIT_IDM = "devkit:nuplan.planning.simulation.planner.idm_planner:IDMPlanner"


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data and planners."""

    data: Path
    """nuPlan data root with maps of all four of nuPlan's locations, which the devkit requires."""
    reference: Path | None = None
    """Folder with `closed_loop_nonreactive_agents_idm_planner/scores.json` of the devkit."""
    planner: str = "idm"
    """Our planner to run inside the devkit."""
    limit: int | None = None
    """Maximum number of scenarios, taken from the start of the list."""


def main(arguments: Arguments) -> None:
    """Run both directions and print."""
    try:
        import nuplan  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(
            "nuPlan's devkit is not on the PYTHONPATH, so that there is nothing to bridge to; see docs/extending.md."
        ) from error
    root = DataRoot.find(arguments.data)
    entries = list_scenarios(root)[: arguments.limit]
    table = Table(title=f"{len(entries)} scenarios, non-reactive")
    for name in (
        "scenario",
        "devkit's IDM here: score",
        "difference to reference",
        f"our {arguments.planner}: gap m",
    ):
        table.add_column(name, justify="right")
    with progress(arguments) as bar:
        for entry in bar.track(entries, description="scenarios"):
            table.add_row(entry.token, *foreign(entry, arguments.reference), ours(entry, root, arguments.planner))
    console.print(table)


def foreign(entry: ScenarioEntry, reference: Path | None) -> tuple[str, str]:
    """Score of the devkit's IDM planner in our simulator, and its largest difference to the reference."""
    scenario = open_scenario(entry)
    score = score_simulation(run_rollout(scenario, load_planner(DEVKIT_IDM)), scenario)
    if reference is None:
        return f"{score.score:.6f}", "no reference"
    path = reference / "closed_loop_nonreactive_agents_idm_planner" / "scores.json"
    expected = json.loads(path.read_text(encoding="utf-8"))[entry.token]
    mine = {name: result.score for name, result in score.metrics.items()} | {"score": score.score}
    gaps = [abs(float(mine[name] or 0.0) - value) for name, value in expected.items() if isinstance(value, float)]
    return f"{score.score:.6f}", f"{max(gaps):.1e}"


def ours(entry: ScenarioEntry, root: DataRoot, planner: str) -> str:
    """Largest distance [m] between the drives of our planner in our simulator and in the devkit."""
    here = run_rollout(open_scenario(entry), load_planner(planner)).ego.rear_axle_poses[0]
    there = drive_in_devkit(entry, root, planner)
    return f"{np.hypot(*(here - there)[:, :2].T).max():.1e}"


def drive_in_devkit(entry: ScenarioEntry, root: DataRoot, planner: str) -> np.ndarray:
    """Rear-axle poses (150, 3) of our planner, simulated by the devkit."""
    from nuplan.planning.simulation.runner.simulations_runner import SimulationRunner

    from planning.devkit.ours import CamberPlanner

    simulation = devkit_simulation(entry, root)
    SimulationRunner(simulation, CamberPlanner(planner, entry.maps_root)).run()
    axles = [sample.ego_state.rear_axle for sample in simulation.history.data]
    return np.array([[axle.x, axle.y, axle.heading] for axle in axles])


def devkit_simulation(entry: ScenarioEntry, root: DataRoot):  # type: ignore[no-untyped-def]
    """The devkit's non-reactive closed loop of a scenario, not started."""
    from nuplan.planning.simulation.callback.multi_callback import MultiCallback
    from nuplan.planning.simulation.controller.motion_model.kinematic_bicycle import KinematicBicycleModel
    from nuplan.planning.simulation.controller.tracker.lqr import LQRTracker
    from nuplan.planning.simulation.controller.two_stage_controller import TwoStageController
    from nuplan.planning.simulation.observation.tracks_observation import TracksObservation
    from nuplan.planning.simulation.simulation import Simulation
    from nuplan.planning.simulation.simulation_setup import SimulationSetup
    from nuplan.planning.simulation.simulation_time_controller.step_simulation_time_controller import (
        StepSimulationTimeController,
    )

    scenario = devkit_scenario(entry, root)
    tracker = LQRTracker(
        q_longitudinal=[10.0],
        r_longitudinal=[1.0],
        q_lateral=[1.0, 10.0, 0.0],
        r_lateral=[1.0],
        discretization_time=0.1,
        tracking_horizon=10,
        jerk_penalty=1e-4,
        curvature_rate_penalty=1e-2,
        stopping_proportional_gain=0.5,
        stopping_velocity=0.2,
    )
    setup = SimulationSetup(
        time_controller=StepSimulationTimeController(scenario),
        observations=TracksObservation(scenario),
        ego_controller=TwoStageController(scenario, tracker, KinematicBicycleModel(scenario.ego_vehicle_parameters)),
        scenario=scenario,
    )
    return Simulation(setup, MultiCallback([]), simulation_history_buffer_duration=2.0)


def devkit_scenario(entry: ScenarioEntry, root: DataRoot):  # type: ignore[no-untyped-def]
    """The same scenario, opened by the devkit."""
    from nuplan.common.actor_state.vehicle_parameters import get_pacifica_parameters
    from nuplan.planning.scenario_builder.nuplan_db.nuplan_scenario_builder import NuPlanScenarioBuilder
    from nuplan.planning.scenario_builder.nuplan_db.nuplan_scenario_utils import ScenarioMapping
    from nuplan.planning.scenario_builder.scenario_filter import ScenarioFilter
    from nuplan.planning.utils.multithreading.worker_sequential import Sequential

    builder = NuPlanScenarioBuilder(
        data_root=str(Path(entry.log_file).parent),
        map_root=entry.maps_root,
        sensor_root=entry.sensor_root,
        db_files=[entry.log_file],
        map_version="nuplan-maps-v1.0",
        vehicle_parameters=get_pacifica_parameters(),
        scenario_mapping=ScenarioMapping({entry.scenario_type: [15.0, -3.0]}, subsample_ratio_override=0.5),
    )
    names = (
        *("scenario_tokens", "log_names", "map_names", "num_scenarios_per_type", "limit_total_scenarios"),
        *("timestamp_threshold_s", "ego_displacement_minimum_m"),
    )
    scenario_filter = ScenarioFilter(
        scenario_types=[entry.scenario_type],
        **dict.fromkeys(names),
        expand_scenarios=False,
        remove_invalid_goals=True,
        shuffle=False,
    )
    found = builder.get_scenarios(scenario_filter, Sequential())
    return next(scenario for scenario in found if scenario.token == entry.token)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
