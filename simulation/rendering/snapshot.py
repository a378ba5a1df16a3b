"""Ego, agents and traffic lights at one instant: everything that an image may show.

snapshot_of(observation.ego_now.rear_axle_pose, observation.agents, observation.traffic_lights, time_us)
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from driving.agents import AgentKind, AgentTracks, TrafficLights
from driving.arrays import require_shapes
from driving.geometry import wrap_angle
from driving.timing import STEP_S

BRAKING_MPS2 = -0.7
"""Brake lights are on below this longitudinal acceleration."""
STANDING_MPS = 0.2
TURNING_RAD_PER_S = 0.15
"""A turn indicator is on above this yaw rate."""
SIGNAL_WINDOW_STEPS = 5
"""Steps over which acceleration and yaw rate are differences."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """N observed agents and K traffic lights at one instant. Frame: global."""

    time_us: int
    ego_pose: Float64[np.ndarray, "3"]
    """x [m], y [m], heading [rad] of the rear axle."""
    track_ids: tuple[str, ...]
    kinds: Int8[np.ndarray, "agents"]
    """Values of `AgentKind`."""
    poses: Float64[np.ndarray, "agents 3"]
    """x [m], y [m], heading [rad] of the box centre."""
    sizes_m: Float64[np.ndarray, "agents 3"]
    """Length, width and height of the box, which stands on the ground."""
    is_braking: Bool[np.ndarray, "agents"]
    turn_signals: Int8[np.ndarray, "agents"]
    """1 left, -1 right, 0 off."""
    connector_ids: Int64[np.ndarray, "lights"]
    """Lane connectors of the traffic lights."""
    connector_statuses: Int8[np.ndarray, "lights"]
    """Values of `LightStatus`."""

    def __post_init__(self) -> None:
        count = len(self.track_ids)
        require_shapes(
            f"a snapshot of {count} agents and {len(self.connector_ids)} lights",
            {
                "kinds": (self.kinds, (count,)),
                "poses": (self.poses, (count, 3)),
                "sizes_m": (self.sizes_m, (count, 3)),
                "is_braking": (self.is_braking, (count,)),
                "turn_signals": (self.turn_signals, (count,)),
                "connector_statuses": (self.connector_statuses, (len(self.connector_ids),)),
            },
        )


def snapshot_of(
    ego_pose: Float64[np.ndarray, "3"], agents: AgentTracks, lights: TrafficLights, time_us: int
) -> Snapshot:
    """Agents and lights at the last step, with brake lights and turn indicators from the steps before.

    A vehicle brakes when it decelerates, or stands after it moved within the history: a parked car shows no brake
    lights. It signals a turn while its heading changes.

    Args:
        ego_pose: Rear axle, global.
        agents: Up to now; only the last `SIGNAL_WINDOW_STEPS` and whether an agent moved are used.
        lights: Up to now; only the last step is used.
        time_us: Now.
    """
    rows = np.flatnonzero(agents.valid[:, -1])
    is_vehicle = agents.kinds[rows] == AgentKind.VEHICLE
    speeds = np.hypot(*np.moveaxis(agents.velocities_mps[rows], -1, 0))
    start = max(0, agents.num_steps - 1 - SIGNAL_WINDOW_STEPS)
    span_s = STEP_S * max(agents.num_steps - 1 - start, 1)
    # Unknown where the agent was not observed at both steps: its signals are off.
    accelerations = np.nan_to_num(speeds[:, -1] - speeds[:, start]) / span_s
    yaw_rates = np.nan_to_num(wrap_angle(agents.poses[rows, -1, 2] - agents.poses[rows, start, 2])) / span_s
    moved = (np.nan_to_num(speeds) > STANDING_MPS).any(axis=1)
    is_standing = np.nan_to_num(speeds[:, -1]) <= STANDING_MPS
    is_turning = is_vehicle & (np.abs(yaw_rates) > TURNING_RAD_PER_S) & ~is_standing
    ids, statuses = (
        lights.at(lights.num_steps - 1) if lights.num_steps else (np.zeros(0, np.int64), np.zeros(0, np.int8))
    )
    return Snapshot(
        time_us=time_us,
        ego_pose=ego_pose,
        track_ids=tuple(agents.track_ids[row] for row in rows),
        kinds=agents.kinds[rows],
        poses=agents.poses[rows, -1],
        sizes_m=np.column_stack([agents.sizes[rows, -1], agents.heights_m[rows]]),
        is_braking=is_vehicle & ((accelerations < BRAKING_MPS2) | (is_standing & moved)),
        turn_signals=np.where(is_turning, np.sign(yaw_rates), 0).astype(np.int8),
        connector_ids=ids,
        connector_statuses=statuses,
    )
