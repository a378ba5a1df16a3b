"""Speed and size of the viewer, and its picture for the documentation.

    python benchmarks/viewer.py
    python benchmarks/viewer.py --screenshot docs/images/viewer.png
    python benchmarks/viewer.py --results results/first       # an existing run

All figures are measured in headless Chromium without a GPU, by default on a generated town. The command needs
chromium and chromedriver (Debian: apt-get install chromium chromium-driver).
"""

import gzip
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
import uvicorn
from jaxtyping import Float64
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from driving.agents import AgentKind, AgentTracks, TrafficLights
from driving.candidates import LOGGED_TIME_S, Candidates
from driving.ego import EgoMotion
from driving.map import MapGraph
from driving.nuplan.writer import write_world
from driving.routing import build_route
from driving.scenario import Scenario
from driving.synthetic.curves import straight
from driving.synthetic.roads import LAS_VEGAS_ORIGIN, RoadBuilder
from driving.trajectory import Trajectory
from planning.registry import load_planner
from simulation.benchmark.run import run_benchmark
from simulation.benchmark.settings import BenchmarkSettings
from simulation.generation.town.generator import generate_town
from simulation.generation.town.layout import TownSettings
from simulation.log import SimulationLog
from simulation.viewer.notes import NotesFolders
from simulation.viewer.rows import DriveRow
from simulation.viewer.saved_page import PAGE_FOLDER
from simulation.viewer.server import make_app
from simulation.viewer.source import Source
from simulation.viewer.sources import ResultsSource

PLANNERS = ("pdm_closed", "idm", "simple")
TOWN_SCENARIOS = 14
LISTED_LOGS = 2000
NUM_STEPS = 150
NUM_CANDIDATES = 15
SWITCHES = 8
LATEST_S = 13.0
"""The collision of the picture happens before this time."""
PLAYED_S = 3.0
PLAYED_TIMES = 3
"""The best of several measurements counts: other programs of a shared machine can only reduce the frame rate."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    # WebGL in software.
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def main(
    results: Path | None = None,
    screenshot: Path | None = None,
    chromium: str = shutil.which("chromium") or "chromium",
    chromedriver: str = shutil.which("chromedriver") or "chromedriver",
    work: Annotated[Path | None, tyro.conf.arg(help="Folder that keeps the generated town and its results.")] = None,
) -> None:
    """Measure, or take the picture."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = work or Path(temporary)
        results = results or generated_results(folder)
        with browser(chromium, chromedriver) as page:
            if screenshot is not None:
                take_picture(page, results, screenshot)
                return
            print(
                f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores,"
                f" Chromium {page.capabilities['browserVersion']}"
            )
            measure_pages(page, results)
            measure_list(page, results, Path(temporary) / "many")
            measure_frames(page)
        first = sum(packed_bytes(name) for name in ("app.js", "app.css", "index.html"))
        print(f"page, compressed                      {first / 1e6:8.3f} MB")
        print(
            f"page with its 3D view, compressed     {(first + packed_bytes('view3d.js')) / 1e6:8.3f} MB   (at most 1)"
        )


def packed_bytes(name: str) -> int:
    """Compressed size of a file of the page."""
    return len(gzip.compress((PAGE_FOLDER / name).read_bytes()))


def generated_results(folder: Path) -> Path:
    """Results of a generated town; existing ones are reused."""
    results = folder / "results"
    if (results / "summary.json").exists() or (results / "run.json").exists():
        return results
    write_world(generate_town(0, replace(TownSettings(), scenarios=TOWN_SCENARIOS)), folder / "town")
    run_benchmark(
        BenchmarkSettings(data=folder / "town", output=results, planners=PLANNERS, backend="serial", probes=False),
        load_planner,
    )
    return results


@contextmanager
def browser(chromium: str, chromedriver: str) -> Iterator[webdriver.Chrome]:
    """A fresh headless browser."""
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1440,1000"):
            options.add_argument(flag)
        page = webdriver.Chrome(options, Service(chromedriver))
        try:
            yield page
        finally:
            page.quit()


@contextmanager
def served(sources: list[Source]) -> Iterator[str]:
    """The viewer on a free port, with its metrics loaded."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(make_app(sources), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    urllib.request.urlopen(address + "api/list").read()  # noqa: S310
    # A user opens the page some time after starting the server: wait until it has loaded its modules.
    while "simulation.viewer.video" not in sys.modules:
        time.sleep(0.1)
    time.sleep(1.0)
    yield address
    server.should_exit = True
    thread.join(timeout=10)


def rows_of(address: str) -> list[dict[str, Any]]:
    """Rows of the list, without their metrics."""
    with urllib.request.urlopen(address + "api/list") as answer:  # noqa: S310
        columns = json.loads(answer.read())["rows"]
    del columns["metrics"]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def first_frame(page: webdriver.Chrome, address: str) -> float:
    """Milliseconds from opening a page to its first frame with a map."""
    page.get("about:blank")
    page.get(address)
    WebDriverWait(page, 30, 0.02).until(lambda p: p.execute_script("return window.camberDrawn?.firstMapMs > 0"))
    return page.execute_script("return window.camberDrawn.firstMapMs")


def measure_pages(page: webdriver.Chrome, results: Path) -> None:
    """First picture, switching, saved page."""
    with served([ResultsSource("results", results)]) as address:
        rows = rows_of(address)
        rows = [row for row in rows if row["has_log"] and row["planner"] == rows[0]["planner"]]
        urls = [f"{address}#replay?s={row['scenario']}&d=results/{row['key']}" for row in rows]
        cold = first_frame(page, urls[0])
        warm = [first_frame(page, url) for url in urls[:5]]
        print(f"first picture, cold server             {cold:8.0f} ms   (at most 1500)")
        print(f"first picture, median of {len(warm)}            {np.median(warm):8.0f} ms")
        switches = [switch(page) for _ in range(min(SWITCHES, len(rows)))]
        print(f"switch to another scenario, median    {np.median(switches):8.0f} ms   (at most 500)")
        print(f"switch to another scenario, slowest   {max(switches):8.0f} ms")
        sizes = []
        for row in rows[:5]:
            with urllib.request.urlopen(f"{address}api/save?d=results/{row['key']}&view=replay") as answer:  # noqa: S310
                sizes.append(len(answer.read()))
        print(f"saved page of a 15 s scenario         {max(sizes) / 1e6:8.2f} MB   (at most 3)")


def switch(page: webdriver.Chrome) -> float:
    """Milliseconds from the key to the next scenario's first frame with its map."""
    return page.execute_async_script(
        """
        const done = arguments[0], before = window.camberDrawn.scenario, start = performance.now();
        const check = () => {
          const { scenario, hasMap, lastMs } = window.camberDrawn;
          if (scenario !== before && hasMap) done(lastMs - start); else requestAnimationFrame(check);
        };
        window.dispatchEvent(new KeyboardEvent("keydown", { key: "]" }));
        check();
        """
    )


def measure_list(page: webdriver.Chrome, results: Path, folder: Path) -> None:
    """A folder of many logs: links to existing logs under new scenario ids."""
    (folder / "rows").mkdir(parents=True)
    (folder / "logs").mkdir()
    shutil.copy(results / "run.json", folder)
    rows = sorted((results / "rows").iterdir())
    for number in range(LISTED_LOGS):
        row = rows[number % len(rows)]
        key = f"{row.stem[:-4]}{number // len(rows):04x}"
        os.link(row, folder / "rows" / f"{key}.parquet")
        log_file = results / "logs" / f"{row.stem}.simlog"
        if log_file.exists():
            os.link(log_file, folder / "logs" / f"{key}.simlog")
    for name in ("not cached", "cached"):
        source = ResultsSource("many", folder)
        start = time.perf_counter()
        count = len(source.rows())
        print(f"{count} logs, {name:<22}    {(time.perf_counter() - start) * 1e3:8.0f} ms   (at most 1000)")
    with served([ResultsSource("many", folder)]) as address:
        page.get("about:blank")
        page.get(address)
        WebDriverWait(page, 30, 0.02).until(lambda p: p.execute_script("return document.querySelector('.row.item')"))
        listed_ms = page.execute_script("return performance.getEntriesByName('camber-list')[0].startTime")
        print(f"{count} logs, until the page lists them  {listed_ms:8.0f} ms")
        print(f"scrolling through the list            {scrolled(page):8.1f} frames/s")


def scrolled(page: webdriver.Chrome) -> float:
    """Frames per second while the list scrolls."""
    return page.execute_async_script(
        """
        const done = arguments[0], table = document.querySelector(".table"), start = performance.now();
        let frames = 0;
        const move = () => {
          table.scrollTop += 90; frames++;
          const passed = performance.now() - start;
          if (passed > 2000) done(frames * 1000 / passed); else requestAnimationFrame(move);
        };
        requestAnimationFrame(move);
        """
    )


def measure_frames(page: webdriver.Chrome) -> None:
    """Frame rate of the replay of a busy scene, with the whole scene in view."""
    source = BusySource()
    lanes, agents = len(source.map("busy").lanes), source.log("busy").agents.num_agents
    with served([source]) as address:
        for words, name in (
            ("zoom=3&l=1234567890", "all layers"),
            ("zoom=3", "usual layers"),
            ("zoom=3&egoUp=1", "ego up"),
            ("zoom=3&3d=1", "3D"),
        ):
            first_frame(page, f"{address}#replay?s=busy&d=busy/busy&{words}")
            WebDriverWait(page, 60, 0.1).until(
                lambda p: p.execute_script("return document.querySelectorAll('.chart').length > 5")
            )
            rates = [played(page) for _ in range(PLAYED_TIMES)]
            print(
                f"{lanes} lanes, {agents} agents, {name:<13} {max(rates):8.1f} frames/s (at least 50),"
                f" best of {PLAYED_TIMES}, median {np.median(rates):.1f}"
            )


def played(page: webdriver.Chrome) -> float:
    """Frames per second of a replay."""
    return page.execute_async_script(
        """
        const [seconds, done] = arguments, drawn = window.camberDrawn;
        const press = (key) => window.dispatchEvent(new KeyboardEvent("keydown", { key }));
        press("Home");
        press(" ");
        setTimeout(() => {
          const frames = drawn.frames, start = performance.now();
          setTimeout(() => {
            const rate = (drawn.frames - frames) * 1000 / (performance.now() - start);
            press(" ");
            done(rate);
          }, seconds * 1000);
        }, 300);
        """,
        PLAYED_S,
    )


class BusySource:
    """One drive on 200 lanes among 100 agents."""

    name = "busy"

    def __init__(self) -> None:
        self._scenario = busy_scenario()
        frames = self._scenario.frames
        ego = self._scenario.ego.steps(frames.start, frames.stop)
        ahead = np.arange(41) * 0.1
        plans = []
        for pose, speed in zip(ego.rear_axle_poses[0], ego.speed_mps[0], strict=True):
            poses = np.tile(pose, (len(ahead), 1))
            poses[:, 0] += ahead * speed
            plans.append(Trajectory(time_s=ahead, poses=poses))
        self._log = SimulationLog(
            scenario_id="busy",
            scenario_type="near_multiple_vehicles",
            log_name="busy",
            map_name="busy",
            planner_name="straight",
            traffic="nonreactive",
            seed=0,
            ego=ego,
            agents=self._scenario.agents.steps(frames.start, frames.stop),
            traffic_lights=TrafficLights.none(ego.num_steps),
            plans=tuple(plans),
            planning_time_s=np.full(ego.num_steps, 0.01),
            candidates=tuple(
                Candidates(
                    time_s=LOGGED_TIME_S,
                    poses=fan(plan.at(LOGGED_TIME_S)),
                    scores=np.linspace(0.0, 1.0, NUM_CANDIDATES),
                    chosen=NUM_CANDIDATES - 1,
                )
                for plan in plans
            ),
        )

    @property
    def notes(self) -> NotesFolders:
        """No notes."""
        return NotesFolders(())

    def rows(self) -> list[DriveRow]:
        """The one drive."""
        return [DriveRow(key="busy", scenario="busy", scenario_type="near_multiple_vehicles", log_name="busy")]

    def facts(self) -> dict[str, object]:
        """No notices and no run."""
        return {"notices": [], "run": None}

    def row(self, key: str) -> DriveRow:
        """The one drive."""
        return self.rows()[0]

    def log(self, key: str) -> SimulationLog:
        """The one drive."""
        return self._log

    def scenario(self, key: str) -> Scenario:
        """The one scenario."""
        return self._scenario

    def map(self, key: str) -> MapGraph:
        """Its map."""
        return self._scenario.map


def fan(poses: Float64[np.ndarray, "time 3"]) -> Float64[np.ndarray, "candidates time 3"]:
    """Candidates at equal lateral distances around poses (time, 3)."""
    beside = np.repeat(poses[np.newaxis], NUM_CANDIDATES, axis=0)
    beside[..., 1] += np.linspace(-3.0, 3.0, NUM_CANDIDATES)[:, np.newaxis]
    return beside


def busy_scenario() -> Scenario:
    """Five roads of eight lanes in five pieces each, and 100 agents that drive along them."""
    builder = RoadBuilder()
    for y in range(-64, 65, 32):
        for x in range(-100, 100, 40):
            line = straight((float(x), float(y)), (float(x + 38), float(y)))
            builder.add_road(line, lanes_forward=4, lanes_backward=4)
    road = builder.build()
    east, north = LAS_VEGAS_ORIGIN
    time_us = np.arange(NUM_STEPS, dtype=np.int64) * 100_000
    poses = np.zeros((NUM_STEPS, 3))
    poses[:, 0], poses[:, 1] = east - 60 + 8.0 * time_us * 1e-6, north - 1.75
    speeds = np.tile([8.0, 0.0], (NUM_STEPS, 1))
    ego = EgoMotion.from_log(
        time_us=time_us, rear_axle_poses=poses, velocities_mps=speeds, accelerations_mps2=np.zeros((NUM_STEPS, 2))
    )
    return Scenario(
        scenario_id="busy",
        scenario_type="near_multiple_vehicles",
        log_name="busy",
        map=replace(road, name="busy"),
        route=build_route(road, (), None, poses[0]),
        time_us=time_us,
        ego=ego,
        agents=busy_agents(NUM_STEPS),
        traffic_lights=TrafficLights.none(NUM_STEPS),
        first_frame=0,
        num_frames=NUM_STEPS,
        anchor_frame=0,
    )


def busy_agents(num_steps: int) -> AgentTracks:
    """100 vehicles on the lanes at different speeds."""
    generator = np.random.default_rng(0)
    lane = np.arange(100) % 40
    offset = lane % 8 - 3.5
    poses = np.zeros((100, num_steps, 3))
    speeds = generator.uniform(5.0, 11.0, 100)
    starts = generator.uniform(-90.0, 60.0, 100)
    poses[..., 0] = LAS_VEGAS_ORIGIN[0] + starts[:, np.newaxis] + speeds[:, np.newaxis] * np.arange(num_steps) * 0.1
    poses[..., 1] = LAS_VEGAS_ORIGIN[1] + (lane // 8 * 32 - 64 + offset * 3.5)[:, np.newaxis]
    velocities = np.zeros((100, num_steps, 2))
    velocities[..., 0] = speeds[:, np.newaxis]
    return AgentTracks(
        track_ids=tuple(f"{number:016x}" for number in range(100)),
        kinds=np.full(100, int(AgentKind.VEHICLE), dtype=np.int8),
        poses=poses,
        velocities_mps=velocities,
        sizes=np.tile([4.6, 1.9], (100, num_steps, 1)),
        valid=np.ones((100, num_steps), dtype=bool),
    )


def take_picture(page: webdriver.Chrome, results: Path, path: Path) -> None:
    """Two planners in the scenario with the largest score difference, at the collision of the worse one."""
    with served([ResultsSource("results", results)]) as address:
        rows = [row for row in rows_of(address) if row["score"] is not None]
        best = {row["scenario"]: row for row in rows if row["planner"] == PLANNERS[0]}
        pairs = [
            (best[row["scenario"]], row, reason["time_s"])
            for row in rows
            if row["planner"] in PLANNERS[1:] and row["scenario"] in best
            for reason in row["reasons"]
            if reason["metric"] == "no_ego_at_fault_collisions" and reason["time_s"] < LATEST_S
        ]
        if not pairs:
            raise ValueError("These results have no at-fault collision; name other --results.")
        good, bad, seconds = max(pairs, key=lambda pair: (pair[0]["score"] - pair[1]["score"], pair[0]["scenario"]))
        words = f"s={good['scenario']}&d=results/{good['key']},results/{bad['key']}&t={seconds:.1f}&zoom=7"
        first_frame(page, f"{address}#replay?{words}")
        WebDriverWait(page, 60, 0.1).until(
            lambda p: p.execute_script("return document.querySelectorAll('.chart').length >= 8")
        )
        time.sleep(1.0)
        path.parent.mkdir(parents=True, exist_ok=True)
        page.save_screenshot(str(path))
        print(f"{path}: {good['scenario_type']} {good['scenario']} at {seconds:.1f} s")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
