"""Binary messages for the replay: a driven log, the logged ego of a scenario, and the scene around both."""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentKind, AgentTracks, LightStatus, TrafficLights
from driving.candidates import LOGGED_TIME_S, Candidates
from driving.ego import EgoMotion
from driving.geometry import arc_lengths, shifted_along_heading
from driving.scenario import Scenario
from driving.vehicle import PACIFICA
from simulation.drawing.map_shapes import Shapes, map_shapes, region_around
from simulation.log import SimulationLog
from simulation.viewer.packing import CENTIMETRE, MILLIMETRE, MILLIRADIAN, Message
from simulation.viewer.perception import add_perceived

ORIGIN_GRID_M = 100.0
"""Grid of the origin that coordinates are relative to; all drives of a scenario share one origin."""
ROUTE_AHEAD_M = 250.0
"""Length of the route line beyond the distance that the logged ego drove."""


def origin_near(pose: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "2"]:
    """The grid point next to a pose: origin of the coordinates in a message."""
    return np.round(pose[:2] / ORIGIN_GRID_M) * ORIGIN_GRID_M


def drive_message(log: SimulationLog) -> bytes:
    """A driven log: ego, agents, traffic lights, plans and candidates over its T steps."""
    time_s = _seconds(log.ego.time_us)
    message = Message(
        **_header(log.ego, log.agents, log.scenario_id),
        scenario_type=log.scenario_type,
        log_name=log.log_name,
        map_name=log.map_name,
        planner=log.planner_name,
        traffic=log.traffic,
        seed=log.seed,
        stage_time_s=log.stage_time_s,
        notes=log.metadata,
        has_cameras=log.cameras is not None,
    )
    origin = origin_near(log.ego.rear_axle_poses[0, 0])
    _add_ego(message, "ego", log.ego, origin)
    _add_agents(message, log.agents, origin)
    _add_lights(message, log.traffic_lights)
    counts = np.array([len(plan.time_s) for plan in log.plans], dtype=np.int64)
    # Plans hold rear axle poses; the page draws the ego and its plan at the box centre.
    poses = np.concatenate([np.zeros((0, 3)), *(plan.poses for plan in log.plans)])
    centers = shifted_along_heading(poses, PACIFICA.rear_axle_to_center_m)
    message.add_integers("plans.offsets", np.concatenate([[0], np.cumsum(counts)]))
    message.add_reals("plans.points", (centers[:, :2] - origin).T, CENTIMETRE)
    message.add_reals("plans.time_s", np.concatenate([np.zeros(0), *(plan.time_s for plan in log.plans)]), 0.01)
    message.add_reals("planning_time_s", log.planning_time_s, 1e-6)
    message.add_reals("time_s", time_s, 1e-3)
    _add_candidates(message, log.candidates, log.num_steps, origin)
    add_perceived(message, log, origin)
    return message.to_bytes()


def logged_message(scenario: Scenario) -> bytes:
    """The logged ego of a scenario, in the form of a drive without plans."""
    steps = (scenario.frames.start, scenario.frames.stop)
    ego, agents, lights = scenario.ego.steps(*steps), scenario.agents.steps(*steps), scenario.traffic_lights
    message = Message(
        **_header(ego, agents, scenario.scenario_id),
        scenario_type=scenario.scenario_type,
        log_name=scenario.log_name,
        map_name=scenario.map_name,
        planner="",
        traffic="",
        notes=scenario.metadata,
        has_cameras=False,
    )
    origin = origin_near(ego.rear_axle_poses[0, 0])
    _add_ego(message, "ego", ego, origin)
    _add_agents(message, agents, origin)
    _add_lights(message, lights.steps(*steps))
    message.add_integers("plans.offsets", np.zeros(ego.num_steps + 1, dtype=np.int64))
    message.add_reals("plans.points", np.zeros((2, 0)), CENTIMETRE)
    message.add_reals("plans.time_s", np.zeros(0), 0.01)
    message.add_reals("planning_time_s", np.full(ego.num_steps, np.nan), 1e-6)
    message.add_reals("time_s", _seconds(ego.time_us), 1e-3)
    _add_candidates(message, (), ego.num_steps, origin)
    add_perceived(message, None, origin)
    return message.to_bytes()


def scene_message(scenario: Scenario) -> bytes:
    """The scene of a scenario: map, route, and the logged ego over the scenario's frames."""
    ego = scenario.ego.steps(scenario.frames.start, scenario.frames.stop)
    origin = origin_near(ego.rear_axle_poses[0, 0])
    driven = ego.rear_axle_poses[0, :, :2]
    route = route_ahead(scenario)
    region = region_around(np.concatenate([driven, route]))
    goal = scenario.route.goal_pose
    message = Message(
        origin=origin.tolist(),
        scenario=scenario.scenario_id,
        map_name=scenario.map_name,
        goal=None if goal is None else [*(goal[:2] - origin).tolist(), float(goal[2])],
        anchor_s=float((scenario.time_us[scenario.anchor_frame] - scenario.start_time_us) * 1e-6),
        has_cameras=scenario.cameras is not None and len(scenario.cameras.paths) > 0,
        notes={**scenario.map.metadata, **scenario.metadata},
    )
    _add_ego(message, "logged", ego, origin)
    message.add_reals("logged.time_s", _seconds(ego.time_us), 1e-3)
    message.add_reals("route_line", (route - origin).T, CENTIMETRE)
    for name, shapes in map_shapes(scenario.map, region, scenario.route.roadblock_ids).items():
        _add_shapes(message, name, shapes, origin)
    return message.to_bytes()


def _add_shapes(message: Message, name: str, shapes: Shapes, origin: Float64[np.ndarray, "2"]) -> None:
    points = np.concatenate([np.zeros((0, 2)), *shapes.points]) - (origin if shapes.points else 0.0)
    counts = [len(line) for line in shapes.points]
    message.add_reals(f"{name}.points", points.T, CENTIMETRE)
    message.add_integers(f"{name}.offsets", np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))
    message.add_integers(f"{name}.values", np.array(shapes.values, dtype=np.int64))


def route_ahead(scenario: Scenario) -> Float64[np.ndarray, "points 2"]:
    """The route's centerline from the ego's start to `ROUTE_AHEAD_M` beyond the driven distance."""
    line = scenario.route.centerline
    if len(line) < 2:
        return np.zeros((0, 2))
    ego = scenario.ego.rear_axle_poses[0, scenario.frames, :2]
    reach_m = float(np.hypot(*np.diff(ego, axis=0).T).sum()) + ROUTE_AHEAD_M
    start = int(np.argmin(np.hypot(*(line - ego[0]).T)))
    along = arc_lengths(line[start:])
    return line[start:][along <= reach_m]


def _seconds(time_us: Int64[np.ndarray, " time"]) -> Float64[np.ndarray, " time"]:
    return (time_us - time_us[0]) * 1e-6


def _header(ego: EgoMotion, agents: AgentTracks, scenario: str) -> dict[str, Any]:
    return {
        "scenario": scenario,
        "origin": origin_near(ego.rear_axle_poses[0, 0]).tolist(),
        "num_steps": ego.num_steps,
        "num_agents": agents.num_agents,
        "track_ids": list(agents.track_ids),
        "kinds": agents.kinds.tolist(),
        "kind_names": {int(kind): kind.name.lower() for kind in AgentKind},
        "light_names": {int(status): status.name.lower() for status in LightStatus},
        "ego_size": [PACIFICA.length_m, PACIFICA.width_m],
    }


def _add_ego(message: Message, name: str, ego: EgoMotion, origin: Float64[np.ndarray, "2"]) -> None:
    centers = ego.center_poses()[0]
    message.add_reals(f"{name}.x", centers[:, 0] - origin[0], MILLIMETRE)
    message.add_reals(f"{name}.y", centers[:, 1] - origin[1], MILLIMETRE)
    message.add_reals(f"{name}.heading", centers[:, 2], MILLIRADIAN / 10)
    message.add_reals(f"{name}.speed", ego.speed_mps[0], MILLIMETRE)
    message.add_reals(f"{name}.acceleration", ego.accelerations_mps2[0].T, MILLIMETRE)
    message.add_reals(f"{name}.steering", ego.steering_rad[0], MILLIRADIAN / 10)


def _add_agents(message: Message, agents: AgentTracks, origin: Float64[np.ndarray, "2"]) -> None:
    nan_if_invalid = np.where(agents.valid, 1.0, np.nan)
    for name, values, scale in (
        ("x", agents.poses[..., 0] - origin[0], MILLIMETRE * 5),
        ("y", agents.poses[..., 1] - origin[1], MILLIMETRE * 5),
        ("heading", agents.poses[..., 2], MILLIRADIAN),
        ("vx", agents.velocities_mps[..., 0], CENTIMETRE),
        ("vy", agents.velocities_mps[..., 1], CENTIMETRE),
        ("length", agents.sizes[..., 0], CENTIMETRE),
        ("width", agents.sizes[..., 1], CENTIMETRE),
    ):
        message.add_reals(f"agents.{name}", values * nan_if_invalid, scale)
    message.add_reals("agents.height", agents.heights_m, CENTIMETRE)


def _add_candidates(
    message: Message, by_step: tuple[Candidates | None, ...], num_steps: int, origin: Float64[np.ndarray, "2"]
) -> None:
    """Concatenate the candidates of all steps; `offsets` (steps + 1) holds the first candidate of each step."""
    steps = by_step or (None,) * num_steps
    counts = [0 if step is None else len(step.scores) for step in steps]
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    present = [step for step in steps if step is not None]
    poses = np.concatenate([np.zeros((0, len(LOGGED_TIME_S), 3)), *(step.poses for step in present)])
    points = shifted_along_heading(poses, PACIFICA.rear_axle_to_center_m)[..., :2] - origin
    chosen = [
        -1 if step is None or step.chosen is None else first + step.chosen
        for step, first in zip(steps, offsets[:-1], strict=True)
    ]
    message.add_integers("candidates.offsets", offsets)
    message.add_integers("candidates.chosen", np.array(chosen, dtype=np.int64))
    message.add_reals("candidates.points", points.transpose(2, 0, 1), CENTIMETRE)
    message.add_reals("candidates.scores", np.concatenate([np.zeros(0), *(step.scores for step in present)]), 1e-4)


def _add_lights(message: Message, lights: TrafficLights) -> None:
    message.add_integers("lights.offsets", lights.offsets)
    message.add_integers("lights.connectors", lights.lane_connector_ids)
    message.add_integers("lights.statuses", lights.statuses)
