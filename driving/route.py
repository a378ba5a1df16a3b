"""The route of the ego: roadblocks in order, the goal, and the centerline along the lanes between."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True, kw_only=True)
class Route:
    """Ordered roadblocks to the goal."""

    roadblock_ids: tuple[int, ...]
    """Roadblocks and roadblock connectors in driving order, as the log names them."""
    goal_pose: Float64[np.ndarray, "3"] | None
    """The mission goal, global; None when the log has none."""
    centerline: Float64[np.ndarray, "points 2"]
    """Lane centerlines along the route from the start of the ego [m, global]; empty when the route has no lane."""
