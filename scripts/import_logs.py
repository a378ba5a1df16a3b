"""Turn real recordings of other data sets into nuPlan files.

    python scripts/import_logs.py ~/av2/sensor/val --format argoverse2 --output worlds/av2
    python scripts/import_logs.py ~/av2/sensor/val/7fab2350-7eaf-3b7e-a39d-6937a4c1bede --format argoverse2 --output w
    python scripts/import_logs.py own_data/ --format track_archive --output worlds/own
    python scripts/import_logs.py USA_Lanker-1_3_T-1.xml --format commonroad --ego 1578 --output worlds/ngsim

SOURCE is one recording (a file or a log folder) or a folder of many. The output is a nuPlan data root: each recording
becomes one log with one tagged scenario, on a map of its own. What is assumed and not measured (speed limits, traffic
lights, ...) is stated in docs/importing.md and printed with --verbose. Recordings are read and written in batches of
20; at one that cannot be read the command stops before its batch is written, unless --skip-broken leaves it out,
names it, and makes the exit code 1.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro
from command_line import CommonArguments, console, errors, progress, run
from rich.markup import escape
from rich.table import Table

from driving.checks import check_scenario
from driving.importers import commonroad
from driving.importers.registry import importer_of
from driving.nuplan.writer import write_world
from driving.recording import Recording

BATCH = 20
"""Recordings that are in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to import, and where to."""

    source: Annotated[Path, tyro.conf.Positional]
    """A recording, or a folder of recordings."""
    format: Literal["argoverse2", "track_archive", "commonroad"]
    """Form of the source."""
    output: Path
    """nuPlan data root to write, or to add to."""
    split: str = "mini"
    """Folder of the logs below nuplan-v1.1/splits."""
    ego: str | None = None
    """CommonRoad only: id of the car that becomes the ego."""
    images: Literal["copy", "link", "none"] = "copy"
    """What to do with camera images."""
    skip_broken: bool = False
    """Leave out recordings that cannot be read."""


def main(arguments: Arguments) -> None:
    """Read, check, write, tell."""
    importer = importer_of(arguments.format)
    if arguments.ego is not None and arguments.format != "commonroad":
        raise ValueError(f"--ego is for commonroad; {arguments.format} logs name their ego.")
    if not arguments.source.exists():
        raise FileNotFoundError(f"No file or folder {arguments.source}.")
    read = importer.read if arguments.ego is None else partial(commonroad.import_recording, ego=arguments.ego)
    sources = importer.find(arguments.source)
    complaints: list[str] = []
    table = Table("log", "map", "seconds", "agents", "scenario type", "token")
    with progress(arguments) as bar:
        task = bar.add_task("Importing", total=len(sources))
        for start in range(0, len(sources), BATCH):
            batch = []
            for source in sources[start : start + BATCH]:
                try:
                    batch.append(_checked(read(source)))
                except (OSError, ValueError, LookupError) as error:
                    if not arguments.skip_broken:
                        raise
                    sentence = error.args[0] if isinstance(error, KeyError) else error
                    complaints.append(f"{source}: {sentence}")
                bar.advance(task)
            if batch:
                write_world(batch, arguments.output, arguments.split, images=arguments.images)
            for recording in batch:
                table.add_row(*_row(recording))
                if arguments.verbose:
                    _print_notes(recording)
    if table.rows:
        console.print(table)
        console.print(f"Wrote {len(table.rows)} logs to {arguments.output}.", highlight=False)
    for complaint in complaints:
        errors.print(f"[bold yellow]Left out:[/] {escape(complaint)}", highlight=False, soft_wrap=True)
    if complaints:
        sys.exit(1)


def _checked(recording: Recording) -> Recording:
    for scenario in recording.scenarios():
        check_scenario(scenario, recorded=True)
    return recording


def _row(recording: Recording) -> tuple[str, ...]:
    tag = recording.tags[0]
    return (
        recording.log_name,
        recording.map.name,
        f"{(recording.time_us[-1] - recording.time_us[0]) / 1e6:.1f}",
        str(recording.agents.num_agents),
        tag.scenario_type,
        recording.token(tag),
    )


def _print_notes(recording: Recording) -> None:
    console.print(recording.log_name, markup=False, highlight=False)
    for key, sentence in {**recording.map.metadata, **recording.metadata}.items():
        console.print(f"  {key}: {sentence}", markup=False, highlight=False)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
