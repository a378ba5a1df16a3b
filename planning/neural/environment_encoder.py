"""The student's features as observations of a Gymnasium environment (`simulation.environment`).

gymnasium.make("camber/NuPlanClosedLoop-v0", encoder=StudentEncoder)
"""

import numpy as np
from jaxtyping import Shaped

from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from planning.neural import tokens
from planning.neural.features import FEATURE_NAMES, FeatureBuilder
from simulation.environment.encoders import dict_space

MAX_VALUE = 100.0
"""Bound of the space; features beyond it are clipped. Tokens are at most a few units of `planning.neural.tokens`."""

_ROWS = {
    "agents": (tokens.MAX_AGENTS, tokens.AGENT_SIZE),
    "lanes": (tokens.MAX_LANES, tokens.LANE_SIZE),
    "lights": (tokens.MAX_LIGHTS, tokens.LIGHT_SIZE),
    "route": (tokens.ROUTE_POINTS, tokens.ROUTE_SIZE),
}


class StudentEncoder:
    """The fields of `planning.neural.features.Features`: tokens as float32, their masks as int8 (1: valid)."""

    def __init__(self) -> None:
        self._builder = FeatureBuilder()
        masks = {f"{name}_mask": shape[:1] for name, shape in _ROWS.items()}
        self.space = dict_space({"ego": (tokens.EGO_SIZE,), **_ROWS}, masks, MAX_VALUE)

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Look up the lanes of the route.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        self._builder.prepare(map, route)

    def encode(self, observation: Observation) -> dict[str, Shaped[np.ndarray, "..."]]:
        """The features of an observation, by name."""
        features = self._builder.build(observation)
        return {name: _bounded(getattr(features, name)) for name in FEATURE_NAMES}


def _bounded(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    return values.astype(np.int8) if values.dtype == bool else np.clip(values, -MAX_VALUE, MAX_VALUE)
