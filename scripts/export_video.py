r"""Write videos of drives from above, as MP4 or GIF.

    python scripts/export_video.py results/first --scenario 0135ffebf0659174 --planner idm --output idm.mp4
    python scripts/export_video.py results/first --scenario 0135ffebf0659174 --planner idm --planner pdm_closed \
        --output both.gif
    python scripts/export_video.py results/first results/second --worst 5 --planner idm --output films

A video of several planners follows the first one and draws its traffic.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from command_line import CommonArguments, console, progress, require_count, run
from tyro.conf import Positional, UseAppendAction, arg

from simulation.files import write_atomically
from simulation.viewer.rows import DriveRow
from simulation.viewer.source import Source
from simulation.viewer.sources import open_sources
from simulation.viewer.video import MEDIA_TYPES, Shot, encode, shot_of


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Drives and output of the videos."""

    results: Positional[tuple[Path, ...]]
    """Results folders of scripts/benchmark.py."""
    output: Path
    """File with the suffix .mp4 or .gif; with --worst a folder."""
    scenario: str | None = None
    """Token of the scenario."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Planners to overlay, up to four; default the first of the scenario."""
    traffic: str | None = None
    """Only drives in this kind of traffic."""
    worst: int | None = None
    """Number of scenarios with the lowest scores, one MP4 each, instead of --scenario."""
    data: Path | None = None
    """Data root, if it was moved after the run."""
    maps: Path | None = None
    """Maps folder, if it is not part of the data root."""


def main(arguments: Arguments) -> None:
    """Write the video of one scenario, or of the worst ones."""
    if (arguments.scenario is None) == (arguments.worst is None):
        raise ValueError("Name either a --scenario, or a number of scenarios by --worst.")
    require_count("--worst", arguments.worst)
    sources = open_sources(arguments.results, arguments.data, arguments.maps)
    drives = [(source, row) for source in sources for row in source.rows() if is_selected(row, arguments)]
    if arguments.worst is None:
        write_video(selected_shots(drives, arguments), arguments.output, arguments)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    for scenario in worst_scenarios(drives, arguments.worst):
        of_scenario = [(source, row) for source, row in drives if row.scenario == scenario]
        output = arguments.output / f"{of_scenario[0][1].scenario_type}_{scenario}.mp4"
        write_video(selected_shots(of_scenario, arguments), output, arguments)


def is_selected(row: DriveRow, arguments: Arguments) -> bool:
    """Whether a drive has a log and matches the arguments."""
    return (
        row.has_log
        and arguments.scenario in (None, row.scenario)
        and arguments.traffic in (None, row.traffic)
        and (not arguments.planner or row.planner in arguments.planner)
    )


def worst_scenarios(drives: list[tuple[Source, DriveRow]], count: int) -> list[str]:
    """The `count` worst scenarios, in the order of their worst drives."""
    scores: dict[str, float] = {}
    for _, row in drives:
        scores[row.scenario] = min(row.sort_score, scores.get(row.scenario, row.sort_score))
    return sorted(scores, key=lambda scenario: (scores[scenario], scenario))[:count]


def selected_shots(drives: list[tuple[Source, DriveRow]], arguments: Arguments) -> list[Shot]:
    """The drives to overlay, in the order of the named planners.

    Raises:
        ValueError: When there is none.
    """
    if not drives:
        raise ValueError("No drive of that scenario, planner and traffic has a log in these folders.")
    names = arguments.planner or (drives[0][1].planner,)
    found = [next((pair for pair in drives if pair[1].planner == name), None) for name in names]
    missing = [name for name, pair in zip(names, found, strict=True) if pair is None]
    if missing:
        raise ValueError(f"No drive by {', '.join(missing)}; there are {sorted({row.planner for _, row in drives})}.")
    return [shot_of(source, row.key) for source, row in (pair for pair in found if pair is not None)]


def write_video(shots: list[Shot], output: Path, arguments: Arguments) -> None:
    """Encode and write a video.

    Raises:
        ValueError: When the suffix is neither .mp4 nor .gif.
    """
    kind = output.suffix.lower().removeprefix(".")
    if kind not in MEDIA_TYPES:
        raise ValueError(f"The name of a video ends in .mp4 or .gif, got {output.name!r}.")
    with progress(arguments) as bar:
        task = bar.add_task("Encoding", total=None)
        content = encode(shots, kind, lambda done, total: bar.update(task, completed=done, total=total))
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output, content)
    console.print(f"{output} ({len(content) / 1e6:.2f} MB)", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
