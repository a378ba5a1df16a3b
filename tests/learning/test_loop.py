from dataclasses import asdict, dataclass

import pytest
import torch
from torch import nn

from learning.loop import TrainingLoop
from learning.training_files import CURVES


@dataclass(frozen=True, kw_only=True)
class Settings:
    steps: int = 6
    learning_rate: float = 0.1
    weight_decay: float = 0.0
    warmup_steps: int = 2
    max_gradient: float = 10.0
    log_every: int = 2
    checkpoint_every_s: float = 1e9
    seed: int = 0


def line_fit(folder, settings=None, stop_at=None, report=None, spoil_at=None):
    """Fit y = 2 x; returns the loop after its run."""
    settings = settings or Settings()
    torch.manual_seed(settings.seed)
    loop = TrainingLoop(nn.Linear(1, 1), settings, folder, described=asdict(settings))

    def losses(step):
        x = torch.rand(8, 1, generator=torch.Generator().manual_seed(step))
        gap = (loop.model(x) - 2 * x).square().mean()
        return {"gap": gap, "total": gap * (torch.nan if step == spoil_at else 1.0)}

    loop.run(losses, loop.save_state, report=report, stop_at=stop_at)
    return loop


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    whole = line_fit(tmp_path / "whole")
    line_fit(tmp_path / "parts", stop_at=3)
    resumed = line_fit(tmp_path / "parts")
    assert whole.step == resumed.step == 6
    assert torch.equal(whole.module.weight, resumed.module.weight)
    assert torch.equal(whole.module.bias, resumed.module.bias)


def test_losses_are_averaged_between_two_lines_of_the_curves(tmp_path):
    reported = []
    line_fit(tmp_path, report=lambda step, means: reported.append((step, means["gap"])))
    lines = (tmp_path / CURVES).read_text().splitlines()
    assert lines[0] == "step,learning_rate,gap,total"
    assert [step for step, _ in reported] == [2, 4, 6]
    assert [int(line.split(",")[0]) for line in lines[1:]] == [2, 4, 6]
    assert float(lines[1].split(",")[2]) == pytest.approx(reported[0][1])
    assert reported[-1][1] < reported[0][1]


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path):
    line_fit(tmp_path, stop_at=2)
    before = (tmp_path / "resume.safetensors").read_bytes()
    with pytest.raises(
        ValueError, match=r"stopped at step 3: total is NaN or infinite.*below 0\.1, or search the data"
    ):
        line_fit(tmp_path, spoil_at=3)
    assert (tmp_path / "resume.safetensors").read_bytes() == before


def test_a_folder_of_another_configuration_is_refused(tmp_path):
    line_fit(tmp_path, stop_at=1)
    with pytest.raises(ValueError, match="holds a training with another learning_rate"):
        line_fit(tmp_path, Settings(learning_rate=0.2))
