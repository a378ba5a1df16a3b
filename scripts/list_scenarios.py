r"""List the scenarios of a nuPlan data set, as a table or as JSON lines.

    python scripts/list_scenarios.py --data ~/nuplan/dataset
    python scripts/list_scenarios.py --data demo/worlds --json > scenarios.jsonl
    python scripts/list_scenarios.py --data logs/ --maps ~/nuplan/dataset/maps --filter val14_split.yaml
    python scripts/list_scenarios.py --data demo/worlds --json --arrays listing/

Without --filter these are the tagged scenarios of nuPlan's known types that have a goal. With --json each line is an
object with token, scenario_type, log_name, map_name, frames, start_time_us, goal (x, y, heading) and roadblock_ids.
--arrays OUT also writes OUT/<token>.npz: time_us (T,); ego (T, 7) = rear-axle x, y, heading, body vx, vy, ax, ay;
boxes (K, 10) = frame, track number, type number, x, y, heading, vx, vy, length, width; tracks = the track tokens;
lights (L, 3) = frame, lane connector id, status.

Logs and scenarios that cannot be read, and scenarios that the end of their log cuts off, are left out: each is
printed on stderr with its reason, and the exit code is 1. What a filter removed, and names of the filter that the
data lacks, are printed on stderr too.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from command_line import CommonArguments, console, errors, print_left_out, print_line, progress, run
from rich.markup import escape
from rich.table import Table

from driving.nuplan.cache import replacing
from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry, short_sentence
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.listing import listing_arrays, listing_line
from driving.nuplan.scenarios import ScenarioSummary, open_scenario, select_scenarios, summarize


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to list, and how."""

    data: Path
    """nuPlan data root (with nuplan-v1.1/ and maps/), a folder of .db files, or one .db file."""
    maps: Path | None = None
    """Maps folder, where it is not inside, beside or above the data."""
    filter: Path | None = None
    """Scenario filter, a YAML file in the devkit's form (val14, test14-hard, ...)."""
    splitter: Path | None = None
    """The devkit's splitter/nuplan.yaml, for filters that refer to it and name no tokens."""
    json: bool = False
    """One JSON object a line instead of a table."""
    by_type: bool = False
    """A table of scenario types with their numbers instead of one row a scenario."""
    arrays: Path | None = None
    """Also write each scenario's arrays to this folder."""
    allow_short: bool = False
    """Also list scenarios that the end of their log cuts off, with the frames that there are."""


def main(arguments: Arguments) -> None:
    """List the scenarios, write their arrays, print what was left out."""
    data_root = DataRoot.find(arguments.data, arguments.maps)
    chosen = ScenarioFilter.from_yaml(arguments.filter, arguments.splitter) if arguments.filter else None
    selection = select_scenarios(data_root, chosen)
    _print_left_out(str(error) for error in selection.log_errors)
    selection.require_scenarios()
    for line in selection.sentences:
        print_line(line, errors)
    summaries: dict[str, ScenarioSummary] = {}
    reasons: list[str] = []
    with progress(arguments) as bar:
        # Log by log: a log is read faster while its index is in memory.
        by_log = sorted(selection.entries, key=lambda entry: entry.log_file)
        for entry in bar.track(by_log, description="scenarios"):
            try:
                summary, arrays = _read(entry, arguments)
            except (ValueError, OSError) as error:
                reasons.append(str(error))
                continue
            summaries[entry.token] = summary
            if arguments.arrays is not None:
                _write(arrays, arguments.arrays / f"{entry.token}.npz")
    listed = [summaries[entry.token] for entry in selection.entries if entry.token in summaries]
    if arguments.json:
        for summary in listed:
            print(listing_line(summary))
    else:
        console.print(_type_table(listed) if arguments.by_type else _scenario_table(listed))
    _print_left_out(reasons)
    if reasons or selection.log_errors:
        sys.exit(1)


def _print_left_out(reasons: Iterable[str]) -> None:
    for reason in dict.fromkeys(reasons):
        print_left_out(reason)


def _read(entry: ScenarioEntry, arguments: Arguments) -> tuple[ScenarioSummary, dict[str, Any]]:
    summary = summarize(entry)
    if summary.is_short and not arguments.allow_short:
        raise ValueError(short_sentence(entry, summary.frames, summary.expected_frames))
    if arguments.arrays is None:
        return summary, {}
    return summary, listing_arrays(open_scenario(entry, allow_short=arguments.allow_short, with_cameras=False))


def _write(arrays: dict[str, Any], path: Path) -> None:
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(f"Cannot write {path}: a file stands where a folder is needed.") from error


def _type_table(summaries: list[ScenarioSummary]) -> Table:
    logs = len({summary.entry.log_name for summary in summaries})
    maps = sorted({summary.entry.map_name for summary in summaries})
    table = Table(title=f"{len(summaries)} scenarios of {logs} logs on {len(maps)} maps", title_justify="left")
    for column in ("type", "scenarios", "maps"):
        table.add_column(column, justify="right" if column == "scenarios" else "left", overflow="fold")
    for scenario_type in sorted({summary.entry.scenario_type for summary in summaries}):
        found = [summary.entry for summary in summaries if summary.entry.scenario_type == scenario_type]
        table.add_row(scenario_type, str(len(found)), escape(", ".join(sorted({entry.map_name for entry in found}))))
    return table


def _scenario_table(summaries: list[ScenarioSummary]) -> Table:
    table = Table(title=f"{len(summaries)} scenarios", title_justify="left")
    for column in ("token", "type", "map", "log", "frames", "goal [m]", "roadblocks"):
        table.add_column(column, justify="right" if column in ("frames", "roadblocks") else "left", overflow="fold")
    for summary in summaries:
        entry, goal = summary.entry, summary.goal_pose
        table.add_row(
            *(escape(text) for text in (entry.token, entry.scenario_type, entry.map_name, entry.log_name)),
            str(summary.frames),
            "none" if goal is None else f"{goal[0]:.1f}, {goal[1]:.1f}",
            str(len(summary.roadblock_ids)),
        )
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
