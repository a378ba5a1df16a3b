"""Put hand-made motions together to a `Recording`: who drives where, how fast, and what the lights show.

Time 0 is iteration 0 of the scenario; the recording begins before it and goes on after its 15 s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind, AgentTracks, LightStatus, TrafficLights
from driving.ego import EgoMotion
from driving.map import MapGraph
from driving.recording import ANCHOR_OFFSET_S, Mission, Recording, Tag
from driving.synthetic.motion import SmoothPath, SpeedProfile
from driving.timing import STEP_S

BEGIN_S = -3.0
"""More than the 22 steps that a scenario shows of the past ..."""
END_S = 24.0
"""... and more than the 8 s that open-loop scores look ahead."""
START_TIME_US = 1_622_548_800_000_000
"""2021-06-01 12:00:00 UTC."""

SIZES_M = {
    AgentKind.VEHICLE: (4.8, 2.0),
    AgentKind.BICYCLE: (1.8, 0.7),
    AgentKind.PEDESTRIAN: (0.8, 0.8),
    AgentKind.TRAFFIC_CONE: (0.4, 0.4),
    AgentKind.BARRIER: (2.0, 0.5),
    AgentKind.CZONE_SIGN: (0.6, 0.6),
    AgentKind.GENERIC_OBJECT: (1.0, 1.0),
}
"""Length and width of the boxes of hand-made scenes."""


@dataclass(frozen=True, kw_only=True)
class Driver:
    """Something that follows a line: the rear axle of the ego, the box centre of an agent."""

    path: SmoothPath
    start_m: float
    """Arc length at time 0."""
    speed: SpeedProfile
    kind: AgentKind = AgentKind.VEHICLE
    size_m: tuple[float, float] | None = None
    """Length and width; those of `SIZES_M` where left out."""
    seen_s: tuple[float, float] = (-np.inf, np.inf)
    """From when to when it is observed."""

    def poses(self, time_s: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time 3"]:
        """Where it is, in the frame of the path."""
        return self.path.poses(self.start_m + self.speed.distance_m(time_s))


def standing(
    x_m: float,
    y_m: float,
    heading: float = 0.0,
    kind: AgentKind = AgentKind.VEHICLE,
    size_m: tuple[float, float] | None = None,
) -> Driver:
    """Something that does not move."""
    ahead = np.array([[x_m, y_m], [x_m + np.cos(heading), y_m + np.sin(heading)]])
    return Driver(path=SmoothPath(ahead), start_m=0.0, speed=SpeedProfile(start_mps=0.0), kind=kind, size_m=size_m)


def track_id(number: int) -> str:
    """Track ids as nuPlan writes them, 16 hex digits: agents are numbered from 1 in the order of the cast."""
    return f"{number:016x}"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything that a recording is made of, in the site frame."""

    name: str
    number: int
    """Tells the logs of different scenes apart."""
    scenario_type: str
    map: MapGraph
    origin: tuple[float, float]
    ego: Driver
    cast: Sequence[Driver]
    roadblock_ids: tuple[int, ...]
    lights: Mapping[int, Sequence[tuple[float, LightStatus]]] = field(default_factory=dict)
    """Per lane connector: from when on it shows what."""

    def record(self) -> Recording:
        """Sample everything at 10 Hz."""
        time_s = np.arange(round((END_S - BEGIN_S) / STEP_S) + 1) * STEP_S + BEGIN_S
        start_us = START_TIME_US + self.number * 3_600_000_000
        time_us = start_us + np.round((time_s - BEGIN_S) * 1e6).astype(np.int64)
        ego = self._ego(time_s, time_us)
        return Recording(
            log_name=f"2021.06.01.{12 + self.number}.00.00_veh-00_00000_{round(END_S - BEGIN_S):05d}",
            map=self.map,
            time_us=time_us,
            ego=ego,
            agents=self.agents(time_s),
            traffic_lights=self.traffic_lights(time_s),
            missions=(
                Mission(first_frame=0, roadblock_ids=self.roadblock_ids, goal_pose=ego.rear_axle_poses[0, -1]),
            ),
            tags=(Tag(frame=round((ANCHOR_OFFSET_S - BEGIN_S) / STEP_S), scenario_type=self.scenario_type),),
            metadata={"origin": f"synthetic: {self.name}"},
        )

    def _ego(self, time_s: Float64[np.ndarray, "time"], time_us: np.ndarray) -> EgoMotion:
        speed_mps = self.ego.speed.speed_mps(time_s)
        along_m = self.ego.start_m + self.ego.speed.distance_m(time_s)
        sideways_mps2 = speed_mps**2 * self.ego.path.curvature(along_m)
        return EgoMotion.from_log(
            time_us=time_us,
            rear_axle_poses=self._to_global(self.ego.poses(time_s)),
            velocities_mps=np.stack([speed_mps, np.zeros_like(speed_mps)], axis=-1),
            accelerations_mps2=np.stack([self.ego.speed.acceleration_mps2(time_s), sideways_mps2], axis=-1),
        )

    def agents(self, time_s: Float64[np.ndarray, "time"]) -> AgentTracks:
        """The cast at the given times, global."""
        if not self.cast:
            return AgentTracks.none(len(time_s))
        # Half a millisecond, as decimal steps such as -2.2 s are not exact.
        valid = np.array(
            [(time_s > member.seen_s[0] - 5e-4) & (time_s < member.seen_s[1] + 5e-4) for member in self.cast]
        )
        poses = np.array([self._to_global(member.poses(time_s)) for member in self.cast])
        speeds = np.array([member.speed.speed_mps(time_s) for member in self.cast])[..., np.newaxis]
        velocities = speeds * np.stack([np.cos(poses[..., 2]), np.sin(poses[..., 2])], axis=-1)
        sizes = np.array([member.size_m or SIZES_M[member.kind] for member in self.cast], dtype=np.float64)
        sizes = np.repeat(sizes[:, np.newaxis], len(time_s), axis=1)
        hidden = ~valid[..., np.newaxis]
        return AgentTracks(
            track_ids=tuple(track_id(number) for number in range(1, len(self.cast) + 1)),
            kinds=np.array([member.kind for member in self.cast], dtype=np.int8),
            poses=np.where(hidden, np.nan, poses),
            velocities_mps=np.where(hidden, np.nan, velocities),
            sizes=np.where(hidden, np.nan, sizes),
            valid=valid,
        )

    def traffic_lights(self, time_s: Float64[np.ndarray, "time"]) -> TrafficLights:
        """What the lights show at the given times."""
        if not self.lights:
            return TrafficLights.none(len(time_s))
        statuses = np.zeros((len(self.lights), len(time_s)), dtype=np.int8)
        for row, phases in enumerate(self.lights.values()):
            for begin_s, status in phases:
                statuses[row, time_s > begin_s - 5e-4] = status
        return TrafficLights.from_dense(np.array([*self.lights], dtype=np.int64), statuses)

    def _to_global(self, poses: Float64[np.ndarray, "time 3"]) -> Float64[np.ndarray, "time 3"]:
        return poses + np.array([*self.origin, 0.0])
