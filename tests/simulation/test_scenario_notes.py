import json

import numpy as np
import pytest

from driving.trajectory import Trajectory
from simulation.scenario_notes import SUFFIX, ScenarioNotes


def motion(speed_mps=5.0, steps=20):
    """Driven eastwards at map coordinates, where float32 would lose centimetres."""
    time_s = np.arange(steps) * 0.1
    poses = np.stack([4e5 + speed_mps * time_s, np.full(steps, 4e6), np.full(steps, 0.12345)], axis=-1)
    return Trajectory(time_s=time_s, poses=poses)


def full_notes():
    return ScenarioNotes(
        scenario_id="0123abc",
        mode="cut_in",
        planner="pdm_closed",
        failure="The ego hits vehicle 7 at 6 m/s.",
        failure_s=5.2,
        is_solvable=True,
        seed=3,
        rarity={"7": 0.97, "8": 0.25},
        track_id="7",
        unchanged=motion(),
        way_out=motion(8.0),
        surprise_visible_s=3.1,
        latest_start_s=4.2,
        samples=("samples/0.simlog", "samples/1.simlog"),
    )


def test_notes_survive_their_file(tmp_path):
    notes = full_notes()
    path = notes.save(tmp_path / "notes")
    assert path.name == f"0123abc{SUFFIX}"
    read = ScenarioNotes.load(path)
    assert read.to_json() == notes.to_json()
    np.testing.assert_allclose(read.way_out.poses, notes.way_out.poses, atol=1e-3)
    assert read.rarity == {"7": 0.97, "8": 0.25}
    assert read.samples == notes.samples


def test_the_same_notes_give_the_same_bytes(tmp_path):
    assert full_notes().save(tmp_path / "a").read_bytes() == full_notes().save(tmp_path / "b").read_bytes()


def test_all_parts_but_the_id_are_optional(tmp_path):
    read = ScenarioNotes.load(ScenarioNotes(scenario_id="a").save(tmp_path))
    assert read.way_out is None
    assert read.rarity == {}
    assert read.is_solvable is None
    assert read.reaction_s is None
    assert ScenarioNotes.from_json({"format_version": 1, "scenario_id": "b"}).samples == ()


def test_the_time_to_react_is_between_surprise_and_latest_start():
    assert full_notes().reaction_s == pytest.approx(1.1)


def test_parts_of_later_programs_are_ignored():
    content = {**full_notes().to_json(), "more": 1}
    assert ScenarioNotes.from_json(content).mode == "cut_in"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"scenario_id": ""}, "id of a scenario that can name a file"),
        ({"scenario_id": "../a"}, "id of a scenario that can name a file"),
        ({"rarity": {"7": 1.2}}, "0 .most common. to 1 .rarest., got 1.2 for 7"),
        ({"failure_s": float("nan")}, "failure_s is a finite time"),
        ({"is_solvable": True}, "need the way out"),
        ({"surprise_visible_s": 3.0, "latest_start_s": 2.0}, "latest start follows the surprise, got 2.0 s"),
        ({"samples": ("../other.simlog",)}, "below the folder of the notes, got '../other.simlog'"),
        ({"samples": ("/etc/other.simlog",)}, "below the folder of the notes"),
    ],
)
def test_impossible_notes_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        ScenarioNotes(**{"scenario_id": "a", **parts})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "it is no JSON"),
        ("[]", "names no format version"),
        ('{"format_version": 2, "scenario_id": "a"}', "has format version 2, this program reads up to 1"),
        ('{"format_version": 1}', "is damaged: .*scenario_id"),
        ('{"format_version": 1, "scenario_id": "a", "way_out": {"time_s": [0]}}', "is damaged"),
        ('{"format_version": 1, "scenario_id": "a", "rarity": [1]}', "is damaged"),
    ],
)
def test_damaged_files_are_reported_with_their_name(tmp_path, text, message):
    path = tmp_path / f"a{SUFFIX}"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"{path}.*{message}"):
        ScenarioNotes.load(path)


def test_a_motion_of_two_lengths_is_refused():
    content = json.loads(json.dumps(full_notes().to_json()))
    content["unchanged"]["x_m"].pop()
    with pytest.raises(ValueError, match="is damaged"):
        ScenarioNotes.from_json(content)
