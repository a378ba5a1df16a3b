"""Generated inputs as large as nuPlan's: the map of a city and a log with many boxes."""

import numpy as np
import shapely

from driving.agents import AgentKind, AgentTracks, TrafficLights
from driving.ego import EgoMotion
from driving.map import AreaLayer, Lanes, MapGraph, Ragged
from driving.recording import Mission, Recording, Tag

LOCATION, VERSION, EPSG = "us-nv-las-vegas-strip", "9.15.1915", 32611
ORIGIN = np.array([660_000.0, 3_995_000.0])
ROADS_IN_A_ROW = 50
PITCH_M, LANE_M, GAP_M = np.array([120.0, 20.0]), 100.0, 20.0
TO_JOINT, TO_SIDE = np.array([LANE_M, 0.0]), np.array([0.0, 2.0])
POLYGONS_OF_A_ROAD = 8
"""Two lanes, two connectors after them, roadblock, roadblock connector, intersection, road segment."""


def large_map(num_polygons: int = 20_000) -> MapGraph:
    """Rows of connected two-lane roads with as many points per line as in nuPlan's maps."""
    roads = np.arange(num_polygons // POLYGONS_OF_A_ROAD)
    corners = ORIGIN + np.column_stack([roads % ROADS_IN_A_ROW, roads // ROADS_IN_A_ROW]) * PITCH_M
    starts = np.repeat(corners, 2, axis=0) + np.tile([[0.0, 2.0], [0.0, -2.0]], (len(roads), 1))
    num_lanes = len(starts)
    lines = _lines(starts, LANE_M, 40)
    joints = _lines(starts + TO_JOINT, GAP_M, 20)
    rows = np.arange(num_lanes)
    is_linked = np.repeat(roads % ROADS_IN_A_ROW != ROADS_IN_A_ROW - 1, 2) & (rows + 2 < num_lanes)
    behind = [
        np.array([row + 2] if linked else [], dtype=np.int64) for row, linked in zip(rows, is_linked, strict=True)
    ]
    ahead = [np.array([row - 2] if row >= 2 and is_linked[row - 2] else [], dtype=np.int64) for row in rows]
    whole = [*lines, *joints]
    nothing = [np.zeros(0, dtype=np.int64)]
    return MapGraph(
        name=LOCATION,
        version=VERSION,
        epsg=EPSG,
        lanes=Lanes(
            areas=_layer(100_001, [*_strips(lines, 4.0), *_strips(joints, 4.0)]),
            num_lanes=num_lanes,
            roadblock_ids=np.concatenate([np.repeat(roads + 1, 2), np.repeat(roads + 10_001, 2)]),
            lane_index=np.concatenate([rows % 2, np.zeros(num_lanes, dtype=np.int64)]),
            speed_limit_mps=np.full(2 * num_lanes, 13.4),
            centerlines=Ragged.from_rows(whole, np.zeros((0, 2))),
            left_boundaries=Ragged.from_rows([line + TO_SIDE for line in whole], np.zeros((0, 2))),
            right_boundaries=Ragged.from_rows([line - TO_SIDE for line in whole], np.zeros((0, 2))),
            successors=Ragged.from_rows([*(rows + num_lanes).reshape(-1, 1), *behind], nothing[0]),
            predecessors=Ragged.from_rows(
                [*(found + num_lanes for found in ahead), *rows.reshape(-1, 1)], nothing[0]
            ),
            turn_kinds=np.zeros(2 * num_lanes, dtype=np.int8),
            intersection_ids=np.concatenate([np.zeros(num_lanes, dtype=np.int64), np.repeat(roads + 20_001, 2)]),
            has_traffic_lights=np.zeros(2 * num_lanes, dtype=bool),
            stop_line_ids=Ragged.from_rows(nothing * (2 * num_lanes), nothing[0]),
            connector_lines=Ragged.from_rows([*([np.zeros((0, 2))] * num_lanes), *joints], np.zeros((0, 2))),
        ),
        roadblocks=_layer(1, _strips(_lines(corners, LANE_M, 40), 8.0)),
        roadblock_connectors=_layer(10_001, _strips(_lines(corners + TO_JOINT, GAP_M, 20), 8.0)),
        roadblock_edges=np.column_stack([roads + 1, _next_road(roads) + 1, roads + 20_001]),
        intersections=_layer(20_001, _strips(_lines(corners + TO_JOINT, GAP_M, 10), 10.0)),
        road_segments=_layer(30_001, _strips(_lines(corners, LANE_M, 40), 8.0)),
    )


def _next_road(roads: np.ndarray) -> np.ndarray:
    is_last = (roads % ROADS_IN_A_ROW == ROADS_IN_A_ROW - 1) | (roads == roads[-1])
    return np.where(is_last, roads, roads + 1)


def _lines(starts: np.ndarray, length_m: float, num_points: int) -> list[np.ndarray]:
    along = np.linspace(0.0, length_m, num_points)
    wave = np.column_stack([along, 0.2 * np.sin(along / 9.0)])
    return [start + wave for start in starts]


def _strips(lines: list[np.ndarray], width_m: float) -> list[shapely.Polygon]:
    half = np.array([0.0, width_m / 2])
    return [shapely.Polygon(np.concatenate([line + half, (line - half)[::-1]])) for line in lines]


def _layer(first_id: int, polygons: list[shapely.Polygon]) -> AreaLayer:
    array = np.empty(len(polygons), dtype=object)
    array[:] = polygons
    return AreaLayer(ids=np.arange(first_id, first_id + len(polygons)), polygons=array)


def busy_recording(
    map_graph: MapGraph, log_name: str, duration_s: float = 480.0, agents_at_once: int = 90, num_tags: int = 40
) -> Recording:
    """A drive of minutes with as many boxes per frame as in nuPlan's logs; each track lasts 40 s."""
    steps = round(duration_s * 10)
    time_us = 1_626_000_000_000_000 + np.arange(steps) * 100_000
    along = np.linspace(0.0, 900.0, steps)
    path = ORIGIN + np.column_stack([along, np.full(steps, 2.0)])
    generator = np.random.default_rng(0)
    life = 400
    num_agents = agents_at_once * -(-steps // life)
    first = np.repeat(np.arange(-(-steps // life)), agents_at_once) * life
    valid = (np.arange(steps) >= first[:, None]) & (np.arange(steps) < first[:, None] + life)
    offsets = generator.uniform([-60.0, -30.0], [60.0, 30.0], (num_agents, 2))
    poses = np.concatenate([path + offsets[:, None], np.zeros((num_agents, steps, 1))], axis=-1)
    poses[~valid] = np.nan
    still = np.where(valid[..., None], [1.8, 0.0], np.nan)
    kinds = generator.choice([AgentKind.VEHICLE, AgentKind.PEDESTRIAN, AgentKind.TRAFFIC_CONE], num_agents)
    velocities = np.where((kinds == AgentKind.TRAFFIC_CONE)[:, None, None] & valid[..., None], 0.0, still)
    lights = map_graph.lanes.ids[map_graph.lanes.num_lanes :][:30]
    return Recording(
        log_name=log_name,
        map=map_graph,
        time_us=time_us,
        ego=EgoMotion.from_log(
            time_us=time_us,
            rear_axle_poses=np.column_stack([path, np.zeros(steps)]),
            velocities_mps=np.tile([1.875, 0.0], (steps, 1)),
            accelerations_mps2=np.zeros((steps, 2)),
        ),
        agents=AgentTracks(
            track_ids=tuple(f"{row + 1:016x}" for row in range(num_agents)),
            kinds=kinds.astype(np.int8),
            poses=poses,
            velocities_mps=velocities,
            sizes=np.where(valid[..., None], [4.6, 1.9], np.nan),
            valid=valid,
        ),
        traffic_lights=TrafficLights.from_dense(lights, np.zeros((len(lights), steps), dtype=np.int8)),
        missions=(Mission(first_frame=0, roadblock_ids=_route(), goal_pose=np.array([*path[-1], 0.0])),),
        tags=tuple(
            Tag(frame=int(frame), scenario_type="near_multiple_vehicles")
            for frame in np.linspace(0.2 * steps, 0.8 * steps, num_tags)
        ),
    )


def _route() -> tuple[int, ...]:
    return tuple(number for road in range(1, 9) for number in (road, road + 10_000))
