"""Devices by name, with a simulated number of GPUs."""

import pytest
import torch

from planning.neural.devices import torch_device


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("gpu", "No device 'gpu'"),
        ("cuda:x", "No device 'cuda:x'"),
        ("cuda:5", "torch finds 2 GPUs"),
    ],
)
def test_a_device_that_does_not_exist_is_refused(monkeypatch, name, match):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=match):
        torch_device(name)


def test_auto_takes_a_gpu_if_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_device("auto") == torch.device("cpu")
    with pytest.raises(ValueError, match="torch finds 0 GPUs"):
        torch_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert torch_device("auto") == torch.device("cuda")
    assert torch_device("cuda:1") == torch.device("cuda:1")
