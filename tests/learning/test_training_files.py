import pytest
import torch

from learning.training_files import (
    CURVES,
    RESUME_TENSORS,
    append_curves,
    cosine_rate,
    cut_curves,
    load_state,
    load_weights,
    require_same_config,
    save_state,
)


def test_another_configuration_is_refused_by_name(tmp_path):
    require_same_config(tmp_path, {"steps": 3, "rate": 0.1, "size": (1, 2)}, writes=True)
    require_same_config(tmp_path, {"steps": 5, "rate": 0.1, "size": (1, 2)}, writes=True)
    with pytest.raises(ValueError, match="holds a training with another rate"):
        require_same_config(tmp_path, {"steps": 5, "rate": 0.2, "size": (1, 2)}, writes=True)


def test_weights_and_moments_are_restored(tmp_path):
    def one_step(network, optimizer):
        optimizer.zero_grad()
        network(torch.ones(1, 3)).sum().backward()
        optimizer.step()

    networks = [torch.nn.Linear(3, 2) for _ in range(2)]
    first, second = (torch.optim.AdamW(network.parameters()) for network in networks)
    assert load_state(tmp_path, networks[1], second, "cpu") == 0
    one_step(networks[0], first)
    save_state(tmp_path, networks[0], first, 7)
    assert load_state(tmp_path, networks[1], second, "cpu") == 7
    one_step(networks[0], first)
    one_step(networks[1], second)
    assert torch.equal(networks[0].weight, networks[1].weight)


def test_curves_have_one_header(tmp_path):
    append_curves(tmp_path, 1, {"total": 2.0})
    append_curves(tmp_path, 2, {"total": 1.5})
    assert (tmp_path / CURVES).read_text().split() == ["step,total", "1,2.0", "2,1.5"]


def test_the_rate_rises_then_falls_to_a_hundredth():
    rates = [cosine_rate(step, steps=100, warmup_steps=10, highest=1.0) for step in (0, 9, 10, 55, 100)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.505, 0.01])


def test_lines_of_steps_after_a_checkpoint_are_removed(tmp_path):
    cut_curves(tmp_path, 0)
    for step in (10, 20, 30):
        append_curves(tmp_path, step, {"total": 0.5})
    with (tmp_path / CURVES).open("a") as file:
        file.write("4")
    cut_curves(tmp_path, 20)
    append_curves(tmp_path, 30, {"total": 0.25})
    assert (tmp_path / CURVES).read_text().splitlines() == ["step,total", "10,0.5", "20,0.5", "30,0.25"]


@pytest.mark.parametrize("written", ["", "step,to"])
def test_curves_of_a_process_that_was_killed_before_its_first_line_begin_again(tmp_path, written):
    (tmp_path / CURVES).write_text(written)
    cut_curves(tmp_path, 0)
    append_curves(tmp_path, 10, {"total": 0.5})
    assert (tmp_path / CURVES).read_text().splitlines() == ["step,total", "10,0.5"]


def test_damaged_weights_and_states_are_sentences(tmp_path):
    network = torch.nn.Linear(2, 2)
    for name in ("weights.safetensors", RESUME_TENSORS):
        (tmp_path / name).write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged: .* Copy it again, or train again"):
        load_weights(network, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"resume\.safetensors is damaged: .* Without it, the training begins anew"):
        load_state(tmp_path, network, torch.optim.Adam(network.parameters()), "cpu")
