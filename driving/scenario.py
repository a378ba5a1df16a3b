"""A scenario: a slice of driving with map, route and logs.

nuPlan's scenarios, imported recordings, hand-made scenes and generated towns are of this one type.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentTracks, TrafficLights
from driving.cameras import CameraFrames
from driving.ego import EgoMotion
from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route

HISTORY_STEPS = 22
"""Steps in an observation, the present one included: nuPlan's 2 s buffer at 10 Hz holds 22."""

FUTURE_STEPS = 80
"""Steps after the last frame that are kept where the log has them: open-loop scores need 8 s."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenario:
    """One scenario. Its time axis T has up to 22 steps of history, the frames, and up to 8 s after the last frame."""

    scenario_id: str
    """nuPlan's token: 16 lower-case hex digits, that of the anchor frame."""
    scenario_type: str
    log_name: str
    map: MapGraph
    route: Route
    time_us: Int64[np.ndarray, "time"]
    ego: EgoMotion
    """The logged ego, M = 1."""
    agents: AgentTracks
    traffic_lights: TrafficLights
    first_frame: int
    """Index of iteration 0 on the time axis."""
    num_frames: int
    """Frames from iteration 0 on: 151 for 15 s."""
    anchor_frame: int
    """Index of the tagged frame on the time axis: 3 s after the first frame for nuPlan's known types."""
    step_s: float = 0.1
    """Nominal time between frames; the real stamps are in `time_us`."""
    cameras: CameraFrames | None = None
    about_track: str | None = None
    """Track id, among `agents`, of the agent that the tag refers to; None where the tag names none."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Origin of the scenario, and values that are assumed and not measured."""

    def __post_init__(self) -> None:
        steps = len(self.time_us)
        counts = {self.ego.num_steps, self.agents.num_steps, self.traffic_lights.num_steps}
        if counts != {steps}:
            raise ValueError(
                f"Scenario {self.scenario_id}: ego, agents and lights must share the time axis of {steps} steps,"
                f" got {sorted(counts)}."
            )
        if not 0 <= self.first_frame < self.first_frame + self.num_frames <= steps:
            raise ValueError(
                f"Scenario {self.scenario_id}: frames {self.first_frame} to {self.first_frame + self.num_frames - 1}"
                f" do not fit a time axis of {steps} steps."
            )
        if self.about_track is not None and self.about_track not in self.agents.track_ids:
            raise ValueError(
                f"Scenario {self.scenario_id} refers to track {self.about_track}, which is not among its agents."
                " Keep that agent, or set about_track to None."
            )

    @property
    def map_name(self) -> str:
        """Location of the map."""
        return self.map.name

    @property
    def frames(self) -> slice:
        """The scenario's own frames on the time axis."""
        return slice(self.first_frame, self.first_frame + self.num_frames)

    @property
    def start_time_us(self) -> int:
        """Time of iteration 0."""
        return int(self.time_us[self.first_frame])

    def logged_ego_pose(self, iteration: int) -> Float64[np.ndarray, "3"]:
        """Rear-axle pose of the logged ego at an iteration."""
        return self.ego.rear_axle_poses[0, self.first_frame + iteration]

    def observation_at(self, iteration: int) -> Observation:
        """The observation of a planner, for an ego that drives as in the log.

        Raises:
            IndexError: When the scenario has no such iteration.
        """
        if not 0 <= iteration < self.num_frames:
            raise IndexError(
                f"Scenario {self.scenario_id} has iterations 0 to {self.num_frames - 1}, got {iteration}."
            )
        now = self.first_frame + iteration
        start = max(0, now + 1 - HISTORY_STEPS)
        return Observation(
            iteration=iteration,
            ego=self.ego.steps(start, now + 1),
            agents=self.agents.steps(start, now + 1),
            traffic_lights=self.traffic_lights.steps(now, now + 1),
            route=self.route,
            map=self.map,
            cameras=None if self.cameras is None else self.cameras.until(int(self.time_us[now])),
        )

    def with_metadata(self, **entries: str) -> "Scenario":
        """The same scenario with further metadata."""
        return replace(self, metadata={**self.metadata, **entries})
