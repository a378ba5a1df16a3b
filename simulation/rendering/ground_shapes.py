"""What is painted on the ground, as rings: surfaces, kerbs, crosswalks, stop lines, lane markings, arrows."""

import math
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import arc_lengths
from driving.map import AreaLayer, MapGraph, StopLineKind, TurnKind
from simulation.geometry.compiling import njit

Box = tuple[float, float, float, float]
Ring = Float64[np.ndarray, "points 2"]

PAVEMENT_M, KERB_M = 3.0, 0.2
"""Width of the pavement beside drivable areas, and of the kerb."""
LINE_M = 0.14
EDGE_INSET_M = 0.15
"""Distance of the middle of an edge line from the edge of the roadblock."""
DASH_M, GAP_M = 3.0, 6.0
TRACK_OFFSET_M, TRACK_M = 0.8, 0.5
"""Distance from the centerline and width of the darker tracks of tyres."""
STRIPE_M = 0.5
"""Width of a crosswalk stripe and of the gap beside it."""
STOP_BAR_M = 0.45
BAY_M, BAY_DEPTH_M = 2.6, 5.2
"""Parking bays along the longer sides of a car park."""
ARROW_FROM_END_M = (6.0, 21.0)
MIN_ARROW_LANE_M = 30.0


class Paint(IntEnum):
    """Materials of the ground, in the order of painting."""

    GRASS = 0
    PAVEMENT = 1
    KERB = 2
    ASPHALT = 3
    CARPARK = 4
    TRACK = 5
    STRIPE = 6
    WHITE = 7
    YELLOW = 8


_Shape = dict[Paint, list[Ring]]


class GroundShapes:
    """What is painted on the ground of a map. Shapes of lanes, crosswalks and the like are made once and kept."""

    def __init__(self, map_graph: MapGraph) -> None:
        self._map = map_graph
        self._kept: dict[tuple[str, int], _Shape] = {}
        self._valid: dict[tuple[str, int], shapely.Geometry] = {}

    def rings(self, region: Box) -> dict[Paint, list[Ring]]:
        """Rings of all shapes that touch a region, by paint, global: exteriors counter-clockwise, holes clockwise."""
        margin_m = PAVEMENT_M + 1.0
        wide = (region[0] - margin_m, region[1] - margin_m, region[2] + margin_m, region[3] + margin_m)
        map_graph = self._map
        rings: _Shape = {paint: [] for paint in Paint if paint != Paint.GRASS}
        # Drivable areas and walkways of recorded maps extend over kilometres.
        for shape in _surfaces(self._clipped("drivable_area", map_graph.drivable_area, wide)):
            _add(rings, shape)
        rings[Paint.PAVEMENT] += rings_of(self._clipped("walkway", map_graph.walkways, wide))
        layers: tuple[tuple[str, AreaLayer, Callable[[list[int]], list[_Shape]]], ...] = (
            ("lane", map_graph.lanes.areas, self._lanes),
            ("crosswalk", map_graph.crosswalks, self._crosswalks),
            ("stop_line", map_graph.stop_lines, self._stop_lines),
            ("carpark", map_graph.carparks, self._carparks),
        )
        for name, layer, make in layers:
            rows = _rows_in(layer, wide)
            missing = [row for row in rows if (name, row) not in self._kept]
            if missing:
                self._kept |= {(name, row): shape for row, shape in zip(missing, make(missing), strict=True)}
            for row in rows:
                _add(rings, self._kept[name, row])
        return rings

    def _clipped(self, name: str, layer: AreaLayer, region: Box) -> np.ndarray:
        # Not `clip_by_rect`, which fails on slivers of recorded maps.
        rows = _rows_in(layer, region)
        for row in rows:
            if (name, row) not in self._valid:
                self._valid[name, row] = shapely.make_valid(layer.polygons[row])
        return shapely.intersection(_array([self._valid[name, row] for row in rows]), shapely.box(*region))

    def _lanes(self, rows: list[int]) -> list[_Shape]:
        lanes = self._map.lanes
        shapes = _surfaces(shapely.make_valid(lanes.areas.polygons[rows]))
        for row, shape in zip(rows, shapes, strict=True):
            center = lanes.centerlines[row]
            if len(center) > 1:
                shape[Paint.TRACK] = [strip(parallel(center, s * TRACK_OFFSET_M), TRACK_M) for s in (-1.0, 1.0)]
            if row < lanes.num_lanes:
                _add(shape, _lane_markings(self._map, row))
        return shapes

    def _crosswalks(self, rows: list[int]) -> list[_Shape]:
        return [{Paint.STRIPE: _crosswalk_stripes(self._map.crosswalks.polygons[row])} for row in rows]

    def _stop_lines(self, rows: list[int]) -> list[_Shape]:
        lines, painted = self._map.stop_lines, (StopLineKind.TRAFFIC_LIGHT, StopLineKind.STOP_SIGN)
        return [{Paint.WHITE: stop_bar(lines.polygons[row])} if lines.kinds[row] in painted else {} for row in rows]

    def _carparks(self, rows: list[int]) -> list[_Shape]:
        areas = self._map.carparks.polygons[rows]
        return [{Paint.CARPARK: rings_of([shapely.make_valid(area)]), Paint.WHITE: _bays(area)} for area in areas]


def _add(rings: _Shape, shape: _Shape) -> None:
    for paint, found in shape.items():
        rings.setdefault(paint, []).extend(found)


def _surfaces(areas: np.ndarray) -> list[_Shape]:
    """Asphalt, kerb and pavement of each area."""
    pavements = _rings_by_geometry(shapely.buffer(areas, PAVEMENT_M, quad_segs=3))
    kerbs = _rings_by_geometry(shapely.buffer(areas, KERB_M, quad_segs=2))
    return [
        {Paint.PAVEMENT: pavement, Paint.KERB: kerb, Paint.ASPHALT: asphalt}
        for pavement, kerb, asphalt in zip(pavements, kerbs, _rings_by_geometry(areas), strict=True)
    ]


def _lane_markings(map_graph: MapGraph, row: int) -> _Shape:
    """Right-hand traffic: yellow on the left of the leftmost lane, white on the right of the rightmost one."""
    lanes = map_graph.lanes
    left, right = lanes.left_boundaries[row], lanes.right_boundaries[row]
    yellow, white = [], []
    if len(left) > 1 and map_graph.left_neighbor(row) is None:
        yellow.append(strip(parallel(left, -EDGE_INSET_M), LINE_M))
    if len(right) > 1:
        if map_graph.right_neighbor(row) is None:
            white.append(strip(parallel(right, EDGE_INSET_M), LINE_M))
        else:
            white += [strip(dash, LINE_M) for dash in dashes(right, DASH_M, GAP_M)]
    center = lanes.centerlines[row]
    if len(center) > 1:
        length_m = float(arc_lengths(center)[-1])
        turns = {
            TurnKind(int(lanes.turn_kinds[after])) for after in lanes.successors[row] if after >= lanes.num_lanes
        }
        if length_m > MIN_ARROW_LANE_M and turns & {TurnKind.LEFT, TurnKind.RIGHT}:
            for from_end_m in ARROW_FROM_END_M:
                white += _arrow(center, length_m - from_end_m, turns)
    return {Paint.YELLOW: yellow, Paint.WHITE: white}


# ---------------------------------------------------------------------- lines


@njit(cache=True)
def strip(line: Float64[np.ndarray, "points 2"], width_m: float) -> Ring:
    """A ring around a line of at least 2 points, counter-clockwise, with square ends."""
    return np.concatenate((parallel(line, -width_m / 2), parallel(line, width_m / 2)[::-1]))


@njit(cache=True)
def parallel(line: Float64[np.ndarray, "points 2"], offset_m: float) -> Float64[np.ndarray, "points 2"]:
    """The line shifted to its left."""
    out = np.empty((len(line), 2))
    before_x, before_y = 0.0, 0.0
    for k in range(len(line)):
        x, y = 0.0, 0.0
        if k + 1 < len(line):
            x, y = line[k + 1, 0] - line[k, 0], line[k + 1, 1] - line[k, 1]
            length = max(np.hypot(x, y), 1e-9)
            x, y = x / length, y / length
        # Of two unit vectors, so that sharp corners get no long spikes.
        along_x, along_y = before_x + x, before_y + y
        length = max(np.hypot(along_x, along_y), 1e-9)
        out[k, 0] = line[k, 0] - offset_m * (along_y / length)
        out[k, 1] = line[k, 1] + offset_m * (along_x / length)
        before_x, before_y = x, y
    return out


@njit(cache=True)
def dashes(
    line: Float64[np.ndarray, "points 2"], dash_m: float, gap_m: float
) -> list[Float64[np.ndarray, "points 2"]]:
    """Pieces of a line: a dash, a gap, and so on from its first point."""
    along = np.empty(len(line))
    points = np.empty((len(line), 2))
    count, length_m = 0, 0.0
    for k in range(len(line)):
        step_m = np.hypot(line[k, 0] - line[k - 1, 0], line[k, 1] - line[k - 1, 1]) if k else 1.0
        length_m += step_m if k else 0.0
        if step_m > 1e-6:
            along[count], points[count, 0], points[count, 1] = length_m, line[k, 0], line[k, 1]
            count += 1
    pieces = []
    first = 0
    for number in range(math.ceil(along[count - 1] / (dash_m + gap_m))):
        start_m = number * (dash_m + gap_m)
        stop_m = min(start_m + dash_m, along[count - 1])
        if stop_m - start_m < 0.5:
            continue
        while along[first] <= start_m:
            first += 1
        last = first
        while along[last] < stop_m:
            last += 1
        piece = np.empty((last - first + 2, 2))
        piece[1:-1] = points[first:last]
        for row, before, at_m in ((0, first - 1, start_m), (len(piece) - 1, last - 1, stop_m)):
            share = (at_m - along[before]) / (along[before + 1] - along[before])
            for axis in range(2):
                piece[row, axis] = points[before, axis] + share * (points[before + 1, axis] - points[before, axis])
        pieces.append(piece)
    return pieces


# ---------------------------------------------------------------------- areas


def _rows_in(layer: AreaLayer, region: Box) -> list[int]:
    if not len(layer):
        return []
    return np.sort(layer.tree.query(shapely.box(*region))).tolist()


def rings_of(geometries: Iterable[shapely.Geometry]) -> list[Ring]:
    """Rings of all polygons among geometries: exteriors counter-clockwise, holes clockwise."""
    return [ring for rings in _rings_by_geometry(_array(list(geometries))) for ring in rings]


def _rings_by_geometry(geometries: np.ndarray) -> list[list[Ring]]:
    """`rings_of` for each geometry."""
    found: list[list[Ring]] = [[] for _ in geometries]
    parts, owners = shapely.get_parts(geometries, return_index=True)
    is_area = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(parts)
    rings, part_of = shapely.get_rings(shapely.orient_polygons(parts[is_area]), return_index=True)
    points = shapely.get_coordinates(rings)
    ends = np.cumsum(shapely.get_num_coordinates(rings)).tolist()
    # The last point of a ring is its first.
    for owner, start, end in zip(owners[is_area][part_of].tolist(), [0, *ends][:-1], ends, strict=True):
        found[owner].append(points[start : end - 1])
    return found


def _array(geometries: Sequence[shapely.Geometry]) -> np.ndarray:
    array = np.empty(len(geometries), dtype=object)
    array[:] = geometries
    return array


def _rectangle_axes(polygon: shapely.Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Corner, longer and shorter side of the smallest rectangle around a polygon; None without area."""
    rectangle = shapely.minimum_rotated_rectangle(polygon)
    if rectangle.geom_type != "Polygon":
        return None
    corners = np.asarray(rectangle.exterior.coords)[:, :2]
    first, second = corners[1] - corners[0], corners[2] - corners[1]
    if np.hypot(*first) >= np.hypot(*second):
        return corners[0], first, second
    return corners[1], second, corners[0] - corners[1]


def _quads(corners: Float64[np.ndarray, "quads 2"], along: np.ndarray, across: np.ndarray) -> np.ndarray:
    return shapely.polygons(np.stack([corners, corners + along, corners + along + across, corners + across], axis=1))


def _crosswalk_stripes(polygon: shapely.Geometry) -> list[Ring]:
    """Stripes along the shorter side, which is the direction of vehicles."""
    axes = _rectangle_axes(polygon)
    if axes is None:
        return []
    corner, along, across = axes
    length_m = float(np.hypot(*along))
    unit = along / length_m
    count = max(1, int(length_m / (2 * STRIPE_M)))
    starts = (length_m - (2 * count - 1) * STRIPE_M) / 2 + 2 * STRIPE_M * np.arange(count)
    stripes = _quads(corner + starts[:, np.newaxis] * unit, STRIPE_M * unit, across)
    return rings_of(shapely.intersection(stripes, shapely.make_valid(polygon)))


def stop_bar(polygon: shapely.Geometry) -> list[Ring]:
    """The bar painted along the longer side of a stop line's polygon."""
    axes = _rectangle_axes(polygon)
    if axes is None:
        return []
    corner, along, across = axes
    depth_m = max(float(np.hypot(*across)), 1e-6)
    bar = min(STOP_BAR_M / depth_m, 1.0)
    return rings_of(_quads((corner + (1 - bar) / 2 * across)[np.newaxis], along, bar * across))


def _bays(polygon: shapely.Geometry) -> list[Ring]:
    """Lines between parking bays along both longer sides."""
    axes = _rectangle_axes(polygon)
    if axes is None:
        return []
    corner, along, across = axes
    length_m, depth_m = float(np.hypot(*along)), float(np.hypot(*across))
    if depth_m < 1.5 * BAY_DEPTH_M or length_m < 2 * BAY_M:
        return []
    unit, inward = along / length_m, across / depth_m
    inner = shapely.buffer(shapely.make_valid(polygon), -0.3)
    starts = np.stack([corner, corner + (depth_m - BAY_DEPTH_M) * inward])
    offsets_m = np.arange(BAY_M, length_m - BAY_M / 2, BAY_M)[:, np.newaxis, np.newaxis]
    lines = _quads((starts + offsets_m * unit).reshape(-1, 2), 0.1 * unit, BAY_DEPTH_M * inward)
    return rings_of(shapely.intersection(lines, inner))


_SHAFT = np.array([[0.0, -0.08], [2.2, -0.08], [2.2, 0.08], [0.0, 0.08]])
_HEAD = np.array([[2.2, -0.3], [3.6, 0.0], [2.2, 0.3]])
_SIDE_SHAFT = np.array([[1.2, 0.0], [1.4, 0.0], [2.3, 0.55], [2.3, 0.75]])
_SIDE_HEAD = np.array([[1.9, 0.55], [2.7, 0.55], [2.3, 1.15]])


def _arrow(line: Float64[np.ndarray, "points 2"], at_m: float, turns: set[TurnKind]) -> list[Ring]:
    """A turn arrow that starts at an arc length of a centerline."""
    along = arc_lengths(line)
    start, ahead = (np.array([np.interp(s, along, line[:, k]) for k in (0, 1)]) for s in (at_m, at_m + 1.0))
    forward = (ahead - start) / max(float(np.hypot(*(ahead - start))), 1e-9)
    rows = np.stack([forward, [-forward[1], forward[0]]])
    parts = [_SHAFT]
    if TurnKind.STRAIGHT in turns:
        parts.append(_HEAD)
    if TurnKind.LEFT in turns:
        parts += [_SIDE_SHAFT, _SIDE_HEAD]
    if TurnKind.RIGHT in turns:
        # Mirrored, and turned around so that it stays counter-clockwise.
        parts += [(part * [1.0, -1.0])[::-1] for part in (_SIDE_SHAFT, _SIDE_HEAD)]
    return [_ccw(start + part @ rows) for part in parts]


def _ccw(ring: Ring) -> Ring:
    moved = ring - ring[0]
    area = float(np.sum(moved[:, 0] * np.roll(moved[:, 1], -1) - np.roll(moved[:, 0], -1) * moved[:, 1]))
    return ring if area > 0 else ring[::-1]
