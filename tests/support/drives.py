"""Short drives on a straight road with scores known by hand.

The road runs east from x = 0 to x = 400. Its lanes are 3.5 m wide: two eastbound ones with centerlines at
y = -1.75 and y = -5.25, one westbound at y = 1.75. The limit is 10 m/s. The drivable area is the road itself.
"""

from functools import cache

import numpy as np

from driving.agents import AgentKind, AgentTracks
from driving.ego import EgoMotion
from driving.map import MapGraph
from driving.synthetic.roads import RoadBuilder
from simulation.metrics.nuplan.drive import Drive

STEPS = 150
TIME_S = np.arange(STEPS) * 0.1
LEFT_LANE_Y, RIGHT_LANE_Y, ONCOMING_Y = -1.75, -5.25, 1.75
REAR_TO_CENTER_M = 1.461
FRONT_M = 4.049


@cache
def straight_map() -> MapGraph:
    builder = RoadBuilder(origin=(0.0, 0.0))
    builder.add_road(np.array([[0.0, 0.0], [400.0, 0.0]]), lanes_forward=2, lanes_backward=1, speed_limit_mps=10.0)
    return builder.build()


@cache
def fork_map() -> MapGraph:
    """A lane to x = 100, from there one connector straight on to a lane from x = 130, one to the right."""
    builder = RoadBuilder(origin=(0.0, 0.0))
    before = builder.add_road(np.array([[0.0, 1.75], [100.0, 1.75]]), speed_limit_mps=10.0)
    ahead = builder.add_road(np.array([[130.0, 1.75], [300.0, 1.75]]), speed_limit_mps=8.0)
    right = builder.add_road(np.array([[123.25, -20.0], [123.25, -120.0]]), speed_limit_mps=15.0)
    junction = builder.add_intersection()
    for road in (ahead, right):
        builder.add_connector(before.forward_lanes[0], road.forward_lanes[0], junction)
    return builder.build()


def lane_row_at(map_graph: MapGraph, x: float, y: float) -> int:
    return int(map_graph.lane_rows_at(np.array([x, y]))[0])


def motion(
    x: np.ndarray, y: np.ndarray | float, heading: np.ndarray | float = 0.0, speed_mps: np.ndarray | None = None
) -> EgoMotion:
    """Motions (M, T) of the rear axle; speed along the heading is the change of x unless said otherwise."""
    x = np.atleast_2d(np.asarray(x, dtype=np.float64))
    y, heading = (np.broadcast_to(np.asarray(value, dtype=np.float64), x.shape) for value in (y, heading))
    speed = np.gradient(x, 0.1, axis=1) if speed_mps is None else np.broadcast_to(speed_mps, x.shape)
    velocities = np.stack([speed, np.zeros_like(x)], axis=-1)
    accelerations = np.stack([np.gradient(speed, 0.1, axis=1), np.zeros_like(x)], axis=-1)
    return EgoMotion(
        time_us=np.arange(x.shape[1]) * 100_000,
        rear_axle_poses=np.ascontiguousarray(np.stack([x, y, heading], axis=-1)),
        velocities_mps=velocities,
        accelerations_mps2=accelerations,
        steering_rad=np.zeros_like(x),
        yaw_rate_radps=np.zeros_like(x),
        yaw_acceleration_radps2=np.zeros_like(x),
    )


def steady(speed_mps: float = 8.0, y: float = LEFT_LANE_Y, start_x: float = 20.0) -> EgoMotion:
    """Straight east at constant speed."""
    return motion(start_x + speed_mps * TIME_S, y)


def agents(*rows: dict) -> AgentTracks:
    """Each row: `x`, `y` (numbers or (T,)), and if wanted `heading`, `speed`, `kind`, `size`, `seen` (T,)."""
    count = len(rows)
    poses, velocities, sizes = np.zeros((count, STEPS, 3)), np.zeros((count, STEPS, 2)), np.zeros((count, STEPS, 2))
    valid = np.ones((count, STEPS), dtype=bool)
    for n, row in enumerate(rows):
        heading, speed = row.get("heading", 0.0), row.get("speed", 0.0)
        poses[n, :, 0] = row["x"] + speed * np.cos(heading) * TIME_S
        poses[n, :, 1] = row["y"] + speed * np.sin(heading) * TIME_S
        poses[n, :, 2] = row.get("box_heading", heading)
        velocities[n] = speed * np.cos(heading), speed * np.sin(heading)
        sizes[n] = row.get("size", (4.8, 2.0))
        valid[n] = row.get("seen", True)
    return AgentTracks(
        track_ids=tuple(f"track{n}" for n in range(count)),
        kinds=np.array([int(row.get("kind", AgentKind.VEHICLE)) for row in rows], dtype=np.int8),
        poses=poses,
        velocities_mps=velocities,
        sizes=sizes,
        valid=valid,
    )


def drive(
    ego: EgoMotion, others: AgentTracks | None = None, logged: EgoMotion | None = None, on: MapGraph | None = None
) -> Drive:
    """On the straight road unless said otherwise; the logged ego drives at 8 m/s in the left lane."""
    map_graph = straight_map() if on is None else on
    if logged is None:
        logged = motion(20.0 + 8.0 * np.arange(STEPS + 1) * 0.1, LEFT_LANE_Y)
    return Drive(
        motion=ego,
        agents=AgentTracks.none(ego.num_steps) if others is None else others,
        map=map_graph,
        logged=Drive(motion=logged, agents=AgentTracks.none(logged.num_steps), map=map_graph),
    )
