"""Training targets of a state: agents that some camera shows, their future, the road, the governing signal.

    road, direction = road_targets(scenario.map, ego_pose, grid)
    agents = agent_targets(grid, states, is_visible)

Positions are in the present ego frame. Agents without enough pixels in any image are no targets: a network must not
learn to report what no camera shows.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import shapely
from jaxtyping import Bool, Float32, Float64, Int8, Int64

from driving.agents import AgentKind, LightStatus
from driving.geometry import local_from_global
from driving.map import Lanes, MapGraph, Ragged, StopLineKind
from driving.route import Route
from driving.routing import connectors_ahead
from perception.boxes import Boxes, encode_boxes
from perception.contract import CLASS_OF_KIND, FUTURE_S, OCCUPANCY_CLASSES, ROAD_CLASSES
from perception.grid import BevGrid
from simulation.rendering.ground_shapes import rings_of, stop_bar, strip
from simulation.rendering.polygon_fill import coverage

LINE_WIDTH_M = 0.5
"""Lane lines are targets of this width, a cell of the grid."""
GROWN_M = 0.5
"""Cells so near to an agent that no camera shows are no targets either."""
PERSON_GROWN_M = 0.25
"""Footprints of pedestrians and bicycles are widened by half a cell, else they fall between cells."""
MIN_AGREEMENT = 0.9
"""Length of the mean of the unit directions of overlapping lanes, below which a cell has no direction."""
Ring = Float64[np.ndarray, "_ 2"]
_PERSON_KINDS = (AgentKind.PEDESTRIAN, AgentKind.BICYCLE)


@dataclass(frozen=True, kw_only=True)
class AgentStates:
    """N agents now and at the instants of the forecast, in the present ego frame."""

    kinds: Int8[np.ndarray, "agents"]
    poses: Float64[np.ndarray, "agents 3"]
    sizes_m: Float64[np.ndarray, "agents 3"]
    velocities_mps: Float64[np.ndarray, "agents 2"]
    """Over ground, along the axes of the ego frame; zero for static objects."""
    future_poses: Float64[np.ndarray, "instants agents 3"]
    """At `FUTURE_S`; NaN where an agent is not observed."""


@dataclass(frozen=True, kw_only=True)
class AgentTargets:
    """See `contract.PerceptionTargets`."""

    centres: Float32[np.ndarray, "classes X Y"]
    boxes: Float32[np.ndarray, "parameters X Y"]
    box_cells: Bool[np.ndarray, "X Y"]
    occupancy: Bool[np.ndarray, "occupied X Y"]
    future: Bool[np.ndarray, "instants X Y"]
    flow: Float32[np.ndarray, "instants 2 X Y"]
    agents_seen: Bool[np.ndarray, "X Y"]


def agent_targets(grid: BevGrid, states: AgentStates, is_visible: Bool[np.ndarray, "agents"]) -> AgentTargets:
    """Boxes, footprints, forecast occupancy and flow of the visible agents."""
    classes = np.array([CLASS_OF_KIND.get(AgentKind(int(kind)), -1) for kind in states.kinds], dtype=np.int64)
    shown = is_visible & (classes >= 0)
    boxes = Boxes(
        classes=classes[shown],
        poses=states.poses[shown],
        sizes_m=states.sizes_m[shown],
        velocities_mps=states.velocities_mps[shown],
    )
    centres, values, box_cells = encode_boxes(grid, boxes)
    occupancy = np.zeros((len(OCCUPANCY_CLASSES), *grid.shape), dtype=bool)
    future = np.zeros((len(FUTURE_S), *grid.shape), dtype=bool)
    flow = np.zeros((len(FUTURE_S), 2, *grid.shape), dtype=np.float32)
    seen = np.ones(grid.shape, dtype=bool)
    for row, kind in enumerate(states.kinds.tolist()):
        pose, size = states.poses[row], states.sizes_m[row, :2]
        if not shown[row]:
            for hidden in (pose, *states.future_poses[:, row]):
                seen[cells_in_box(grid, hidden, size + 2 * GROWN_M)[:2]] = False
        elif kind == AgentKind.VEHICLE:
            occupancy[0][cells_in_box(grid, pose, size)[:2]] = True
            for instant, then in enumerate(states.future_poses[:, row]):
                x, y, offsets = cells_in_box(grid, then, size)
                future[instant, x, y] = True
                now = pose[:2] + offsets @ _turn(pose[2]).T
                flow[instant, :, x, y] = now - (then[:2] + offsets @ _turn(then[2]).T)
        elif kind in _PERSON_KINDS:
            occupancy[1][cells_in_box(grid, pose, size + 2 * PERSON_GROWN_M)[:2]] = True
    # A visible agent beside a hidden one stays a target.
    seen |= occupancy.any(axis=0) | box_cells
    return AgentTargets(
        centres=centres,
        boxes=values,
        box_cells=box_cells,
        occupancy=occupancy,
        future=future,
        flow=flow,
        agents_seen=seen,
    )


def cells_in_box(
    grid: BevGrid, pose: Float64[np.ndarray, "3"], size: Float64[np.ndarray, "2"]
) -> tuple[Int64[np.ndarray, "cells"], Int64[np.ndarray, "cells"], Float64[np.ndarray, "cells 2"]]:
    """Cells with their centre inside a box: both indices, and the centres in the frame of the box.

    Args:
        grid: Cells.
        pose: Of the box centre, in the ego frame; NaN gives no cell.
        size: Length and width [m].
    """
    x_m, y_m, reach = float(pose[0]), float(pose[1]), float(np.hypot(size[0], size[1])) / 2
    is_near_x = grid.x_min_m - reach < x_m < grid.x_max_m + reach
    # NaN compares as False.
    if not (is_near_x and grid.y_min_m - reach < y_m < grid.y_max_m + reach):
        none = np.zeros(0, dtype=np.int64)
        return none, none, np.zeros((0, 2))
    low = np.maximum(grid.cells_of(pose[np.newaxis, :2] - reach)[0], 0)
    high = np.minimum(grid.cells_of(pose[np.newaxis, :2] + reach)[0] + 1, grid.shape)
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]), indexing="ij")
    corner = np.array([grid.x_min_m, grid.y_min_m])
    centres = corner + (np.stack([x, y], axis=-1) + 0.5) * grid.cell_m
    offsets = (centres - pose[:2]) @ _turn(pose[2])
    inside = (np.abs(offsets) <= size / 2).all(axis=-1)
    return x[inside], y[inside], offsets[inside]


def _turn(heading_rad: float) -> Float64[np.ndarray, "2 2"]:
    """Columns are the axes of a frame with this heading."""
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    return np.array([[cos, -sin], [sin, cos]])


# ---------------------------------------------------------------------- road


class _RoadShapes:
    """Rings of a map by class, found by place."""

    def __init__(self, map_graph: MapGraph) -> None:
        lanes = map_graph.lanes
        stops = map_graph.stop_lines
        painted = np.isin(stops.kinds, (StopLineKind.TRAFFIC_LIGHT, StopLineKind.STOP_SIGN))
        lines = [line for side in (lanes.left_boundaries, lanes.right_boundaries) for line in side_lines(side, lanes)]
        self._rings = {
            "drivable": [rings_of([shapely.make_valid(area)]) for area in map_graph.drivable_area.polygons]
            + [rings_of([shapely.make_valid(area)]) for area in lanes.areas.polygons],
            "lane_line": [[strip(line, LINE_WIDTH_M)] for line in lines],
            "crosswalk": [rings_of([shapely.make_valid(area)]) for area in map_graph.crosswalks.polygons],
            "stop_line": [stop_bar(area) for area in stops.polygons[painted]],
        }
        self._trees = {
            name: shapely.STRtree([_bounds(rings) for rings in found]) for name, found in self._rings.items()
        }
        self.lane_rings = [rings_of([shapely.make_valid(area)]) for area in lanes.areas.polygons]
        self.lane_tree = lanes.areas.tree

    def near(self, name: str, place: shapely.Polygon) -> list[Ring]:
        """Rings of a class whose bounds touch a place."""
        return [ring for row in self._trees[name].query(place) for ring in self._rings[name][row]]


def side_lines(side: Ragged, lanes: Lanes) -> list[Ring]:
    """Boundaries of lanes, without those of connectors, each line once."""
    found: dict[bytes, np.ndarray] = {}
    for row in range(lanes.num_lanes):
        line = side[row]
        if len(line) > 1:
            found.setdefault(np.round(line[[0, -1]], 1).tobytes(), line)
    return list(found.values())


def _bounds(rings: list[Ring]) -> shapely.Geometry:
    if not rings:
        return shapely.Point()
    points = np.concatenate(rings)
    return shapely.box(*points.min(axis=0), *points.max(axis=0))


_SHAPES: WeakKeyDictionary[MapGraph, _RoadShapes] = WeakKeyDictionary()


def road_targets(
    map_graph: MapGraph, ego_pose: Float64[np.ndarray, "3"], grid: BevGrid
) -> tuple[Bool[np.ndarray, "classes X Y"], Float32[np.ndarray, "2 X Y"]]:
    """The road by class, and the direction of the lanes (cosine and sine in the ego frame).

    Cells without a lane, and cells in lanes of different directions, have no direction: zeros.

    Args:
        map_graph: The map.
        ego_pose: Rear axle, global.
        grid: In the ego frame.
    """
    if map_graph not in _SHAPES:
        _SHAPES[map_graph] = _RoadShapes(map_graph)
    shapes = _SHAPES[map_graph]
    corners = np.array([[x, y] for x in (grid.x_min_m, grid.x_max_m) for y in (grid.y_min_m, grid.y_max_m)])
    place = shapely.MultiPoint(ego_pose[:2] + corners @ _turn(ego_pose[2]).T).convex_hull
    masks = [_fill(shapes.near(name, place), ego_pose, grid) for name in ROAD_CLASSES]
    # Directions change slowly: half the resolution, a quarter of the time.
    directions = _directions(map_graph, shapes, ego_pose, (grid.coarser(2), place))
    return np.stack(masks), directions.repeat(2, axis=1).repeat(2, axis=2)


def _fill(rings: list[Ring], ego_pose: Float64[np.ndarray, "3"], grid: BevGrid) -> Bool[np.ndarray, "X Y"]:
    """Cells that rings cover by at least half."""
    if not rings:
        return np.zeros(grid.shape, dtype=bool)
    points = local_from_global(np.concatenate(rings), ego_pose)
    cells = (points - [grid.x_min_m, grid.y_min_m]) / grid.cell_m
    offsets = np.cumsum([0, *(len(ring) for ring in rings)])
    # Rows of the raster are cells along x.
    found = coverage(np.ascontiguousarray(cells[:, ::-1]), offsets, max(grid.shape))
    return found[: grid.shape[0], : grid.shape[1]] >= 0.5


def _directions(
    map_graph: MapGraph,
    shapes: _RoadShapes,
    ego_pose: Float64[np.ndarray, "3"],
    where: tuple[BevGrid, shapely.Geometry],
) -> Float32[np.ndarray, "2 X Y"]:
    grid, place = where
    sums = np.zeros((2, *grid.shape))
    counts = np.zeros(grid.shape)
    centres = grid.centres()
    for row in shapes.lane_tree.query(place, predicate="intersects").tolist():
        inside = np.nonzero(_fill(shapes.lane_rings[row], ego_pose, grid))
        line = local_from_global(map_graph.lanes.centerlines[row], ego_pose)
        if not len(inside[0]) or len(line) < 2:
            continue
        middles, steps = (line[1:] + line[:-1]) / 2, np.diff(line, axis=0)
        gaps = centres[inside][:, np.newaxis] - middles
        nearest = steps[(gaps**2).sum(axis=-1).argmin(axis=1)]
        sums[:, inside[0], inside[1]] += (nearest / np.maximum(np.hypot(*nearest.T), 1e-9)[:, np.newaxis]).T
        counts[inside] += 1
    lengths = np.hypot(*sums)
    agree = (counts > 0) & (lengths >= MIN_AGREEMENT * counts)
    return np.where(agree, sums / np.maximum(lengths, 1e-9), 0.0).astype(np.float32)


def governing_signal(
    map_graph: MapGraph,
    route: Route,
    ego_pose: Float64[np.ndarray, "3"],
    lights: tuple[Int64[np.ndarray, "lights"], Int8[np.ndarray, "lights"]],
) -> int:
    """State of the signal of the next connector on the route; UNKNOWN without one in range.

    Args:
        map_graph: The map.
        route: Decides between the connectors of the ego's lane.
        ego_pose: Rear axle, global.
        lights: Ids of lane connectors and their `LightStatus`.
    """
    status_of = dict(zip(lights[0].tolist(), lights[1].tolist(), strict=True))
    ids = map_graph.lanes.ids[connectors_ahead(map_graph, route, ego_pose)].tolist()
    return next((int(status_of[each]) for each in ids if each in status_of), int(LightStatus.UNKNOWN))
