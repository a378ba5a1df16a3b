import json
from dataclasses import replace

import numpy as np
import pytest
from noted_scenarios import ASIDE_M, notes_of, save_samples

from driving.agents import AgentKind
from driving.vehicle import PACIFICA
from simulation.scenario_notes import SUFFIX, ScenarioNotes
from simulation.viewer.notes import MAX_SAMPLES, SAMPLE_EVERY, NotesFolders, notes_message
from simulation.viewer.packing import unpack
from simulation.viewer.sources import open_sources


@pytest.fixture(scope="module")
def source(results_with_notes):
    return open_sources([results_with_notes], None, None)[0]


@pytest.fixture(scope="module")
def solved(source, noted_drives):
    """Log and scenario of the drive with a way out."""
    return source.log(noted_drives[0].key), source.scenario(noted_drives[0].key)


def global_points(header, arrays, name):
    return np.stack([arrays[f"{name}.x"], arrays[f"{name}.y"]], axis=-1) + header["origin"]


def test_motions_and_times_of_the_notes_are_encoded(solved):
    log, scenario = solved
    notes = notes_of(log, scenario)
    header, arrays = unpack(notes_message(notes, [], []))
    assert (header["surprise_s"], header["latest_start_s"], header["failure_s"]) == (3.0, 4.2, 6.0)
    assert header["is_solvable"] is True
    assert header["rarity"] == notes.rarity
    rear_axle = notes.way_out.poses[:, :2]
    ahead_m = np.linalg.norm(global_points(header, arrays, "way_out") - rear_axle, axis=-1)
    assert ahead_m == pytest.approx(np.full(len(rear_axle), PACIFICA.rear_axle_to_center_m), abs=0.02)
    agent = log.agents.poses[0, log.agents.valid[0], :2]
    aside_m = np.linalg.norm(global_points(header, arrays, "unchanged") - agent, axis=-1)
    assert aside_m == pytest.approx(np.full(len(agent), ASIDE_M), abs=0.02)


def test_parts_that_are_missing_are_empty():
    header, arrays = unpack(notes_message(ScenarioNotes(scenario_id="a", rarity={"7": 0.5}), [], []))
    assert header["num_samples"] == 0
    assert header["failure_s"] is None
    assert {name for name, values in arrays.items() if values.size} == set()


def test_samples_hold_the_ego_and_the_moving_agents_at_every_second_step(solved):
    log, scenario = solved
    other = replace(log, agents=replace(log.agents, poses=log.agents.poses + np.array([0.0, 2.0, 0.0])))
    header, arrays = unpack(notes_message(notes_of(log, scenario), [log, other], []))
    assert header["num_samples"] == 2
    assert len(arrays["samples.time_s"]) == -(-log.num_steps // SAMPLE_EVERY)
    ego_rows = np.flatnonzero(arrays["samples.kinds"] == AgentKind.EGO)
    assert arrays["samples.of"][ego_rows].tolist() == [0, 1]
    centers = log.ego.center_poses()[0, ::SAMPLE_EVERY, :2]
    found = global_points(header, arrays, "samples")
    assert np.abs(found[ego_rows[0]] - centers).max() < 0.01
    rows = [
        np.flatnonzero((arrays["samples.of"] == number) & (arrays["samples.kinds"] != AgentKind.EGO))
        for number in (0, 1)
    ]
    assert len(rows[0]) == len(rows[1]) > 0
    assert np.nanmax(np.abs(found[rows[1]] - found[rows[0]] - [0.0, 2.0])) < 0.02


def test_standing_agents_of_samples_and_steps_after_the_end_are_left_out(solved):
    log, scenario = solved
    agents = log.agents
    standing = replace(
        log, agents=replace(agents, poses=np.where(agents.valid[..., None], agents.poses[:, :1], np.nan))
    )
    _, arrays = unpack(notes_message(notes_of(log, scenario), [standing], []))
    assert arrays["samples.kinds"].tolist() == [AgentKind.EGO]


def test_notes_are_read_again_after_they_changed(tmp_path):
    folders = NotesFolders([tmp_path / "absent", tmp_path])
    assert folders.of("a") is None
    assert folders.all() == []
    ScenarioNotes(scenario_id="a", mode="cut_in").save(tmp_path)
    assert folders.of("a").mode == "cut_in"
    ScenarioNotes(scenario_id="a", mode="hard_braking").save(tmp_path)
    assert folders.of("a").mode == "hard_braking"


def test_the_first_folder_has_precedence(tmp_path):
    for name in ("first", "second"):
        ScenarioNotes(scenario_id="a", mode=name).save(tmp_path / name)
    ScenarioNotes(scenario_id="b", mode="second").save(tmp_path / "second")
    found = NotesFolders([tmp_path / "first", tmp_path / "second"]).all()
    assert [(notes.scenario_id, notes.mode) for notes in found] == [("a", "first"), ("b", "second")]


def test_damaged_notes_are_left_out_with_a_warning(tmp_path, caplog):
    (tmp_path / f"a{SUFFIX}").write_text("{")
    ScenarioNotes(scenario_id="b").save(tmp_path)
    folders = NotesFolders([tmp_path])
    assert [notes.scenario_id for notes in folders.all()] == ["b"]
    assert "holds no notes of a scenario" in caplog.text
    assert folders.of("a") is None


def test_missing_samples_are_sentences(solved, tmp_path):
    log, scenario = solved
    names = save_samples(log, tmp_path, 1)
    notes = notes_of(log, scenario, samples=(*names, "samples/gone.simlog"))
    notes.save(tmp_path)
    logs, problems = NotesFolders([tmp_path]).samples(notes)
    assert len(logs) == 1
    assert "gone.simlog" in problems[0]
    assert json.loads(json.dumps(unpack(notes_message(notes, logs, problems))[0]["problems"])) == problems


def test_more_samples_than_the_page_draws_are_not_read(solved, tmp_path):
    log, scenario = solved
    names = save_samples(log, tmp_path, 1) * (MAX_SAMPLES + 1)
    notes = notes_of(log, scenario, samples=names)
    notes.save(tmp_path)
    assert len(NotesFolders([tmp_path]).samples(notes)[0]) == MAX_SAMPLES


def test_notes_lie_in_the_results_beside_the_maps_or_in_a_named_folder(results, world, tmp_path):
    source = open_sources([results], None, None)[0]
    assert source.notes.folders == (results / "notes", world / "notes")
    assert open_sources([], world, None)[0].notes.folders == (world / "notes",)
    for named in (open_sources([results], None, None, notes=tmp_path), open_sources([], world, None, notes=tmp_path)):
        assert named[0].notes.folders == (tmp_path,)
    with pytest.raises(FileNotFoundError, match="--notes names a folder"):
        open_sources([results], None, None, notes=tmp_path / "absent")
