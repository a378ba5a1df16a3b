"""Training: convergence, resuming, distributed processes, evaluation and errors."""

import csv
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from distill.contract import SUB_SCORES
from distill.evaluation import evaluate
from distill.recipes import imitation_only, tiny
from distill.samples import Samples
from distill.training import Trainer
from planning.neural.encoder import NetworkConfig
from planning.neural.network import Student

CONFIG = replace(
    tiny(),
    network=NetworkConfig(width=16, heads=2, encoder_layers=1, feed_forward=16),
    steps=12,
    batch_states=4,
    entries_per_state=16,
    warmup_steps=2,
    log_every=4,
    learning_rate=5e-3,
)


def trained(folder, samples, vocabulary, config=CONFIG, stop_at=None) -> Trainer:
    trainer = Trainer(config, samples, vocabulary, folder)
    trainer.run(stop_at=stop_at)
    return trainer


def weights_of(trainer: Trainer) -> np.ndarray:
    return np.concatenate([value.numpy().reshape(-1) for value in trainer.network.state_dict().values()])


def test_the_loss_falls_and_the_curves_are_on_disk(tmp_path, samples, vocabulary):
    seen = []
    trainer = Trainer(replace(CONFIG, steps=40), samples, vocabulary, tmp_path)
    trainer.run(lambda step, means: seen.append(means["total"]))
    assert np.mean(seen[-3:]) < 0.8 * seen[0]
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(4, 41, 4))
    assert float(rows[-1]["no_collision"]) > 0
    assert list(tmp_path.glob("events.out.tfevents*"))


def test_a_resumed_training_ends_with_identical_weights(tmp_path, samples, vocabulary):
    whole = trained(tmp_path / "whole", samples, vocabulary)
    trained(tmp_path / "parts", samples, vocabulary, stop_at=5)
    resumed = Trainer(CONFIG, samples, vocabulary, tmp_path / "parts")
    assert resumed.step == 5
    resumed.run()
    assert np.array_equal(weights_of(whole), weights_of(resumed))


def test_the_checkpoint_is_a_student_that_can_be_evaluated(tmp_path, samples, vocabulary):
    trained(tmp_path, samples, vocabulary)
    found = evaluate(Student.load(tmp_path), samples)
    assert set(found.auc) == set(CONFIG.losses.teacher)
    assert 0.0 <= found.chosen_score <= found.best_score <= 1.0
    candidates = samples.candidates.size
    assert all(bins.counts.sum() == candidates for bins in found.calibration.values())
    collision = SUB_SCORES.index("no_collision")
    assert found.positive_share["no_collision"] == pytest.approx((samples.scores[..., collision] > 0.75 * 255).mean())


def test_imitation_alone_needs_no_sub_score(tmp_path, samples, vocabulary):
    trainer = trained(tmp_path, samples, vocabulary, imitation_only(CONFIG))
    assert trainer.network.decoder.names == ("imitation",)
    assert evaluate(Student.load(tmp_path), samples).auc == {}


def test_nan_stops_the_training_with_a_sentence(tmp_path, labelled, vocabulary):
    spoilt = {name: values.copy() for name, values in labelled.features.items()}
    spoilt["ego"][:] = np.nan
    bad = Samples(replace(labelled, features=spoilt), vocabulary)
    with pytest.raises(ValueError, match=r"stopped at step 0: .* NaN or infinite"):
        trained(tmp_path, bad, vocabulary)


def test_resuming_with_another_configuration_is_refused(tmp_path, samples, vocabulary):
    trained(tmp_path, samples, vocabulary, stop_at=1)
    with pytest.raises(ValueError, match="another learning_rate"):
        Trainer(replace(CONFIG, learning_rate=1.0), samples, vocabulary, tmp_path)


def test_weights_of_another_configuration_are_refused(tmp_path, samples, vocabulary):
    trained(tmp_path / "first", samples, vocabulary, stop_at=1)
    wider = replace(CONFIG, network=replace(CONFIG.network, width=32))
    second = Trainer(wider, samples, vocabulary, tmp_path / "second")
    with pytest.raises(ValueError, match="network of another configuration"):
        second.initialize_from(tmp_path / "first")
    with pytest.raises(FileNotFoundError, match="No weights at"):
        second.initialize_from(tmp_path / "nowhere")


TWO_PROCESSES = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from distill.labels import LabelStore
from distill.samples import Samples
from distill.training import Trainer
from learning.processes import join_process_group, leave_process_group
from distill.recipes import tiny
from planning.neural.encoder import NetworkConfig
from planning.neural.vocabulary import TrajectoryVocabulary

folder = Path(sys.argv[1])
vocabulary = TrajectoryVocabulary.load(folder / "vocabulary.npz")
samples = Samples(LabelStore(folder / "labels").read(), vocabulary)
config = replace(tiny(), network=NetworkConfig(width=16, heads=2, encoder_layers=1, feed_forward=16), steps=2,
                 batch_states=4, entries_per_state=16, warmup_steps=2, learning_rate=5e-3)
process = join_process_group()
trainer = Trainer(config, samples, vocabulary, folder / "together", process)
trainer.run()
total = sum(float(value.double().sum()) for value in trainer.network.state_dict().values())
print(f"rank {process.rank} of {process.world_size}: {total:.9f}")
leave_process_group()
"""


def test_two_processes_over_gloo_keep_equal_weights(tmp_path, repository, labelled, vocabulary):
    from distill.labels import LabelHeader, LabelStore
    from distill.teacher import RuleTeacher

    vocabulary.save(tmp_path / "vocabulary.npz")
    LabelStore(tmp_path / "labels", LabelHeader.of(RuleTeacher(vocabulary))).write("all", labelled)
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(
        [*command, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[:4000]
    sums = [line.split(": ")[1] for line in done.stdout.splitlines() if line.startswith("rank")]
    assert len(sums) == 2
    assert sums[0] == sums[1]
    assert (tmp_path / "together" / "weights.safetensors").is_file()
