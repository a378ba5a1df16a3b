"""Scenarios of learned scenes, for `generate_scenarios.py`."""

from pathlib import Path

from command_line import CommonArguments, progress, require_count

from driving.map import MapGraph
from driving.recording import Recording
from simulation.generation.condition import SceneCondition


def learned_scenes(
    condition: SceneCondition,
    numbers: tuple[int, int],
    maps: list[MapGraph] | None,
    checkpoint: Path | None,
    arguments: CommonArguments,
) -> list[Recording]:
    """Scenarios of a learned generator, one for each seed.

    Args:
        condition: Of all scenes.
        numbers: Count and first seed.
        maps: Used in turn; None for streets of generated small towns.
        checkpoint: Folder of the network; None for the one that comes with the package.
        arguments: Decide whether progress is shown.

    Raises:
        FileNotFoundError: When the folder holds no checkpoint.
        ValueError: For a map or a checkpoint that does not fit, or a condition that no scene meets.
    """
    from simulation.generation.learned.checkpoint import SHIPPED, Checkpoint
    from simulation.generation.learned.generator import LearnedGenerator

    count, seed = numbers
    require_count("--count", count)
    network = Checkpoint.load(checkpoint or SHIPPED)
    given: list[MapGraph | None] = list(maps) if maps else [None]
    generators = [LearnedGenerator(network, one) for one in given]
    with progress(arguments) as bar:
        turns = bar.track(range(count), description="scenarios")
        return [generators[turn % len(generators)].record(seed + turn, condition) for turn in turns]


def scene_condition(entries: tuple[str, ...], rarity: str | None) -> SceneCondition:
    """The condition of `--condition` and `--rarity`.

    Raises:
        ValueError: For a wrong entry; says what is possible.
    """
    return SceneCondition.parse([*entries, *([] if rarity is None else [f"rarity={rarity}"])])
