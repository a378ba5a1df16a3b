"""Training with DAgger rounds, resumed by calling the command again."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from distill.labelling import LabelJob, label_all
from distill.labels import HEADER, LabelStore
from distill.motions import generated_motions
from distill.states import ON_POLICY, SHIFTED, StateSettings
from distill.vocabulary_building import build_vocabulary
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES


@pytest.fixture
def command(repository, monkeypatch):
    """The module of the command; importing torch anew for each call would take seconds."""
    monkeypatch.syspath_prepend(repository / "scripts")
    import train_planner

    torch.set_num_threads(1)
    return train_planner


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A world of two scenes, a vocabulary, labels."""
    folder = tmp_path_factory.mktemp("made")
    write_world([SCENES[name]() for name in ("queue", "cut_in")], folder / "world")
    build_vocabulary(generated_motions(200, seed=0), 24, iterations=2).save(folder / "vocabulary.npz")
    settings = StateSettings(every_steps=60, shifted=1)
    jobs = [
        LabelJob(entry=entry, vocabulary=folder / "vocabulary.npz", output=folder / "labels", settings=settings)
        for entry in list_scenarios(DataRoot.find(folder / "world"))
    ]
    assert sum(label_all(jobs)) == 12
    return SimpleNamespace(world=folder / "world", vocabulary=folder / "vocabulary.npz", labels=folder / "labels")


def train(command, made, output: Path, **changes) -> None:
    settings = {"labels": (made.labels,), "vocabulary": made.vocabulary, "steps": 2, "quiet": True}
    command.main(command.Arguments(output=output, **{**settings, **changes}))


def contents(folder: Path) -> dict[str, bytes]:
    """All that lasts; TensorBoard begins a file at each call."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "tfevents" not in path.name)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_training_begins_with_the_weights_of_another_student(command, made, tmp_path):
    train(command, made, tmp_path / "first", seed=1)
    train(command, made, tmp_path / "second", steps=1, initialize_from=tmp_path / "first", learning_rate=1e-9)
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("first", "second"))
    assert all(torch.allclose(first[name], value, atol=1e-6) for name, value in second.items())


def test_a_mixed_student_lies_between_the_weights_before_and_after_a_training(command, made, tmp_path):
    train(command, made, tmp_path / "first", seed=1)
    train(command, made, tmp_path / "second", initialize_from=tmp_path / "first", mix=0.25)
    before, after, mixed = (
        load_file(tmp_path / name / "weights.safetensors") for name in ("first", "second", "second/mixed")
    )
    for name, value in mixed.items():
        torch.testing.assert_close(value, torch.lerp(before[name], after[name], 0.25))
    with pytest.raises(ValueError, match="name them with --initialize-from"):
        train(command, made, tmp_path / "third", mix=0.25)
    with pytest.raises(ValueError, match=r"a share above 0 and below 1, got 1\.5"):
        train(command, made, tmp_path / "third", initialize_from=tmp_path / "first", mix=1.5)
    assert not (tmp_path / "third").exists()


def test_a_round_drives_labels_and_trains_on_and_is_not_done_twice(command, made, tmp_path):
    rounds = {"rounds": 1, "round_steps": 1, "data": (made.world,), "limit": 1}
    output = tmp_path / "student"
    train(command, made, output, **rounds)
    on_policy = LabelStore(output / "labels_round_1").read()
    assert set(on_policy.kinds) == {ON_POLICY}
    assert len(set(on_policy.scenario_ids)) == 1
    described = json.loads((output / "student.json").read_text())["metadata"]
    before = json.loads((output / "round_0" / "student.json").read_text())["metadata"]
    assert (before["steps"], described["steps"]) == (2, 1)
    assert described["states"] == before["states"] + len(on_policy)

    first = contents(output)
    train(command, made, output, **rounds)
    assert contents(output) == first

    # Stopped after the labels of the round: what was trained before is taken up, and the same student comes out.
    for path in (
        output / name for name in ("weights.safetensors", "resume.safetensors", "training.json", "curves.csv")
    ):
        path.unlink()
    train(command, made, output, **rounds)
    assert contents(output) == first


def test_a_training_is_not_resumed_with_other_variations(command, made, tmp_path):
    train(command, made, tmp_path)
    with pytest.raises(ValueError, match="holds a training with another leave_out"):
        train(command, made, tmp_path, leave_out=("unlit",))


def test_labels_of_another_teacher_version_or_vocabulary_are_refused(command, made, tmp_path):
    other = tmp_path / "other.npz"
    build_vocabulary(generated_motions(200, seed=1), 24, iterations=2).save(other)
    with pytest.raises(ValueError, match="have vocabulary"):
        train(command, made, tmp_path / "out", vocabulary=other)
    old = tmp_path / "labels"
    old.mkdir()
    header = json.loads((made.labels / HEADER).read_text())
    for change, match in [
        ({"teacher": "rules.1"}, r"have teacher rules\.1, expected rules\."),
        ({"features": "features.0"}, r"have features features\.0"),
        ({"sub_scores": ["no_collision"]}, "have sub scores"),
    ]:
        (old / HEADER).write_text(json.dumps({**header, **change}))
        with pytest.raises(ValueError, match=match):
            train(command, made, tmp_path / "out", labels=(made.labels, old))
    assert not (tmp_path / "out").exists()


def test_missing_arguments_raise(command, made, tmp_path):
    with pytest.raises(ValueError, match="at least one folder of labels"):
        train(command, made, tmp_path, labels=())
    with pytest.raises(ValueError, match="rounds need scenarios to drive"):
        train(command, made, tmp_path, rounds=1)
    with pytest.raises(ValueError, match=r"No variation 'unlitt'\. Did you mean 'unlit'"):
        train(command, made, tmp_path, leave_out=("unlitt",))
    with pytest.raises(KeyError, match="Did you mean 'rules'"):
        train(command, made, tmp_path, teacher="rule")


def test_a_split_without_states_is_refused(command, made, tmp_path):
    store = LabelStore(made.labels)
    shifted = store.read()
    shifted = shifted.take(np.array([kind == SHIFTED for kind in shifted.kinds]))
    only = LabelStore(tmp_path / "shifted", store.header)
    only.write("all", shifted)
    with pytest.raises(ValueError, match="split is empty"):
        train(command, made, tmp_path / "out", labels=(only.folder,), no_augmentation=True)
