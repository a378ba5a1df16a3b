"""Tracks of agents and static objects over time, and states of traffic lights.

Poses are global (x east, y north, heading counter-clockwise from x) and stay float64:
map coordinates reach 4e6 m, where float32 moves in steps of 0.25 m.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int32, Int64

from driving.arrays import require_shapes


class AgentKind(IntEnum):
    """Kinds of tracked objects, numbered as nuPlan's `TrackedObjectType`."""

    VEHICLE = 0
    PEDESTRIAN = 1
    BICYCLE = 2
    TRAFFIC_CONE = 3
    BARRIER = 4
    CZONE_SIGN = 5
    GENERIC_OBJECT = 6
    EGO = 7

    @property
    def is_static(self) -> bool:
        """Whether nuPlan treats the kind as a static object and ignores its velocity."""
        return self in STATIC_KINDS


STATIC_KINDS = frozenset({AgentKind.TRAFFIC_CONE, AgentKind.BARRIER, AgentKind.CZONE_SIGN, AgentKind.GENERIC_OBJECT})
"""Static objects: cones, barriers, construction signs and the like."""
_IS_STATIC = np.array([kind in STATIC_KINDS for kind in AgentKind])


def static_mask(kinds: Int8[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
    """Mask of the static objects among agents of these kinds."""
    return _IS_STATIC[kinds]


class LightStatus(IntEnum):
    """State of a traffic light, numbered as nuPlan's `TrafficLightStatusType`."""

    GREEN = 0
    YELLOW = 1
    RED = 2
    UNKNOWN = 3


@dataclass(frozen=True, kw_only=True)
class AgentTracks:
    """The tracked agents and static objects of a scenario over time, ego excluded.

    Unobserved entries are NaN, never zero: without a mask the result is NaN, and not an agent at the map's origin.
    """

    track_ids: tuple[str, ...]
    kinds: Int8[np.ndarray, "agents"]
    """Values of `AgentKind`."""
    poses: Float64[np.ndarray, "agents time 3"]
    """x [m], y [m], heading [rad] of the box centre. Headings are as recorded, not wrapped."""
    velocities_mps: Float64[np.ndarray, "agents time 2"]
    """Global frame. Zero for static objects."""
    sizes: Float64[np.ndarray, "agents time 2"]
    """Box length and width [m]. Per step, because nuPlan stores them per observed box."""
    valid: Bool[np.ndarray, "agents time"]
    """Whether the agent was observed at the step."""
    order: Int32[np.ndarray, "agents time"] = field(default=None)  # type: ignore[assignment, arg-type]
    """Position of the box in its frame as the source lists it; meaningless where not valid.

    nuPlan's reactive traffic updates its agents one after the other in this order. The default is the order of the
    devkit: by kind, then by row.
    """
    heights_m: Float64[np.ndarray, "agents"] = field(default=None)  # type: ignore[assignment, arg-type]
    """Box height [m]; 1.6 where the source has none (nothing in the plane depends on it)."""
    z_m: Float64[np.ndarray, "agents time"] = field(default=None)  # type: ignore[assignment, arg-type]
    """Height of the box centre above the source's zero [m]; 0 where the source has none."""

    def __post_init__(self) -> None:
        num_agents, num_steps = self.valid.shape
        if not len(self.track_ids) == len(self.kinds) == num_agents:
            raise ValueError(
                f"Need one track id and kind per agent, got {len(self.track_ids)} and {len(self.kinds)}"
                f" for {num_agents} agents."
            )
        if self.order is None:
            by_kind = np.argsort(self.kinds, kind="stable")
            order = np.empty(self.valid.shape, dtype=np.int32)
            order[by_kind] = np.cumsum(self.valid[by_kind], axis=0, dtype=np.int32) - 1
            object.__setattr__(self, "order", order)
        if self.heights_m is None:
            object.__setattr__(self, "heights_m", np.full(num_agents, 1.6))
        if self.z_m is None:
            object.__setattr__(self, "z_m", np.where(self.valid, 0.0, np.nan))
        cells = (num_agents, num_steps)
        require_shapes(
            f"{num_agents} agents at {num_steps} steps",
            {
                "AgentTracks.poses": (self.poses, (*cells, 3)),
                "AgentTracks.velocities_mps": (self.velocities_mps, (*cells, 2)),
                "AgentTracks.sizes": (self.sizes, (*cells, 2)),
                "AgentTracks.order": (self.order, cells),
                "AgentTracks.heights_m": (self.heights_m, (num_agents,)),
                "AgentTracks.z_m": (self.z_m, cells),
            },
        )

    @classmethod
    def none(cls, num_steps: int) -> "AgentTracks":
        """No agents."""
        return cls(
            track_ids=(),
            kinds=np.zeros(0, dtype=np.int8),
            poses=np.zeros((0, num_steps, 3)),
            velocities_mps=np.zeros((0, num_steps, 2)),
            sizes=np.zeros((0, num_steps, 2)),
            valid=np.zeros((0, num_steps), dtype=bool),
        )

    @property
    def num_agents(self) -> int:
        """N."""
        return len(self.track_ids)

    @property
    def num_steps(self) -> int:
        """T."""
        return self.valid.shape[1]

    def rows_at(self, step: int) -> Int64[np.ndarray, "observed"]:
        """Rows of the agents observed at a step, in the source's order of boxes."""
        rows = np.flatnonzero(self.valid[:, step])
        return rows[np.argsort(self.order[rows, step], kind="stable")]

    def take(self, rows: Int64[np.ndarray, "rows"]) -> "AgentTracks":
        """The agents of the given rows, in that order."""
        return AgentTracks(
            track_ids=tuple(self.track_ids[row] for row in rows),
            kinds=self.kinds[rows],
            poses=self.poses[rows],
            velocities_mps=self.velocities_mps[rows],
            sizes=self.sizes[rows],
            valid=self.valid[rows],
            order=self.order[rows],
            heights_m=self.heights_m[rows],
            z_m=self.z_m[rows],
        )

    def joined(self, other: "AgentTracks") -> "AgentTracks":
        """These agents, and others over the same steps, which come after them in each frame."""
        last = np.where(self.valid, self.order, -1).max(axis=0, initial=-1)
        return AgentTracks(
            track_ids=(*self.track_ids, *other.track_ids),
            order=np.concatenate([self.order, last.astype(np.int32) + 1 + other.order]),
            **{
                name: np.concatenate([getattr(self, name), getattr(other, name)])
                for name in ("kinds", "poses", "velocities_mps", "sizes", "valid", "heights_m", "z_m")
            },
        )

    def by_appearance(self) -> "AgentTracks":
        """The agents in the order of their first observation, within a frame in the order of its boxes.

        A nuPlan log lists them in this order.
        """
        first = self.valid.argmax(axis=1)
        return self.take(np.lexsort((self.order[np.arange(self.num_agents), first], first)))

    def steps(self, start: int, stop: int) -> "AgentTracks":
        """Steps `start` to `stop` (exclusive), without agents that are unobserved there.

        The result is a copy. It gives no access to the other steps, nor to the ids of left-out tracks.
        """
        rows = np.flatnonzero(self.valid[:, start:stop].any(axis=1))
        return AgentTracks(
            track_ids=tuple(self.track_ids[row] for row in rows),
            kinds=self.kinds[rows],
            poses=self.poses[rows, start:stop],
            velocities_mps=self.velocities_mps[rows, start:stop],
            sizes=self.sizes[rows, start:stop],
            valid=self.valid[rows, start:stop],
            order=self.order[rows, start:stop],
            heights_m=self.heights_m[rows],
            z_m=self.z_m[rows, start:stop],
        )


@dataclass(frozen=True, kw_only=True)
class TrafficLights:
    """Observed states of lane connectors' lights: R rows over T steps, in the source's order.

    Only the connectors observed at a step have rows; a connector without a row is unknown.
    """

    offsets: Int64[np.ndarray, "steps_plus_one"]
    """Rows of step t are `offsets[t]` to `offsets[t + 1]` (exclusive)."""
    lane_connector_ids: Int64[np.ndarray, "rows"]
    statuses: Int8[np.ndarray, "rows"]
    """Values of `LightStatus`."""

    def __post_init__(self) -> None:
        if len(self.offsets) < 1 or self.offsets[0] != 0 or self.offsets[-1] != len(self.statuses):
            raise ValueError(f"Offsets must run from 0 to the number of rows, {len(self.statuses)}.")
        if len(self.lane_connector_ids) != len(self.statuses):
            raise ValueError(
                f"Need one status per lane connector, got {len(self.statuses)} for {len(self.lane_connector_ids)}."
            )

    @classmethod
    def none(cls, num_steps: int) -> "TrafficLights":
        """No light was observed at any step."""
        return cls(
            offsets=np.zeros(num_steps + 1, dtype=np.int64),
            lane_connector_ids=np.zeros(0, dtype=np.int64),
            statuses=np.zeros(0, dtype=np.int8),
        )

    @classmethod
    def from_dense(
        cls,
        lane_connector_ids: Int64[np.ndarray, "connectors"],
        statuses: Int8[np.ndarray, "connectors time"],
    ) -> "TrafficLights":
        """States of connectors that were all observed at every step."""
        num_connectors, num_steps = statuses.shape
        return cls(
            offsets=np.arange(num_steps + 1, dtype=np.int64) * num_connectors,
            lane_connector_ids=np.tile(lane_connector_ids, num_steps),
            statuses=np.ascontiguousarray(statuses.T).reshape(-1),
        )

    @property
    def num_steps(self) -> int:
        """T."""
        return len(self.offsets) - 1

    def at(self, step: int) -> tuple[Int64[np.ndarray, "observed"], Int8[np.ndarray, "observed"]]:
        """Lane connector ids and statuses observed at a step."""
        rows = slice(self.offsets[step], self.offsets[step + 1])
        return self.lane_connector_ids[rows], self.statuses[rows]

    def ids_showing(self, step: int, status: LightStatus) -> frozenset[int]:
        """Ids of the lane connectors that show `status` at a step."""
        ids, statuses = self.at(step)
        return frozenset(ids[statuses == status].tolist())

    def red_rows(self, step: int, row_of_connector: Mapping[int, int]) -> Int64[np.ndarray, "red"]:
        """Rows of the lane connectors that are red at a step, in the order in which the lights were observed.

        Args:
            step: Of the lights.
            row_of_connector: From lane connector ids to rows; connectors that it lacks are left out.
        """
        ids, statuses = self.at(step)
        red = ids[statuses == LightStatus.RED].tolist()
        return np.array([row_of_connector[light] for light in red if light in row_of_connector], dtype=np.int64)

    def steps(self, start: int, stop: int) -> "TrafficLights":
        """Steps `start` to `stop` (exclusive), copied."""
        rows = slice(self.offsets[start], self.offsets[stop])
        return TrafficLights(
            offsets=self.offsets[start : stop + 1] - self.offsets[start],
            lane_connector_ids=self.lane_connector_ids[rows].copy(),
            statuses=self.statuses[rows].copy(),
        )
