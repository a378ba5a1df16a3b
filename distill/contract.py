"""What a teacher receives and returns."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int64

from driving.agents import AgentTracks, TrafficLights
from driving.observation import Observation
from driving.scenario import Scenario
from planning.neural.vocabulary import NUM_POSES, TrajectoryVocabulary
from simulation.metrics.rules import PDM_TTC_STEPS

SUB_SCORES = (
    "no_collision",
    "drivable_area",
    "driving_direction",
    "traffic_lights",
    "time_to_collision",
    "progress",
    "lane_keeping",
    "comfort",
    "speed_limit",
)
"""Columns of a label. The speed limit is a sub-score of its own, as progress alone would reward speeding."""
WAITING_STEPS = 30
"""Steps of 0.1 s after a motion in which an ego that stands at its end must not be hit."""
FUTURE_STEPS = NUM_POSES + max(PDM_TTC_STEPS[-1], WAITING_STEPS)
"""Steps of 0.1 s that a teacher uses: 4 s, and what follows for the time to collision and for standing egos."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Future:
    """Agents and lights from the present step on, every 0.1 s."""

    agents: AgentTracks
    traffic_lights: TrafficLights
    ego_poses: Float64[np.ndarray, "steps 3"] | None = None
    """Rear-axle poses of the logged ego, global; None for a state without an imitation target."""

    def __post_init__(self) -> None:
        if self.agents.num_steps != self.traffic_lights.num_steps:
            raise ValueError(
                f"Agents and lights must share the future; got {self.agents.num_steps} and"
                f" {self.traffic_lights.num_steps} steps."
            )


def logged_future(scenario: Scenario, iteration: int) -> Future:
    """The logged future of an iteration, up to `FUTURE_STEPS` or to the end of the log.

    Raises:
        IndexError: When the scenario has no such iteration.
    """
    if not 0 <= iteration < scenario.num_frames:
        raise IndexError(f"Scenario {scenario.scenario_id} has {scenario.num_frames} iterations, got {iteration}.")
    now = scenario.first_frame + iteration
    stop = min(now + FUTURE_STEPS, len(scenario.time_us))
    return Future(
        agents=scenario.agents.steps(now, stop),
        traffic_lights=scenario.traffic_lights.steps(now, stop),
        ego_poses=scenario.ego.rear_axle_poses[0, now:stop].copy(),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class TeacherLabel:
    """Sub-scores of every trajectory of a vocabulary in one state."""

    scores: Float32[np.ndarray, "entries sub_scores"]
    """Columns as in `SUB_SCORES`, each in [0, 1]."""


@runtime_checkable
class Teacher(Protocol):
    """Scores all trajectories of a vocabulary at once."""

    version: str
    """Changes whenever labels change: stored labels of another version are refused."""

    @property
    def vocabulary(self) -> TrajectoryVocabulary:
        """The trajectories that are scored."""
        ...

    def label(
        self, observation: Observation, future: Future, entries: Int64[np.ndarray, "queried"] | None = None
    ) -> TeacherLabel:
        """Score every trajectory, or the given rows of the vocabulary, tracked from the ego's present state."""
        ...
