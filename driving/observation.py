"""The input of a planner at one step: the past and the present, and nothing else."""

from dataclasses import dataclass

from driving.agents import AgentTracks, TrafficLights
from driving.cameras import CameraFrames
from driving.ego import EgoMotion, EgoState
from driving.map import MapGraph
from driving.route import Route


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The world up to now. Histories end with the present step, oldest first.

    No field can hold the future: agents that have not been observed yet are not listed, and the arrays are copies, so
    that no view leads back into the recording.
    """

    iteration: int
    """Step of the rollout, 0 at its start."""
    ego: EgoMotion
    """M = 1, over H steps up to now."""
    agents: AgentTracks
    """Agents in the same H steps."""
    traffic_lights: TrafficLights
    """Lights of the present step only (T = 1), as in nuPlan's planner input."""
    route: Route
    map: MapGraph
    cameras: CameraFrames | None = None
    """Images up to now. None without cameras, and in closed loop: logged images do not show where the ego is."""

    def required_cameras(self, planner_name: str) -> CameraFrames:
        """The images, for a planner that cannot do without.

        Raises:
            ValueError: When the observation has none.
        """
        if self.cameras is None:
            raise ValueError(
                f"{planner_name} needs camera images, but the observation has none. Run the rollout with"
                " cameras=planner.camera_settings, or scripts/benchmark.py with --cameras."
            )
        return self.cameras

    def __post_init__(self) -> None:
        if self.ego.num_steps != self.agents.num_steps:
            raise ValueError(
                f"Ego and agents must share their history; got {self.ego.num_steps} and {self.agents.num_steps}."
            )

    @property
    def time_us(self) -> int:
        """Now."""
        return int(self.ego.time_us[-1])

    @property
    def ego_now(self) -> EgoState:
        """The ego at the present step."""
        return self.ego.state(-1)
