"""Motion of one agent or of the ego in a scripted scene: a path, a speed profile, a box."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind
from driving.synthetic.motion import SmoothPath, SpeedProfile

SIZES_M = {
    AgentKind.VEHICLE: (4.8, 2.0),
    AgentKind.BICYCLE: (1.8, 0.7),
    AgentKind.PEDESTRIAN: (0.8, 0.8),
    AgentKind.TRAFFIC_CONE: (0.4, 0.4),
    AgentKind.BARRIER: (2.0, 0.5),
    AgentKind.CZONE_SIGN: (0.6, 0.6),
    AgentKind.GENERIC_OBJECT: (1.0, 1.0),
}
"""Default length and width of a box."""


@dataclass(frozen=True, kw_only=True)
class ScriptedTrack:
    """Motion along a path: of the ego's rear axle, or of an agent's box centre."""

    path: SmoothPath
    start_m: float
    """Arc length at time 0."""
    speed: SpeedProfile
    kind: AgentKind = AgentKind.VEHICLE
    size_m: tuple[float, float] | None = None
    """Length and width; None takes those of `SIZES_M`."""
    seen_s: tuple[float, float] = (-np.inf, np.inf)
    """Interval in which the agent is observed."""

    def poses(self, time_s: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time 3"]:
        """Poses in the frame of the path."""
        return self.path.poses(self.start_m + self.speed.distance_m(time_s))


def standing_track(
    x_m: float,
    y_m: float,
    heading: float = 0.0,
    kind: AgentKind = AgentKind.VEHICLE,
    size_m: tuple[float, float] | None = None,
) -> ScriptedTrack:
    """A track at rest."""
    ahead = np.array([[x_m, y_m], [x_m + np.cos(heading), y_m + np.sin(heading)]])
    return ScriptedTrack(
        path=SmoothPath(ahead), start_m=0.0, speed=SpeedProfile(start_mps=0.0), kind=kind, size_m=size_m
    )
