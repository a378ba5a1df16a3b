"""Time to collision of candidates against agents forecast along their lanes, or else at constant velocity."""

import numpy as np
from jaxtyping import Float64

from planning.neural.candidate_features import CandidateGeometry
from planning.neural.features import BOX, POSITION_M, SPEED_MPS
from simulation.ego.box import ego_box
from simulation.metrics.pdm.closing import ForecastArrays, closing_shares

TTC_STEPS = 35
"""Steps of 0.1 s over which the time to collision is computed."""


def forecasts_of(features: dict[str, np.ndarray], geometry: CandidateGeometry) -> ForecastArrays:
    """The agents of stacked features, float64, with the forecasts of the geometry."""
    tokens = features["agents"].astype(np.float64)
    has_lane = np.isfinite(geometry.along_lanes_m)
    return ForecastArrays(
        now=tokens[..., :2] * POSITION_M,
        ahead=np.where(has_lane, geometry.along_lanes_m, geometry.straight_m).astype(np.float64),
        boxes=np.concatenate([tokens[..., 2:4], tokens[..., BOX] * SPEED_MPS], axis=-1),
        mask=features["agents_mask"],
    )


def violation_shares(
    forecasts: ForecastArrays, tracked: Float64[np.ndarray, "observations candidates 40 10"]
) -> Float64[np.ndarray, "observations candidates"]:
    """Share of the next 3.5 s in which the time to collision is below nuPlan's bound of 0.95 s.

    Args:
        forecasts: Agents of the observations.
        tracked: Candidates as `drive_vocabulary` tracks them, every 0.1 s.
    """
    return closing_shares(np.ascontiguousarray(tracked[:, :, :TTC_STEPS]), forecasts, ego_box())
