r"""Write generated scenarios as nuPlan data.

    python scripts/generate_scenarios.py --output scenes \
        --text "a cyclist crosses from the right while the car ahead brakes hard, wet night, dense traffic"
    python scripts/generate_scenarios.py --output scenes --text "two oncoming trucks" --text "red light" --count 5
    python scripts/generate_scenarios.py --output scenes --condition-json condition.json --map-from worlds
    python scripts/generate_scenarios.py --schema > schema.json
    python scripts/generate_scenarios.py --output scenes --count 100 --map-from worlds --seed 3 \
        --rarity 0.9..0.99 --condition density=high

Each sentence of the controlled vocabulary (docs/text_scenarios.md) becomes `--count` scenarios whose logged ego is a
verified way out and whose facts are measured. `--condition-json` takes conditions as JSON in the schema that
`--schema` prints, a single one or a list, for example written by a language model. The output is a nuPlan data root;
`scripts/render_cameras.py --appearance by_scenario` renders its images with light and weather of the sentence.
Without a sentence the scenes are drawn by a network (docs/learned_scenes.md), `--count` of them. Their conditions are
KEY=VALUE entries: vehicles, parked, bicycles, pedestrians (numbers), density and speed (low, medium, high),
ego_speed_mps (8..13), scenario_type, signal (green, yellow, red), rarity (0.9..0.99).
Equal arguments give equal files.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from command_line import CommonArguments, console, print_line, run
from make_corner_cases import maps_of
from rich.table import Table
from scene_conditions import SceneJob, Workers, learned_scenes, scene_condition
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
    """Scenarios per sentence or condition, or learned scenes."""
    text: Annotated[UseAppendAction[tuple[str, ...]], None] = ()
    """A sentence in quotes; may be repeated."""
    condition_json: Path | None = None
    """JSON file with one condition or a list of conditions."""
    condition: Annotated[UseAppendAction[tuple[str, ...]], None] = ()
    """KEY=VALUE of a learned scene, or several in quotes; may be repeated."""
    rarity: str | None = None
    """Band of quantiles of the likelihood of a learned scene, for example 0.9..0.99."""
    checkpoint: Path | None = None
    """Folder of the network of learned scenes."""
    map_from: Path | None = None
    """Use the maps of this data root, in turn."""
    seed: int = 0
    """Seed of all random numbers."""
    backend: str = "serial"
    """Where learned scenes are made: serial, process or ray. The files do not depend on it."""
    workers: int = 1
    """Processes, or tasks on Ray."""
    schema: bool = False
    """Print the JSON schema of conditions and write nothing."""


def scene_jobs(arguments: Arguments) -> list[SceneJob]:
    """The learned scenes of the arguments."""
    condition = scene_condition(arguments.condition, arguments.rarity)
    return [
        SceneJob(
            seed=arguments.seed + turn,
            turn=turn,
            condition=condition,
            checkpoint=arguments.checkpoint,
            map_from=arguments.map_from,
        )
        for turn in range(arguments.count)
    ]


def main(arguments: Arguments) -> None:
    """Make all scenarios, write them, print a table."""
    if arguments.schema:
        print(json.dumps(json_schema(), indent=1))
        return
    if arguments.output is None:
        raise ValueError("Name a folder to write to with --output.")
    is_learned = not arguments.text and arguments.condition_json is None
    if is_learned:
        workers = Workers(backend=arguments.backend, count=arguments.workers)
        made = learned_scenes(scene_jobs(arguments), workers, arguments)
    else:
        if arguments.condition or arguments.rarity:
            raise ValueError(
                "--condition and --rarity belong to learned scenes; leave out --text and --condition-json."
            )
        maps = None if arguments.map_from is None else maps_of(arguments.map_from)
        conditions = conditions_of(arguments.text, arguments.condition_json)
        made = scenarios_of(conditions, arguments.count, arguments.seed, maps, arguments)
    write_world(made, arguments.output)
    table = Table(title=f"{len(made)} scenarios in {arguments.output}", title_justify="left")
    for name in ("log", "scenario type", "agents", "score of the way out", "map"):
        table.add_column(name)
    for one in made:
        cells = (one.tags[0].scenario_type, str(len(one.agents.track_ids)), one.metadata.get("logged_score", ""))
        table.add_row(one.log_name, *cells, one.map.name)
    console.print(table)
    if not is_learned:
        print_line("Render cameras with --appearance by_scenario to get light and weather of the sentence.")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
