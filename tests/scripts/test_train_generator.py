import importlib

import pytest

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES


@pytest.fixture
def command(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    return importlib.import_module("train_generator")


def test_recordings_are_learned_and_the_checkpoint_is_written(command, tmp_path, capsys):
    write_world([SCENES["queue"]()], tmp_path / "worlds")
    arguments = command.Arguments(data=(tmp_path / "worlds",), output=tmp_path / "made", steps=1, quiet=True)
    command.main(arguments)
    assert "1 steps on" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "made").iterdir()}
    assert names >= {"scenes.json", "weights.safetensors", "training.json", "curves.csv"}


def test_an_unknown_recipe_says_which_there_are(command, tmp_path):
    with pytest.raises(KeyError, match=r"No recipe named 'tny'. Did you mean 'tiny'"):
        command.main(command.Arguments(output=tmp_path / "made", recipe="tny"))
    assert not (tmp_path / "made").exists()


def test_a_count_below_one_is_refused(command, tmp_path):
    with pytest.raises(ValueError, match="--towns must be at least 1"):
        command.main(command.Arguments(output=tmp_path / "made", towns=0))
