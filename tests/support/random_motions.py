"""Random motions and agents around a pose, for tests that compare compiled kernels with plain code."""

import numpy as np

from simulation.ego.dynamics import (
    ACCEL_X,
    ACCEL_Y,
    HEADING,
    STATE_SIZE,
    VELOCITY_X,
    YAW_ACCEL,
    YAW_RATE,
    X,
    Y,
)
from simulation.metrics.pdm.agents import AgentsNow


def random_states(
    rng: np.random.Generator, num_motions: int, num_steps: int, start: np.ndarray, sharpness: float = 1.0
) -> np.ndarray:
    """States (M, T, 10) every 0.1 s: motions from one pose with random speeds, accelerations and yaw rates."""
    states = np.zeros((num_motions, num_steps, STATE_SIZE))
    accel = rng.uniform(-3.0, 2.0, (num_motions, 1)) * sharpness
    yaw_rate = rng.normal(0.0, 0.15, (num_motions, 1)) + np.cumsum(
        rng.normal(0.0, 0.02, (num_motions, num_steps)), axis=1
    )
    yaw_rate *= sharpness
    speed = np.maximum(rng.uniform(0.0, 12.0, (num_motions, 1)) + accel * 0.1 * np.arange(num_steps), 0.0)
    turned = np.concatenate([np.zeros((num_motions, 1)), np.cumsum(yaw_rate[:, 1:] * 0.1, axis=1)], axis=1)
    heading = start[2] + turned
    states[..., X] = start[0] + np.cumsum(speed * np.cos(heading) * 0.1, axis=1)
    states[..., Y] = start[1] + np.cumsum(speed * np.sin(heading) * 0.1, axis=1)
    states[..., HEADING] = (heading + np.pi) % (2 * np.pi) - np.pi
    states[..., VELOCITY_X] = speed
    states[..., ACCEL_X] = np.gradient(speed, 0.1, axis=1) + rng.normal(0.0, 0.1, speed.shape) * sharpness
    states[..., ACCEL_Y] = speed * yaw_rate
    states[..., YAW_RATE] = yaw_rate
    states[..., YAW_ACCEL] = np.gradient(yaw_rate, 0.1, axis=1)
    return states


def random_agents(rng: np.random.Generator, num_agents: int, start: np.ndarray, reach_m: float = 40.0) -> AgentsNow:
    """Boxes around a pose, a third of them stopped and half of those static objects."""
    away, angle = rng.uniform(4.0, reach_m, num_agents), start[2] + rng.normal(0.0, 1.0, num_agents)
    heading = start[2] + rng.uniform(-np.pi, np.pi, num_agents)
    stopped = rng.uniform(size=num_agents) < 1 / 3
    speeds = np.where(stopped, 0.0, rng.uniform(0.5, 10.0, num_agents))
    return AgentsNow(
        poses=np.stack([start[0] + away * np.cos(angle), start[1] + away * np.sin(angle), heading], axis=-1),
        sizes=rng.uniform([0.5, 0.5], [6.0, 2.5], (num_agents, 2)),
        velocities=speeds[:, np.newaxis] * np.stack([np.cos(heading), np.sin(heading)], axis=-1),
        speeds=speeds,
        is_static=stopped & (rng.uniform(size=num_agents) < 0.5),
        is_ignored=rng.uniform(size=num_agents) < 0.1,
    )
