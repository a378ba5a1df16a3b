"""What is painted on the ground, as rings: surfaces, kerbs, crosswalks, stop lines, lane markings, arrows."""

from collections.abc import Callable, Iterable
from enum import IntEnum

import numpy as np
import shapely
from jaxtyping import Float64
from shapely.geometry.polygon import orient

from driving.geometry import arc_lengths
from driving.map import AreaLayer, MapGraph, StopLineKind, TurnKind

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

    def rings(self, region: Box) -> dict[Paint, list[Ring]]:
        """Rings of all shapes that touch a region, by paint, global: exteriors counter-clockwise, holes clockwise."""
        margin_m = PAVEMENT_M + 1.0
        wide = (region[0] - margin_m, region[1] - margin_m, region[2] + margin_m, region[3] + margin_m)
        map_graph = self._map
        rings: _Shape = {paint: [] for paint in Paint if paint != Paint.GRASS}
        # Drivable areas and walkways of recorded maps extend over kilometres.
        _add(rings, _surface(_clipped(map_graph.drivable_area, wide)))
        rings[Paint.PAVEMENT] += rings_of(_clipped(map_graph.walkways, wide))
        layers: tuple[tuple[str, AreaLayer, Callable[[int], _Shape]], ...] = (
            ("lane", map_graph.lanes.areas, self._lane),
            ("crosswalk", map_graph.crosswalks, self._crosswalk),
            ("stop_line", map_graph.stop_lines, self._stop_line),
            ("carpark", map_graph.carparks, self._carpark),
        )
        for name, layer, make in layers:
            for row in _rows_in(layer, wide):
                if (name, row) not in self._kept:
                    self._kept[name, row] = make(row)
                _add(rings, self._kept[name, row])
        return rings

    def _lane(self, row: int) -> _Shape:
        lanes = self._map.lanes
        shape = _surface([shapely.make_valid(lanes.areas.polygons[row])])
        center = lanes.centerlines[row]
        if len(center) > 1:
            shape[Paint.TRACK] = [strip(parallel(center, s * TRACK_OFFSET_M), TRACK_M) for s in (-1, 1)]
        if row < lanes.num_lanes:
            _add(shape, _lane_markings(self._map, row))
        return shape

    def _crosswalk(self, row: int) -> _Shape:
        return {Paint.STRIPE: _crosswalk_stripes(self._map.crosswalks.polygons[row])}

    def _stop_line(self, row: int) -> _Shape:
        is_painted = self._map.stop_lines.kinds[row] in (StopLineKind.TRAFFIC_LIGHT, StopLineKind.STOP_SIGN)
        return {Paint.WHITE: stop_bar(self._map.stop_lines.polygons[row])} if is_painted else {}

    def _carpark(self, row: int) -> _Shape:
        area = self._map.carparks.polygons[row]
        return {Paint.CARPARK: rings_of([shapely.make_valid(area)]), Paint.WHITE: _bays(area)}


def _add(rings: _Shape, shape: _Shape) -> None:
    for paint, found in shape.items():
        rings.setdefault(paint, []).extend(found)


def _surface(areas: list[shapely.Geometry]) -> _Shape:
    return {
        Paint.PAVEMENT: rings_of(shapely.buffer(area, PAVEMENT_M, quad_segs=3) for area in areas),
        Paint.KERB: rings_of(shapely.buffer(area, KERB_M, quad_segs=2) for area in areas),
        Paint.ASPHALT: rings_of(areas),
    }


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


def strip(line: Float64[np.ndarray, "points 2"], width_m: float) -> Ring:
    """A ring around a line of at least 2 points, counter-clockwise, with square ends."""
    return np.concatenate([parallel(line, -width_m / 2), parallel(line, width_m / 2)[::-1]])


def parallel(line: Float64[np.ndarray, "points 2"], offset_m: float) -> Float64[np.ndarray, "points 2"]:
    """The line shifted to its left."""
    steps = np.diff(line, axis=0)
    directions = steps / np.maximum(np.hypot(steps[:, 0], steps[:, 1]), 1e-9)[:, np.newaxis]
    at_points = np.concatenate([directions[:1], directions[:-1] + directions[1:], directions[-1:]])
    lengths = np.hypot(at_points[:, 0], at_points[:, 1])
    # Of two unit vectors, so that sharp corners get no long spikes.
    at_points = at_points / np.maximum(lengths, 1e-9)[:, np.newaxis]
    return line + offset_m * np.column_stack([-at_points[:, 1], at_points[:, 0]])


def dashes(
    line: Float64[np.ndarray, "points 2"], dash_m: float, gap_m: float
) -> list[Float64[np.ndarray, "points 2"]]:
    """Pieces of a line: a dash, a gap, and so on from its first point."""
    along = arc_lengths(line)
    keep = np.concatenate([[True], np.diff(along) > 1e-6])
    line, along = line[keep], along[keep]
    pieces = []
    for start_m in np.arange(0.0, along[-1], dash_m + gap_m):
        stop_m = min(start_m + dash_m, along[-1])
        if stop_m - start_m < 0.5:
            continue
        inner = line[(along > start_m) & (along < stop_m)]
        ends = [[np.interp(at_m, along, line[:, k]) for k in (0, 1)] for at_m in (start_m, stop_m)]
        pieces.append(np.concatenate([[ends[0]], inner, [ends[1]]]))
    return pieces


# ---------------------------------------------------------------------- areas


def _rows_in(layer: AreaLayer, region: Box) -> list[int]:
    if not len(layer):
        return []
    return np.sort(layer.tree.query(shapely.box(*region))).tolist()


def _clipped(layer: AreaLayer, region: Box) -> list[shapely.Geometry]:
    # Not `clip_by_rect`, which fails on slivers of recorded maps.
    window = shapely.box(*region)
    return [shapely.intersection(shapely.make_valid(layer.polygons[row]), window) for row in _rows_in(layer, region)]


def rings_of(geometries: Iterable[shapely.Geometry]) -> list[Ring]:
    """Rings of all polygons among geometries: exteriors counter-clockwise, holes clockwise."""
    rings = []
    for geometry in geometries:
        for part in shapely.get_parts(geometry):
            if part.geom_type == "Polygon" and not part.is_empty:
                oriented = orient(part)
                rings += [np.asarray(ring.coords)[:-1, :2] for ring in (oriented.exterior, *oriented.interiors)]
    return rings


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


def _quad(corner: np.ndarray, along: np.ndarray, across: np.ndarray) -> shapely.Polygon:
    return shapely.Polygon([corner, corner + along, corner + along + across, corner + across])


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
    stripes = [_quad(corner + start * unit, STRIPE_M * unit, across) for start in starts]
    polygon = shapely.make_valid(polygon)
    return rings_of(shapely.intersection(stripe, polygon) for stripe in stripes)


def stop_bar(polygon: shapely.Geometry) -> list[Ring]:
    """The bar painted along the longer side of a stop line's polygon."""
    axes = _rectangle_axes(polygon)
    if axes is None:
        return []
    corner, along, across = axes
    depth_m = max(float(np.hypot(*across)), 1e-6)
    bar = min(STOP_BAR_M / depth_m, 1.0)
    return rings_of([_quad(corner + (1 - bar) / 2 * across, along, bar * across)])


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
    rings = []
    for offset_m in np.arange(BAY_M, length_m - BAY_M / 2, BAY_M):
        for start in (corner, corner + (depth_m - BAY_DEPTH_M) * inward):
            line = _quad(start + offset_m * unit, 0.1 * unit, BAY_DEPTH_M * inward)
            rings += rings_of([shapely.intersection(line, inner)])
    return rings


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
