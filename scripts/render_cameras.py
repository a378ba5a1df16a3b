r"""Render the cameras of nuPlan data, and write the images as nuPlan sensor blobs.

    python scripts/render_cameras.py --data worlds --output worlds_with_cameras --size 480 270
    python scripts/render_cameras.py --data corner_cases --output seen --rig nuscenes_6 --appearance by_seed --seed 3
    python scripts/render_cameras.py --data worlds --output seen --rig my_rig.json --every-steps 5 --limit 10

The output is a new data root: maps, the logs of the scenarios with their `camera` and `image` tables filled, and JPEG
files below nuplan-v1.1/sensor_blobs. Each scenario gets images of its frames and of the 2.2 s before them. Code that
reads nuPlan's tables finds the images there. The world of the images is flat, and the boxes of the written logs stand
on it. cameras.json keeps the settings.

The output is written to OUTPUT.part and renamed at the end. After an interruption the same command continues: logs
that are complete are kept. Logs and scenarios that cannot be read are left out, named and counted; the exit code is
then 1.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from command_line import CommonArguments, console, errors, message_of, print_left_out, progress, require_count, run

from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.scenarios import select_scenarios
from driving.rig_files import rig_named
from simulation.files import write_atomically
from simulation.sensors.rendered import CameraSettings
from simulation.sensors.sensor_blobs import RenderedLog, blob_folder, log_path, render_log

SETTINGS_FILE = "cameras.json"


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data, cameras and output."""

    data: Path
    """nuPlan data root (with nuplan-v1.1/ and maps/), or a folder of log files together with --maps."""
    output: Path
    """Data root to write; must not exist."""
    maps: Path | None = None
    """Maps folder, if it is not beside the data."""
    filter: Path | None = None
    """Scenario filter, a YAML file in the devkit's form."""
    rig: str = "nuplan_8"
    """nuplan_8, nuscenes_6, argoverse2_7, or a JSON file with a rig."""
    size: tuple[int, int] | None = None
    """Width and height of all images [px]. [sizes of the rig]"""
    appearance: str = "day"
    """Light and weather: day, overcast, dusk, night, fog, rain, by_seed, or by_scenario (docs/text_scenarios.md)."""
    seed: int = 0
    """Of buildings, trees, looks of agents and noise, and of the appearance if that is by_seed."""
    every_steps: int = 1
    """Steps of 0.1 s between two images of a camera."""
    limit: int | None = None
    """Only this many scenarios, the first of the list."""
    processes: int = 1
    """Number of processes; 0 for one per processor. Each renders whole logs; the files do not depend on it."""


def main(arguments: Arguments) -> None:
    """Select scenarios, render log by log, rename the folder."""
    require_count("--limit", arguments.limit)
    output, part = arguments.output, arguments.output.with_name(f"{arguments.output.name}.part")
    if output.exists():
        raise FileExistsError(f"{output} exists. Name another --output, or remove it.")
    rig = rig_named(arguments.rig)
    settings = CameraSettings(
        rig=rig if arguments.size is None else rig.resized(sizes=arguments.size),
        appearance=arguments.appearance,
        seed=arguments.seed,
        every_steps=arguments.every_steps,
    )
    data_root = DataRoot.find(arguments.data, arguments.maps)
    chosen = ScenarioFilter.from_yaml(arguments.filter) if arguments.filter else None
    selection = select_scenarios(data_root, chosen)
    selection.require_scenarios()
    _begin(part, settings, arguments.data, data_root.maps_root)
    by_log: dict[Path, list[ScenarioEntry]] = {}
    for entry in selection.entries[: arguments.limit]:
        by_log.setdefault(Path(entry.log_file), []).append(entry)
    left_out = [str(error) for error in selection.log_errors]
    waiting = {log: entries for log, entries in by_log.items() if not log_path(part, log).exists()}
    kept = len(by_log) - len(waiting)
    scenarios = images = 0
    with progress(arguments) as bar:
        task = bar.add_task("logs", total=len(by_log), completed=kept)
        for result in _render(waiting, part, settings, arguments.processes):
            if isinstance(result, str):
                left_out.append(result)
            else:
                scenarios, images = scenarios + result.scenarios, images + result.images
                left_out += result.left_out
            bar.advance(task)
    for sentence in left_out:
        print_left_out(sentence)
    written = sum(log_path(part, log).exists() for log in by_log)
    if not written:
        raise ValueError(f"No log could be rendered: {len(left_out)} logs or scenarios failed.")
    part.rename(output)
    console.print(
        f"Rendered {images} images of {scenarios} scenarios. {output} holds {written} logs, {kept} of them from"
        " before.",
        highlight=False,
    )
    if left_out:
        errors.print(f"Left out {len(left_out)} logs or scenarios.", highlight=False)
        sys.exit(1)


def _begin(part: Path, settings: CameraSettings, data: Path, maps_root: Path) -> None:
    """Make the unfinished output with its maps, or check that one of the same settings is there."""
    content = json.dumps({"data": str(data.resolve()), "cameras": settings.to_json()}, indent=1)
    known = part / SETTINGS_FILE
    if known.is_file():
        if known.read_text(encoding="utf-8") != content:
            raise FileExistsError(
                f"{part} is an unfinished output of other settings or data. Remove it to begin anew."
            )
        return
    shutil.copytree(maps_root, part / "maps", dirs_exist_ok=True)
    write_atomically(known, content.encode())


def _render(
    logs: dict[Path, list[ScenarioEntry]], part: Path, settings: CameraSettings, processes: int
) -> Iterator[RenderedLog | str]:
    """The result of each log, or the sentence of its failure."""
    workers = min(processes or os.cpu_count() or 1, len(logs))
    if workers <= 1:
        for log, entries in logs.items():
            yield _rendered(log, entries, part, settings)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done in as_completed(pool.submit(_rendered, *item, part, settings) for item in logs.items()):
            yield done.result()


def _rendered(log: Path, entries: list[ScenarioEntry], part: Path, settings: CameraSettings) -> RenderedLog | str:
    try:
        return render_log(log, entries, part, settings)
    except (OSError, ValueError, LookupError) as error:
        shutil.rmtree(blob_folder(part, log), ignore_errors=True)
        return f"Log {log}: {message_of(error)}"


if __name__ == "__main__":
    run(Arguments, main, __doc__)
