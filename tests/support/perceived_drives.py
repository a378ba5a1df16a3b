"""Made-up perceptions of drives for tests."""

import numpy as np

from driving.agents import AgentTracks
from driving.perceived import Perceived, PerceivedRoad


def perceived_agents(poses, kinds, track_ids):
    """Standing boxes of 4 x 2 x 1.5 m at global poses (agents, 3)."""
    poses = np.asarray(poses, dtype=float).reshape(-1, 3)
    count = len(poses)
    return AgentTracks(
        track_ids=tuple(track_ids),
        kinds=np.array(kinds, dtype=np.int8),
        poses=poses[:, np.newaxis],
        velocities_mps=np.zeros((count, 1, 2)),
        sizes=np.tile([4.0, 2.0], (count, 1, 1)),
        valid=np.ones((count, 1), dtype=bool),
        heights_m=np.full(count, 1.5),
    )


def perceived_road(ego_pose, drivable=255):
    """Grid of 8 x 6 m, x -4 to 4 m and y -3 to 3 m: drivable everywhere, a crosswalk in the first cell."""
    probabilities = np.zeros((3, 8, 6), dtype=np.uint8)
    probabilities[0] = drivable
    probabilities[2, 0, 0] = 255
    return PerceivedRoad(
        ego_pose=np.asarray(ego_pose, dtype=float),
        x_min_m=-4.0,
        y_min_m=-3.0,
        cell_m=1.0,
        probabilities=probabilities,
    )


def perceived_at(ego_pose, poses, kinds, track_ids, drivable=255):
    """A perception with boxes at global poses and the road of `perceived_road`."""
    return Perceived(agents=perceived_agents(poses, kinds, track_ids), road=perceived_road(ego_pose, drivable))
