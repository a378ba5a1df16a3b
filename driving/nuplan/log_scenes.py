"""nuPlan's scenes of a log, which have the route and the goal.

The devkit lists no scenarios in the first two and the last two scenes of a log. Every tagged frame therefore gets two
scenes before it and two after it.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from driving.recording import Mission, Recording

OUTER_ROWS = 20
"""Rows (1 s) of each of the first two and last two scenes; fewer near tagged frames."""


@dataclass(frozen=True, kw_only=True)
class SceneRow:
    """One row of the `scene` table, and its frames, `start` to `stop` (exclusive)."""

    start: int
    stop: int
    token: bytes
    name: str
    roadblock_ids: str
    """Separated by spaces, as the devkit reads them; its documentation has commas."""
    goal_token: bytes | None
    goal_pose: Float64[np.ndarray, "3"] | None
    """None without a goal, or when `goal_token` names the pose of a frame."""


def scene_rows(
    recording: Recording, scene_tokens: list[bytes], goal_tokens: list[bytes], ego_pose_tokens: list[bytes]
) -> list[SceneRow]:
    """Cut a recording into scenes.

    Args:
        recording: At log rate.
        scene_tokens: At least as many as `scene_bounds` gives.
        goal_tokens: One per mission, for goals that are not the pose of a frame.
        ego_pose_tokens: One per frame.
    """
    rows = []
    for number, (start, stop) in enumerate(scene_bounds(recording)):
        frame = min(start, len(recording.time_us) - 1)
        mission = recording.mission_at(frame)
        number_of_mission = sum(one.first_frame <= frame for one in recording.missions) - 1
        goal_token, goal_pose = _goal(recording, mission, goal_tokens[number_of_mission], ego_pose_tokens)
        rows.append(
            SceneRow(
                start=start,
                stop=stop,
                token=scene_tokens[number],
                name=f"scene-{number:04d}",
                roadblock_ids=" ".join(str(int(one)) for one in mission.roadblock_ids),
                goal_token=goal_token,
                goal_pose=goal_pose,
            )
        )
    return rows


def scene_bounds(recording: Recording) -> list[tuple[int, int]]:
    """First frame and end (exclusive) of each scene; outer scenes may be empty."""
    stop = len(recording.time_us)
    frames = [tag.frame for tag in recording.tags]
    first, last = (min(frames), max(frames) + 1) if frames else (stop // 2, stop // 2 + 1)
    head, tail = min(OUTER_ROWS, first // 2), min(OUTER_ROWS, (stop - last) // 2)
    cuts = {0, head, 2 * head, stop - 2 * tail, stop - tail, stop}
    cuts |= {mission.first_frame for mission in recording.missions}
    edges = sorted(cuts)
    bounds = list(pairwise(edges))
    missing_before = 2 - sum(end <= first for _, end in bounds)
    missing_after = 2 - sum(begin >= last for begin, _ in bounds)
    return [(0, 0)] * missing_before + bounds + [(stop, stop)] * missing_after


def _goal(
    recording: Recording, mission: Mission, goal_token: bytes, ego_pose_tokens: list[bytes]
) -> tuple[bytes | None, Float64[np.ndarray, "3"] | None]:
    goal = mission.goal_pose
    if goal is None:
        return None, None
    at_goal = np.flatnonzero((recording.ego.rear_axle_poses[0] == goal).all(axis=-1))
    if len(at_goal):
        return ego_pose_tokens[at_goal[0]], None
    return goal_token, goal
