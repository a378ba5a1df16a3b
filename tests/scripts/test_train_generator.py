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
    arguments = command.Arguments(
        data=(tmp_path / "worlds",), output=tmp_path / "made", steps=2, stop_at=1, quiet=True
    )
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


@pytest.fixture
def three_recordings(tmp_path):
    write_world([SCENES["queue"](), SCENES["t_junction"](), SCENES["red_light"]()], tmp_path / "worlds")
    return tmp_path / "worlds"


def test_a_fold_of_the_recordings_is_left_out(command, three_recordings, tmp_path):
    given = {"data": (three_recordings,), "output": tmp_path, "quiet": True}
    everything = command.collected(command.Arguments(**given))
    parts = [command.collected(command.Arguments(**given, folds=3, held_out=fold)) for fold in range(3)]
    assert sum(len(part) for part in parts) == 2 * len(everything)
    assert all(0 < len(part) < len(everything) for part in parts)
    arguments = command.Arguments(**given, folds=3, held_out=1)
    assert command.sources(arguments) == [str(three_recordings), "without fold 1 of 3"]


def test_recordings_are_repeated_up_to_their_share(command, three_recordings, tmp_path, monkeypatch):
    given = {"data": (three_recordings,), "output": tmp_path, "quiet": True}
    alone = command.collected(command.Arguments(**given))
    calibrations, is_short = [], []

    def town_scenes(seed, settings, *, egos, has_short_pieces):
        calibrations.append(settings.calibration)
        is_short.append(has_short_pieces)
        return alone[:1] * 60

    monkeypatch.setattr(command, "town_scenes", town_scenes)
    mixed = command.collected(
        command.Arguments(**given, towns=2, calibrated=True, short_pieces=True, recorded_share=0.25)
    )
    assert is_short == [False, True]
    assert len(mixed) - 120 == len(alone) * max(1, round(40 / len(alone)))
    # Calibrated to the sizes of these recordings, and not to the numbers of the package.
    assert calibrations[0] is calibrations[1]
    assert calibrations[0] != command.RECORDED
    assert command.calibration_of([]) == command.RECORDED


def test_steps_shorter_than_the_warm_up_shorten_it(command, tmp_path):
    config = command.configured(command.Arguments(output=tmp_path, steps=80, batch_size=8, bare_share=0.3))
    assert (config.steps, config.warmup_steps, config.batch_size, config.bare_share) == (80, 20, 8, 0.3)
    assert command.configured(command.Arguments(output=tmp_path)).warmup_steps == 100


def test_a_missing_start_is_one_sentence(command, tmp_path):
    with pytest.raises(FileNotFoundError, match="No scene network in"):
        command.main(command.Arguments(output=tmp_path / "made", start=tmp_path / "none"))
    assert not (tmp_path / "made").exists()
