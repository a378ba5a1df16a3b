"""A small results folder of hand-made scenes, and a viewer server."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import parked_car, red_light, roundabout
from planning.registry import load_planner
from simulation.benchmark.run import run_benchmark
from simulation.benchmark.settings import BenchmarkSettings
from simulation.viewer.server import make_app
from simulation.viewer.sources import Source

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
