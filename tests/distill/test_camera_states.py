"""Recorded drives, their files, and training on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_camera_student import small_config, small_student, small_vocabulary, states_of
from small_perception import small_network

from distill.camera_recording import RecordingJob, RecordingSettings, header_of, record_drive, without_hidden
from distill.camera_states import CameraHeader, CameraStore, joined_states
from distill.camera_training import (
    CameraSamples,
    CameraTrainer,
    CameraTrainingConfig,
    evaluate_camera_student,
    imitation_twin,
)
from distill.contract import SUB_SCORES, logged_future
from distill.samples import teacher_scores
from distill.teacher import RuleTeacher
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES, scene
from perception.checkpoint import Checkpoint
from planning.neural.camera_checkpoint import CameraStudent
from simulation.rollout import Rollout
from simulation.sensors.rendered import CameraSettings

HEADER = CameraHeader(perception="0" * 16, vocabulary="1" * 16, teacher="rules.4")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[Path, RecordingJob]:
    """The states of a drive in the cut-in scene."""
    folder = tmp_path_factory.mktemp("recorded")
    write_world([SCENES["cut_in"]()], folder / "world")
    Checkpoint(network=small_network()).save(folder / "eyes")
    small_vocabulary().save(folder / "vocabulary.npz")
    (entry, *_) = list_scenarios(DataRoot.find(folder / "world"))
    job = RecordingJob(
        entry=entry,
        perception=folder / "eyes",
        vocabulary=folder / "vocabulary.npz",
        output=folder / "drives",
        settings=RecordingSettings(every_steps=50, every_s=5.0),
    )
    assert record_drive(job) > 0
    return folder, job


def test_a_drive_is_recorded_once_with_the_labels_of_both_teachers(recorded):
    _, job = recorded
    assert record_drive(job) == 0
    states = CameraStore(job.output).read()
    assert set(states.scenario_ids) == {job.entry.token}
    assert states.scores.shape == (len(states), states.candidates.shape[1], len(SUB_SCORES))
    # Without hidden agents, candidates collide with fewer of them.
    no_collision = SUB_SCORES.index("no_collision")
    assert (states.visible_scores[..., no_collision] >= states.scores[..., no_collision]).all()
    assert states.scenes.bev.dtype == np.float16
    assert (np.diff(states.candidates, axis=1) > 0).all()


def test_a_camera_student_records_its_own_drive(recorded, tmp_path):
    folder, job = recorded
    small_student().save(folder / "driver")
    own = replace(job, driver=folder / "driver", output=tmp_path)
    assert record_drive(own) > 0
    first, second = (CameraStore(each).read().scenes.ego for each in (job.output, tmp_path))
    assert not np.array_equal(first[-1], second[-1])
    with pytest.raises(ValueError, match="No driver named 'studnt'"):
        record_drive(replace(job, driver="studnt", output=tmp_path / "other"))


def test_agents_that_no_camera_shows_are_left_out_of_the_future():
    queue = scene("queue")
    from driving.rigs import NUSCENES_6

    cameras = CameraSettings(rig=NUSCENES_6.resized(sizes=(352, 198)))
    observation = Rollout(queue, cameras=cameras).observation()
    future = logged_future(queue, 0)
    shown = without_hidden(observation, future, cameras).agents
    assert 0 < shown.num_agents < future.agents.num_agents
    assert set(shown.track_ids) <= set(future.agents.track_ids)


def test_the_store_keeps_states_and_refuses_those_of_another_network(tmp_path):
    store = CameraStore(tmp_path, HEADER)
    store.write("b", states_of(3, seed=1))
    store.write("a", states_of(2))
    store.write("empty", None)
    assert store.has("empty")
    read = CameraStore(tmp_path).read()
    assert len(read) == 5
    assert np.array_equal(read.take(np.arange(2)).scores, states_of(2).scores)
    assert len(joined_states([read, read])) == 10
    with pytest.raises(ValueError, match="have perception 0000000000000000, expected 2222"):
        CameraStore(tmp_path, replace(HEADER, perception="2222"))
    with pytest.raises(FileNotFoundError, match="No states in"):
        CameraStore(tmp_path / "none")
    with pytest.raises(ValueError, match="holds no labelled state"):
        CameraStore(tmp_path / "new", HEADER).read()


def test_the_header_names_network_vocabulary_and_teacher():
    teacher = RuleTeacher(small_vocabulary())
    header = header_of(small_network(), teacher)
    assert header == header_of(small_network(), teacher) != header_of(small_network(seed=1), teacher)
    assert header.vocabulary == teacher.vocabulary.digest


CONFIG = CameraTrainingConfig(
    network=small_config(), steps=4, batch_states=2, candidates_per_state=8, warmup_steps=1, log_every=2
)


def test_training_resumes_with_equal_results_and_ends_with_a_checkpoint(tmp_path):
    vocabulary, samples = small_vocabulary(), CameraSamples(states_of(6), small_vocabulary())
    whole = CameraTrainer(CONFIG, samples, vocabulary, tmp_path / "whole", "0" * 16)
    whole.run()
    CameraTrainer(replace(CONFIG, steps=2), samples, vocabulary, tmp_path / "parts", "0" * 16).run()
    resumed = CameraTrainer(CONFIG, samples, vocabulary, tmp_path / "parts", "0" * 16)
    assert resumed.step == 2
    read = CameraStudent.load(tmp_path / "whole")
    assert read.metadata["steps"] == 4
    assert read.perception == "0" * 16
    assert (tmp_path / "whole" / "curves.csv").read_text().startswith("step,learning_rate,imitation,no_collision")
    other = CameraTrainer(CONFIG, samples, vocabulary, tmp_path / "next", "0" * 16)
    other.initialize_from(tmp_path / "whole")
    assert np.array_equal(other.network.join.weight.detach(), whole.network.join.weight.detach())
    with pytest.raises(ValueError, match="holds a training with another sees_all"):
        CameraTrainer(replace(CONFIG, sees_all=False), samples, vocabulary, tmp_path / "whole", "0" * 16)


def test_the_loss_falls(tmp_path):
    samples = CameraSamples(states_of(4), small_vocabulary())
    config = replace(CONFIG, steps=40, batch_states=4, candidates_per_state=12, learning_rate=1e-2)
    trainer = CameraTrainer(config, samples, small_vocabulary(), tmp_path, "0" * 16)
    losses = []
    trainer.run(lambda _, means: losses.append(means["total"]))
    assert losses[-1] < losses[0]
    found = evaluate_camera_student(trainer.student(), samples)
    assert found.best_score == pytest.approx(teacher_scores(samples.scores).max(axis=1).mean())
    assert found.chosen_score <= found.best_score
    assert set(found.chosen_positive) == set(SUB_SCORES)


def test_the_twin_has_the_imitation_head_only(tmp_path):
    samples = CameraSamples(states_of(3), small_vocabulary())
    trainer = CameraTrainer(imitation_twin(CONFIG), samples, small_vocabulary(), tmp_path, "0" * 16)
    trainer.run()
    assert trainer.network.names == ("imitation",)
    assert trainer.student().weights.imitation == 1.0


def test_the_teacher_of_visible_agents_has_its_own_scores():
    states = states_of(2)
    every, visible = (CameraSamples(states, small_vocabulary(), sees_all=sees_all) for sees_all in (True, False))
    rows, rng = np.arange(2), np.random.default_rng(0)
    assert (visible.batch(rows, None, rng)[1].scores >= every.batch(rows, None, rng)[1].scores).all()
    with pytest.raises(ValueError, match="No state to train on"):
        CameraSamples(states.take(np.zeros(2, dtype=bool)), small_vocabulary())
