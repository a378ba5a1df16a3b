"""A small results folder of hand-made scenes, and a viewer server."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from noted_scenarios import notes_of, save_samples
from perceived_drives import perceived_at

from driving.agents import AgentKind
from driving.geometry import global_from_local
from driving.nuplan.writer import write_world
from driving.rigs import NUSCENES_6
from driving.synthetic.scenes import parked_car, red_light, roundabout
from planning.registry import load_planner
from simulation.benchmark.run import run_benchmark
from simulation.benchmark.settings import BenchmarkSettings
from simulation.log import SimulationLog
from simulation.sensors.rendered import CameraSettings
from simulation.viewer.server import make_app
from simulation.viewer.source import Source
from simulation.viewer.sources import open_sources

PLANNERS = ("simple", "log_future")


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("viewer") / "world"
    write_world([roundabout(), red_light(), parked_car()], folder)
    return folder


@pytest.fixture(scope="session")
def results(world) -> Path:
    folder = world.parent / "results"
    settings = BenchmarkSettings(data=world, output=folder, planners=PLANNERS, backend="serial", probes=False)
    run_benchmark(settings, load_planner)
    return folder


@pytest.fixture(scope="session")
def results_with_candidates(world) -> Path:
    """Results of a planner with candidates."""
    folder = world.parent / "candidates"
    settings = BenchmarkSettings(
        data=world, output=folder, planners=("pdm_closed",), backend="serial", probes=False, limit=1
    )
    run_benchmark(settings, load_planner)
    return folder


@pytest.fixture(scope="session")
def results_with_perception(results) -> Path:
    """The results with one drive that had small cameras: a perceived box ahead, where no agent is."""
    folder = results.parent / "perceived"
    shutil.copytree(results, folder)
    file = sorted((folder / "logs").iterdir())[0]
    log = SimulationLog.load(file)
    perceived = []
    for ego in log.ego.rear_axle_poses[0]:
        ahead = np.append(global_from_local(np.array([12.0, 3.0]), ego), ego[2])
        perceived.append(perceived_at(ego, [ahead], [AgentKind.PEDESTRIAN], ["perceived-1"]))
    cameras = CameraSettings(rig=NUSCENES_6.resized(sizes=(48, 27)), every_steps=5).to_json()
    replace(log, perceived=tuple(perceived), cameras=cameras).save(file)
    return folder


@pytest.fixture(scope="session")
def drive_with_perception(results_with_perception):
    source = open_sources([results_with_perception], None, None)[0]
    return next(row for row in source.rows() if row.has_log and source.log(row.key).perceived)


@pytest.fixture(scope="session")
def results_with_notes(results) -> Path:
    """The results with notes: a failure with a way out and samples of traffic, and one without a way out."""
    folder = results.parent / "noted"
    shutil.copytree(results, folder)
    source = open_sources([folder], None, None)[0]
    rows = [row for row in source.rows() if row.planner == "simple" and source.log(row.key).agents.num_agents]
    # Roundabout and red light: their agents move.
    solved, unsolved = sorted(rows, key=lambda row: row.scenario_type, reverse=True)[:2]
    log, scenario = source.log(solved.key), source.scenario(solved.key)
    notes_of(log, scenario, samples=save_samples(log, folder / "notes", 3)).save(folder / "notes")
    parts = {"mode": "hard_braking", "is_solvable": False, "way_out": None, "latest_start_s": None}
    notes_of(source.log(unsolved.key), source.scenario(unsolved.key), **parts).save(folder / "notes")
    return folder


@pytest.fixture(scope="session")
def noted_drives(results_with_notes):
    """The drive with a way out, and the one without."""
    source = open_sources([results_with_notes], None, None)[0]
    solvable = {one.scenario_id: one.is_solvable for one in source.notes.all()}
    rows = [row for row in source.rows() if row.planner == "simple" and row.scenario in solvable]
    return sorted(rows, key=lambda row: not solvable[row.scenario])


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[list[Source]], str]]:
    servers = []

    def start(sources: list[Source]) -> str:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(make_app(sources), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        servers.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(timeout=10)
