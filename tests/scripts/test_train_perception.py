"""The command that trains a perception network."""

from dataclasses import replace

import pytest
import torch
from small_perception import CONFIG

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from perception.checkpoint import Checkpoint
from perception.training import RECIPES, TrainingConfig


@pytest.fixture
def command(repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "scripts")
    import train_perception

    torch.set_num_threads(1)
    monkeypatch.setitem(RECIPES, "tiny", lambda: TrainingConfig(network=CONFIG, steps=1, batch_size=1))
    return train_perception


def test_a_checkpoint_is_trained_from_the_states_of_a_data_root(command, tmp_path):
    write_world([SCENES["queue"]()], tmp_path / "world")
    arguments = command.Arguments(data=(tmp_path / "world",), output=tmp_path / "out", quiet=True)
    command.main(arguments)
    assert Checkpoint.load(tmp_path / "out").metadata["steps"] == 1
    command.main(replace(arguments, steps=2))
    assert Checkpoint.load(tmp_path / "out").metadata["steps"] == 2


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({}, ValueError, "Name at least one data root"),
        ({"data": ("world",), "recipe": "tyni"}, KeyError, r"No recipe named 'tyni'. Did you mean 'tiny'"),
        ({"data": ("world",), "limit": 0}, ValueError, "--limit"),
    ],
)
def test_wrong_options_are_sentences(command, tmp_path, changes, error, sentence):
    with pytest.raises(error, match=sentence):
        command.main(command.Arguments(output=tmp_path, quiet=True, **changes))
