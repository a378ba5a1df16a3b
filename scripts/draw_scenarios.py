"""Draw pictures of scenarios from above, one PNG file each.

    python scripts/draw_scenarios.py --data worlds/start --output pictures --one-per-type
    python scripts/draw_scenarios.py --data ~/nuplan --filter val14_split.yaml --limit 20 --output pictures
    python scripts/draw_scenarios.py --data ~/logs --maps ~/nuplan/maps --output pictures --iteration 0

The files are named after the scenario's type and token.
"""

from dataclasses import dataclass
from pathlib import Path

from command_line import CommonArguments, console, progress, run

from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.scenarios import list_scenarios, open_scenario
from simulation.drawing.birds_eye import VIEW_RADIUS_M, draw_scenario


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to draw, and where to."""

    data: Path
    """nuPlan data root, or a folder of .db files."""
    output: Path
    """Folder for the pictures; made where it is missing."""
    maps: Path | None = None
    """Folder of the maps, where it is not part of the data root."""
    filter: Path | None = None
    """A filter file of the devkit; without it, all tagged scenarios of nuPlan's known types that have a goal."""
    limit: int | None = None
    """Draw only so many."""
    one_per_type: bool = False
    """Draw only the first scenario of each type."""
    iteration: int | None = None
    """Which frame; the tagged one where left out."""
    radius: float = VIEW_RADIUS_M
    """Half the width of what is shown [m]."""


def main(arguments: Arguments) -> None:
    """Draw one picture after the other."""
    if arguments.limit is not None and arguments.limit < 1:
        raise ValueError(f"--limit must be at least 1, got {arguments.limit}.")
    chosen = None if arguments.filter is None else ScenarioFilter.from_yaml(arguments.filter)
    entries = list_scenarios(DataRoot.find(arguments.data, arguments.maps), chosen)
    if arguments.one_per_type:
        entries = list({entry.scenario_type: entry for entry in reversed(entries)}.values())[::-1]
    arguments.output.mkdir(parents=True, exist_ok=True)
    with progress(arguments) as bar:
        for entry in bar.track(entries[: arguments.limit], description="Drawing"):
            draw(entry, arguments)
    count = len(entries[: arguments.limit])
    console.print(f"{count} picture{'s' if count != 1 else ''} in {arguments.output}", soft_wrap=True)


def draw(entry: ScenarioEntry, arguments: Arguments) -> None:
    """Draw one scenario."""
    scenario = open_scenario(entry, allow_short=True, with_cameras=False)
    tagged = min(max(scenario.anchor_frame - scenario.first_frame, 0), scenario.num_frames - 1)
    iteration = tagged if arguments.iteration is None else arguments.iteration
    path = arguments.output / f"{entry.scenario_type}_{entry.token}.png"
    draw_scenario(scenario, iteration, path, arguments.radius)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
