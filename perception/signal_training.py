"""Training of the signal head alone, on images of the forward camera, with as many states of each colour.

Few states of a recording have a signal ahead, and a whole network takes 30 times as long for a state as this head.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from driving.scenario import Scenario
from perception.images import network_images
from perception.losses import signal_losses
from perception.network import PerceptionConfig
from perception.samples import RenderedSamples, SampleSettings
from perception.targets import governing_signal
from perception.training import Trainer

SIGNAL_BATCH = 32
"""States of a step over all processes."""
SHARES = (0.3, 0.1, 0.3, 0.3)
"""Of the states in the training, by `LightStatus`: green, yellow, red, none."""


class SignalBatch(NamedTuple):
    """Images of the forward camera of B states."""

    images: Float[Tensor, "B 1 3 H W"]
    rays: Float[Tensor, "B P 3"]
    present: Bool[Tensor, "B 1"]
    signal: Int64[Tensor, "B"]
    signal_place: Int64[Tensor, "B"]

    def to(self, device: str) -> "SignalBatch":
        """The batch on a device."""
        return SignalBatch(*(value.to(device) for value in self))


class SignalSamples:
    """States balanced by the state of their signal, rendered for the forward camera."""

    def __init__(self, scenarios: Sequence[Scenario], settings: SampleSettings, config: PerceptionConfig) -> None:
        """List the states.

        Raises:
            ValueError: When no state has a signal.
        """
        self._samples = RenderedSamples(scenarios, settings, config)
        states = np.array([self._state(row) for row in range(len(self._samples))])
        self._rows = [np.flatnonzero(states == status) for status in range(len(SHARES))]
        if not any(len(rows) for rows in self._rows[:-1]):
            raise ValueError(
                "No state of these scenarios has a traffic light ahead. Use scenarios with traffic lights."
            )

    def _state(self, row: int) -> int:
        scenario, frame = self._samples.state(row)
        pose = scenario.ego.rear_axle_poses[0, frame]
        return governing_signal(scenario.map, scenario.route, pose, scenario.traffic_lights.at(frame))

    def __len__(self) -> int:
        """Number of states."""
        return len(self._samples)

    def batch(self, rows: Int64[np.ndarray, "rows"], rng: np.random.Generator) -> SignalBatch:
        """Images and targets.

        Args:
            rows: Their number counts; the states are drawn by their signal.
            rng: For everything random.
        """
        shares = np.array(SHARES) * [len(each) > 0 for each in self._rows]
        drawn = rng.choice(len(shares), size=len(rows), p=shares / shares.sum())
        chosen = np.sort([int(rng.choice(self._rows[status])) for status in drawn])
        parts = [self._samples.signal_sample(row, rng) for row in chosen.tolist()]
        images = np.stack([image for image, _, _ in parts])
        return SignalBatch(
            images=network_images(images[:, np.newaxis]),
            rays=torch.cat([rays for _, rays, _ in parts]),
            present=torch.ones(len(parts), 1, dtype=torch.bool),
            signal=torch.tensor([target.state for _, _, target in parts]),
            signal_place=torch.tensor([target.place for _, _, target in parts]),
        )


class SignalTrainer(Trainer):
    """Trains the signal head of a network; all other weights stay."""

    def _trained(self) -> nn.Module:
        return self.network.signal

    def _losses(self, batch: Any) -> dict[str, Tensor]:
        with self._precision():
            states, places = self.loop.model(batch.images, batch.rays, batch.present)
        weights = self.config.losses
        parts = signal_losses(states, places, batch.signal, batch.signal_place)
        right = (states.argmax(dim=1) == batch.signal)[batch.signal >= 0]
        parts["accuracy"] = right.float().mean()
        parts["total"] = weights.signal * parts["signal"] + weights.signal_place * parts["signal_place"]
        return parts
