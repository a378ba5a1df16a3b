"""The network, its checkpoints and the combination of its heads."""

import json

import numpy as np
import pytest
import torch

from distill.contract import SUB_SCORES
from distill.motions import generated_motions
from distill.vocabulary_building import build_vocabulary
from driving.synthetic.scenes import scene
from learning.training_files import load_weights
from planning.neural.candidate_features import candidate_geometry
from planning.neural.decoder import IMITATION
from planning.neural.encoder import NetworkConfig
from planning.neural.features import FEATURE_NAMES, FeatureBuilder, trimmed
from planning.neural.network import ScoreWeights, Student, StudentNetwork, combined_score

CONFIG = NetworkConfig(width=16, heads=2, encoder_layers=1, feed_forward=16)


@pytest.fixture(scope="module")
def student() -> Student:
    torch.manual_seed(0)
    vocabulary = build_vocabulary(generated_motions(300, seed=0), 64, iterations=2)
    network = StudentNetwork(CONFIG, SUB_SCORES).eval()
    return Student(network=network, vocabulary=vocabulary, weights=ScoreWeights(), metadata={"seed": 3})


@pytest.fixture(scope="module")
def features() -> dict[str, np.ndarray]:
    built = [FeatureBuilder().build(scene(name).observation_at(30)) for name in ("queue", "red_light")]
    return trimmed({name: np.stack([getattr(one, name) for one in built]) for name in FEATURE_NAMES})


def forward(network: StudentNetwork, features: dict[str, np.ndarray], tracked: np.ndarray):
    tensors = {name: torch.from_numpy(values) for name, values in features.items()}
    return network(tensors, candidate_geometry(features, tracked))


def test_an_untrained_network_forecasts_that_motions_continue(student, features):
    tracked = np.zeros((2, 5, 8, 10))
    logits, forecast_m = forward(student.network, features, tracked)
    assert set(logits) == {*SUB_SCORES, IMITATION}
    assert all(values.shape == (2, 5) for values in logits.values())
    assert torch.equal(forecast_m, torch.from_numpy(candidate_geometry(features, tracked).kinematic_m))


def test_logits_of_a_candidate_do_not_depend_on_the_other_candidates(student, features):
    tracked = np.random.default_rng(0).normal(size=(2, 6, 8, 10))
    whole, _ = forward(student.network, features, tracked)
    part, _ = forward(student.network, features, tracked[:, 2:4])
    for name, values in part.items():
        assert torch.allclose(values, whole[name][:, 2:4], atol=1e-5)


def test_tokens_that_are_masked_out_have_no_influence(student, features):
    tracked = np.zeros((2, 3, 8, 10))
    expected, _ = forward(student.network, features, tracked)
    changed = {name: values.copy() for name, values in features.items()}
    for name in ("agents", "lanes", "lights"):
        changed[name][~features[f"{name}_mask"]] = 7.0
    found, _ = forward(student.network, changed, tracked)
    assert all(torch.allclose(found[name], expected[name], atol=1e-5) for name in expected)


def test_lanes_have_no_influence_without_agents(student, features):
    tracked = np.zeros((2, 3, 8, 10))
    without = {**features, "lanes_mask": np.zeros_like(features["lanes_mask"])}
    for is_empty in (True, False):
        agents_mask = features["agents_mask"] & (not is_empty)
        found, expected = (
            forward(student.network, {**one, "agents_mask": agents_mask}, tracked)[0] for one in (features, without)
        )
        assert all(torch.equal(found[name], expected[name]) for name in expected) == is_empty


def test_gradients_of_the_forecast_reach_only_its_own_head_and_the_encoder(features):
    network = StudentNetwork(CONFIG, SUB_SCORES)
    _, forecast_m = forward(network, features, np.zeros((2, 3, 8, 10)))
    forecast_m.sum().backward()
    assert all(parameter.grad is None for parameter in network.decoder.parameters())
    assert network.foresee[-1].bias.grad.abs().sum() > 0.0


def test_a_width_that_does_not_divide_into_heads_is_refused():
    with pytest.raises(ValueError, match="`width` must be a multiple of `heads`; got 30 and 4"):
        NetworkConfig(width=30)


def test_the_combined_score_prefers_allowed_candidates_that_progress():
    certain, never = 8.0, -8.0
    names = ("no_collision", "drivable_area", "progress", "time_to_collision")
    logits = {name: torch.tensor([[certain, certain, certain]]) for name in names}
    logits["no_collision"] = torch.tensor([[certain, certain, never]])
    logits["progress"] = torch.tensor([[never, certain, certain]])
    logits[IMITATION] = torch.zeros(1, 3)
    score = combined_score(logits, ScoreWeights())
    assert score.argmax() == 1
    assert score[0, 2] < score[0, 0]


def test_the_combined_score_is_the_weighted_sum_of_logarithms():
    logits = {IMITATION: torch.tensor([[0.0, 0.0]]), "no_collision": torch.zeros(1, 2), "progress": torch.zeros(1, 2)}
    weights = ScoreWeights(
        imitation=0.5, multiplied={"no_collision": 3.0}, weighted={"progress": 4.0, "comfort": 9.0}
    )
    # log 1/2 of every probability; comfort has no head.
    assert combined_score(logits, weights)[0, 0].item() == pytest.approx((0.5 + 3.0 + 2.0) * np.log(0.5), abs=1e-5)


def test_a_checkpoint_returns_the_same_student(student, tmp_path):
    student.save(tmp_path)
    loaded = Student.load(tmp_path)
    assert loaded.vocabulary.digest == student.vocabulary.digest
    assert loaded.weights == student.weights
    assert loaded.metadata == {"seed": 3}
    for name, value in student.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], value)


def test_checkpoints_that_do_not_fit_are_refused(student, tmp_path):
    with pytest.raises(FileNotFoundError, match="No student in"):
        Student.load(tmp_path / "nowhere")
    student.save(tmp_path)
    path = tmp_path / "student.json"
    described = json.loads(path.read_text())
    for change, match in [
        ({"format": "camber.student.1"}, r"has format camber\.student\.1, expected camber\.student\.5"),
        ({"features": "features.0"}, r"has features features\.0, expected features\.2"),
        ({"vocabulary": "f" * 16}, "was trained on vocabulary ffffffffffffffff"),
        ({"network": {**described["network"], "width": 32}}, "network of another configuration"),
    ]:
        path.write_text(json.dumps({**described, **change}))
        with pytest.raises(ValueError, match=match):
            Student.load(tmp_path)
    path.write_text(json.dumps(described))
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="No weights at"):
        Student.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="No weights at"):
        load_weights(student.network, tmp_path / "weights.safetensors")
