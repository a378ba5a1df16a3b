r"""Measure how many of sixty sentences come true in the scenarios that are made from them.

    python benchmarks/text_scenarios.py --output results/text_scenarios
    python benchmarks/text_scenarios.py --limit 10 --seed 1

A sentence is true when all of its facts are measured in its scenario: in tracks, map, lights and appearance of the
images, by the rules of the tags that list scenarios. The facts are written by hand (`text_sentences.py`). Control:
the same facts, measured in the scenarios of all other sentences. The second row of the table is without the check of
facts in the generator, which repeats draws in which a stated fact is not measured.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, require_count, run
from tables import TextTable
from text_sentences import SENTENCES, expected_of

from driving.checks import check_scenario
from simulation.files import write_atomically
from simulation.generation.text.facts import facts_of, wrong_facts
from simulation.generation.text.realisation import UnmetConditionError, realise
from simulation.generation.text.relative_agents import RelativeAgents


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Sentences to realise."""

    output: Path | None = None
    """Folder for sentences.json, with the wrong facts of each sentence, and table.md."""
    seed: int = 0
    """Seed of the scenarios; the maps are those of the seed and the following ones, in turn."""
    maps: int = 5
    """Number of maps."""
    limit: int | None = None
    """Only the first sentences."""
    unchecked: bool = True
    """Also realise each sentence without the check of facts in the generator."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One sentence."""

    sentence: str
    view: RelativeAgents | None
    """The scenario as it is measured; None for a sentence that could not be realised."""
    wrong: list[str]
    """Facts that are not measured; the error of a sentence that could not be realised."""
    attempt: int
    cpu_s: float


def realised(number: int, arguments: Arguments, *, checks_facts: bool) -> Result:
    """Realise a sentence and measure its facts."""
    sentence, facts = SENTENCES[number]
    begin = time.process_time()
    try:
        recording = realise(sentence, arguments.seed + number % arguments.maps, checks_facts=checks_facts)
    except UnmetConditionError as error:
        cpu_s = time.process_time() - begin
        return Result(sentence=sentence, view=None, wrong=[str(error)], attempt=-1, cpu_s=cpu_s)
    cpu_s = time.process_time() - begin
    scenario = recording.scenario(recording.tags[0])
    check_scenario(scenario)
    view = RelativeAgents(scenario=scenario)
    return Result(
        sentence=sentence,
        view=view,
        wrong=wrong_facts(expected_of(facts), view),
        attempt=int(recording.metadata["attempt"]),
        cpu_s=cpu_s,
    )


def shuffled(results: list[Result]) -> tuple[int, int, int]:
    """True sentences, true facts and facts of scenarios that were made from other sentences, over all pairs."""
    true_sentences = true_facts = facts = 0
    for number in range(len(results)):
        expected = expected_of(SENTENCES[number][1])
        count = len(facts_of(expected))
        for other in range(len(results)):
            view = results[other].view
            if other == number or view is None:
                continue
            wrong = len(wrong_facts(expected, view))
            true_sentences += wrong == 0
            true_facts += count - wrong
            facts += count
    return true_sentences, true_facts, facts


def main(arguments: Arguments) -> None:
    """Realise all sentences, print those with wrong facts, and the table."""
    require_count("--limit", arguments.limit)
    numbers = range(len(SENTENCES))[: arguments.limit]
    with progress(arguments) as bar:
        results = [realised(one, arguments, checks_facts=True) for one in bar.track(numbers, description="Sentences")]
        first = []
        if arguments.unchecked:
            tracked = bar.track(numbers, description="Without the check of facts")
            first = [realised(one, arguments, checks_facts=False) for one in tracked]
    for result in results:
        if result.wrong:
            console.print(f"{result.sentence!r}: {'; '.join(result.wrong)}", markup=False, highlight=False)
    table = _table(results, first)
    console.print(table.printed())
    if arguments.output is not None:
        rows = [
            {"sentence": one.sentence, "wrong": one.wrong, "attempt": one.attempt, "cpu_s": round(one.cpu_s, 2)}
            for one in results
        ]
        write_atomically(arguments.output / "sentences.json", json.dumps(rows, indent=1).encode())
        write_atomically(arguments.output / "table.md", table.markdown().encode())


def _table(results: list[Result], first: list[Result]) -> TextTable:
    table = TextTable(
        title=f"{len(results)} sentences",
        head=("scenarios", "true sentences", "true facts", "CPU s, median", "CPU s, max"),
    )
    for name, rows in (("of the sentence", results), ("of the sentence, facts not checked when drawn", first)):
        if not rows:
            continue
        counts = [len(facts_of(expected_of(SENTENCES[number][1]))) for number in range(len(rows))]
        wrong = [count if one.view is None else len(one.wrong) for one, count in zip(rows, counts, strict=True)]
        seconds = [one.cpu_s for one in rows]
        table.add(
            name,
            f"{sum(not one.wrong for one in rows)} of {len(rows)}",
            f"{sum(counts) - sum(wrong)} of {sum(counts)}",
            f"{np.median(seconds):.1f}",
            f"{max(seconds):.1f}",
        )
    true_sentences, true_facts, facts = shuffled(results)
    pairs = len(results) * (len(results) - 1)
    table.add(
        "of all other sentences (control)",
        f"{true_sentences} of {pairs}",
        f"{true_facts} of {facts} ({100 * true_facts / max(facts, 1):.0f} %)",
        "",
        "",
    )
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
