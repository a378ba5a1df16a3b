"""Motion of the ego: states of its rear axle over time, of one drive or of many candidates."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from driving.arrays import require_shapes
from driving.geometry import box_corners, shifted_along_heading
from driving.vehicle import PACIFICA, VehicleParameters


@dataclass(frozen=True, kw_only=True)
class EgoState:
    """The ego at one instant. Velocity and acceleration are those of the rear axle, in the body frame."""

    time_us: int
    rear_axle_pose: Float64[np.ndarray, "3"]
    """x [m], y [m], heading [rad], global."""
    velocity_mps: Float64[np.ndarray, "2"]
    acceleration_mps2: Float64[np.ndarray, "2"]
    steering_rad: float = 0.0
    yaw_rate_radps: float = 0.0
    yaw_acceleration_radps2: float = 0.0

    @property
    def speed_mps(self) -> float:
        """Magnitude of the rear axle's velocity."""
        return float(np.hypot(self.velocity_mps[0], self.velocity_mps[1]))

    def center_pose(self, vehicle: VehicleParameters = PACIFICA) -> Float64[np.ndarray, "3"]:
        """Pose of the middle of the box, global."""
        return shifted_along_heading(self.rear_axle_pose, vehicle.rear_axle_to_center_m)


@dataclass(frozen=True, kw_only=True)
class EgoMotion:
    """M motions of the ego over the same T instants.

    One driven log is M = 1, proposals are M = P, a vocabulary is M = V: the same metrics score all of them.
    Velocities and accelerations are those of the rear axle in the body frame (x forward, y left).
    """

    time_us: Int64[np.ndarray, "time"]
    rear_axle_poses: Float64[np.ndarray, "motions time 3"]
    """x [m], y [m], heading [rad], global."""
    velocities_mps: Float64[np.ndarray, "motions time 2"]
    accelerations_mps2: Float64[np.ndarray, "motions time 2"]
    steering_rad: Float64[np.ndarray, "motions time"]
    yaw_rate_radps: Float64[np.ndarray, "motions time"]
    yaw_acceleration_radps2: Float64[np.ndarray, "motions time"]

    def __post_init__(self) -> None:
        cells = (len(self.rear_axle_poses), len(self.time_us))
        require_shapes(
            f"{cells[0]} motions at {cells[1]} times",
            {
                "EgoMotion.rear_axle_poses": (self.rear_axle_poses, (*cells, 3)),
                "EgoMotion.velocities_mps": (self.velocities_mps, (*cells, 2)),
                "EgoMotion.accelerations_mps2": (self.accelerations_mps2, (*cells, 2)),
                "EgoMotion.steering_rad": (self.steering_rad, cells),
                "EgoMotion.yaw_rate_radps": (self.yaw_rate_radps, cells),
                "EgoMotion.yaw_acceleration_radps2": (self.yaw_acceleration_radps2, cells),
            },
        )

    @classmethod
    def from_log(
        cls,
        *,
        time_us: Int64[np.ndarray, "time"],
        rear_axle_poses: Float64[np.ndarray, "time 3"],
        velocities_mps: Float64[np.ndarray, "time 2"],
        accelerations_mps2: Float64[np.ndarray, "time 2"],
    ) -> "EgoMotion":
        """One recorded drive. Steering and yaw rates are 0, as nuPlan reads its logs."""
        zeros = np.zeros((1, len(time_us)))
        return cls(
            time_us=time_us,
            rear_axle_poses=rear_axle_poses[np.newaxis],
            velocities_mps=velocities_mps[np.newaxis],
            accelerations_mps2=accelerations_mps2[np.newaxis],
            steering_rad=zeros,
            yaw_rate_radps=zeros,
            yaw_acceleration_radps2=zeros,
        )

    @property
    def num_motions(self) -> int:
        """M."""
        return len(self.rear_axle_poses)

    @property
    def num_steps(self) -> int:
        """T."""
        return len(self.time_us)

    @property
    def speed_mps(self) -> Float64[np.ndarray, "motions time"]:
        """Magnitude of the rear axle's velocity."""
        return np.hypot(self.velocities_mps[..., 0], self.velocities_mps[..., 1])

    def center_poses(self, vehicle: VehicleParameters = PACIFICA) -> Float64[np.ndarray, "motions time 3"]:
        """Poses of the middle of the box, global: nuPlan measures progress and areas there."""
        return shifted_along_heading(self.rear_axle_poses, vehicle.rear_axle_to_center_m)

    def corners(self, vehicle: VehicleParameters = PACIFICA) -> Float64[np.ndarray, "motions time 4 2"]:
        """Box corners: front-left, rear-left, rear-right, front-right, global."""
        centers = self.center_poses(vehicle)
        sizes = np.broadcast_to([vehicle.length_m, vehicle.width_m], (*centers.shape[:2], 2))
        return box_corners(centers, np.ascontiguousarray(sizes))

    def state(self, step: int, motion: int = 0) -> EgoState:
        """The state of one motion at one step."""
        return EgoState(
            time_us=int(self.time_us[step]),
            rear_axle_pose=self.rear_axle_poses[motion, step],
            velocity_mps=self.velocities_mps[motion, step],
            acceleration_mps2=self.accelerations_mps2[motion, step],
            steering_rad=float(self.steering_rad[motion, step]),
            yaw_rate_radps=float(self.yaw_rate_radps[motion, step]),
            yaw_acceleration_radps2=float(self.yaw_acceleration_radps2[motion, step]),
        )

    def steps(self, start: int, stop: int) -> "EgoMotion":
        """Steps `start` to `stop` (exclusive), copied, without access to the other steps."""
        return EgoMotion(
            time_us=self.time_us[start:stop].copy(),
            rear_axle_poses=self.rear_axle_poses[:, start:stop].copy(),
            velocities_mps=self.velocities_mps[:, start:stop].copy(),
            accelerations_mps2=self.accelerations_mps2[:, start:stop].copy(),
            steering_rad=self.steering_rad[:, start:stop].copy(),
            yaw_rate_radps=self.yaw_rate_radps[:, start:stop].copy(),
            yaw_acceleration_radps2=self.yaw_acceleration_radps2[:, start:stop].copy(),
        )
