r"""Film drives from above: MP4 for slides and chats, GIF where nothing else plays.

    python scripts/export_video.py results/first --scenario 0135ffebf0659174 --planner idm --output idm.mp4
    python scripts/export_video.py results/first --scenario 0135ffebf0659174 --planner idm --planner pdm_closed \
        --output both.gif
    python scripts/export_video.py results/first results/second --worst 5 --planner idm --output films

Of several planners in one video the first is followed, and its traffic is shown.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from command_line import CommonArguments, console, progress, run
from tyro.conf import Positional, UseAppendAction, arg

from simulation.files import write_atomically
from simulation.viewer.rows import DriveRow
from simulation.viewer.sources import Source, open_sources
from simulation.viewer.video import MEDIA_TYPES, Shot, encode, shot_of


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to film, and where to."""

    results: Positional[tuple[Path, ...]]
    """Results folders of scripts/benchmark.py."""
    output: Path
    """File that ends in .mp4 or .gif; with --worst a folder."""
    scenario: str | None = None
    """Which scenario."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Planners to overlay, up to four; without any, the first of the scenario."""
    traffic: str | None = None
    """Only drives in this kind of traffic."""
    worst: int | None = None
    """Instead of one scenario, the so many with the lowest scores, one MP4 each."""
    data: Path | None = None
    """Data root, where it has moved since the run."""
    maps: Path | None = None
    """Maps folder, where it is not beside the data."""


def main(arguments: Arguments) -> None:
    """Film one scenario, or the worst ones."""
    if (arguments.scenario is None) == (arguments.worst is None):
        raise ValueError("Name either a --scenario, or how many of the --worst to film.")
    sources = open_sources(arguments.results, arguments.data, arguments.maps)
    drives = [(source, row) for source in sources for row in source.rows() if is_wanted(row, arguments)]
    if arguments.worst is None:
        film(chosen(drives, arguments), arguments.output, arguments)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    for scenario in worst_scenarios(drives, arguments.worst):
        of_scenario = [(source, row) for source, row in drives if row.scenario == scenario]
        row = of_scenario[0][1]
        film(chosen(of_scenario, arguments), arguments.output / f"{row.scenario_type}_{scenario}.mp4", arguments)


def is_wanted(row: DriveRow, arguments: Arguments) -> bool:
    """Whether a drive can be filmed and was asked for."""
    return (
        row.has_log
        and arguments.scenario in (None, row.scenario)
        and arguments.traffic in (None, row.traffic)
        and (not arguments.planner or row.planner in arguments.planner)
    )


def worst_scenarios(drives: list[tuple[Source, DriveRow]], count: int) -> list[str]:
    """Scenarios by their lowest score."""
    scores: dict[str, float] = {}
    for _, row in drives:
        score = 0.0 if row.score is None else row.score
        scores[row.scenario] = min(score, scores.get(row.scenario, score))
    return sorted(scores, key=lambda scenario: (scores[scenario], scenario))[:count]


def chosen(drives: list[tuple[Source, DriveRow]], arguments: Arguments) -> list[Shot]:
    """The drives to overlay, in the order of the planners named.

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


def film(shots: list[Shot], output: Path, arguments: Arguments) -> None:
    """Encode and write.

    Raises:
        ValueError: When the file's name ends in neither .mp4 nor .gif.
    """
    kind = output.suffix.lower().removeprefix(".")
    if kind not in MEDIA_TYPES:
        raise ValueError(f"The name of a video ends in .mp4 or .gif, got {output.name!r}.")
    with progress(arguments) as bar:
        task = bar.add_task("Filming", total=None)
        content = encode(shots, kind, lambda done, total: bar.update(task, completed=done, total=total))
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output, content)
    console.print(f"{output} ({len(content) / 1e6:.2f} MB)", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
