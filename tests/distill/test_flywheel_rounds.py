"""A round of the flywheel on hand-made scenes, with an interruption after each stage."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from flywheel_reports import KeptReport

from distill.flywheel import learning, neighbours, rounds
from distill.flywheel.config import FlywheelConfig, entries_of
from distill.flywheel.drives import drive_sets
from distill.flywheel.failures import FAILURES, collect, read_failures, search
from distill.flywheel.page import write_round
from distill.flywheel.results import AGENT, Account, Driven, DrivenSet, SetScore
from distill.flywheel.rounds import run_flywheel
from distill.mixing import mix
from distill.recipes import tiny
from driving.nuplan.scenarios import open_scenario
from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from planning.neural.network import WEIGHTS, ScoreWeights, Student, StudentNetwork


@pytest.fixture(scope="module")
def settings(tmp_path_factory, vocabulary) -> FlywheelConfig:
    """One scene for each set, an untrained student, and three training steps."""
    folder = tmp_path_factory.mktemp("flywheel")
    for name, scene in (("data", "cut_in"), ("validate", "queue"), ("test", "straight_road")):
        recording = SCENES[scene]()
        write_world([replace(recording, map=replace(recording.map, name=f"map-{name}"))], folder / name)
    torch.manual_seed(0)
    network = StudentNetwork(tiny().network, tuple(tiny().losses.teacher))
    Student(network=network, vocabulary=vocabulary, weights=ScoreWeights()).save(folder / "student")
    return FlywheelConfig(
        student=str(folder / "student"),
        data=(folder / "data",),
        validate=(folder / "validate",),
        test=(folder / "test",),
        output=folder / "out",
        rounds=1,
        search_drives=0,
        neighbours=1,
        replay=1,
        label_every=75,
        steps=3,
        learning_rate=1e-6,
        mix=(1.0, 0.5),
    )


def fake_drives(config, student, sets, _folder, _advance):
    """Drives in which the first student and that of share 1 hit the agent of each scenario, and others pass."""
    has_hit = student.parent.name == "start" or student.name == "student_1"
    return [
        SetScore(
            name=one.name,
            drives=tuple(
                Driven(
                    token=entry.token,
                    log_name=entry.log_name,
                    scenario_type=entry.scenario_type,
                    score=0.0 if has_hit else 1.0,
                    is_failure=has_hit,
                    reason="hit",
                    track_id=next(iter(open_scenario(entry).agents.track_ids), None),
                )
                for entry in entries_of(one.root)
            ),
        )
        for one in sets
    ]


def test_a_flywheel_that_is_interrupted_after_each_stage_ends_as_one_without_interruption(settings, monkeypatch):
    monkeypatch.setattr(rounds, "drive_sets", fake_drives)
    monkeypatch.setattr(neighbours, "WAYS", (AGENT,))
    lines: list[str] = []

    class EndingReport(KeptReport):
        def line(self, text: str) -> None:
            lines.append(text.split(":")[0])
            raise KeyboardInterrupt

    for _ in range(14):
        with pytest.raises(KeyboardInterrupt):
            run_flywheel(settings, EndingReport(), write_round)
    started = [f"start/{name}" for name in ("student", "replay", "validation", "test")]
    tried = ("student_1", "evaluation_1", "student_0.5", "evaluation_0.5")
    assert lines == [*started, *(f"round_1/{name}" for name in (*rounds.STAGES, *tried))]
    report = KeptReport()
    result = run_flywheel(settings, report, write_round)
    sentence, _ = report.lines
    assert sentence.startswith(
        "round 1: kept. With a share of 1 of the trained weights: 1 failure in the validation sets, 1 before:"
        " not fewer. With a share of 0.5 of the trained weights: 0 failures in the validation sets, 1 before;"
        " no set is more than"
    )
    assert sentence.endswith("Learned from 1 solvable of 1 failure and 1 neighbour.")
    (one,) = result.rounds
    assert (one.is_kept, result.student) == (True, settings.output / "round_1" / "student_0.5")
    assert [failure.is_proved for failure in one.failures] == [True]
    assert one.account == Account(driven=1, failed=1, searched=0, found=0, solvable=0)
    assert one.neighbours["proved"] == {AGENT: 1}
    # Of 15 s every 7.5 s: 2 on the log and 2 beside it for replay, failure and neighbour, and 4 on-policy.
    assert one.states == 2 * 2 * 3 + 2 * 2
    assert [score.num_failures for score in (*one.before, *one.after, *one.learned)] == [1, 0, 0]
    assert "passes the 1 solvable failure" in (settings.output / "round_1" / "page.md").read_text()
    # Without a failure left in the validation sets, no further round is begun.
    report = KeptReport()
    assert run_flywheel(replace(settings, rounds=2), report, write_round).rounds == result.rounds
    assert any("round 2 could not be kept: the validation sets have no failure left" in line for line in report.lines)
    weights = Path(settings.student) / WEIGHTS
    original = weights.read_bytes()
    weights.write_bytes(original + b"changed")
    with pytest.raises(ValueError, match="holds a flywheel of other weights than those in"):
        run_flywheel(settings, KeptReport(), write_round)
    weights.write_bytes(original)
    # Nothing runs again.
    monkeypatch.setattr(rounds, "drive_sets", None)
    monkeypatch.setattr(learning, "label", None)
    assert run_flywheel(settings, KeptReport(), write_round) == result


def test_the_chosen_scenarios_of_a_set_are_driven_once(settings, tmp_path):
    (root,) = settings.data
    token = entries_of(root)[0].token
    sets = [DrivenSet(name="some", root=root, tokens=(token,)), DrivenSet(name="none", root=root, tokens=())]
    student = Path(settings.student)
    first = drive_sets(settings, student, sets, tmp_path, lambda *_: None)
    assert [(one.name, [drive.token for drive in one.drives]) for one in first] == [("some", [token])]
    assert 0.0 <= first[0].score <= 1.0
    report = KeptReport()
    assert drive_sets(settings, student, sets, tmp_path, report.advance) == first
    assert report.progress == (1, 1)
    # Killed twice during the drive: it is driven again, and did not fail.
    (row,) = (tmp_path / "some" / "rows").iterdir()
    row.unlink()
    (tmp_path / "some" / "started.txt").write_text(f"{row.stem}\n" * 2)
    assert drive_sets(settings, student, sets, tmp_path, report.advance) == first


def test_a_search_of_one_drive_finds_nothing(settings, tmp_path):
    entries = entries_of(settings.test[0])
    few = replace(settings, search_drives=1, rarity=False)
    report = KeptReport()
    search(few, 1, Path(settings.student), entries, tmp_path / "search", report.advance)
    assert report.progress == (1, 1)
    collect(few, 1, [], [], tmp_path / "search", tmp_path / "failures", report.advance)
    assert read_failures(tmp_path / "failures" / FAILURES) == []


def test_mixed_weights_are_between_those_of_both_students(settings, tmp_path):
    present = Student.load(Path(settings.student))
    with torch.no_grad():
        for value in present.network.parameters():
            value.add_(4.0)
    present.save(tmp_path / "trained")
    mix(0.25, Path(settings.student), tmp_path / "trained", tmp_path / "mixed")
    assert Student.load(tmp_path / "mixed").metadata["trained_share"] == 0.25
    first, mixed = (
        Student.load(folder).network.parameters() for folder in (Path(settings.student), tmp_path / "mixed")
    )
    for before, after in zip(first, mixed, strict=True):
        torch.testing.assert_close(after, before + 1.0)
