"""Turn real recordings of other data sets into nuPlan files.

    python scripts/import_logs.py ~/av2/sensor/val --format argoverse2 --output worlds/av2
    python scripts/import_logs.py ~/av2/sensor/val/7fab2350-7eaf-3b7e-a39d-6937a4c1bede --format argoverse2 --output w
    python scripts/import_logs.py own_data/ --format track_archive --output worlds/own
    python scripts/import_logs.py USA_Lanker-1_3_T-1.xml --format commonroad --ego 1578 --output worlds/ngsim

SOURCE is one recording (a file or a log folder) or a folder of recordings. The output is a nuPlan data root: each
recording becomes one log with one tagged scenario, on a map of its own. The command prints a line for all data of a
recording that it left out, changed or assumed, and for short recordings; --strict refuses such recordings (but not
short ones). The rules that hold for every recording (speed limits, traffic lights, ...) are stated in
docs/importing.md and printed with --verbose.

A recording that cannot be imported is left out, named and counted; all other recordings are imported. The exit code
is 1 if nothing was imported, and with --strict also if a recording was left out.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro
from command_line import (
    CommonArguments,
    console,
    errors,
    message_of,
    print_left_out,
    print_line,
    progress,
    require_count,
    run,
)
from rich.table import Table

from driving.checks import check_scenario
from driving.importers import commonroad
from driving.importers.notes import attach_differences, is_note, notes_of
from driving.importers.registry import importer_of
from driving.nuplan.writer import write_world
from driving.recording import Recording


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Source and destination of the import."""

    source: Annotated[Path, tyro.conf.Positional]
    """A recording, or a folder of recordings."""
    format: Literal["argoverse2", "track_archive", "commonroad"]
    """Format of the source."""
    output: Path
    """nuPlan data root to write, or to add to."""
    split: str = "mini"
    """Folder of the logs below nuplan-v1.1/splits."""
    ego: str | None = None
    """CommonRoad only: id of the car that becomes the ego."""
    limit: int | None = None
    """Maximum number of recordings, taken from the start of the sorted list."""
    images: Literal["copy", "link", "none"] = "copy"
    """What to do with camera images."""
    strict: bool = False
    """Refuse recordings of which data was left out, changed or assumed."""
    skip_broken: bool = False
    """No effect: recordings that cannot be imported are always left out."""


def main(arguments: Arguments) -> None:
    """Read, check and write each recording, and print a table, the notes and what was left out."""
    require_count("--limit", arguments.limit)
    importer = importer_of(arguments.format)
    if arguments.ego is not None and arguments.format != "commonroad":
        raise ValueError(f"--ego is for commonroad; {arguments.format} logs name their ego.")
    if not arguments.source.exists():
        raise FileNotFoundError(f"No file or folder {arguments.source}.")
    read = importer.read if arguments.ego is None else partial(commonroad.import_recording, ego=arguments.ego)
    sources = importer.find(arguments.source)[: arguments.limit]
    left_out: list[str] = []
    source_of_log: dict[str, Path] = {}
    table = Table("log", "map", "seconds", "agents", "scenario type", "token")
    lines: list[str] = []
    with progress(arguments) as bar:
        task = bar.add_task("Importing", total=len(sources))
        for source in sources:
            try:
                recording = _checked(read(source), source_of_log, is_strict=arguments.strict)
                write_world([recording], arguments.output, arguments.split, images=arguments.images)
            except (OSError, ValueError, LookupError) as error:
                if len(sources) == 1:
                    raise
                sentence = message_of(error)
                left_out.append(sentence if str(source) in sentence else f"{source}: {sentence}")
            else:
                source_of_log[recording.log_name] = source
                table.add_row(*_row(recording))
                lines += _lines(recording, arguments)
            bar.advance(task)
    if table.rows:
        console.print(table)
        console.print(f"Wrote {len(table.rows)} logs to {arguments.output}.", highlight=False)
    for line in lines:
        print_line(line)
    for sentence in left_out:
        print_left_out(sentence)
    if left_out:
        errors.print(f"Left out {len(left_out)} of {len(sources)} recordings.", highlight=False)
    if not table.rows or (left_out and arguments.strict):
        sys.exit(1)


def _checked(recording: Recording, source_of_log: dict[str, Path], *, is_strict: bool) -> Recording:
    """The recording, if it makes valid scenarios.

    Raises:
        ValueError: When a scenario is invalid, when an imported log has the same name, or, for a strict import, when
            the recording differs from its source.
    """
    notes = notes_of(recording.metadata)
    try:
        for scenario in recording.scenarios():
            check_scenario(scenario, recorded=True)
    except ValueError as error:
        attach_differences(error, notes)
        raise
    if recording.log_name in source_of_log:
        raise ValueError(f"Its log name {recording.log_name} is that of {source_of_log[recording.log_name]}.")
    differences = [str(note) for note in notes if note.is_difference]
    if is_strict and differences:
        raise ValueError(f"--strict refuses log {recording.log_name}: {'; '.join(differences)}.")
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


def _lines(recording: Recording, arguments: Arguments) -> list[str]:
    """The notes of a recording, and with --verbose the rules that were applied to it."""
    notes = notes_of(recording.metadata)
    lines = [] if arguments.quiet else [f"{recording.log_name}: {note}" for note in notes]
    if arguments.verbose:
        rules = {**recording.map.metadata, **recording.metadata}
        lines += [f"{recording.log_name}: {key}: {text}" for key, text in rules.items() if not is_note(key)]
    return lines


if __name__ == "__main__":
    run(Arguments, main, __doc__)
