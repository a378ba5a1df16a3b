"""Scripted scenes: paths, speeds and traffic lights are given by hand and sampled into a `Recording`.

Time 0 is iteration 0 of the scenario. The recording starts 3 s before it and ends 9 s after its 15 s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentTracks, LightStatus, TrafficLights
from driving.ego import EgoMotion
from driving.map import MapGraph
from driving.recording import ANCHOR_OFFSET_S, Mission, Recording, Tag
from driving.synthetic.scripted_track import SIZES_M, ScriptedTrack
from driving.timing import STEP_S

BEGIN_S = -3.0
"""Start of the recording: a scenario has 22 steps of history."""
END_S = 24.0
"""End of the recording: open-loop scores need 8 s after the scenario."""
START_TIME_US = 1_622_548_800_000_000
"""2021-06-01 12:00:00 UTC."""

TIME_TOLERANCE_S = 5e-4
"""Decimal steps such as -2.2 s are not exact in binary."""


def track_id(number: int) -> str:
    """Track id of an agent in nuPlan's form, 16 hex digits. Agents are numbered from 1 in the order of the script."""
    return f"{number:016x}"


@dataclass(frozen=True, kw_only=True)
class SceneScript:
    """The script of one recording, in the frame of its site."""

    name: str
    number: int
    """Makes log names and times of different scenes distinct."""
    scenario_type: str
    map: MapGraph
    origin: tuple[float, float]
    """Global position of the site frame's origin [m]."""
    ego: ScriptedTrack
    agents: Sequence[ScriptedTrack]
    roadblock_ids: tuple[int, ...]
    lights: Mapping[int, Sequence[tuple[float, LightStatus]]] = field(default_factory=dict)
    """Phases per lane connector: start time [s] and status."""

    def record(self) -> Recording:
        """Sample the script at 10 Hz."""
        time_s = np.arange(round((END_S - BEGIN_S) / STEP_S) + 1) * STEP_S + BEGIN_S
        start_us = START_TIME_US + self.number * 3_600_000_000
        time_us = start_us + np.round((time_s - BEGIN_S) * 1e6).astype(np.int64)
        ego = self._ego(time_s, time_us)
        return Recording(
            log_name=f"2021.06.01.{12 + self.number}.00.00_veh-00_00000_{round(END_S - BEGIN_S):05d}",
            map=self.map,
            time_us=time_us,
            ego=ego,
            agents=self.agent_tracks(time_s),
            traffic_lights=self.traffic_lights(time_s),
            missions=(
                Mission(first_frame=0, roadblock_ids=self.roadblock_ids, goal_pose=ego.rear_axle_poses[0, -1]),
            ),
            tags=(Tag(frame=round((ANCHOR_OFFSET_S - BEGIN_S) / STEP_S), scenario_type=self.scenario_type),),
            metadata={"origin": f"synthetic: {self.name}"},
        )

    def _ego(self, time_s: Float64[np.ndarray, "time"], time_us: Int64[np.ndarray, "time"]) -> EgoMotion:
        speed_mps = self.ego.speed.speed_mps(time_s)
        along_m = self.ego.start_m + self.ego.speed.distance_m(time_s)
        lateral_mps2 = speed_mps**2 * self.ego.path.curvature(along_m)
        return EgoMotion.from_log(
            time_us=time_us,
            rear_axle_poses=self._to_global(self.ego.poses(time_s)),
            velocities_mps=np.stack([speed_mps, np.zeros_like(speed_mps)], axis=-1),
            accelerations_mps2=np.stack([self.ego.speed.acceleration_mps2(time_s), lateral_mps2], axis=-1),
        )

    def agent_tracks(self, time_s: Float64[np.ndarray, "time"]) -> AgentTracks:
        """The agents at the given times, global."""
        if not self.agents:
            return AgentTracks.none(len(time_s))
        valid = np.array(
            [
                (time_s > agent.seen_s[0] - TIME_TOLERANCE_S) & (time_s < agent.seen_s[1] + TIME_TOLERANCE_S)
                for agent in self.agents
            ]
        )
        poses = np.array([self._to_global(agent.poses(time_s)) for agent in self.agents])
        speeds = np.array([agent.speed.speed_mps(time_s) for agent in self.agents])[..., np.newaxis]
        velocities = speeds * np.stack([np.cos(poses[..., 2]), np.sin(poses[..., 2])], axis=-1)
        sizes = np.array([agent.size_m or SIZES_M[agent.kind] for agent in self.agents], dtype=np.float64)
        sizes = np.repeat(sizes[:, np.newaxis], len(time_s), axis=1)
        unseen = ~valid[..., np.newaxis]
        return AgentTracks(
            track_ids=tuple(track_id(number) for number in range(1, len(self.agents) + 1)),
            kinds=np.array([agent.kind for agent in self.agents], dtype=np.int8),
            poses=np.where(unseen, np.nan, poses),
            velocities_mps=np.where(unseen, np.nan, velocities),
            sizes=np.where(unseen, np.nan, sizes),
            valid=valid,
        )

    def traffic_lights(self, time_s: Float64[np.ndarray, "time"]) -> TrafficLights:
        """Status of the traffic lights at the given times."""
        if not self.lights:
            return TrafficLights.none(len(time_s))
        statuses = np.zeros((len(self.lights), len(time_s)), dtype=np.int8)
        for row, phases in enumerate(self.lights.values()):
            for begin_s, status in phases:
                statuses[row, time_s > begin_s - TIME_TOLERANCE_S] = status
        return TrafficLights.from_dense(np.array([*self.lights], dtype=np.int64), statuses)

    def _to_global(self, poses: Float64[np.ndarray, "time 3"]) -> Float64[np.ndarray, "time 3"]:
        return poses + np.array([*self.origin, 0.0])
