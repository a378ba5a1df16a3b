"""A whole drive, recorded or generated: the content of a nuPlan log file, from which scenarios are cut.

Importers and the town generator make recordings, and the nuPlan writer stores them. Scenarios cut in memory equal
those that are read back.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentTracks, TrafficLights
from driving.cameras import CameraFrames
from driving.ego import EgoMotion
from driving.map import MapGraph
from driving.routing import build_route
from driving.scenario import FUTURE_STEPS, HISTORY_STEPS, Scenario

ANCHOR_OFFSET_S = 3.0
"""nuPlan's known scenario types start this long before the tagged frame ..."""
SCENARIO_DURATION_S = 15.0
"""... and last this long."""


def frame_token(log_name: str, time_us: int) -> str:
    """Token of a frame: 16 hex digits, the same in every process and on every machine."""
    return hashlib.blake2b(f"{log_name}/{time_us}".encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Tag:
    """The scenario type of a frame."""

    frame: int
    scenario_type: str
    track_id: str | None = None
    """Track id of the agent that the type refers to, where there is one."""
    token: str | None = None
    """Token of the frame and of its scenario; None derives it from log name and time."""


@dataclass(frozen=True, kw_only=True)
class Mission:
    """Route and goal from a frame on, until the next mission; nuPlan stores them per `scene`."""

    first_frame: int
    roadblock_ids: tuple[int, ...]
    goal_pose: Float64[np.ndarray, "3"] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """A continuous drive at 10 Hz: map, ego, agents, lights, tags and missions over T frames."""

    log_name: str
    """nuPlan's own logs have names like `2021.05.12.22.00.38_veh-35_01008_01518`."""
    map: MapGraph
    time_us: Int64[np.ndarray, "time"]
    ego: EgoMotion
    agents: AgentTracks
    traffic_lights: TrafficLights
    missions: tuple[Mission, ...]
    """Ordered by first frame, which is 0 for the first mission."""
    tags: tuple[Tag, ...]
    cameras: CameraFrames | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def mission_at(self, frame: int) -> Mission:
        """The mission at a frame."""
        return [mission for mission in self.missions if mission.first_frame <= frame][-1]

    def token(self, tag: Tag) -> str:
        """The scenario id of a tag."""
        return tag.token or frame_token(self.log_name, int(self.time_us[tag.frame]))

    def scenario(self, tag: Tag) -> Scenario:
        """The 15 s around a tagged frame, from 3 s before to 12 s after, as nuPlan cuts them.

        A scenario that reaches beyond the recording has fewer frames.
        """
        start_us = self.time_us[tag.frame] - round(ANCHOR_OFFSET_S * 1e6)
        end_us = start_us + round(SCENARIO_DURATION_S * 1e6)
        first = int(np.searchsorted(self.time_us, start_us, side="left"))
        stop = int(np.searchsorted(self.time_us, end_us, side="right"))
        begin = max(0, first - HISTORY_STEPS)
        end = min(len(self.time_us), stop + FUTURE_STEPS)
        mission = self.mission_at(tag.frame)
        start_pose = self.ego.rear_axle_poses[0, first]
        agents = self.agents.steps(begin, end).by_appearance()
        return Scenario(
            scenario_id=self.token(tag),
            scenario_type=tag.scenario_type,
            log_name=self.log_name,
            map=self.map,
            route=build_route(self.map, mission.roadblock_ids, mission.goal_pose, start_pose),
            time_us=self.time_us[begin:end].copy(),
            ego=self.ego.steps(begin, end),
            agents=agents,
            traffic_lights=self.traffic_lights.steps(begin, end),
            first_frame=first - begin,
            num_frames=stop - first,
            anchor_frame=tag.frame - begin,
            cameras=self.cameras,
            # The tag may name an agent that is not observed around its frame.
            about_track=tag.track_id if tag.track_id in agents.track_ids else None,
            metadata=dict(self.metadata),
        )

    def scenarios(self) -> list[Scenario]:
        """The scenarios of all tags, in their order."""
        return [self.scenario(tag) for tag in self.tags]
