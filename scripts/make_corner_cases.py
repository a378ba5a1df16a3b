"""Write corner cases as nuPlan data: rare and dangerous situations, each with a feasible solution.

    python scripts/make_corner_cases.py --kind cut_in --count 10 --speed 8..14 --seed 3 --output corner_cases
    python scripts/make_corner_cases.py --kind all --count 2 --output corner_cases
    python scripts/make_corner_cases.py --kind all --count 1 --map-from worlds --output corner_cases
    python scripts/make_corner_cases.py --suite --output corner_suite
    python scripts/make_corner_cases.py --list

The output is a nuPlan data root; `--suite` writes two of them, OUTPUT/train and OUTPUT/test. The name of each log
contains the kind. Equal arguments give equal files. docs/corner_cases.md describes the kinds.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from command_line import CommonArguments, console, print_line, progress, run
from rich.table import Table

from driving.map import MapGraph
from driving.nuplan.data import DataRoot
from driving.nuplan.maps import open_map
from driving.nuplan.writer import write_world
from driving.recording import Recording
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.generator import make_corner_case, make_member
from simulation.generation.corner_cases.kinds import CORNER_KINDS, corner_kind
from simulation.generation.corner_cases.sites import NoSiteError
from simulation.generation.corner_cases.suite import Part, suite_members


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Corner cases to write."""

    output: Path = Path("corner_cases")
    """Folder to write to; an existing world in it is extended."""
    kind: str = "all"
    """A kind of corner case, or `all`: then `--count` of each."""
    count: int = 1
    """Corner cases per kind."""
    speed: str = "8..13"
    """Range of the ego's speed [m/s], or one speed."""
    seed: int = 0
    """Seed of all random numbers."""
    maps: int = 2
    """Number of generated maps, used in turn. The first one has the number of the seed."""
    map_from: Path | None = None
    """Use the maps of this data root instead of generated ones."""
    suite: bool = False
    """Write the fixed corner suite; kind, count, speed, seed and maps have no effect."""
    list: bool = False
    """List the kinds and write nothing."""


def speed_range(text: str) -> tuple[float, float]:
    """The range of `8..14` or `10`.

    Raises:
        ValueError: For another text.
    """
    low, dots, high = text.partition("..")
    try:
        speeds = (float(low), float(high) if dots else float(low))
    except ValueError:
        raise ValueError(f"A speed is a number or a range such as 8..14, got {text!r}.") from None
    if not 0.0 < speeds[0] <= speeds[1]:
        raise ValueError(f"A range of speeds is above 0 and ascending, got {text!r}.")
    return speeds


def maps_of(root: Path) -> list[MapGraph]:
    """The maps of a data root that have lanes.

    Raises:
        ValueError: When no map has lanes.
    """
    maps_root = DataRoot.find(root).maps_root
    index = json.loads((maps_root / "nuplan-maps-v1.0.json").read_text(encoding="utf-8"))
    found = [open_map(maps_root, name) for name in index]
    found = [one for one in found if one.lanes.num_lanes]
    if not found:
        raise ValueError(f"No map below {maps_root} has lanes.")
    return found


def make_cases(arguments: Arguments) -> list[Recording]:
    """The corner cases of the arguments. With `--kind all`, kinds without a site are skipped with a line."""
    kinds = list(CORNER_KINDS) if arguments.kind == "all" else [arguments.kind]
    for kind in kinds:
        corner_kind(kind)
    if arguments.count < 1 or arguments.maps < 1:
        raise ValueError(f"Need a count and maps of 1 or more, got {arguments.count} and {arguments.maps}.")
    speeds_mps = speed_range(arguments.speed)
    maps = maps_of(arguments.map_from) if arguments.map_from else None
    made = []
    with progress(arguments) as bar:
        task = bar.add_task("Corner cases", total=len(kinds) * arguments.count)
        for kind in kinds:
            for number in range(arguments.count):
                try:
                    made.append(_make(arguments, kind, number, speeds_mps, maps))
                except NoSiteError as error:
                    if arguments.kind != "all":
                        raise
                    print_line(f"Skipped: {error}")
                bar.advance(task)
    return made


def _make(
    arguments: Arguments, kind: str, number: int, speeds_mps: tuple[float, float], maps: list[MapGraph] | None
) -> Recording:
    """A corner case on a generated map, or on the first of `maps` with a site for it."""
    if maps is None:
        maps = [corner_map(arguments.seed + number % arguments.maps)]
    errors: list[NoSiteError] = []
    for turn in range(len(maps)):
        map_graph = maps[(number + turn) % len(maps)]
        try:
            return make_corner_case(kind, arguments.seed, number=number, map_graph=map_graph, speeds_mps=speeds_mps)
        except NoSiteError as error:
            errors.append(error)
    raise errors[-1]


def main(arguments: Arguments) -> None:
    """Make, write, and print a table."""
    if arguments.list:
        console.print(_kinds_table())
        return
    if arguments.suite:
        _write_suite(arguments)
        return
    made = make_cases(arguments)
    if not made:
        raise ValueError("No map has a site for any of the kinds.")
    write_world(made, arguments.output)
    console.print(_table(made))


def _write_suite(arguments: Arguments) -> None:
    parts: tuple[Part, ...] = ("train", "test")
    with progress(arguments) as bar:
        for part in parts:
            made = [make_member(one) for one in bar.track(suite_members(part=part), description=f"suite, {part}")]
            write_world(made, arguments.output / part)
            console.print(f"{part}: {len(made)} corner cases in {arguments.output / part}", highlight=False)


def _table(made: list[Recording]) -> Table:
    table = Table(title=f"{len(made)} corner cases")
    for name in ("kind", "scenario type", "speed [m/s]", "score of the log", "map", "log"):
        table.add_column(name)
    for one in made:
        notes = one.metadata
        table.add_row(
            notes["corner_kind"],
            one.tags[0].scenario_type,
            notes["speed_mps"],
            notes["logged_score"],
            one.map.name,
            one.log_name,
        )
    return table


def _kinds_table() -> Table:
    table = Table(title=f"{len(CORNER_KINDS)} kinds of corner cases")
    for name in ("kind", "situation", "scenario type", "in reactive traffic"):
        table.add_column(name)
    for name, kind in CORNER_KINDS.items():
        table.add_row(name, kind.description, kind.scenario_type, kind.reactive)
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
