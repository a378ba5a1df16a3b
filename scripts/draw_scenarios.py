"""Draw birds-eye pictures of scenarios, one PNG file each.

    python scripts/draw_scenarios.py --data worlds/start --output pictures --one-per-type
    python scripts/draw_scenarios.py --data ~/nuplan --filter val14_split.yaml --limit 20 --output pictures
    python scripts/draw_scenarios.py --data ~/logs --maps ~/nuplan/maps --output pictures --iteration 0

The file names consist of scenario type and token.
"""

from dataclasses import dataclass
from pathlib import Path

from command_line import CommonArguments, console, progress, require_count, run

from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.scenarios import list_scenarios, open_scenario
from simulation.drawing.birds_eye import VIEW_RADIUS_M, draw_scenario


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Scenarios and output of the pictures."""

    data: Path
    """nuPlan data root, or a folder of .db files."""
    output: Path
    """Folder of the pictures; created if missing."""
    maps: Path | None = None
    """Maps folder, if it is not part of the data root."""
    filter: Path | None = None
    """Filter file of the devkit; default all tagged scenarios of known nuPlan types with a goal."""
    limit: int | None = None
    """Maximal number of pictures."""
    one_per_type: bool = False
    """Draw only the first scenario of each type."""
    iteration: int | None = None
    """Index of the frame; default the tagged one."""
    radius: float = VIEW_RADIUS_M
    """Half the width of a picture [m]."""


def main(arguments: Arguments) -> None:
    """Draw all pictures."""
    require_count("--limit", arguments.limit)
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
