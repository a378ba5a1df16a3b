import numpy as np
import pytest

from driving import AgentTracks, EgoMotion
from driving.importers.assemble import heading_of, recording_of, scenario_frames
from driving.importers.notes import ImportNotes, NoteKind, notes_of
from driving.synthetic.proving_ground import proving_ground


def recording(steps, notes=None, size_m=(4.5, 1.9)):
    """A recording of an ego at 10 m/s on the straight road."""
    x, y = proving_ground().sites["road"].builder.origin
    poses = np.column_stack([x - 100.0 + np.arange(steps), np.full(steps, y - 1.75), np.zeros(steps)])
    ego = EgoMotion.from_log(
        time_us=np.arange(steps) * 100_000,
        rear_axle_poses=poses,
        velocities_mps=np.tile([10.0, 0.0], (steps, 1)),
        accelerations_mps2=np.zeros((steps, 2)),
    )
    return recording_of(
        log_name="test",
        map_graph=proving_ground().map,
        ego=ego,
        agents=AgentTracks.none(steps),
        metadata={"source": "test"},
        recorded_size_m=size_m,
        notes=notes or ImportNotes(),
    )


@pytest.mark.parametrize(
    ("steps", "first"), [(40, 5), (150, 18), (151, 18), (152, 1), (160, 9), (173, 22), (500, 22)]
)
def test_the_history_has_up_to_22_steps_while_15_s_remain(steps, first):
    assert scenario_frames(steps) == (first, first + 30)


def test_a_long_recording_has_no_hint_and_a_scenario_of_15_s():
    long = recording(200)
    assert notes_of(long.metadata) == []
    assert long.scenarios()[0].num_frames == 151


def test_a_short_recording_has_a_hint_with_the_option_that_drives_it():
    (hint,) = notes_of(recording(60).metadata)
    assert hint.kind == NoteKind.HINT
    assert hint.sentence == (
        "short: the scenario has 5.2 s, nuPlan's have 15 s; scripts/benchmark.py drives it with --allow-short"
    )


def test_a_recording_below_3_5_s_is_refused():
    with pytest.raises(ValueError, match=r"has 34 steps of 0.1 s with an ego; a scenario in nuPlan's form needs 35"):
        recording(34)


def test_notes_and_rules_are_in_the_metadata():
    notes = ImportNotes()
    notes.add(NoteKind.CHANGED, "test", "x")
    metadata = recording(200, notes, size_m=None).metadata
    assert [str(note) for note in notes_of(metadata)] == ["changed: test: x"]
    assert metadata["source"] == "test"
    assert metadata["ego_size"].startswith("recorded car unknown; nuPlan's files and scores take 5.176 x")


def test_the_heading_of_a_rotation_is_that_of_its_x_axis():
    angle = 2.5
    turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    np.testing.assert_allclose(heading_of(np.stack([turned, np.eye(3)])), [angle, 0.0])
