"""Pages of a flywheel, in Markdown and as HTML that needs no network: one for each round, and one for all."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, select_autoescape

from distill.flywheel.config import FlywheelConfig
from distill.flywheel.results import DATA, WAYS, Driven, FlywheelResult, Round, SetScore, counted
from driving.text import printable
from simulation.files import write_atomically

MAX_LISTED = 40
"""Scenarios that a table lists."""

CHANGE = 0.05
"""Change of a drive's score from which a page lists it."""

Row = tuple[str, ...]
Change = tuple[str, Driven, Driven]
"""Name of the validation set, and the drive of a scenario before and after the round."""
CHANGED = ("set", "scenario", "log", "score before", "after", "reason")
"""Columns of a table of changed drives."""


class Section(NamedTuple):
    """A title, a sentence, and a table; without rows there is no table."""

    title: str
    text: str
    columns: Row = ()
    rows: Sequence[Row] = ()
    pages: Sequence[tuple[str, str]] = ()
    """Titles and paths, without suffix, of other pages."""


def write_round(one: Round, folder: Path) -> None:
    """Write `page.md` and `page.html` of a round."""
    verdict = "kept" if one.is_kept else "rolled back"
    _write(f"Round {one.number}: {verdict}", [*_round_sections(one), *_view_section(folder)], folder / "page")


def write_index(config: FlywheelConfig, rounds: Sequence[Round], result: FlywheelResult | None = None) -> None:
    """Write `index.md` and `index.html` of the rounds so far into the output folder.

    Args:
        config: Of the flywheel.
        rounds: Finished ones.
        result: After the last round.
    """
    rows = [
        (
            f"{one.number}",
            "kept" if one.is_kept else "rolled back",
            one.reason,
            f"{_num_failures(one.before)} -> {_num_failures(one.after)}",
            f"{len(one.failures)}",
            f"{sum(one.neighbours['proved'].values())}",
            f"{one.states}",
            f"{sum(one.seconds.values()):.0f} s",
        )
        for one in rounds
    ]
    columns = ("round", "result", "reason", "validation failures", "failures", "neighbours", "states", "time")
    pages = [(f"Round {one.number}", f"round_{one.number}/page") for one in rounds]
    progress = f"{len(rounds)} of {config.rounds} are finished."
    settings: list[Row] = [("student before", f"{config.student}"), ("seed", f"{config.seed}")]
    for name in ("data", "labels", "validate", "test"):
        settings += [(name, f"{root}") for root in getattr(config, name)]
    sections = []
    if result is not None:
        progress = f"{result.seconds:.0f} s with all stages."
        settings.append(("student after", f"{result.student}"))
        text = "Before the first round and after the last one; they decide nothing."
        sections.append(Section("Test sets", text, *_compared(result.before, result.after)))
    sections.append(Section("Rounds", progress, columns, rows, pages))
    sections.append(Section("Settings", "The other settings are in flywheel.json.", ("setting", "value"), settings))
    _write("Flywheel", sections, config.output / "index")


def _round_sections(one: Round) -> Iterator[Section]:
    remains = "The new student remains." if one.is_kept else "The student of before remains."
    where = "" if one.student is None else f" The new one is in {one.student}."
    columns, rows = _compared(one.before, one.after)
    yield Section("Decision", f"{one.reason} {remains}{where}", columns, rows, [("All rounds", "../index")])
    yield _failed_section(one)
    yield _generated_section(one)
    changes = [change for old, new in zip(one.before, one.after, strict=True) for change in _changes(old, new)]
    yield _better_section(one, changes)
    if one.student is not None:
        yield _worse_section(changes)
    times = [(name, f"{seconds:.0f} s") for name, seconds in one.seconds.items()]
    text = f"{sum(one.seconds.values()):.0f} s. Of a stage that was interrupted, the last call counts."
    yield Section("Time", text, ("stage", "time"), times)


def _view_section(folder: Path) -> Iterator[Section]:
    roots = [folder / stage / DATA for stage in ("search", "neighbours") if (folder / stage / DATA).is_dir()]
    if roots:
        commands = "; ".join(f"`python scripts/view.py {root}`" for root in roots)
        yield Section("View", f"Scenarios of the search and neighbours: {commands}.")


def _generated_section(one: Round) -> Section:
    drawn, proved = one.neighbours["tried"], one.neighbours["proved"]
    text = f"{counted(sum(proved.values()), 'neighbour')} of the solvable failures."
    if one.states:
        text += (
            " The teacher labelled both; with the replay and earlier rounds, the training had"
            f" {counted(one.states, 'state')}."
        )
    rows = [(way, str(drawn.get(way, 0)), str(proved.get(way, 0))) for way in WAYS]
    return Section("What was generated", text, ("way", "drawn", "proved solvable"), rows)


def _better_section(one: Round, changes: Sequence[Change]) -> Section:
    learned = [drive for score in one.learned for drive in score.drives]
    passed = sum(not drive.is_failure for drive in learned)
    repaired = [one for one in changes if one[1].is_failure and not one[2].is_failure]
    gained = [one for one in changes if one not in repaired and one[2].score - one[1].score >= CHANGE]
    if one.student is None:
        return Section("What got better", "Nothing was trained.")
    solvable = "the 1 solvable failure" if len(learned) == 1 else f"{passed} of the {len(learned)} solvable failures"
    passes = "does not pass" if len(learned) == 1 and not passed else "passes"
    text = (
        f"The new student {passes} {solvable} of the round. In the"
        f" validation sets it passes {counted(len(repaired), 'scenario')} that failed before, and"
        f" {counted(len(gained), 'other')} gained {100 * CHANGE:g} points or more."
    )
    rows = [_change(change, change[1].reason) for change in [*repaired, *gained][:MAX_LISTED]]
    return Section("What got better", text, CHANGED, rows)


def _worse_section(changes: Sequence[Change]) -> Section:
    broken = [one for one in changes if one[2].is_failure and not one[1].is_failure]
    lost = [one for one in changes if one not in broken and one[1].score - one[2].score >= CHANGE]
    text = (
        f"In the validation sets the new student fails in {counted(len(broken), 'scenario')} that passed before, and"
        f" {counted(len(lost), 'other')} lost {100 * CHANGE:g} points or more."
    )
    rows = [_change(change, change[2].reason) for change in [*broken, *lost][:MAX_LISTED]]
    return Section("What got worse", text, CHANGED, rows)


def _failed_section(one: Round) -> Section:
    modes = Counter(failure.mode for failure in one.failures)
    searched = sum(failure.is_searched for failure in one.failures)
    proved = sum(failure.is_proved for failure in one.failures)
    account = one.account
    text = (
        f"The student of before fails in {account.failed} of {counted(account.driven, 'drive')}. The search found"
        f" {counted(account.found, 'failure')} in {counted(account.searched, 'drive')}, {account.solvable} with a"
        f" proved way out; the others are not used. The round took {len(one.failures)} of these {account.usable},"
        f" {searched} from the search, {proved} with a proved way out."
    )
    if len(one.failures) > MAX_LISTED:
        text += f" The first {MAX_LISTED} are listed. By mode: " + ", ".join(
            f"{mode} ({count})" for mode, count in modes.most_common()
        )
        text += "."
    after = {drive.token: "fails" if drive.is_failure else "passes" for one in one.learned for drive in one.drives}
    rows = [
        (
            failure.token,
            failure.log_name,
            failure.root.parent.name if failure.root.name == DATA else failure.root.name,
            failure.mode,
            "yes" if failure.is_proved else "no",
            failure.reason,
            after.get(failure.token, "not driven"),
        )
        for failure in one.failures[:MAX_LISTED]
    ]
    return Section(
        "What failed", text, ("scenario", "log", "data", "mode", "solvable", "what happened", "after the round"), rows
    )


def _compared(before: Sequence[SetScore], after: Sequence[SetScore]) -> tuple[Row, list[Row]]:
    rows: list[Row] = [
        (
            old.name,
            f"{len(old.drives)}",
            f"{old.num_failures}",
            f"{new.num_failures}",
            f"{old.score:.4f}",
            f"{new.score:.4f}",
            f"{100 * (new.score - old.score):+.1f}",
        )
        for old, new in zip(before, after, strict=True)
    ]
    return ("set", "scenarios", "failures before", "after", "score before", "after", "points"), rows


def _num_failures(sets: Sequence[SetScore]) -> int:
    return sum(one.num_failures for one in sets)


def _changes(old: SetScore, new: SetScore) -> list[Change]:
    later = {one.token: one for one in new.drives}
    return [(old.name, one, later[one.token]) for one in old.drives]


def _change(change: Change, reason: str) -> Row:
    name, old, new = change
    return (name, new.token, new.log_name, f"{old.score:.2f}", f"{new.score:.2f}", reason)


def _write(title: str, sections: Sequence[Section], path: Path) -> None:
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.text, ""]
        if section.rows:
            lines += [_line(section.columns), _line(["---"] * len(section.columns))]
            lines += [*(_line(row) for row in section.rows), ""]
        if section.pages:
            lines += [", ".join(f"[{name}]({page}.md)" for name, page in section.pages), ""]
    write_atomically(path.with_suffix(".md"), "\n".join(lines).encode())
    environment = Environment(
        loader=PackageLoader("distill.flywheel", "templates"), autoescape=select_autoescape(["html", "j2"])
    )
    html = environment.get_template("flywheel.html.j2").render(title=title, sections=sections)
    write_atomically(path.with_suffix(".html"), html.encode())


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(printable(cell).replace("|", "\\|") for cell in cells) + " |"
