"""A whole drive as it was recorded or generated: what a nuPlan log file holds, and scenarios are cut from.

Importers and the town generator make recordings; the nuPlan writer stores them; reading them back and
cutting them in memory give the same scenarios.
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
"""nuPlan's known scenario types start 3 s before the tagged frame ..."""
SCENARIO_DURATION_S = 15.0
"""... and last 15 s."""


def frame_token(log_name: str, time_us: int) -> str:
    """The 16 hex digits that name a frame, the same in every process and on every machine."""
    return hashlib.blake2b(f"{log_name}/{time_us}".encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A frame that shows something of interest, in nuPlan's words."""

    frame: int
    scenario_type: str
    track_id: str | None = None
    """The agent that it is about, where there is one."""
    token: str | None = None
    """Name of the frame and so of the scenario; None derives it from log name and time."""


@dataclass(frozen=True, kw_only=True)
class Mission:
    """Route and goal that hold from a frame on, until the next mission: nuPlan stores them per `scene`."""

    first_frame: int
    roadblock_ids: tuple[int, ...]
    goal_pose: Float64[np.ndarray, "3"] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """A continuous drive at 10 Hz: map, ego, agents, lights, tags and missions over T frames."""

    log_name: str
    """In nuPlan's form `2021.05.12.22.00.38_veh-35_01008_01518` where it shall look like one of its logs."""
    map: MapGraph
    time_us: Int64[np.ndarray, "time"]
    ego: EgoMotion
    agents: AgentTracks
    traffic_lights: TrafficLights
    missions: tuple[Mission, ...]
    """In order of their first frames; the first starts at frame 0."""
    tags: tuple[Tag, ...]
    cameras: CameraFrames | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def mission_at(self, frame: int) -> Mission:
        """The mission that holds at a frame."""
        return [mission for mission in self.missions if mission.first_frame <= frame][-1]

    def token(self, tag: Tag) -> str:
        """The scenario id that a tag gives."""
        return tag.token or frame_token(self.log_name, int(self.time_us[tag.frame]))

    def scenario(self, tag: Tag) -> Scenario:
        """Cut the 15 s around a tagged frame, by nuPlan's rule: from 3 s before to 12 s after.

        A recording that ends earlier gives a scenario with fewer frames.
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
            # A tag may be about somebody who is not seen around its frame.
            about_track=tag.track_id if tag.track_id in agents.track_ids else None,
            metadata=dict(self.metadata),
        )

    def scenarios(self) -> list[Scenario]:
        """All tagged scenarios, in the order of the tags."""
        return [self.scenario(tag) for tag in self.tags]
