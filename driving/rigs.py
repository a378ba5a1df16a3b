"""Nominal rigs of three data sets.

    NUPLAN_8.resized(sizes=(480, 270))

Heights are above the road, as in worlds without elevation: the origin is the centre of the rear axle, projected to
the road. This is nuScenes' ego frame. In nuPlan and Argoverse 2 the origin is the axle itself, about `AXLE_HEIGHT_M`
above the road; `rig.shifted(height_m=-AXLE_HEIGHT_M)` gives a nominal rig in that frame.

Left and right cameras are mirrored here, positions rounded to 1 cm and angles to 1 degree. The calibration of one car
is in its log; `driving.rig_files.read_rig` reads one from a JSON file.
"""

from typing import NamedTuple

import numpy as np

from driving.cameras import CameraRig, camera_poses

AXLE_HEIGHT_M = 0.33
"""Nominal height of the ego frame of nuPlan and Argoverse 2 above the road.

In four Argoverse 2 logs the boxes within 15 m stand 0.32 to 0.43 m below the origin (medians). nuPlan's value is not
measured here; it is taken to be the same.
"""


class _Camera(NamedTuple):
    name: str
    focal_px: float
    principal_px: tuple[float, float]
    size: tuple[int, int]
    position_m: tuple[float, float, float]
    yaw_deg: float
    pitch_deg: float = 0.0
    """Positive: down."""


def _rig(cameras: list[_Camera], distortion: tuple[float, float, float, float, float] = (0, 0, 0, 0, 0)) -> CameraRig:
    intrinsics = np.tile(np.eye(3), (len(cameras), 1, 1))
    intrinsics[:, [0, 1], [0, 1]] = np.array([camera.focal_px for camera in cameras])[:, np.newaxis]
    intrinsics[:, :2, 2] = [camera.principal_px for camera in cameras]
    return CameraRig(
        names=tuple(camera.name for camera in cameras),
        intrinsics=intrinsics,
        distortion=np.tile(np.array(distortion, dtype=np.float64), (len(cameras), 1)),
        ego_from_camera=camera_poses(
            np.array([camera.position_m for camera in cameras], dtype=np.float64),
            np.radians([camera.yaw_deg for camera in cameras]),
            np.radians([camera.pitch_deg for camera in cameras]),
        ),
        image_sizes=np.array([camera.size for camera in cameras], dtype=np.int64),
    )


_HD = (1920, 1080)
_HD_CENTRE = (960.0, 560.0)

NUPLAN_8 = _rig(
    [
        _Camera("CAM_F0", 1545.0, _HD_CENTRE, _HD, (1.67, 0.0, 1.83), 0.0, 1.0),
        _Camera("CAM_B0", 1545.0, _HD_CENTRE, _HD, (-0.45, 0.0, 1.76), 180.0, 1.0),
        _Camera("CAM_L0", 1545.0, _HD_CENTRE, _HD, (1.65, 0.14, 1.82), 55.0, 1.0),
        _Camera("CAM_L1", 1545.0, _HD_CENTRE, _HD, (1.31, 0.62, 1.70), 112.0, 1.0),
        _Camera("CAM_L2", 1545.0, _HD_CENTRE, _HD, (-0.46, 0.52, 1.68), 141.0, 1.0),
        _Camera("CAM_R0", 1545.0, _HD_CENTRE, _HD, (1.65, -0.14, 1.82), -55.0, 1.0),
        _Camera("CAM_R1", 1545.0, _HD_CENTRE, _HD, (1.31, -0.62, 1.70), -112.0, 1.0),
        _Camera("CAM_R2", 1545.0, _HD_CENTRE, _HD, (-0.46, -0.52, 1.68), -141.0, 1.0),
    ],
    distortion=(-0.356123, 0.172545, -0.00213, 0.000464, -0.05231),
)
"""nuPlan's eight cameras; images are distorted.

Source: calibration of one nuPlan car as it is quoted in public code (`sensor2lidar_*`, as in NAVSIM's data; all eight
cameras have the same intrinsics and distortion). The lidar frame lies 0.03 m ahead of the ego frame. Rounded.
"""

NUSCENES_6 = _rig(
    [
        _Camera("CAM_FRONT", 1266.0, (816.0, 491.0), (1600, 900), (1.70, 0.0, 1.51), 0.0),
        _Camera("CAM_FRONT_LEFT", 1267.0, (817.0, 488.0), (1600, 900), (1.54, 0.49, 1.50), 56.0),
        _Camera("CAM_FRONT_RIGHT", 1267.0, (817.0, 488.0), (1600, 900), (1.54, -0.49, 1.50), -56.0),
        _Camera("CAM_BACK", 809.0, (829.0, 482.0), (1600, 900), (0.03, 0.0, 1.58), 180.0, -1.0),
        _Camera("CAM_BACK_LEFT", 1258.0, (800.0, 497.0), (1600, 900), (1.03, 0.48, 1.58), 110.0, 1.0),
        _Camera("CAM_BACK_RIGHT", 1258.0, (800.0, 497.0), (1600, 900), (1.03, -0.48, 1.58), -110.0, 1.0),
    ]
)
"""nuScenes' six cameras; images are rectified.

Source: calibration of the car n015 (`calibrated_sensor` of nuScenes v1.0), rounded. Caesar et al., "nuScenes", 2020.
"""

_LANDSCAPE = (2048, 1550)
_RING_CENTRE = (1029.0, 767.0)

ARGOVERSE2_7 = _rig(
    [
        _Camera("ring_front_center", 1776.0, (778.0, 1014.0), (1550, 2048), (1.63, 0.0, 1.73), 0.0),
        _Camera("ring_front_left", 1687.0, _RING_CENTRE, _LANDSCAPE, (1.55, 0.20, 1.73), 45.0, 3.0),
        _Camera("ring_front_right", 1687.0, _RING_CENTRE, _LANDSCAPE, (1.55, -0.20, 1.73), -45.0, 3.0),
        _Camera("ring_side_left", 1687.0, _RING_CENTRE, _LANDSCAPE, (1.31, 0.28, 1.73), 99.0, 3.0),
        _Camera("ring_side_right", 1687.0, _RING_CENTRE, _LANDSCAPE, (1.31, -0.28, 1.73), -99.0, 3.0),
        _Camera("ring_rear_left", 1687.0, _RING_CENTRE, _LANDSCAPE, (1.10, 0.13, 1.75), 153.0),
        _Camera("ring_rear_right", 1687.0, _RING_CENTRE, _LANDSCAPE, (1.10, -0.13, 1.75), -153.0),
    ]
)
"""Argoverse 2's seven ring cameras, the front one in portrait format; images are rectified.

Source: `calibration/` of a sensor log, rounded. Wilson et al., "Argoverse 2", 2021.
"""

RIGS = {"nuplan_8": NUPLAN_8, "nuscenes_6": NUSCENES_6, "argoverse2_7": ARGOVERSE2_7}
"""By the names that command lines take."""
