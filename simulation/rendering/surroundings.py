"""Static objects around the ego: placed by cells of the map when a drive comes near, and as triangles to draw."""

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int32, Int64

from driving.agents import LightStatus
from driving.geometry import local_from_global
from driving.map import MapGraph
from simulation.rendering.lighting import GREEN, LIT, RED, YELLOW, Models, Placed
from simulation.rendering.placement import MAX_HEIGHT_M, MAX_RADIUS_M, PropKind
from simulation.rendering.props import Props, place_props
from simulation.rendering.signals import ARM_HIGH_M, MAST_OFFSETS_M

CELL_M = 256.0
MAX_CELLS = 64
KEPT_SHIFTS = 4
"""Directions of the sun for which a cell keeps the outlines of shadows."""
PROP = -3
"""Instance id of static objects."""
RANGES_M = {
    PropKind.BUILDING: 200.0,
    PropKind.TREE: 130.0,
    PropKind.LAMP_POST: 90.0,
    PropKind.SIGN: 60.0,
    PropKind.SIGNAL_HEAD: 120.0,
}
"""Distance up to which each kind is drawn."""
_RANGES = np.array([RANGES_M[kind] for kind in sorted(RANGES_M)])
_SIGNALS = {LightStatus.RED: RED, LightStatus.YELLOW: YELLOW, LightStatus.GREEN: GREEN}


Outline = Float64[np.ndarray, "points 2"]


@dataclass(frozen=True, eq=False)
class Cell:
    """Static objects of a square of the map."""

    props: Props
    models: Models
    _outlines: OrderedDict[tuple[float, float], list[Outline]] = field(default_factory=OrderedDict)

    @cached_property
    def reaches_m(self) -> Float64[np.ndarray, "props"]:
        """Distance of the ego from the centre of each object up to which it is drawn."""
        return _RANGES[self.props.kinds] + self.props.radii_m

    @cached_property
    def is_head(self) -> Bool[np.ndarray, "props"]:
        """Signal heads."""
        return self.props.kinds == PropKind.SIGNAL_HEAD

    @cached_property
    def lit_posts(self) -> Int32[np.ndarray, "props"]:
        """Flags of the lamps while street lamps are on."""
        return np.where(self.props.kinds == PropKind.LAMP_POST, LIT, 0).astype(np.int32)

    def outlines(self, shift: Float64[np.ndarray, "2"]) -> list[Outline]:
        """Outline of the shadow of each object as in `Surroundings.shadows`; empty without area."""
        key = (float(shift[0]), float(shift[1]))
        if key not in self._outlines:
            self._outlines[key] = _shadow_outlines(self.props, shift)
            if len(self._outlines) > KEPT_SHIFTS:
                self._outlines.popitem(last=False)
        self._outlines.move_to_end(key)
        return self._outlines[key]


def _shadow_outlines(props: Props, shift: Float64[np.ndarray, "2"]) -> list[Outline]:
    vertices = props.mesh.vertices_m
    points = vertices[:, :2].astype(np.float64) + vertices[:, 2:] * shift
    owners = np.repeat(np.arange(len(props)), np.diff(props.vertex_offsets))
    hulls = shapely.orient_polygons(shapely.convex_hull(shapely.multipoints(points, indices=owners)))
    corners, hull_of = shapely.get_coordinates(hulls, return_index=True)
    corners += props.origin
    ends = np.cumsum(np.bincount(hull_of, minlength=len(props)))
    is_area = shapely.get_type_id(hulls) == shapely.GeometryType.POLYGON
    starts = np.append(0, ends[:-1])
    # The last corner of a ring is its first.
    ends = np.where(is_area, ends - 1, starts)
    return [corners[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


class Surroundings:
    """Static objects of a map by seed.

    Args:
        map_graph: The map.
        seed: Of places and looks.
    """

    def __init__(self, map_graph: MapGraph, seed: int) -> None:
        self._map, self._seed = map_graph, seed
        self._cells: OrderedDict[tuple[int, int], Cell] = OrderedDict()

    def cells(self, low: Float64[np.ndarray, "2"], high: Float64[np.ndarray, "2"]) -> list[Cell]:
        """Cells that overlap a rectangle, in a fixed order."""
        first, last = np.floor(low / CELL_M).astype(int), np.floor(high / CELL_M).astype(int)
        return [self._cell(i, j) for i in range(first[0], last[0] + 1) for j in range(first[1], last[1] + 1)]

    def _cell(self, i: int, j: int) -> Cell:
        if (i, j) not in self._cells:
            region = (i * CELL_M, j * CELL_M, (i + 1) * CELL_M, (j + 1) * CELL_M)
            props = place_props(self._map, self._seed, region)
            mesh = props.mesh
            models = Models(
                corners=mesh.vertices_m[mesh.triangles],
                colours=mesh.colours,
                materials=mesh.materials,
                uv_m=mesh.uv_m,
                offsets=props.triangle_offsets,
            )
            self._cells[i, j] = Cell(props, models)
            if len(self._cells) > MAX_CELLS:
                self._cells.popitem(last=False)
        self._cells.move_to_end((i, j))
        return self._cells[i, j]

    def placed(
        self, ego_pose: Float64[np.ndarray, "3"], signals: dict[int, int], *, are_lamps_lit: bool
    ) -> list[tuple[Models, Placed]]:
        """Objects around the ego.

        Args:
            ego_pose: Rear axle, global.
            signals: `LightStatus` by lane connector.
            are_lamps_lit: Whether street lamps are on.
        """
        found = []
        reach = float(_RANGES.max())
        for cell in self.cells(ego_pose[:2] - reach, ego_pose[:2] + reach):
            props = cell.props
            if not len(props):
                continue
            offsets = props.centres - ego_pose[:2]
            rows = np.flatnonzero(np.hypot(offsets[:, 0], offsets[:, 1]) < cell.reaches_m)
            if not len(rows):
                continue
            origin = local_from_global(props.origin[np.newaxis], ego_pose)[0]
            lamps = cell.lit_posts[rows] if are_lamps_lit else np.zeros(len(rows), dtype=np.int32)
            for head in np.flatnonzero(cell.is_head[rows]).tolist():
                lamps[head] = signal_lamp(props.connector_ids[rows[head]], signals)
            placed = Placed(
                rows=rows,
                poses=np.broadcast_to(np.array([*origin, -ego_pose[2]]), (len(rows), 3)).copy(),
                lamps=lamps,
                numbers=np.full(len(rows), PROP, dtype=np.int32),
                lamp_light=np.zeros(len(rows), dtype=np.float32),
            )
            found.append((cell.models, placed))
        return found

    def lamp_positions(
        self, low: Float64[np.ndarray, "2"], high: Float64[np.ndarray, "2"]
    ) -> Float64[np.ndarray, "lamps 2"]:
        """Street lamps of the cells that overlap a rectangle, global."""
        posts = [cell.props.centres[cell.props.kinds == PropKind.LAMP_POST] for cell in self.cells(low, high)]
        return np.concatenate(posts)

    def shadows(
        self, low: Float64[np.ndarray, "2"], high: Float64[np.ndarray, "2"], shift: Float64[np.ndarray, "2"]
    ) -> list[Outline]:
        """Outlines on the ground of the shadows that reach into a rectangle, global, counter-clockwise.

        Args:
            low: Corner of the rectangle.
            high: Opposite corner.
            shift: Displacement of the shadow of a point per metre of its height.
        """
        # Heads hang from masts that may stand far aside.
        masts = MAST_OFFSETS_M[-1] + 1.0 + (ARM_HIGH_M + 1.0) * np.abs(shift)
        margin = np.maximum(MAX_RADIUS_M + MAX_HEIGHT_M * np.abs(shift), masts)
        found = []
        for cell in self.cells(low - margin, high + margin):
            props = cell.props
            if not len(props):
                continue
            reach = props.radii_m[:, np.newaxis] + np.abs(shift) * props.heights_m[:, np.newaxis]
            is_near = ((props.centres + reach > low) & (props.centres - reach < high)).all(axis=1)
            if is_near.any():
                outlines = cell.outlines(shift)
                found += [outlines[row] for row in np.flatnonzero(is_near).tolist() if len(outlines[row])]
        return found


def signal_lamp(connectors: Int64[np.ndarray, "connectors"], signals: dict[int, int]) -> int:
    """Flag of the lamp of a signal head: of the first of its connectors with a known state, else 0."""
    for connector in connectors.tolist():
        status = signals.get(connector)
        if status in _SIGNALS:
            return _SIGNALS[LightStatus(status)]
    return 0
