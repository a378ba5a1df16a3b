"""Scenes at one instant: the ego and the agents around it, on their map.

snapshots_of(scenario, every_s=1.0)
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from driving.agents import AgentKind, static_mask
from driving.arrays import require_shapes
from driving.geometry import local_from_global
from driving.map import MapGraph
from driving.scenario import Scenario
from driving.vehicle import PACIFICA
from simulation.geometry.lane_anchors import LaneAnchors, lane_anchors

FIELD_M = 64.0
"""Side of the square around the ego in which agents count, aligned with the ego's heading (Scenario Dreamer's)."""
MAX_FROM_LANE_M = 2.5
"""Logged vehicles farther than this from all centerlines are parked beside the road and no part of the traffic."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneSnapshot:
    """N moving and standing agents at one instant, the ego in row 0. Static objects are left out."""

    map: MapGraph
    source: str
    """Recording or generator: the log name. Folds keep the snapshots of a source together."""
    kinds: Int8[np.ndarray, "agents"]
    """Values of `AgentKind`; VEHICLE for the ego."""
    poses: Float64[np.ndarray, "agents 3"]
    """Global poses of the box centres."""
    sizes: Float64[np.ndarray, "agents 2"]
    """Length and width [m]."""
    speeds_mps: Float64[np.ndarray, "agents"]
    """Magnitude of the velocity."""

    def __post_init__(self) -> None:
        num_agents = len(self.kinds)
        if num_agents == 0:
            raise ValueError(f"A snapshot of {self.source} needs the ego in row 0, got no agent.")
        require_shapes(
            f"a snapshot of {num_agents} agents",
            {
                "poses": (self.poses, (num_agents, 3)),
                "sizes": (self.sizes, (num_agents, 2)),
                "speeds_mps": (self.speeds_mps, (num_agents,)),
            },
        )

    @cached_property
    def anchors(self) -> LaneAnchors:
        """The agents in coordinates of lanes."""
        return lane_anchors(self.map, self.poses)

    @property
    def is_vehicle(self) -> Bool[np.ndarray, "agents"]:
        """The ego, cars, trucks and buses."""
        return self.kinds == AgentKind.VEHICLE

    def take(self, rows: Int64[np.ndarray, "rows"]) -> "SceneSnapshot":
        """The agents of the given rows, the first of which becomes the ego."""
        return replace(
            self,
            kinds=self.kinds[rows],
            poses=self.poses[rows],
            sizes=self.sizes[rows],
            speeds_mps=self.speeds_mps[rows],
        )

    def in_field(self, field_m: float = FIELD_M, max_from_lane_m: float = MAX_FROM_LANE_M) -> "SceneSnapshot":
        """The agents with a centre in the field around the ego, without vehicles that are parked beside the road.

        Args:
            field_m: Side of the field.
            max_from_lane_m: Vehicles farther than this from all centerlines are left out; infinite for generated
                scenes, in which a vehicle off the road is an error that counts.
        """
        local = np.abs(local_from_global(self.poses[:, :2], self.poses[0]))
        kept = self.take(np.flatnonzero((local <= field_m / 2).all(axis=1)))
        distance = np.where(kept.anchors.has_lane, np.abs(kept.anchors.lateral_m), np.inf)
        near = ~kept.is_vehicle | (distance <= max_from_lane_m) | np.isinf(max_from_lane_m)
        near[0] = True
        return kept.take(np.flatnonzero(near))


def snapshot_at(scenario: Scenario, iteration: int) -> SceneSnapshot:
    """The whole logged scene of a scenario at one of its iterations.

    Raises:
        IndexError: When the scenario has no such iteration.
    """
    if not 0 <= iteration < scenario.num_frames:
        raise IndexError(
            f"Scenario {scenario.scenario_id} has iterations 0 to {scenario.num_frames - 1}, got {iteration}."
        )
    step = scenario.first_frame + iteration
    agents = scenario.agents
    rows = agents.rows_at(step)
    rows = rows[~static_mask(agents.kinds[rows])]
    ego_speed = np.hypot(*scenario.ego.velocities_mps[0, step])
    velocities = agents.velocities_mps[rows, step]
    return SceneSnapshot(
        map=scenario.map,
        source=scenario.log_name,
        kinds=np.concatenate([[AgentKind.VEHICLE], agents.kinds[rows]]).astype(np.int8),
        poses=np.concatenate([scenario.ego.center_poses()[0, step : step + 1], agents.poses[rows, step]]),
        sizes=np.concatenate([[[PACIFICA.length_m, PACIFICA.width_m]], agents.sizes[rows, step]]),
        speeds_mps=np.concatenate([[ego_speed], np.hypot(velocities[:, 0], velocities[:, 1])]),
    )


def snapshots_of(scenario: Scenario, every_s: float = 1.0) -> Iterator[SceneSnapshot]:
    """Snapshots of a scenario at equal intervals, cut to the field around the ego.

    Raises:
        ValueError: For an interval below one step of the scenario.
    """
    stride = round(every_s / scenario.step_s)
    if stride < 1:
        raise ValueError(f"Snapshots need an interval of at least {scenario.step_s} s, got {every_s}.")
    for iteration in range(0, scenario.num_frames, stride):
        yield snapshot_at(scenario, iteration).in_field()
