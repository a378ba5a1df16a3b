"""Parts of the flywheel: sets that must not overlap, stages with markers, the decision, the pages."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from flywheel_reports import KeptReport

from distill.flywheel import config as config_module
from distill.flywheel import learning
from distill.flywheel.config import FlywheelConfig, prepare, require_apart
from distill.flywheel.drives import driven, read_scores, write_scores
from distill.flywheel.learning import with_share
from distill.flywheel.page import write_index, write_round
from distill.flywheel.results import Account, Driven, DrivenSet, Failure, FlywheelResult, Round, SetScore
from distill.flywheel.rounds import Validated, decide, failed_sets, require_failures, run_flywheel, sets_of
from distill.flywheel.stages import DONE, run_stage, seconds_of, stored_results
from distill.labels import LabelHeader, LabelStore
from distill.teacher import RuleTeacher
from driving.nuplan.entries import ScenarioEntry
from planning.neural.planner import SHIPPED
from simulation.benchmark.jobs import JobResult
from simulation.benchmark.mapping import mapped


def entry(token: str, map_name: str) -> ScenarioEntry:
    return ScenarioEntry(
        token=token,
        scenario_type="changing_lane",
        log_name=f"log-{token}",
        map_name=map_name,
        log_file=__file__,
        maps_root="",
        sensor_root="",
        time_us=0,
    )


@pytest.fixture
def settings(tmp_path, monkeypatch) -> FlywheelConfig:
    """Three roots on maps of their own, each named as its map."""
    monkeypatch.setattr(config_module, "entries_of", lambda root: [entry(f"{root.name:0>16}", root.name)])
    roots = {name: (tmp_path / place,) for name, place in (("data", "a"), ("validate", "b"), ("test", "c"))}
    return FlywheelConfig(student="student", output=tmp_path / "out", **roots)


def test_a_folder_is_continued_with_equal_settings_or_with_more_rounds(settings):
    prepare(settings)
    prepare(replace(settings, rounds=5, workers=8, backend="ray"))


def test_a_folder_of_another_configuration_is_refused(settings):
    prepare(settings)
    with pytest.raises(ValueError, match=r"other seed \(0 there, 1 given\), steps \(600 there, 7 given\)\. Continue"):
        prepare(replace(settings, seed=1, steps=7))


def test_a_folder_that_was_moved_is_refused_with_its_place(settings):
    prepare(settings)
    moved = settings.output.with_name("moved")
    settings.output.rename(moved)
    with pytest.raises(ValueError, match=r"moved is the flywheel of .*out, which its files name\. Move it back"):
        prepare(replace(settings, output=moved))


def test_a_folder_of_an_earlier_version_does_not_name_its_place(settings):
    prepare(settings)
    path = settings.output / "flywheel.json"
    known = json.loads(path.read_text())
    del known["folder"], known["number of files in --labels"]
    path.write_text(json.dumps(known))
    prepare(settings)


def test_missing_labels_and_a_damaged_configuration_are_found(settings, tmp_path):
    (tmp_path / "labels").mkdir()
    parts = [tmp_path / "labels" / f"{name}.parquet" for name in ("one", "two")]
    for part in parts:
        part.touch()
    labelled = replace(settings, labels=(tmp_path / "labels",))
    prepare(labelled)
    parts[0].unlink()
    with pytest.raises(ValueError, match=r"other number of files in --labels \(\[2\] there, \[1\] given\)"):
        prepare(labelled)
    (settings.output / "flywheel.json").write_text('{"seed"')
    with pytest.raises(ValueError, match=r"flywheel\.json is damaged: .* Delete it, and repeat"):
        prepare(labelled)


def test_a_data_root_that_is_named_twice_is_refused(settings):
    with pytest.raises(ValueError, match=r"Data roots of --validate share 1 scenario .*count twice\. Name each"):
        prepare(replace(settings, validate=settings.validate * 2))
    assert not settings.output.exists()


@pytest.mark.parametrize(("name", "other"), [("validate", "data"), ("test", "data"), ("test", "validate")])
def test_an_evaluation_set_that_overlaps_is_refused_before_anything_is_written(settings, name, other):
    with pytest.raises(ValueError, match=f"--{name} and --{other} share 1 scenario "):
        prepare(replace(settings, **{name: getattr(settings, other)}))
    assert not settings.output.exists()


def test_a_student_that_is_not_there_is_refused_before_anything_is_written(settings, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No student at .*absent\. Name `student`, or a folder"):
        run_flywheel(replace(settings, student=str(tmp_path / "absent")), KeptReport(), write_round)
    assert not settings.output.exists()


def test_other_scenarios_of_a_map_that_is_trained_on_are_refused():
    with pytest.raises(ValueError, match=r"share 1 map \(town-1\); figures on it would not be held out"):
        require_apart("test", [entry("0" * 16, "town-1")], "data", [entry("1" * 16, "town-1")])


@pytest.mark.parametrize(
    ("token", "map_name", "message"),
    [("f" * 16, "another_town", None), (f"{'b':0>16}", "another_town", "1 scenario "), ("f" * 16, "b", "1 map ")],
)
def test_an_evaluation_set_whose_scenario_or_map_is_labelled_is_refused(
    settings, monkeypatch, tmp_path, labelled, vocabulary, token, map_name, message
):
    monkeypatch.setattr(learning, "entries_of", config_module.entries_of)
    store = LabelStore(tmp_path / "labels", LabelHeader.of(RuleTeacher(vocabulary)))
    states = labelled.take(np.arange(1))
    store.write("part", replace(states, scenario_ids=(token,)), map_name)
    settings = replace(settings, labels=(store.folder,))
    if message is None:
        learning.require_unlabelled(settings)
        return
    with pytest.raises(ValueError, match=f"--validate and --labels share {message}"):
        learning.require_unlabelled(settings)


def test_new_states_are_repeated_to_their_share(labelled):
    replay, learned = labelled.take(np.zeros(9, dtype=np.int64)), labelled.take(np.ones(2, dtype=np.int64))
    assert with_share(replay, learned, 0.25).kinds == (*replay.kinds, *learned.kinds, *learned.kinds)
    assert with_share(replay, learned, 0.0).kinds == (*replay.kinds, *learned.kinds)


def test_a_flywheel_needs_evaluation_sets_and_counts(settings):
    with pytest.raises(ValueError, match="at least one data root for --validate"):
        replace(settings, validate=()).check()
    with pytest.raises(ValueError, match="replays earlier states: name --labels, or set --replay"):
        replace(settings, replay=0).check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "--steps must be at least 1, got 0"),
        ({"search_drives": -1}, "--search-drives must be at least 0, got -1"),
        ({"seed": -1}, "--seed must be at least 0, got -1"),
        ({"new_share": 1.0}, "--new-share is a share from 0 to 0.95, got 1"),
        ({"mix": ()}, "--mix must hold different shares above 0 and up to 1, got"),
        ({"mix": (0.0,)}, "--mix must hold different shares"),
        ({"mix": (0.5, 1.5)}, "--mix must hold different shares"),
        ({"mix": (0.5, 0.5)}, "--mix must hold different shares"),
        ({"mix": (0.5, 0.50000001)}, "--mix must hold different shares"),
        ({"seed": 2**31}, "--seed must be at most 2147483647, got 2147483648"),
        ({"mirrored": 50.0}, "--mirrored is a share from 0 to 1, got 50"),
        ({"learning_rate": 0.0}, "--learning-rate must be above 0 and finite, got 0"),
        ({"learning_rate": float("nan")}, "--learning-rate must be above 0 and finite, got nan"),
        ({"max_loss": -0.1}, "--max-loss must be at least 0 and finite, got -0.1"),
        ({"max_loss": float("inf")}, "--max-loss must be at least 0 and finite, got inf"),
    ],
)
def test_a_number_out_of_its_range_is_refused_before_anything_is_written(settings, changes, message):
    with pytest.raises(ValueError, match=message):
        run_flywheel(replace(settings, **changes), KeptReport(), write_round)
    assert not settings.output.exists()


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"recipe": "tny"}, KeyError, "No recipe named 'tny'"),
        ({"teacher": "rule"}, KeyError, "No teacher named 'rule'"),
        (
            {"recipe": "small"},
            ValueError,
            r"--recipe small has a network of width 128 with 8 heads, .*width 64 with 4 heads.*Name --recipe tiny\.",
        ),
    ],
)
def test_a_recipe_or_teacher_that_does_not_fit_is_refused_before_anything_is_written(
    settings, changes, kind, message
):
    with pytest.raises(kind, match=message):
        run_flywheel(replace(settings, **changes), KeptReport(), write_round)
    assert not settings.output.exists()


def test_labels_of_another_vocabulary_are_refused_before_anything_is_written(settings, tmp_path, vocabulary):
    store = LabelStore(tmp_path / "labels", LabelHeader.of(RuleTeacher(vocabulary)))
    with pytest.raises(ValueError, match=f"labels in {store.folder} have vocabulary {vocabulary.digest}, expected"):
        run_flywheel(replace(settings, labels=(store.folder,)), KeptReport(), write_round)
    assert not settings.output.exists()


def test_a_student_without_weights_is_refused_with_its_own_folder(settings, tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "copy")
    (tmp_path / "copy" / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=f"The student at {tmp_path / 'copy'} lacks weights.safetensors"):
        run_flywheel(replace(settings, student=str(tmp_path / "copy")), KeptReport(), write_round)
    assert not settings.output.exists()


def test_an_output_that_is_a_file_is_refused(settings):
    settings.output.touch()
    with pytest.raises(NotADirectoryError, match=r"--output .*out is a file\. Name a folder"):
        prepare(settings)


def test_a_finished_stage_does_not_run_again(tmp_path):
    calls, report = [], KeptReport()
    for _ in range(2):
        folder = run_stage(tmp_path / "round_1" / "drive", calls.append, report)
    assert calls == [folder]
    assert report.lines == ["round_1/drive: 0 s"]
    assert seconds_of(folder) < 1.0


def test_a_finished_stage_that_lost_a_file_or_has_a_damaged_one_says_how_to_continue(tmp_path):
    folder = run_stage(tmp_path / "round_1" / "labels", lambda path: (path / "one.parquet").touch(), KeptReport())
    (folder / "added by hand").touch()
    run_stage(folder, lambda _: None, KeptReport())
    for path in (folder / "added by hand", folder / "one.parquet"):
        path.unlink()
    with pytest.raises(ValueError, match=r"labels holds 0 of the 1 files of the finished stage\. Delete the folder"):
        run_stage(folder, lambda _: None, KeptReport())
    (folder / DONE).write_text("")
    with pytest.raises(
        ValueError, match=r"done\.json is damaged: .* Delete the folder of this stage and those of all"
    ):
        run_stage(folder, lambda _: None, KeptReport())


def test_a_stage_begins_with_its_time_in_the_round_before(tmp_path):
    report = KeptReport()
    for number in (9, 10):
        run_stage(tmp_path / f"round_{number}" / "drive", lambda _: None, report)
    assert report.begun == [("round_9/drive", None), ("round_10/drive", 0.0)]


def test_a_stage_that_was_interrupted_finds_what_it_left(tmp_path):
    def work(folder):
        if not (folder / "part").exists():
            (folder / "part").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(tmp_path / "drive", work, KeptReport())
    assert run_stage(tmp_path / "drive", work, KeptReport()) == tmp_path / "drive"


def test_a_stage_whose_worker_died_continues_by_itself(tmp_path):
    report = KeptReport()

    def work(folder):
        if not (folder / "part").exists():
            (folder / "part").touch()
            list(mapped(os._exit, [1], "process", 1))

    run_stage(tmp_path / "round_2" / "search", work, report)
    died, done = report.lines
    assert died.startswith(
        "round_2/search: a worker process ended, perhaps killed or out of memory; the stage continues"
    )
    assert done.startswith("round_2/search: ")


def test_a_stage_whose_workers_die_repeatedly_ends_with_a_sentence_and_stays_open(tmp_path):
    def work(_folder):
        raise ChildProcessError("A worker process ended.")

    for _ in range(2):
        report = KeptReport()
        with pytest.raises(ChildProcessError, match=r"3 times in the stage round_2/search, .*same command"):
            run_stage(tmp_path / "round_2" / "search", work, report)
        assert len(report.lines) == 2


def test_results_of_single_jobs_are_kept_until_the_stage_is_finished(tmp_path):
    def results(jobs: list[str]) -> list:
        return stored_results(json.loads, jobs, tmp_path / "failures", backend="serial", workers=1, advance=print)

    with pytest.raises(json.JSONDecodeError):
        results(["1", "x", "3"])
    # Only the missing ones are made.
    assert results(["x", "2", "3"]) == [1, 2, 3]
    # They are not files that the finished stage misses later.
    for _ in range(2):
        run_stage(tmp_path / "failures", lambda _: None, KeptReport())
        assert not (tmp_path / "failures" / "parts").exists()


def test_errors_of_the_work_itself_are_not_taken_for_a_death(tmp_path):
    def work(_folder):
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        run_stage(tmp_path / "search", work, KeptReport())


@pytest.mark.parametrize(
    ("status", "multiplier", "is_failure"),
    [("succeeded", 1.0, False), ("succeeded", 0.5, True), ("failed", 1.0, True)],
)
def test_a_drive_fails_by_a_multiplier_or_an_error(status, multiplier, is_failure):
    metrics = {
        "no_ego_at_fault_collisions": multiplier,
        "drivable_area_compliance": 1.0,
        "ego_is_making_progress": 1.0,
        "driving_direction_compliance": 1.0,
    }
    result = JobResult(
        planner="student",
        scenario="0" * 16,
        log_name="log",
        scenario_type="changing_lane",
        traffic="nonreactive",
        status=status,
        score=0.9,
        metrics=metrics,
        violation_tracks={"no_ego_at_fault_collisions": "ab"},
    )
    assert driven(result).is_failure == is_failure
    assert driven(result).track_id == "ab"


def scores(name: str, values: list[float]) -> SetScore:
    """Drives that fail where their score is 0."""
    drives = [
        Driven(
            token=f"{place:016x}",
            log_name="log",
            scenario_type="changing_lane",
            score=value,
            is_failure=value == 0.0,
            reason="hit | a car" if value == 0.0 else "",
            track_id=None,
        )
        for place, value in enumerate(values)
    ]
    return SetScore(name=name, drives=tuple(drives))


TOWNS, SEARCHED = scores("towns", [1.0, 0.8]), scores("searched", [0.0, 0.0])


@pytest.mark.parametrize(
    ("towns", "searched", "is_kept", "reason"),
    [
        ([1.0, 0.8], [0.0, 0.9], True, "1 failure in the validation sets, 2 before; no set is more than 0.5 points"),
        ([1.0, 0.78], [0.0, 0.9], False, "towns is 1.0 points below the start, more than 0.5; 1 failure in"),
        ([1.0, 1.0], [0.0, 0.0], False, "2 failures in the validation sets, 2 before: not fewer"),
    ],
)
def test_a_round_is_kept_with_fewer_failures_and_without_a_loss(towns, searched, is_kept, reason):
    sets = [TOWNS, SEARCHED]
    found = decide(Validated(sets, sets), [scores("towns", towns), scores("searched", searched)], 0.005)
    assert found[0] == is_kept
    assert found[1].startswith(reason)


def test_losses_count_from_the_start_and_failures_from_the_present_student():
    present = [scores("towns", [0.995, 0.8]), scores("searched", [0.0, 0.9, 0.0])]
    validated = Validated([TOWNS, scores("searched", [0.0, 0.0, 0.0])], present)
    # The set of failures loses against the present student, but has one failure less; a set of towns loses twice.
    assert decide(validated, [scores("towns", [0.995, 0.8]), scores("searched", [0.4, 0.0, 0.4])], 0.005)[0]
    kept, reason = decide(validated, [scores("towns", [0.987, 0.8]), scores("searched", [0.9, 0.9, 0.9])], 0.005)
    assert not kept
    assert (
        reason == "towns is 0.7 points below the start, more than 0.5; 0 failures in the validation sets, 2 before."
    )


def test_validation_sets_without_a_failure_are_refused():
    require_failures([TOWNS, SEARCHED])
    with pytest.raises(ValueError, match=r"none of the 2 drives of the validation sets \(towns\)\. A round is"):
        require_failures([TOWNS])


def test_scores_are_read_as_they_were_written(tmp_path):
    write_scores([TOWNS, SEARCHED], tmp_path / "scores.json")
    assert read_scores(tmp_path / "scores.json") == [TOWNS, SEARCHED]


def test_sets_have_distinct_names(tmp_path):
    roots = [tmp_path / "search" / "data", tmp_path / "a" / "towns", tmp_path / "b" / "towns"]
    assert [one.name for one in sets_of(roots)] == ["search", "towns_1", "towns_2"]


def failure(tmp_path, token: str, is_proved: bool) -> Failure:
    return Failure(
        root=tmp_path,
        token=token,
        log_name="log",
        mode="cut_in",
        reason="hit <a car>",
        track_id="ab",
        is_searched=True,
        is_proved=is_proved,
    )


def test_unproved_failures_are_neither_trained_on_nor_driven_again(tmp_path):
    failed = [failure(tmp_path, "0" * 16, True), failure(tmp_path, "1" * 16, False)]
    assert failed_sets(failed) == [DrivenSet(name="round_failures_0", root=tmp_path, tokens=("0" * 16,))]


def test_pages_show_what_failed_what_got_better_and_what_got_worse(tmp_path):
    one = Round(
        number=1,
        is_kept=True,
        reason="because",
        student=tmp_path,
        account=Account(driven=120, failed=2, searched=630, found=45, solvable=39),
        failures=(failure(tmp_path, "0" * 16, True),),
        neighbours={"tried": {"learned scene": 3}, "proved": {"learned scene": 2}},
        states=77,
        before=(scores("searched", [0.0, 0.9, 0.7, 0.7, 0.7]),),
        after=(scores("searched", [0.8, 0.0, 0.74, 0.9, 0.6]),),
        learned=(scores("failures_0", [0.7]),),
        seconds={"drive": 12.0},
    )
    (tmp_path / "search" / "data").mkdir(parents=True)
    write_round(one, tmp_path)
    text = (tmp_path / "page.md").read_text()
    assert "# Round 1: kept" in text
    assert f"`python scripts/view.py {tmp_path / 'search' / 'data'}`" in text
    assert (
        "The student of before fails in 2 of 120 drives. The search found 45 failures in 630 drives, 39 with a proved"
        " way out; the others are not used. The round took 1 of these 41, 1 from the search, 1 with a proved way out."
    ) in text
    assert "| searched | 5 | 1 | 1 | 0.6000 | 0.6080 | +0.8 |" in text
    assert "| learned scene | 3 | 2 |" in text
    assert f"| 0000000000000000 | log | {tmp_path.name} | cut_in | yes | hit <a car> | passes |" in text
    assert "The new student passes the 1 solvable failure of the round." in text
    assert "it passes 1 scenario that failed before, and 1 other gained 5 points or more." in text
    assert "fails in 1 scenario that passed before, and 1 other lost 5 points or more." in text
    better, worse = text.split("## What got better")[1].split("## What got worse")
    assert "| searched | 0000000000000000 | log | 0.00 | 0.80 | hit \\| a car |" in better
    assert "| searched | 0000000000000001 | log | 0.90 | 0.00 | hit \\| a car |" in worse
    assert "| searched | 0000000000000003 | log | 0.70 | 0.90 |" in better
    assert "| searched | 0000000000000004 | log | 0.70 | 0.60 |" in worse
    assert f"The new student remains. The new one is in {tmp_path}." in text
    assert "[All rounds](../index.md)" in text
    assert '<a href="../index.html">All rounds</a>' in (tmp_path / "page.html").read_text()
    assert "0000000000000002" not in better + worse
    assert "hit &lt;a car&gt;" in (tmp_path / "page.html").read_text()
    write_round(replace(one, student=None, is_kept=False, after=one.before, learned=()), tmp_path / "untrained")
    assert "The new student" not in (tmp_path / "untrained" / "page.md").read_text()
    config = FlywheelConfig(student="student", data=(tmp_path / "towns",), output=tmp_path, rounds=2, seed=6)
    write_index(config, [one])
    text = (tmp_path / "index.md").read_text()
    assert "1 of 2 are finished." in text
    assert "| 1 | kept | because | 1 -> 1 | 1 | 2 | 77 | 12 s |" in text
    assert "[Round 1](round_1/page.md)" in text
    assert f"| seed | 6 |\n| data | {tmp_path / 'towns'} |" in text
    result = FlywheelResult(rounds=(one,), student=tmp_path, before=one.before, after=one.after, seconds=12.0)
    write_index(config, result.rounds, result)
    text = (tmp_path / "index.md").read_text()
    assert "12 s with all stages." in text
    assert "| searched | 5 | 1 | 1 | 0.6000 | 0.6080 | +0.8 |" in text
    assert f"| student after | {tmp_path} |" in text
