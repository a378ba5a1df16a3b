"""Demonstration: towns, imported recordings, pictures, planners and their failures, and a drive from cameras.

    python scripts/demo.py --output demo
    python scripts/demo.py --output demo --recordings ~/argoverse2/sensor

The demo prints and runs the other commands.
"""

import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from command_line import CommonArguments, console, run

from driving.importers.registry import importer_of

SCRIPTS = Path(__file__).resolve().parent
PLANNERS = ("log_future", "simple", "idm", "pdm_closed", "student")
CAMERA_PLANNER = "perceived:pdm_closed"
"""Drives one scenario from rendered cameras, with the shipped perception network."""
SEARCHED_PLANNER = "pdm_closed"
FAILURES, SEARCH_BUDGET = 2, "90s"
"""Failures with a way out at which the search ends, and its CPU time at most."""
WORLD_SCENARIOS = 120
IMPORTED_RECORDINGS = 14
"""Imported recordings at most, so that a folder of thousands ends in minutes as well."""
DRIVEN = {"worlds": (10, 65), "recordings": (3, 40)}
"""Driven scenarios, one of each type where there are enough, and the expected time [s]."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Output folder, and recordings to import."""

    output: Path = Path("demo")
    """Folder for all output. Existing results are kept."""
    recordings: Path | None = None
    """Folder with real recordings: Argoverse 2 sensor logs or track archives, at any depth."""
    seed: int = 0
    """Seed of the worlds."""
    workers: int = 2
    """Worker processes of the benchmark."""


def main(arguments: Arguments) -> None:
    """Run the commands."""
    output = arguments.output
    data = [("worlds", output / "worlds")]
    if not (output / "worlds" / "maps").is_dir():
        step("Two towns with everyday traffic", 60, arguments, *make_worlds(arguments))
    if has_recordings(arguments.recordings):
        data.append(("recordings", output / "recordings"))
        import_recordings(arguments)
    else:
        console.print("\nNo real recordings given (DATA=folder): the demo drives towns only.")
    # Many recordings are shorter than 15 s.
    short = {"worlds": (), "recordings": ("--allow-short",)}
    for name, folder in data:
        step(f"Scenarios: {name}", 5, arguments, "list_scenarios.py", "--data", folder, "--by-type", *short[name])
        step(
            "One picture for each scenario type",
            10,
            arguments,
            *("draw_scenarios.py", "--data", folder, "--output", output / "pictures" / name, "--one-per-type"),
        )
    for name, folder in data:
        limit, about_s = DRIVEN[name]
        options = ("--limit", limit, *short[name])
        step(f"Closed loop: {name}", about_s, arguments, *benchmark(arguments, name, folder), *options)
    find_failures(arguments)
    seen = output / "results" / "cameras"
    step(
        "One drive from cameras",
        40,
        arguments,
        *("benchmark.py", "--data", output / "worlds", "--planner", CAMERA_PLANNER, "--limit", 1, "--no-probes"),
        # The first plan of a process loads the network and the renderer, slowly on a busy machine.
        *("--output", seen, "--resume", "--step-timeout", 300),
    )
    strip = output / "pictures" / "cameras.jpg"
    step("Its images at second 5", 5, arguments, "draw_cameras.py", seen, "--time", 5, "--output", strip)
    console.print(f"\nPictures: {output / 'pictures'}. Reports: {output / 'results'}/*/report.html", soft_wrap=True)
    results = [str(output / "results" / name) for name, _ in data]
    console.print(f"See every drive in a browser:\n$ {viewer_command(results)}", markup=False, soft_wrap=True)
    console.print(
        "See the drive from cameras: images with boxes, and layer P with what was perceived, missed and false:\n"
        f"$ {viewer_command([str(seen)])}",
        markup=False,
        soft_wrap=True,
    )


def find_failures(arguments: Arguments) -> None:
    """Search for failures of a planner that another driver would not have."""
    found = arguments.output / "failures"
    step(
        f"{FAILURES} failures of {SEARCHED_PLANNER} that another driver would not have",
        45,
        arguments,
        *("find_failures.py", "--planner", SEARCHED_PLANNER, "--data", arguments.output / "worlds"),
        *("--budget", SEARCH_BUDGET, "--until", FAILURES, "--workers", arguments.workers),
        # Drawn neighbours need kernels of learned traffic, which the set-up leaves out.
        *("--seed", arguments.seed, "--output", found, "--resume", "--no-drawn-neighbours"),
    )
    if (found / "data").is_dir():
        command = viewer_command([str(found / "data")])
        console.print(f"See them with their ways out in a browser:\n$ {command}", markup=False, soft_wrap=True)


def viewer_command(results: list[str]) -> str:
    """The command that shows the results in a browser."""
    return shlex.join([".venv/bin/python", "scripts/view.py", *results])


def has_recordings(folder: Path | None) -> bool:
    """Whether the folder holds recordings."""
    return folder is not None and folder.is_dir() and any(sources(folder))


def sources(folder: Path) -> list[tuple[str, Path]]:
    """Formats of the recordings below a folder, with the folders that hold them."""
    logs = {path.parent.parent for path in folder.rglob("city_SE3_egovehicle.feather")}
    archives = {path.parent.parent for path in folder.rglob("tracks/*.npz")}
    return [("argoverse2", path) for path in sorted(logs)] + [("track_archive", path) for path in sorted(archives)]


def import_recordings(arguments: Arguments) -> None:
    """Import the recordings that have not been imported."""
    target = arguments.output / "recordings"
    if (target / "maps").is_dir() or arguments.recordings is None:
        return
    left = IMPORTED_RECORDINGS
    for kind, source in sources(arguments.recordings):
        if left == 0:
            console.print(
                f"\nThe demo takes the first {IMPORTED_RECORDINGS} recordings; the same command imports more."
            )
            return
        options = ("--format", kind, "--output", target, "--limit", left)
        step(f"Real recordings: {kind}", 15, arguments, "import_logs.py", source, *options)
        left -= min(left, len(importer_of(kind).find(source)))


def make_worlds(arguments: Arguments) -> tuple[object, ...]:
    """The command that generates the towns."""
    amount = ("--towns", 2, "--scenarios", WORLD_SCENARIOS, "--seed", arguments.seed)
    return ("make_worlds.py", "--output", arguments.output / "worlds", *amount)


def benchmark(arguments: Arguments, name: str, data: Path) -> tuple[object, ...]:
    """The command for a benchmark of all planners, non-reactive and reactive."""
    planners = [word for planner in PLANNERS for word in ("--planner", planner)]
    traffic = ("--traffic", "nonreactive", "--traffic", "reactive")
    results = arguments.output / "results" / name
    return (
        *("benchmark.py", "--data", data, *planners, *traffic, "--workers", arguments.workers),
        *("--output", results, "--resume"),
    )


def step(title: str, about_s: float, arguments: Arguments, *words: object) -> None:
    """Print a command with its expected duration on two idle cores, and run it.

    Raises:
        ValueError: When it fails.
    """
    script, *options = (str(word) for word in words)
    command = [script, *options]
    if arguments.quiet:
        command.append("--quiet")
    console.print(f"\n[bold]{title}[/] (about {about_s} s)")
    console.print(
        f"$ python scripts/{shlex.join(command)}", style="dim", markup=False, highlight=False, soft_wrap=True
    )
    started = time.perf_counter()
    finished = subprocess.run([sys.executable, SCRIPTS / script, *command[1:]], check=False)  # noqa: S603
    if finished.returncode != 0:
        raise ValueError(f"{script} ended with exit code {finished.returncode}; see its message above.")
    console.print(f"{title}: {time.perf_counter() - started:.0f} s.", style="dim", highlight=False)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
