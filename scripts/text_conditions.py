"""Scenarios of sentences and of conditions in JSON, for `generate_scenarios.py`."""

import json
from collections.abc import Sequence
from pathlib import Path

from command_line import CommonArguments, progress, require_count

from driving.map import MapGraph
from driving.recording import Recording
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.text.condition import TextCondition
from simulation.generation.text.grammar import parse
from simulation.generation.text.realisation import UnmetConditionError, realise

NUM_MAPS = 2
"""Generated maps that are used in turn; the first one has the number of the seed."""


def conditions_of(sentences: Sequence[str], condition_json: Path | None = None) -> list[TextCondition]:
    """The conditions of all sentences, then those of a JSON file, which holds one or a list.

    Raises:
        ValueError: When there is none, or for a wrong one.
    """
    found = [parse(sentence) for sentence in sentences]
    if condition_json is not None:
        content = json.loads(condition_json.read_text(encoding="utf-8"))
        entries = content if isinstance(content, list) else [content]
        found += [TextCondition.from_json(json.dumps(entry)) for entry in entries]
    if not found:
        raise ValueError(
            'Give a sentence, for example --text "a cyclist crosses, at night", or --condition-json FILE.'
        )
    return found


def scenarios_of(
    conditions: Sequence[TextCondition],
    count: int,
    seed: int,
    maps: list[MapGraph] | None,
    arguments: CommonArguments,
) -> list[Recording]:
    """A number of scenarios for each condition.

    Args:
        conditions: What the scenarios show.
        count: Scenarios of each condition.
        seed: Of all random numbers.
        maps: Used in turn; None for generated ones.
        arguments: Decide whether progress is shown.

    Raises:
        ValueError: When a condition is met on no map.
    """
    require_count("--count", count)
    maps = maps or [corner_map(seed + place) for place in range(NUM_MAPS)]
    with progress(arguments) as bar:
        jobs = [(condition, number) for condition in conditions for number in range(count)]
        return [_realised(*job, seed, maps) for job in bar.track(jobs, description="scenarios")]


def _realised(condition: TextCondition, number: int, seed: int, maps: list[MapGraph]) -> Recording:
    """A scenario on the map whose turn it is, otherwise on the next map that meets the condition."""
    errors: list[UnmetConditionError] = []
    for turn in range(len(maps)):
        try:
            return realise(condition, seed, number=number, map_graph=maps[(number + turn) % len(maps)])
        except UnmetConditionError as error:
            errors.append(error)
    raise errors[0]
