"""Arguments of the training by reinforcement that are refused before anything is driven."""

import importlib
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest


@pytest.fixture
def command(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    module = importlib.import_module("train_ppo")

    def opened(data, limit):
        raise AssertionError("Scenarios were opened.")

    monkeypatch.setattr(module, "opened", opened)
    return module


def test_a_training_of_the_value_head_alone_is_refused(command, tmp_path):
    with pytest.raises(ValueError, match=r"first 2 iterations train the value head only.* got 2"):
        command.main(command.Arguments(output=tmp_path / "made", iterations=2))


@pytest.mark.parametrize("name", ["temperature", "learning_rate"])
def test_wrong_rates_are_refused_before_any_drive(command, tmp_path, name):
    with pytest.raises(ValueError, match=f"`{name}` must be finite and above 0, got nan"):
        command.main(command.Arguments(output=tmp_path / "made", **{name: float("nan")}))


def test_an_output_with_files_is_refused_and_an_empty_one_is_taken(command, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    for output in (tmp_path / "used", tmp_path / "used" / "notes.txt"):
        with pytest.raises(FileExistsError, match=r"exists and is no empty folder.* name another --output"):
            command.main(command.Arguments(output=output))
    (tmp_path / "empty").mkdir()
    for output in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(AssertionError, match="Scenarios were opened"):
            command.main(command.Arguments(output=output))


def test_an_output_that_cannot_be_made_is_found_before_any_drive(command, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError):
        command.main(command.Arguments(output=tmp_path / "file" / "made"))
