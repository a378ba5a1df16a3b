"""A scenario as one line of JSON and as plain arrays, in the form of the reference listings."""

import json
from typing import Any

import numpy as np

from driving.nuplan.scenarios import ScenarioSummary
from driving.scenario import Scenario


def listing_line(summary: ScenarioSummary) -> str:
    """A JSON object: token, scenario_type, log_name, map_name, frames, start_time_us, goal, roadblock_ids.

    `goal` is [x, y, heading] or null; `roadblock_ids` are strings, as in nuPlan's logs.
    """
    entry = summary.entry
    return json.dumps(
        {
            "token": entry.token,
            "scenario_type": entry.scenario_type,
            "log_name": entry.log_name,
            "map_name": entry.map_name,
            "frames": summary.frames,
            "start_time_us": summary.start_time_us,
            "goal": None if summary.goal_pose is None else list(summary.goal_pose),
            "roadblock_ids": list(summary.roadblock_ids),
        }
    )


def listing_arrays(scenario: Scenario) -> dict[str, Any]:
    """The frames of a scenario, without history and future, as plain arrays.

    Returns:
        `time_us` (T,); `ego` (T, 7): rear-axle x, y, heading, body vx, vy, ax, ay; `boxes` (K, 10): frame, track
        number, kind, x, y, heading, vx, vy, length, width, in the devkit's order: by kind, then as in the file;
        `tracks`: the id of each track number, by first appearance; `lights` (L, 3): frame, lane connector id, status.
    """
    frames = scenario.frames
    ego = scenario.ego
    agents = scenario.agents.steps(frames.start, frames.stop)
    lights = scenario.traffic_lights.steps(frames.start, frames.stop)
    rows_of_frame = [agents.rows_at(step) for step in range(scenario.num_frames)]
    rows = np.concatenate(rows_of_frame).astype(np.int64)
    steps = np.repeat(np.arange(scenario.num_frames), [len(found) for found in rows_of_frame])
    by_appearance = list(dict.fromkeys(rows.tolist()))
    number = np.zeros(agents.num_agents)
    number[by_appearance] = np.arange(len(by_appearance))
    boxes = np.column_stack(
        [
            steps,
            number[rows],
            agents.kinds[rows],
            agents.poses[rows, steps],
            agents.velocities_mps[rows, steps],
            agents.sizes[rows, steps],
        ]
    )
    light_steps = np.repeat(np.arange(lights.num_steps), np.diff(lights.offsets))
    return {
        "time_us": scenario.time_us[frames],
        "ego": np.column_stack(
            [ego.rear_axle_poses[0, frames], ego.velocities_mps[0, frames], ego.accelerations_mps2[0, frames]]
        ),
        "boxes": boxes.astype(np.float64).reshape(-1, 10),
        "tracks": np.array([agents.track_ids[row] for row in by_appearance], dtype="<U16"),
        "lights": np.column_stack([light_steps, lights.lane_connector_ids, lights.statuses]).astype(np.int64),
    }
