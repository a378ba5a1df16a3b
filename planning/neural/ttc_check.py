"""Who will be in the way in the next seconds: certain enough to be computed, not foreseen by a network."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from planning.neural.features import BOX, POSITION_M, SPEED_MPS
from planning.neural.relations import forecast_agents
from simulation.ego.box import ego_box
from simulation.metrics.pdm.closing import ForecastArrays, closing_shares

__all__ = ["CLOSING_STEPS", "ExpectedOthers"]

CLOSING_STEPS = 35
"""So far ahead [0.1 s] the time to collision is computed."""


@dataclass(frozen=True, kw_only=True)
class ExpectedOthers:
    """Where the N nearest others of B observations are expected, in the frame of each ego's rear axle."""

    now: Float64[np.ndarray, "observations agents 2"]
    """Box centres [m]."""
    ahead: Float64[np.ndarray, "observations agents 8 2"]
    """Every half second [m]."""
    boxes: Float64[np.ndarray, "observations agents 4"]
    """cos, sin, length, width [m]."""
    present: Bool[np.ndarray, "observations agents"]

    @classmethod
    def of(
        cls, features: dict[str, Tensor], known_ahead_m: Float32[np.ndarray, "observations agents 8 2"]
    ) -> "ExpectedOthers":
        """As the tokens have them: where that is known along their lanes, else at their present velocity.

        Args:
            features: Fields of `Features`, stacked.
            known_ahead_m: NaN for who follows no lane.
        """
        agents = features["agents"].float()
        straight_m = forecast_agents(agents, agents.new_zeros(known_ahead_m.shape)).cpu().numpy()
        values = agents.cpu().numpy().astype(np.float64)
        return cls(
            now=values[..., :2] * POSITION_M,
            ahead=np.where(np.isfinite(known_ahead_m), known_ahead_m, straight_m).astype(np.float64),
            boxes=np.concatenate([values[..., 2:4], values[..., BOX] * SPEED_MPS], axis=-1),
            present=features["agents_mask"].cpu().numpy(),
        )

    def closing_shares(
        self, rows: Int64[np.ndarray, "asked"], driven: Float64[np.ndarray, "asked entries 40 10"]
    ) -> Float64[np.ndarray, "asked entries"]:
        """Share of the next 3.5 s in which an entry is nearer to a collision than nuPlan's bound of 0.95 s.

        Args:
            rows: Which observations are asked.
            driven: Their entries as `drive_vocabulary` drives them, every 0.1 s.
        """
        return closing_shares(
            np.ascontiguousarray(driven[:, :, :CLOSING_STEPS]),
            ForecastArrays(self.now[rows], self.ahead[rows], self.boxes[rows], self.present[rows]),
            ego_box(),
        )
