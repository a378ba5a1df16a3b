"""The command that trains a camera student."""

import pytest
from small_camera_student import small_vocabulary, states_of
from small_perception import small_network

from distill.camera_recording import header_of
from distill.camera_states import CameraStore
from distill.teacher import RuleTeacher
from perception.checkpoint import Checkpoint
from planning.neural.camera_checkpoint import CameraStudent


@pytest.fixture
def command(repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "scripts")
    import train_camera_student

    return train_camera_student


def test_a_student_is_trained_from_recorded_drives(command, tmp_path):
    Checkpoint(network=small_network()).save(tmp_path / "eyes")
    small_vocabulary().save(tmp_path / "vocabulary.npz")
    header = header_of(small_network(), RuleTeacher(small_vocabulary()))
    CameraStore(tmp_path / "drives", header).write("a", states_of(4))
    arguments = command.Arguments(
        drives=(tmp_path / "drives",),
        perception=tmp_path / "eyes",
        vocabulary=tmp_path / "vocabulary.npz",
        output=tmp_path / "out",
        steps=1,
        sees="visible",
        quiet=True,
    )
    command.main(arguments)
    student = CameraStudent.load(tmp_path / "out")
    student.require(small_network(), tmp_path / "eyes")
    assert student.metadata["steps"] == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "Name at least one data root"),
        ({"drives": ("drives",), "rounds": 1}, "Name at least one data root"),
        ({"data": ("world",), "limit": 0}, "--limit"),
    ],
)
def test_wrong_options_are_sentences(command, tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        command.main(command.Arguments(output=tmp_path, quiet=True, **changes))
