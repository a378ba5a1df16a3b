r"""Write generated scenarios as nuPlan data.

    python scripts/generate_scenarios.py --output scenes \
        --text "a cyclist crosses from the right while the car ahead brakes hard, wet night, dense traffic"
    python scripts/generate_scenarios.py --output scenes --text "two oncoming trucks" --text "red light" --count 5
    python scripts/generate_scenarios.py --output scenes --condition-json condition.json --map-from worlds
    python scripts/generate_scenarios.py --schema > schema.json

Each sentence of the controlled vocabulary (docs/text_scenarios.md) becomes `--count` scenarios whose logged ego is a
verified way out and whose facts are measured. `--condition-json` takes conditions as JSON in the schema that
`--schema` prints, a single one or a list, for example written by a language model. The output is a nuPlan data root;
`scripts/render_cameras.py --appearance by_scenario` renders its images with light and weather of the sentence.
Equal arguments give equal files.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from command_line import CommonArguments, console, print_line, run
from make_corner_cases import maps_of
from rich.table import Table
from text_conditions import conditions_of, scenarios_of
from tyro.conf import UseAppendAction

from driving.nuplan.writer import write_world
from simulation.generation.text.condition import json_schema


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Scenarios to write."""

    output: Path | None = None
    """Folder to write to; an existing world in it is extended."""
    count: int = 1
    """Scenarios per sentence or condition."""
    text: Annotated[UseAppendAction[tuple[str, ...]], None] = ()
    """A sentence in quotes; may be repeated."""
    condition_json: Path | None = None
    """JSON file with one condition or a list of conditions."""
    map_from: Path | None = None
    """Use the maps of this data root, in turn."""
    seed: int = 0
    """Seed of all random numbers."""
    schema: bool = False
    """Print the JSON schema of conditions and write nothing."""


def main(arguments: Arguments) -> None:
    """Make all scenarios, write them, print a table."""
    if arguments.schema:
        print(json.dumps(json_schema(), indent=1))
        return
    if arguments.output is None:
        raise ValueError("Name a folder to write to with --output.")
    conditions = conditions_of(arguments.text, arguments.condition_json)
    maps = None if arguments.map_from is None else maps_of(arguments.map_from)
    made = scenarios_of(conditions, arguments.count, arguments.seed, maps, arguments)
    write_world(made, arguments.output)
    table = Table(title=f"{len(made)} scenarios in {arguments.output}", title_justify="left")
    for name in ("log", "scenario type", "agents", "score of the way out", "map"):
        table.add_column(name)
    for one in made:
        cells = (one.tags[0].scenario_type, str(len(one.agents.track_ids)), one.metadata["logged_score"])
        table.add_row(one.log_name, *cells, one.map.name)
    console.print(table)
    print_line("Render cameras with --appearance by_scenario to get light and weather of the sentence.")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
