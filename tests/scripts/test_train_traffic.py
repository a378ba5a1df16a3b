"""The command that trains learned traffic."""

from dataclasses import replace
from itertools import pairwise

import pytest

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from simulation.traffic.learned.checkpoint import TrafficModel
from simulation.traffic.learned.network import NetworkConfig
from simulation.traffic.learned.training import RECIPES, TrainingConfig


@pytest.fixture
def command(repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "scripts")
    import train_traffic

    small = NetworkConfig(own=8, near=8, trunk=8)
    recipe = TrainingConfig(network=small, num_tokens=4, steps=1, batch_size=8)
    monkeypatch.setitem(RECIPES, "tiny", lambda: recipe)
    return train_traffic


def test_a_checkpoint_is_trained_from_a_data_root_and_continued(command, tmp_path):
    write_world([SCENES["t_junction"](), SCENES["pedestrian_crossing"]()], tmp_path / "world")
    arguments = command.Arguments(
        data=(tmp_path / "world",), towns=0, validation_towns=0, output=tmp_path / "out", quiet=True
    )
    command.main(arguments)
    first = TrafficModel.load(tmp_path / "out")
    assert first.metadata["steps"] == 1
    assert first.metadata["command"].startswith("scripts/train_traffic.py --towns 0")
    assert str(tmp_path) not in first.metadata["command"]
    command.main(replace(arguments, steps=2))
    assert TrafficModel.load(tmp_path / "out").metadata["steps"] == 2
    tuned = replace(arguments, output=tmp_path / "tuned", initialize_from=tmp_path / "out", learning_rate=1e-4)
    command.main(tuned)
    assert TrafficModel.load(tmp_path / "tuned").vocabulary.digest == first.vocabulary.digest


def test_scenarios_cover_a_recording_without_overlap(command):
    recording = SCENES["queue"]()
    scenarios = list(command.covering(recording))
    times = [(int(one.time_us[0]), int(one.time_us[one.first_frame + one.num_frames - 1])) for one in scenarios]
    assert scenarios
    assert all(before[1] <= after[1] for before, after in pairwise(times))


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"towns": 0}, ValueError, "Name data to learn from"),
        ({"recipe": "tyni"}, KeyError, r"No recipe named 'tyni'. Did you mean 'tiny'"),
        ({"limit": 0}, ValueError, "--limit"),
        ({"steps": 0}, ValueError, "--steps"),
    ],
)
def test_wrong_arguments_are_refused(command, tmp_path, changes, error, sentence):
    with pytest.raises(error, match=sentence):
        command.main(replace(command.Arguments(output=tmp_path, quiet=True), **changes))
