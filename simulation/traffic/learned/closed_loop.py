"""Training samples in closed loop: states that the traffic itself reaches, with what brings agents back to the log.

Agents are rolled out from the log. Of its `TOP` likeliest choices an agent takes the one that ends nearest to its
logged pose, so that the roll-out stays where the log is an answer; the label is the nearest of all choices.

Source:
    Zhang et al., Closed-Loop Supervised Fine-Tuning of Tokenized Traffic Models (CAT-K), CVPR 2025. Here vehicles
    choose accelerations along paths, and the distance also weighs speed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64

from driving.agents import AgentKind
from driving.geometry import wrap_angle
from driving.scenario import Scenario
from simulation.ego.dynamics import states_of
from simulation.traffic.learned.decisions import Logits
from simulation.traffic.learned.options import LearnedOptions
from simulation.traffic.learned.paths import arc_of
from simulation.traffic.learned.samples import Samples
from simulation.traffic.learned.state import DECISION_S, DECISION_STEPS, travelled
from simulation.traffic.learned.vocabulary import ACCELERATIONS_MPS2

if TYPE_CHECKING:
    from simulation.traffic.learned.traffic import DecisionInput

TOP = 6
"""Choices among which the nearest to the log is taken."""
SPEED_WEIGHT_S = 0.5
"""A difference in speed of 1 m/s counts as this distance [m]."""
HEADING_WEIGHT_M = 0.5
MAX_DEVIATION_M, MAX_FREE_DEVIATION_M = 5.0, 1.0
"""Vehicles, and others, farther than this from their logged pose give no samples: the log no longer answers their
situation."""
EFFORT_WEIGHT_S2 = 0.01
"""An acceleration of 1 m/s^2 counts as this distance [m]: braking harder does not change a standing agent."""
_CERTAIN = 1e3
"""Scale from distances to logits that leave one choice."""


class Supervisor:
    """Records samples at each decision, and leaves each agent the choice nearest to the log."""

    def __init__(self, scenario: Scenario) -> None:
        """Start at the scenario's first frame; the log supervises."""
        self._agents = scenario.agents
        self.now = scenario.first_frame
        """Of the next decision; the caller sets it."""
        self.parts: list[Samples] = []

    def __call__(self, given: "DecisionInput", logits: Logits) -> Logits:
        """Record, and replace the logits."""
        later = self.now + DECISION_STEPS
        agents, users = self._agents, given.users
        if later >= agents.num_steps:
            return logits
        is_vehicle = agents.kinds[users] == AgentKind.VEHICLE
        accelerations, motions = np.zeros(len(users), np.float32), np.zeros((len(users), 3), np.float32)
        has_label = agents.valid[users, later] & agents.valid[users, self.now]
        found = Logits(logits.accelerations.copy(), logits.tokens.copy())
        for a in np.flatnonzero(has_label).tolist():
            row = int(users[a])
            gap = given.state.poses[row, :2] - agents.poses[row, self.now, :2]
            if np.hypot(*gap) > (MAX_DEVIATION_M if is_vehicle[a] else MAX_FREE_DEVIATION_M):
                has_label[a] = False
                continue
            motions[a] = self._motion_to_log(given, row, later)
            if is_vehicle[a]:
                costs = self._acceleration_costs(given, row, later)
                accelerations[a] = ACCELERATIONS_MPS2[costs.argmin()]
                found.accelerations[a] = _nearest_of_likeliest(logits.accelerations[a], costs)
            else:
                costs = _token_costs(given, motions[a].astype(np.float64))
                found.tokens[a] = _nearest_of_likeliest(logits.tokens[a], costs)
        samples = Samples(
            features=given.features, accelerations=accelerations, motions=motions, is_vehicle=is_vehicle
        )
        self.parts.append(samples.take(np.flatnonzero(has_label)))
        return found

    def _motion_to_log(self, given: "DecisionInput", row: int, later: int) -> Float64[np.ndarray, "3"]:
        """The motion in the agent's frame to its logged pose."""
        x, y, heading = given.state.poses[row].tolist()
        pose = self._agents.poses[row, later]
        cos, sin, dx, dy = np.cos(heading), np.sin(heading), pose[0] - x, pose[1] - y
        return np.array([cos * dx + sin * dy, cos * dy - sin * dx, float(wrap_angle(pose[2] - heading))])

    def _acceleration_costs(
        self, given: "DecisionInput", row: int, later: int
    ) -> Float64[np.ndarray, "accelerations"]:
        """Distance along the path, and difference in speed, to the log after each acceleration."""
        agents, progress = self._agents, float(given.state.progress[row])
        x, y, heading = agents.poses[row, later].tolist()
        wanted_m = arc_of(given.paths, row, (x, y), progress) - progress
        velocity = agents.velocities_mps[row, later]
        wanted_mps = velocity[0] * np.cos(heading) + velocity[1] * np.sin(heading)
        speed = max(float(given.state.speed[row]), 0.0)
        ends = np.array([travelled(speed, accel, DECISION_S) for accel in ACCELERATIONS_MPS2.tolist()])
        missed = np.abs(ends[:, 0] - wanted_m) + SPEED_WEIGHT_S * np.abs(ends[:, 1] - np.nan_to_num(wanted_mps))
        return missed + EFFORT_WEIGHT_S2 * np.abs(ACCELERATIONS_MPS2)


def _token_costs(given: "DecisionInput", wanted: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "tokens"]:
    """Distance of each motion from that to the log."""
    gaps = given.motions - wanted
    return np.hypot(gaps[:, 0], gaps[:, 1]) + HEADING_WEIGHT_M * np.abs(gaps[:, 2])


def _nearest_of_likeliest(
    logits: Float32[np.ndarray, "choices"], costs: Float64[np.ndarray, "choices"]
) -> Float32[np.ndarray, "choices"]:
    """Logits that order the likeliest choices by their costs, and the others behind them."""
    likeliest = np.argsort(-logits, kind="stable")[:TOP]
    found = (-10.0 * _CERTAIN - _CERTAIN * costs).astype(np.float32)
    found[likeliest] = -_CERTAIN * costs[likeliest]
    return found


def closed_loop_samples(scenario: Scenario, checkpoint: Path, *, steps: int = 150, seed: int = 0) -> Samples:
    """Samples of one scenario in closed loop.

    Args:
        scenario: Its log supervises.
        checkpoint: Folder of the weights that drive.
        steps: Of the roll-out.
        seed: Of the paths behind the log.

    Raises:
        ValueError: When no agent moves.
    """
    from simulation.traffic.learned.traffic import LearnedTraffic

    supervisor = Supervisor(scenario)
    traffic = LearnedTraffic(scenario, LearnedOptions(checkpoint=checkpoint), seed=seed, adjust=supervisor)
    states = states_of(scenario.ego)[0]
    for iteration in range(min(steps, len(states) - 1 - scenario.first_frame)):
        supervisor.now = scenario.first_frame + iteration
        traffic.step(iteration, states[supervisor.now])
    return Samples.joined(supervisor.parts)
