"""Agents of a scenario relative to the ego's lane over time: what the measuring functions of facts share.

All is measured in the frames of the scenario, from tracks, route and map. The reference line is the centerline of
the route, moved to the ego's offset at iteration 0.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64

from driving.agents import static_mask
from driving.geometry import Polyline, poses_in_frame_of, wrap_angle
from driving.importers.tagging import STANDING_MPS
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.text.actors import kind_of
from simulation.generation.text.vocabulary import ActorKind
from simulation.generation.town.tagging import ALIGNED_RAD, IN_LANE_M

EXTENSION_M = 150.0
"""Straight extension of the reference line behind its end."""
REACH_M = 60.0
"""Gap up to which an agent ahead or behind counts."""
OPPOSITE_RAD = 2.5
"""Smallest difference of headings of oncoming agents."""
ACCEL_WINDOW = 5
"""Steps over which an acceleration is averaged."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RelativeAgents:
    """N agents over the T frames of a scenario, in coordinates along and left of the ego's lane."""

    scenario: Scenario
    kept: dict[object, object] = field(default_factory=dict, repr=False)
    """Measurements of this scenario, by name."""

    @cached_property
    def line(self) -> Polyline:
        """The centerline of the route from before the ego on, extended straight."""
        points = self.scenario.route.centerline
        first = points[0] - (points[1] - points[0]) / np.hypot(*(points[1] - points[0])) * EXTENSION_M
        step = points[-1] - points[-2]
        last = points[-1] + step / np.hypot(*step) * EXTENSION_M
        return Polyline(np.concatenate([first[np.newaxis], points, last[np.newaxis]]))

    @cached_property
    def ego(self) -> Float64[np.ndarray, "time 3"]:
        """Poses of the ego's box centre."""
        return self.scenario.ego.center_poses()[0, self.scenario.frames]

    @cached_property
    def ego_along(self) -> Float64[np.ndarray, "time 2"]:
        """Arc length and offset of the ego."""
        return self.line.project(self.ego[:, :2])

    @cached_property
    def valid(self) -> Bool[np.ndarray, "agents time"]:
        """Whether an agent is observed."""
        return self.scenario.agents.valid[:, self.scenario.frames]

    @cached_property
    def poses(self) -> Float64[np.ndarray, "agents time 3"]:
        """Global poses, NaN where not observed."""
        return self.scenario.agents.poses[:, self.scenario.frames]

    @cached_property
    def sizes(self) -> Float64[np.ndarray, "agents 2"]:
        """Largest length and width of each agent."""
        return np.nanmax(self.scenario.agents.sizes, axis=1)

    @cached_property
    def kinds(self) -> list[ActorKind | None]:
        """The kind in words of each agent."""
        pairs = zip(self.scenario.agents.kinds.tolist(), self.sizes[:, 0].tolist(), strict=True)
        return [kind_of(kind, length_m) for kind, length_m in pairs]

    @cached_property
    def speeds(self) -> Float64[np.ndarray, "agents time"]:
        """Speed [m/s], NaN where not observed."""
        return np.hypot(*np.moveaxis(self.scenario.agents.velocities_mps[:, self.scenario.frames], -1, 0))

    @cached_property
    def accelerations(self) -> Float64[np.ndarray, "agents time"]:
        """Mean acceleration of the next `ACCEL_WINDOW` steps [m/s^2], NaN where not observed."""
        found = np.full(self.speeds.shape, np.nan)
        found[:, :-ACCEL_WINDOW] = (self.speeds[:, ACCEL_WINDOW:] - self.speeds[:, :-ACCEL_WINDOW]) / (
            ACCEL_WINDOW * STEP_S
        )
        return found

    @cached_property
    def _projected(self) -> Float64[np.ndarray, "agents time 2"]:
        found = np.full((*self.valid.shape, 2), np.nan)
        if self.valid.any():
            found[self.valid] = self.line.project(self.poses[self.valid][:, :2])
        return found

    @cached_property
    def ahead_m(self) -> Float64[np.ndarray, "agents time"]:
        """Distance along the line from the ego's centre to the agent's."""
        return self._projected[..., 0] - self.ego_along[:, 0]

    @cached_property
    def left_m(self) -> Float64[np.ndarray, "agents time"]:
        """Offset from the lane in which the ego starts, left positive."""
        return self._projected[..., 1] - self.ego_along[0, 1]

    @cached_property
    def turn_rad(self) -> Float64[np.ndarray, "agents time"]:
        """Heading relative to the line at the agent, wrapped."""
        found = np.full(self.valid.shape, np.nan)
        if self.valid.any():
            line_rad = self.line.at(self._projected[self.valid][:, 0])[:, 2]
            found[self.valid] = wrap_angle(self.poses[self.valid][:, 2] - line_rad)
        return found

    @cached_property
    def gap_m(self) -> Float64[np.ndarray, "agents time"]:
        """Distance along the line between the boxes; below 0 for boxes beside each other."""
        length, width = self.sizes[:, :1], self.sizes[:, 1:]
        extent_m = np.abs(np.cos(self.turn_rad)) * length / 2 + np.abs(np.sin(self.turn_rad)) * width / 2
        return np.abs(self.ahead_m) - PACIFICA.length_m / 2 - extent_m

    @cached_property
    def from_ego(self) -> Float64[np.ndarray, "agents 3"]:
        """Poses in the ego's frame at iteration 0, NaN where not observed then."""
        return poses_in_frame_of(self.poses[:, 0], self.ego[0])

    @cached_property
    def is_at_rest(self) -> Bool[np.ndarray, "agents"]:
        """Whether an agent stands in all frames in which it is observed."""
        moves = np.nan_to_num(self.speeds, nan=0.0).max(axis=1, initial=0.0) > STANDING_MPS
        return self.valid.any(axis=1) & (static_mask(self.scenario.agents.kinds) | ~moves)

    def is_ahead_in_lane(self) -> Bool[np.ndarray, "agents time"]:
        """Whether an agent is ahead in the ego's lane in its direction, by the rule of the towns' tags."""
        return self.is_in_lane & (self.ahead_m > 0.0) & (self.gap_m < REACH_M)

    @cached_property
    def is_in_lane(self) -> Bool[np.ndarray, "agents time"]:
        """Whether an agent is in the ego's lane, in its direction."""
        return (np.abs(self.left_m) < IN_LANE_M) & self.is_aligned

    @cached_property
    def is_aligned(self) -> Bool[np.ndarray, "agents time"]:
        """Whether an agent has the direction of the lane."""
        return np.abs(self.turn_rad) < ALIGNED_RAD

    @cached_property
    def is_opposite(self) -> Bool[np.ndarray, "agents time"]:
        """Whether an agent has the opposite direction."""
        return np.abs(self.turn_rad) > OPPOSITE_RAD
