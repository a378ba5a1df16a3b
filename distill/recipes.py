"""Training recipes: one function each, variants by `replace`."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from distill.losses import LossWeights
from distill.states import VARIATIONS
from driving.names import unknown_name
from planning.neural.encoder import NetworkConfig


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """All settings that determine the result of a training, besides the labels."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    steps: int = 2000
    batch_states: int = 32
    """Sum over all processes."""
    entries_per_state: int = 160
    """Candidates sampled for each state."""
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-4
    warmup_steps: int = 100
    max_gradient: float = 1.0
    validation_share: float = 0.1
    """Of the scenarios."""
    with_shifted: bool = True
    """Whether to train on off-path states."""
    leave_out: tuple[str, ...] = ()
    """Variations of `distill.states` whose scenarios are not trained on."""
    mirrored_share: float = 0.0
    """Of the batches, in which left and right are exchanged; from 0 to 1."""
    checkpoint_every_s: float = 30.0
    """Interval of checkpoints."""
    log_every: int = 20
    use_bf16: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.leave_out if name not in VARIATIONS]
        if unknown:
            raise ValueError(unknown_name("variation", unknown[0], VARIATIONS))
        if not 0.0 <= self.mirrored_share <= 1.0:
            raise ValueError(f"`mirrored_share` is a share from 0 to 1, got {self.mirrored_share:g}.")


def tiny() -> TrainingConfig:
    """Minutes on one CPU core."""
    return TrainingConfig()


def small() -> TrainingConfig:
    """Hours on a few CPU cores."""
    network = NetworkConfig(width=128, heads=8, encoder_layers=3, decoder_layers=2, feed_forward=256)
    return replace(tiny(), network=network, steps=20_000, batch_states=64, learning_rate=5e-4, warmup_steps=500)


def base() -> TrainingConfig:
    """GPUs, by torchrun, in bf16."""
    network = NetworkConfig(width=256, heads=8, encoder_layers=4, decoder_layers=3, feed_forward=1024, dropout=0.1)
    return replace(
        small(),
        network=network,
        steps=100_000,
        batch_states=256,
        entries_per_state=512,
        learning_rate=2e-4,
        warmup_steps=2000,
        checkpoint_every_s=300.0,
        use_bf16=True,
    )


def imitation_only(config: TrainingConfig) -> TrainingConfig:
    """The same network and data without the teacher, the baseline of distillation."""
    return replace(config, losses=replace(config.losses, imitation=1.0, teacher={}))


RECIPES: dict[str, Callable[[], TrainingConfig]] = {"tiny": tiny, "small": small, "base": base}


def recipe(name: str) -> TrainingConfig:
    """The recipe of a name.

    Raises:
        KeyError: When no recipe has the name; the message holds the nearest one.
    """
    if name not in RECIPES:
        raise KeyError(unknown_name("recipe named", name, RECIPES))
    return RECIPES[name]()
