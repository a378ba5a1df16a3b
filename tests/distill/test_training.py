"""Training: convergence, resuming, distributed processes, evaluation and errors."""

import csv
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from distill.contract import SUB_SCORES
from distill.evaluation import area_under_curve, calibration_of, evaluate
from distill.losses import forecast_loss, head_target, imitation_loss
from distill.recipes import RECIPES, imitation_only, recipe, tiny
from distill.samples import Samples, held_back, teacher_scores
from distill.training import Trainer, learning_rate
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


@pytest.fixture(scope="module")
def samples(labelled, vocabulary) -> Samples:
    return Samples(labelled, vocabulary)


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


def test_an_empty_split_and_labels_of_another_size_are_refused(labelled, vocabulary):
    with pytest.raises(ValueError, match="split is empty"):
        Samples(labelled.take(np.zeros(len(labelled), dtype=bool)), vocabulary)
    with pytest.raises(ValueError, match="labels score 8 entries, the vocabulary has 48"):
        Samples(replace(labelled, scores=labelled.scores[:, :8]), vocabulary)


def test_whole_scenarios_are_held_back(labelled):
    kept = held_back(labelled, 0.5)
    for name in set(labelled.scenario_ids):
        rows = [row for row, found in enumerate(labelled.scenario_ids) if found == name]
        assert len(set(kept[rows].tolist())) == 1
    assert not held_back(labelled, 0.0).any()
    assert held_back(labelled, 1.0).all()


def test_a_batch_holds_the_best_candidates_of_the_teacher(samples, labelled):
    rows = np.arange(4)
    batch = samples.batch(rows, 16, np.random.default_rng(0))
    assert batch.candidates.shape == (4, 16)
    assert all(len(set(row.tolist())) == 16 for row in batch.candidates)
    quality = teacher_scores(labelled.scores[rows])
    for place in range(4):
        sampled = quality[place][batch.candidates[place].numpy()]
        assert sampled.max() >= quality[place].max() - 0.05


def test_losses_are_those_computed_by_hand():
    # Two candidates, one equal to the log and one 1000 m^2 away: the target is (1, 0), both logits are 0.
    loss = imitation_loss(torch.zeros(2, 2), torch.tensor([[0.0, 1000.0], [torch.nan, torch.nan]]), 4.0)
    assert float(loss) == pytest.approx(np.log(2.0))
    # Smooth L1 of an error of 3 m is 2.5; the unknown agent does not count.
    truth = torch.full((1, 2, 8, 2), torch.nan)
    truth[0, 0] = 3.0
    assert float(forecast_loss(torch.zeros(1, 2, 8, 2), truth)) == pytest.approx(2.5)


def test_the_area_under_the_curve_is_a_probability():
    ratings, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert area_under_curve(ratings, positive) == pytest.approx(0.75)
    assert area_under_curve(np.zeros(4), positive) == pytest.approx(0.5)
    assert np.isnan(area_under_curve(ratings, np.ones(4, dtype=bool)))


def test_calibration_compares_predictions_with_targets_in_each_bin():
    predicted = np.array([0.05, 0.15, 0.15, 0.95, 1.0])
    observed = np.array([0.0, 0.0, 1.0, 1.0, 0.5])
    found = calibration_of(predicted, observed)
    assert found.counts.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found.predicted[[0, 1, 9]] == pytest.approx([0.05, 0.15, 0.975])
    assert found.observed[[0, 1, 9]] == pytest.approx([0.0, 0.5, 0.75])
    assert np.isnan(found.observed[2:9]).all()
    # (1 * 0.05 + 2 * 0.35 + 2 * 0.225) / 5.
    assert found.expected_error == pytest.approx(0.24)


def test_perfect_predictions_are_calibrated_and_invalid_ones_are_refused():
    truth = np.repeat([0.0, 1.0], 5)
    assert calibration_of(truth, truth).expected_error == 0.0
    assert calibration_of(1.0 - truth, truth).expected_error == 1.0
    with pytest.raises(ValueError, match="at least one item"):
        calibration_of(truth[:0], truth[:0])
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 0 to 2"):
        calibration_of(2.0 * truth, truth)


def test_half_a_score_is_a_soft_target_or_counts_as_zero():
    targets = torch.full((1, 1, len(SUB_SCORES)), 0.5)
    assert float(head_target(targets, "progress")) == 0.5
    assert float(head_target(targets, "no_collision")) == 0.0


def test_the_learning_rate_rises_and_falls():
    assert learning_rate(CONFIG, 0) == pytest.approx(2.5e-3)
    assert learning_rate(CONFIG, 2) == pytest.approx(5e-3)
    assert learning_rate(CONFIG, 12) == pytest.approx(5e-5)


def test_an_unknown_recipe_names_the_nearest():
    assert set(RECIPES) == {"tiny", "small", "base"}
    with pytest.raises(KeyError, match="Did you mean 'tiny'"):
        recipe("tinny")


TWO_PROCESSES = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from distill.labels import LabelStore
from distill.samples import Samples
from distill.training import Trainer, join_process_group, leave_process_group
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
