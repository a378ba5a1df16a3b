"""One batch of labelled states for training."""

from dataclasses import dataclass, fields

from jaxtyping import Float, Int, Shaped
from torch import Tensor

from planning.neural.candidate_features import CandidateGeometry


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B states with A candidates each."""

    features: dict[str, Shaped[Tensor, "states ..."]]
    """Fields of `Features`, stacked."""
    candidates: Int[Tensor, "states candidates"]
    """Rows of the vocabulary."""
    geometry: CandidateGeometry
    """The candidates as the tracker drives them from the state; stays on the CPU."""
    targets: Float[Tensor, "states candidates sub_scores"]
    """The teacher's sub-scores in [0, 1]."""
    imitation_gap_m2: Float[Tensor, "states candidates"]
    """Squared distance to the logged trajectory, summed over 8 instants; NaN without imitation target."""
    agents_ahead: Float[Tensor, "states agents 8 2"]
    """Future positions of the agents [m], ego frame; NaN where unobserved."""

    def to(self, device: str) -> "Batch":
        """The batch on a device."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        features = {name: value.to(device) for name, value in values.pop("features").items()}
        geometry = values.pop("geometry")
        return Batch(
            features=features, geometry=geometry, **{name: value.to(device) for name, value in values.items()}
        )
