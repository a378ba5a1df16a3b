"""Rounds of a flywheel: drive, search, generate neighbours, label, train, evaluate, keep or roll back.

    OUTPUT/flywheel.json                    the configuration
    OUTPUT/start/                           student, labels for replay, drives of the validation and test sets
    OUTPUT/round_1/{drive, search, failures, neighbours, labels, training}
    OUTPUT/round_1/{student, evaluation}_0.7   with this share of the trained weights; further ones if it is not kept
    OUTPUT/round_1/page.md, page.html       what failed, what was generated, what got better and worse
    OUTPUT/end/                             drives of the test sets by the last student that was kept
    OUTPUT/index.md, index.html             all rounds and the test sets

A stage is finished when its folder has the marker `done.json`; the same command continues at the first one without.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from distill.flywheel import failures, learning, neighbours
from distill.flywheel.config import FlywheelConfig, entries_of, entry_of, prepare
from distill.flywheel.drives import drive_sets, read_scores, write_scores
from distill.flywheel.failures import FAILURES, read_failures
from distill.flywheel.learning import LabelFolders
from distill.flywheel.results import DATA, Account, DrivenSet, Failure, FlywheelResult, Round, SetScore, counted
from distill.flywheel.stages import DONE, Report, read_json, require_complete, run_stage, seconds_of
from distill.mixing import mix
from driving.nuplan.entries import ScenarioEntry
from planning.neural.network import DESCRIPTION, VOCABULARY, WEIGHTS
from planning.neural.planner import SHIPPED
from simulation.files import write_atomically

SCORES, ABOUT = "scores.json", "about.json"
NO_FURTHER = "The flywheel ends; a new one with harder validation sets can begin with this student."
STAGES = ("drive", "search", "failures", "neighbours", "labels", "training")
"""Of a round; the students and their evaluations follow."""


class Validated(NamedTuple):
    """Validation sets, driven by two students."""

    start: Sequence[SetScore]
    """By the student that the flywheel begins with."""
    present: Sequence[SetScore]
    """By the present one."""


class Attempt(NamedTuple):
    """The student with one share of the trained weights."""

    share: float
    student: Path
    """Folder of its checkpoint."""
    driven: list[SetScore]
    """Validation sets, then failures of the round."""
    is_kept: bool
    reason: str
    stages: tuple[Path, ...]
    """Folders of its stages."""


def run_flywheel(config: FlywheelConfig, report: Report, on_round: Callable[[Round, Path], None]) -> FlywheelResult:
    """Run the rounds that are not finished.

    Args:
        config: Student, sets and budgets.
        report: Shows the progress.
        on_round: Receives each finished round and its folder.

    Raises:
        FileNotFoundError: When there is no student, or a file of it is missing.
        NotADirectoryError: When the output is a file.
        KeyError: When recipe or teacher are unknown.
        ValueError: When a number is out of its range, recipe or labels do not fit the student, the folder has another
            configuration, evaluation sets overlap with others, or the validation sets have no failure.
        ChildProcessError: When workers died repeatedly; the same call continues.
    """
    # Everything is checked before the configuration is written, which the folder is bound to.
    config.check()
    source = _student_folder(config)
    if not _student_is_copied(config):
        learning.require_fitting(config, source)
    learning.require_unlabelled(config)
    _require_same_student(config, source)
    prepare(config)
    if config.backend == "ray":
        # Imports slowly.
        from simulation.benchmark.ray_backend import ray_session

        with ray_session(config.workers, config.ray_address):
            return _run(config, report, on_round)
    return _run(config, report, on_round)


def _run(config: FlywheelConfig, report: Report, on_round: Callable[[Round, Path], None]) -> FlywheelResult:
    start = config.output / "start"
    student = run_stage(start / "student", lambda folder: _copy_student(config, folder), report)
    replay = list(config.labels)
    if config.replay:
        replay.append(
            run_stage(start / "replay", lambda folder: _label_replay(config, student, folder, report), report)
        )
    validation, test = sets_of(config.validate), sets_of(config.test)
    first = _driven(config, student, validation, start / "validation", report)
    require_failures(first)
    validated = Validated(first, first)
    test_before = _driven(config, student, test, start / "test", report)
    rounds: list[Round] = []
    learned: list[Path] = []
    for number in range(1, config.rounds + 1):
        if not any(one.num_failures for one in validated.present):
            report.line(f"round {number} could not be kept: the validation sets have no failure left. {NO_FURTHER}")
            break
        done = _run_round(config, number, student, LabelFolders(replay, learned), validated, report)
        if done.is_kept:
            assert done.student is not None
            student, validated = done.student, validated._replace(present=done.after)
        if done.states:
            learned.append(config.output / f"round_{number}" / "labels")
        rounds.append(done)
        on_round(done, config.output / f"round_{number}")
        report.line(sentence_of(done))
    folders = [start / name for name in ("student", "replay", "validation", "test") if (start / name).is_dir()]
    test_after = test_before
    if any(one.is_kept for one in rounds):
        # Named by the number of rounds, as a flywheel may be continued with more of them.
        folders.append(config.output / "end" / f"test_{len(rounds)}")
        test_after = _driven(config, student, test, folders[-1], report)
    seconds = sum(seconds_of(folder) for folder in folders) + sum(sum(one.seconds.values()) for one in rounds)
    return FlywheelResult(
        rounds=tuple(rounds), student=student, before=tuple(test_before), after=tuple(test_after), seconds=seconds
    )


def _run_round(
    config: FlywheelConfig,
    number: int,
    student: Path,
    labels: LabelFolders,
    validated: Validated,
    report: Report,
) -> Round:
    """A round with the present student, its validation scores, and the labels of the replay and of earlier rounds."""
    before = validated.present
    folder = config.output / f"round_{number}"

    def stage(name: str, work: Callable[[Path], None]) -> Path:
        return run_stage(folder / name, work, report)

    failed = _failures(config, number, student, stage, report)
    near = stage("neighbours", lambda path: neighbours.generate(config, number, failed, path, report.advance))
    counts = read_json(near / neighbours.COUNTS)
    proved = [entry_of(one.root, one.token) for one in failed if one.is_proved]
    entries = [*proved, *neighbours.neighbour_entries(near)]
    if not entries:
        return _without_failures(number, failed, counts, before, folder)
    new = stage("labels", lambda path: learning.label(config, number, entries, student, path, report.advance))
    labels = labels._replace(learned=[*labels.learned, new])
    trained = stage("training", lambda path: _train(config, number, labels, student, path, report))
    sets = [*sets_of(config.validate), *failed_sets(failed)]
    attempts: list[Attempt] = []
    for share in config.mix:
        attempts.append(_attempt(config, share, student, trained, sets, validated, folder, report))
        if attempts[-1].is_kept:
            break
    # Without one that is kept, the first one is reported.
    chosen = attempts[-1] if attempts[-1].is_kept else attempts[0]
    stages = [*(folder / name for name in STAGES), *(path for one in attempts for path in one.stages)]
    return Round(
        number=number,
        is_kept=chosen.is_kept,
        reason=" ".join(f"With a share of {one.share:g} of the trained weights: {one.reason}" for one in attempts),
        student=chosen.student,
        account=_account(folder),
        failures=tuple(failed),
        neighbours=counts,
        states=read_json(trained / ABOUT)["states"],
        before=tuple(before),
        after=tuple(chosen.driven[: len(before)]),
        learned=tuple(chosen.driven[len(before) :]),
        seconds={path.name: seconds_of(path) for path in stages},
    )


def _attempt(
    config: FlywheelConfig,
    share: float,
    student: Path,
    trained: Path,
    sets: Sequence[DrivenSet],
    validated: Validated,
    folder: Path,
    report: Report,
) -> Attempt:
    """Mix the weights, drive the sets, decide.

    Args:
        config: Workers, the largest loss.
        share: Of the trained weights.
        student: The present one.
        trained: Folder of the training.
        sets: Validation sets, then failures of the round.
        validated: Scores of the validation sets up to now.
        folder: Of the round.
        report: Shows the progress.
    """
    mixed = run_stage(folder / f"student_{share:g}", lambda path: mix(share, student, trained, path), report)
    evaluated = folder / f"evaluation_{share:g}"
    driven = _driven(config, mixed, sets, evaluated, report)
    is_kept, reason = decide(validated, driven[: len(validated.present)], config.max_loss)
    return Attempt(share, mixed, driven, is_kept, reason, (mixed, evaluated))


def _failures(
    config: FlywheelConfig,
    number: int,
    student: Path,
    stage: Callable[[str, Callable[[Path], None]], Path],
    report: Report,
) -> list[Failure]:
    """The failures of the present student in its drives and in the search."""
    sets = _sets_to_drive(config, number)
    entries = [entry for one in sets for entry in _entries(one)]
    shuffled = [entries[row] for row in config.rng(number, 3).permutation(len(entries)).tolist()]

    def search(path: Path) -> None:
        if config.search_drives:
            failures.search(config, number, student, shuffled, path, report.advance)

    def collect(path: Path) -> None:
        failures.collect(config, number, scores, sets, found, path, report.advance)

    driven = stage("drive", lambda path: _write_drives(config, student, sets, path, report))
    scores = read_scores(driven / SCORES)
    found = stage("search", search)
    listed = stage("failures", collect)
    return read_failures(listed / FAILURES)


def _account(folder: Path) -> Account:
    """What the drives and the search of a round found."""
    drives = [drive for one in read_scores(folder / "drive" / SCORES) for drive in one.drives]
    path = folder / "search" / FAILURES
    # Without a budget, there is no search.
    search = read_json(path) if path.is_file() else {"drives": 0, "found": 0, "solvable": 0}
    failed = sum(drive.is_failure for drive in drives)
    return Account(len(drives), failed, search["drives"], search["found"], search["solvable"])


def _without_failures(
    number: int,
    failed: Sequence[Failure],
    counts: dict[str, dict[str, int]],
    before: Sequence[SetScore],
    folder: Path,
) -> Round:
    return Round(
        number=number,
        is_kept=False,
        reason="No solvable failure was found; nothing was trained.",
        student=None,
        account=_account(folder),
        failures=tuple(failed),
        neighbours=counts,
        states=0,
        before=tuple(before),
        after=tuple(before),
        learned=(),
        seconds={name: seconds_of(folder / name) for name in STAGES[:4]},
    )


def decide(validated: Validated, after: Sequence[SetScore], max_loss: float) -> tuple[bool, str]:
    """Whether a round is kept, and why.

    It has fewer failures than the present student in all validation sets together, and no set is much worse than at
    the start: so rounds that lose a little each do not add up, and a set of few failures of the first student, where
    a drive is worth many points, cannot reject a round that repairs others.

    Args:
        validated: Scores up to now.
        after: The same sets, driven by the new student.
        max_loss: Score that each set may lose in all rounds together.
    """
    was, now = (sum(one.num_failures for one in scores) for scores in (validated.present, after))
    counts = f"{counted(now, 'failure')} in the validation sets, {was} before"
    losses = {new.name: old.score - new.score for old, new in zip(validated.start, after, strict=True)}
    worst = max(losses, key=lambda name: losses[name])
    if losses[worst] > max_loss:
        lost = f"{worst} is {100 * losses[worst]:.1f} points below the start, more than {100 * max_loss:g}"
        return False, f"{lost}; {counts}."
    if now >= was:
        return False, f"{counts}: not fewer."
    return True, f"{counts}; no set is more than {100 * max_loss:g} points below the start."


def require_failures(before: Sequence[SetScore]) -> None:
    """Check that a round can be kept: the validation sets together have a failure before the first round.

    Raises:
        ValueError: When there is none.
    """
    if any(one.num_failures for one in before):
        return
    raise ValueError(
        f"The student fails in none of the {sum(len(one.drives) for one in before)} drives of the validation sets"
        f" ({', '.join(one.name for one in before)}). A round is kept only with fewer failures, so none could be."
        " Find failures with scripts/find_failures.py --until 3 and add its OUTPUT/data to --validate, or take larger"
        " validation sets; then name another --output."
    )


def sentence_of(one: Round) -> str:
    """A round in a line."""
    proved = sum(failure.is_proved for failure in one.failures)
    near = sum(one.neighbours["proved"].values())
    return (
        f"round {one.number}: {'kept' if one.is_kept else 'rolled back'}. {one.reason} Learned from"
        f" {proved} solvable of {counted(len(one.failures), 'failure')} and {counted(near, 'neighbour')}."
    )


def sets_of(roots: Sequence[Path]) -> list[DrivenSet]:
    """Data roots as sets with distinct names; one of find_failures.py, OUTPUT/data, has the name of its output."""
    names = [root.parent.name if root.name == DATA else root.name for root in roots]
    return [
        DrivenSet(name=name if names.count(name) == 1 else f"{name}_{place}", root=root)
        for place, (name, root) in enumerate(zip(names, roots, strict=True))
    ]


def failed_sets(failed: Sequence[Failure]) -> list[DrivenSet]:
    """The proved failures of a round as sets, one for each data root."""
    roots = list(dict.fromkeys(one.root for one in failed if one.is_proved))
    return [
        DrivenSet(
            name=f"round_failures_{place}",
            root=root,
            tokens=tuple(one.token for one in failed if one.is_proved and one.root == root),
        )
        for place, root in enumerate(roots)
    ]


def _sets_to_drive(config: FlywheelConfig, number: int) -> list[DrivenSet]:
    """The scenarios of a round: all of each data root, or as many as the limit, drawn for the round."""
    chosen = []
    for place, one in enumerate(sets_of(config.data)):
        tokens = None
        if config.limit is not None:
            known = [entry.token for entry in entries_of(one.root)]
            rows = config.rng(number, 0, place).permutation(len(known))[: config.limit]
            tokens = tuple(known[row] for row in sorted(rows.tolist()))
        chosen.append(DrivenSet(name=one.name, root=one.root, tokens=tokens))
    return chosen


def _entries(one: DrivenSet) -> list[ScenarioEntry]:
    return [entry for entry in entries_of(one.root) if one.tokens is None or entry.token in one.tokens]


def _driven(
    config: FlywheelConfig, student: Path, sets: Sequence[DrivenSet], folder: Path, report: Report
) -> list[SetScore]:
    """The scores of sets, from a stage."""
    run_stage(folder, lambda path: _write_drives(config, student, sets, path, report), report)
    return read_scores(folder / SCORES)


def _write_drives(
    config: FlywheelConfig, student: Path, sets: Sequence[DrivenSet], folder: Path, report: Report
) -> None:
    write_scores(drive_sets(config, student, sets, folder, report.advance), folder / SCORES)


def _student_folder(config: FlywheelConfig) -> Path:
    """The folder of the student that the flywheel begins with; it is not needed after it was copied."""
    source = SHIPPED if config.student == "student" else Path(config.student.removeprefix("student:"))
    missing = [name for name in (DESCRIPTION, VOCABULARY, WEIGHTS) if not (source / name).is_file()]
    if missing and not _student_is_copied(config):
        what = (
            f"No student at {source}" if len(missing) == 3 else f"The student at {source} lacks {', '.join(missing)}"
        )
        raise FileNotFoundError(f"{what}. Name `student`, or a folder of scripts/train_planner.py.")
    return source


def _require_same_student(config: FlywheelConfig, source: Path) -> None:
    """Check that the student that the flywheel began with, if it is still there, was not replaced.

    Raises:
        ValueError: When its weights are others.
    """
    # The shipped student may change with the version; the flywheel keeps its copy.
    if not _student_is_copied(config) or source == SHIPPED or not (source / WEIGHTS).is_file():
        return
    require_complete(config.output / "start" / "student")
    copied = config.output / "start" / "student" / WEIGHTS
    if copied.read_bytes() != (source / WEIGHTS).read_bytes():
        raise ValueError(
            f"{config.output} holds a flywheel of other weights than those in {source}. Put the first ones back"
            f" ({copied}), or name another --output."
        )


def _student_is_copied(config: FlywheelConfig) -> bool:
    return (config.output / "start" / "student" / DONE).is_file()


def _copy_student(config: FlywheelConfig, folder: Path) -> None:
    for path in _student_folder(config).iterdir():
        if path.is_file():
            shutil.copy(path, folder / path.name)


def _label_replay(config: FlywheelConfig, student: Path, folder: Path, report: Report) -> None:
    known = [entry for root in config.data for entry in entries_of(root)]
    rows = config.rng(0).permutation(len(known))[: config.replay]
    chosen = [known[row] for row in sorted(rows.tolist())]
    learning.label(config, 0, chosen, student, folder, report.advance, on_policy=False)


def _train(
    config: FlywheelConfig, number: int, labels: LabelFolders, student: Path, folder: Path, report: Report
) -> None:
    states = learning.train(config, number, labels, student, folder, report.advance)
    write_atomically(folder / ABOUT, json.dumps({"states": states}).encode())
