"""Build a map from a few centre lines: roads, junctions, crosswalks, car parks; all layers of nuPlan follow.

    builder = RoadBuilder()
    west = builder.add_road(straight((-120, 0), (-15, 0)), lanes_forward=1, lanes_backward=1)
    east = builder.add_road(straight((15, 0), (120, 0)), lanes_forward=1, lanes_backward=1)
    junction = builder.add_intersection(IntersectionKind.DEFAULT)
    builder.add_connector(west.forward_lanes[0], east.forward_lanes[0], junction)
    builder.add_connector(east.backward_lanes[0], west.backward_lanes[0], junction)
    map_graph = builder.build()

Everything is given in the site frame: metres east and north of `origin`. `build` moves it to the
projected coordinates of the map. Traffic keeps to the right.
"""

from dataclasses import dataclass, field

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import wrap_angle
from driving.map import AreaLayer, IntersectionKind, Lanes, MapGraph, Ragged, StopLineKind, TurnKind, polygon_array
from driving.synthetic.curves import end_pose, link, parallel, resampled, start_pose

LAS_VEGAS_ORIGIN = (664_400.0, 3_997_600.0)
"""A place in the UTM zone (EPSG 32611) of `us-nv-las-vegas-strip` where sites are put [m]."""

STRAIGHT_BELOW_RAD = np.radians(30.0)
UTURN_ABOVE_RAD = np.radians(150.0)
"""Heading changes that part straight connectors, turns and U-turns."""

SEAM_M = 0.5
"""Gaps up to twice this between the connectors of a junction are closed: the road surface has no slits."""


@dataclass(frozen=True, kw_only=True)
class Road:
    """A piece of road without junctions. Lane ids are ordered from the leftmost in driving direction on."""

    segment_id: int
    forward_lanes: tuple[int, ...]
    backward_lanes: tuple[int, ...]
    forward_roadblock: int | None
    backward_roadblock: int | None


@dataclass(frozen=True, kw_only=True)
class LaneDraft:
    """A lane or lane connector of the site, before it becomes a row of the map."""

    lane_id: int
    roadblock_id: int
    index: int
    centerline: Float64[np.ndarray, "points 2"]
    left_boundary: Float64[np.ndarray, "points 2"]
    right_boundary: Float64[np.ndarray, "points 2"]
    speed_limit_mps: float
    from_lane: int | None = None
    """Set for connectors, as are the fields below."""
    to_lane: int | None = None
    intersection_id: int = 0
    turn_kind: TurnKind = TurnKind.STRAIGHT
    stop_line_ids: tuple[int, ...] = ()

    @property
    def start_pose(self) -> Float64[np.ndarray, "3"]:
        """Where one enters."""
        return start_pose(self.centerline)

    @property
    def end_pose(self) -> Float64[np.ndarray, "3"]:
        """Where one leaves."""
        return end_pose(self.centerline)

    @property
    def polygon(self) -> shapely.Polygon:
        """The surface between the boundaries."""
        return _between(self.left_boundary, self.right_boundary)


@dataclass
class _Areas:
    ids: list[int] = field(default_factory=list)
    polygons: list[shapely.Polygon] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)

    def add(self, area_id: int, polygon: shapely.Polygon, kind: int = 0) -> int:
        self.ids.append(area_id)
        self.polygons.append(polygon)
        self.kinds.append(kind)
        return area_id

    def layer(self, origin: tuple[float, float]) -> AreaLayer:
        return AreaLayer(
            ids=np.array(self.ids, dtype=np.int64),
            polygons=polygon_array(_moved(polygon, origin) for polygon in self.polygons),
            kinds=np.array(self.kinds, dtype=np.int8),
        )


class RoadBuilder:
    """Collects the parts of a site; `build` makes the map. Ids are unique over all layers."""

    def __init__(
        self,
        *,
        name: str = "us-nv-las-vegas-strip",
        version: str = "9.15.1915",
        epsg: int = 32611,
        origin: tuple[float, float] = LAS_VEGAS_ORIGIN,
        first_id: int = 10_001,
    ) -> None:
        self.name, self.version, self.epsg, self.origin = name, version, epsg, origin
        self.lanes: dict[int, LaneDraft] = {}
        self.connectors: dict[int, LaneDraft] = {}
        self._next_id = first_id
        self._roadblocks = _Areas()
        self._roadblock_connectors: dict[tuple[int, int, int], int] = {}
        self._intersections: dict[int, tuple[IntersectionKind, shapely.Polygon | None]] = {}
        self._stop_lines, self._crosswalks, self._walkways = _Areas(), _Areas(), _Areas()
        self._carparks, self._segments, self._generic = _Areas(), _Areas(), _Areas()

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    # ------------------------------------------------------------------ roads

    def add_road(
        self,
        points: Float64[np.ndarray, "points 2"],
        *,
        lanes_forward: int = 1,
        lanes_backward: int = 0,
        lane_width_m: float = 3.5,
        speed_limit_mps: float | None = 13.89,
        shoulder_forward_m: float = 0.0,
        shoulder_backward_m: float = 0.0,
        spacing_m: float = 2.0,
    ) -> Road:
        """Lay a road along the line that divides its directions.

        Args:
            points: The dividing line. Forward lanes lie to its right, backward lanes to its left and run
                against it. Without backward lanes it is the left edge of a one-way road.
            lanes_forward: Lanes in the direction of the line.
            lanes_backward: Lanes against it.
            lane_width_m: Width of every lane.
            speed_limit_mps: None where the map shall have none.
            shoulder_forward_m: Drivable strip right of the forward lanes, for example to park on.
            shoulder_backward_m: The same beside the backward lanes.
            spacing_m: Distance between vertices.

        Raises:
            ValueError: Without any lane.
        """
        if lanes_forward + lanes_backward < 1:
            raise ValueError("A road needs at least one lane, got none in both directions.")
        middle = resampled(points, spacing_m)
        limit = np.nan if speed_limit_mps is None else speed_limit_mps
        forward_block, forward = self._add_lanes(middle, lanes_forward, lane_width_m, limit)
        backward_block, backward = self._add_lanes(middle[::-1], lanes_backward, lane_width_m, limit)
        right_m = lanes_forward * lane_width_m + (shoulder_forward_m if lanes_forward else 0.0)
        left_m = lanes_backward * lane_width_m + (shoulder_backward_m if lanes_backward else 0.0)
        segment_id = self._segments.add(
            self._new_id(), _between(parallel(middle, left_m), parallel(middle, -right_m))
        )
        return Road(
            segment_id=segment_id,
            forward_lanes=forward,
            backward_lanes=backward,
            forward_roadblock=forward_block,
            backward_roadblock=backward_block,
        )

    def _add_lanes(
        self, middle: Float64[np.ndarray, "points 2"], count: int, width_m: float, limit_mps: float
    ) -> tuple[int | None, tuple[int, ...]]:
        if count == 0:
            return None, ()
        edges = [parallel(middle, -width_m * edge) for edge in range(count + 1)]
        roadblock_id = self._roadblocks.add(self._new_id(), _between(edges[0], edges[-1]))
        ids = []
        for index in range(count):
            lane_id = self._new_id()
            self.lanes[lane_id] = LaneDraft(
                lane_id=lane_id,
                roadblock_id=roadblock_id,
                index=index,
                centerline=parallel(middle, -width_m * (index + 0.5)),
                left_boundary=edges[index],
                right_boundary=edges[index + 1],
                speed_limit_mps=limit_mps,
            )
            ids.append(lane_id)
        return roadblock_id, tuple(ids)

    # ------------------------------------------------------------------ junctions

    def add_intersection(
        self, kind: IntersectionKind = IntersectionKind.DEFAULT, polygon: shapely.Polygon | None = None
    ) -> int:
        """Open a junction. Without a polygon it gets the surface of its connectors."""
        intersection_id = self._new_id()
        self._intersections[intersection_id] = (kind, polygon)
        return intersection_id

    def add_connector(
        self,
        from_lane: int,
        to_lane: int,
        intersection: int,
        *,
        traffic_light_stop_line: int | None = None,
        speed_limit_mps: float | None = None,
        path: Float64[np.ndarray, "points 2"] | None = None,
        turn_kind: TurnKind | None = None,
    ) -> int:
        """Connect the end of a lane with the start of another.

        Args:
            from_lane: Id of the lane that one comes from.
            to_lane: Id of the lane that one goes to.
            intersection: Id from `add_intersection`.
            traffic_light_stop_line: Id from `add_stop_line`; makes the connector one with traffic lights.
            speed_limit_mps: The lower one of the two lanes where left out.
            path: Centerline, for example around a roundabout; a smooth curve where left out.
            turn_kind: Read off the heading change where left out.
        """
        before, after = self.lanes[from_lane], self.lanes[to_lane]
        centerline = link(before.end_pose, after.start_pose) if path is None else path
        along = np.linspace(0.0, 1.0, len(centerline))
        half_width_m = (1 - along) * _end_width_m(before, -1) / 2 + along * _end_width_m(after, 0) / 2
        limits = [speed_limit_mps] if speed_limit_mps is not None else [before.speed_limit_mps, after.speed_limit_mps]
        key = (before.roadblock_id, after.roadblock_id, intersection)
        if key not in self._roadblock_connectors:
            self._roadblock_connectors[key] = self._new_id()
        connector_id = self._new_id()
        self.connectors[connector_id] = LaneDraft(
            lane_id=connector_id,
            roadblock_id=self._roadblock_connectors[key],
            index=0,
            centerline=centerline,
            left_boundary=parallel(centerline, half_width_m),
            right_boundary=parallel(centerline, -half_width_m),
            speed_limit_mps=float(np.fmin.reduce(limits)),
            from_lane=from_lane,
            to_lane=to_lane,
            intersection_id=intersection,
            turn_kind=_turn_kind(centerline) if turn_kind is None else turn_kind,
            stop_line_ids=() if traffic_light_stop_line is None else (traffic_light_stop_line,),
        )
        return connector_id

    def add_stop_line(
        self, lanes: tuple[int, ...], kind: StopLineKind, *, before_end_m: float = 1.0, behind_end_m: float = 0.5
    ) -> int:
        """A strip across the ends of neighbouring lanes (leftmost first), a little into their connectors."""
        left, right = self.lanes[lanes[0]], self.lanes[lanes[-1]]
        forward = np.array([np.cos(left.end_pose[2]), np.sin(left.end_pose[2])])
        a, b = left.left_boundary[-1], right.right_boundary[-1]
        back, front = -before_end_m * forward, behind_end_m * forward
        return self._stop_lines.add(self._new_id(), shapely.Polygon([a + back, b + back, b + front, a + front]), kind)

    # ------------------------------------------------------------------ areas

    def add_crosswalk(self, start: tuple[float, float], end: tuple[float, float], width_m: float = 3.5) -> int:
        """A crosswalk for people who walk from `start` to `end`."""
        return self._crosswalks.add(self._new_id(), strip(np.array([start, end]), width_m))

    def add_walkway(self, points: Float64[np.ndarray, "points 2"], width_m: float = 2.5) -> int:
        """A footpath along a line."""
        return self._walkways.add(self._new_id(), strip(points, width_m))

    def add_carpark(self, polygon: shapely.Polygon) -> int:
        """A car park; it is drivable."""
        return self._carparks.add(self._new_id(), polygon)

    def add_drivable_area(self, polygon: shapely.Polygon) -> int:
        """Drivable ground that is neither road nor junction, for example a driveway."""
        return self._generic.add(self._new_id(), polygon)

    # ------------------------------------------------------------------ the map

    def build(self) -> MapGraph:
        """Make the map of everything that was added."""
        blocks = _Areas()
        edges = []
        for (before, after, intersection), block_id in self._roadblock_connectors.items():
            parts = [draft.polygon for draft in self.connectors.values() if draft.roadblock_id == block_id]
            blocks.add(block_id, _joined(parts))
            edges.append((before, after, intersection))
        return MapGraph(
            name=self.name,
            version=self.version,
            epsg=self.epsg,
            lanes=self._lanes(),
            roadblocks=self._roadblocks.layer(self.origin),
            roadblock_connectors=blocks.layer(self.origin),
            roadblock_edges=np.array(edges, dtype=np.int64).reshape(-1, 3),
            intersections=self._intersection_areas().layer(self.origin),
            stop_lines=self._stop_lines.layer(self.origin),
            crosswalks=self._crosswalks.layer(self.origin),
            walkways=self._walkways.layer(self.origin),
            carparks=self._carparks.layer(self.origin),
            road_segments=self._segments.layer(self.origin),
            generic_drivable_areas=self._generic.layer(self.origin),
            metadata={"origin": "synthetic"},
        )

    def _intersection_areas(self) -> _Areas:
        areas = _Areas()
        for intersection_id, (kind, polygon) in self._intersections.items():
            parts = [draft.polygon for draft in self.connectors.values() if draft.intersection_id == intersection_id]
            if polygon is None and not parts:
                raise ValueError(f"Intersection {intersection_id} has neither a polygon nor a connector.")
            areas.add(intersection_id, _joined(parts) if polygon is None else polygon, kind)
        return areas

    def _lanes(self) -> Lanes:
        drafts = [*self.lanes.values(), *self.connectors.values()]
        rows = {draft.lane_id: row for row, draft in enumerate(drafts)}
        successors: list[list[int]] = [[] for _ in drafts]
        predecessors: list[list[int]] = [[] for _ in drafts]
        for draft in self.connectors.values():
            assert draft.from_lane is not None
            assert draft.to_lane is not None
            row, before, after = rows[draft.lane_id], rows[draft.from_lane], rows[draft.to_lane]
            successors[before].append(row)
            predecessors[row].append(before)
            successors[row].append(after)
            predecessors[after].append(row)
        origin, no_points, no_ids = np.array(self.origin), np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
        lines = [draft.centerline + origin for draft in drafts]
        return Lanes(
            areas=AreaLayer(
                ids=np.array([draft.lane_id for draft in drafts], dtype=np.int64),
                polygons=polygon_array(_moved(draft.polygon, self.origin) for draft in drafts),
            ),
            num_lanes=len(self.lanes),
            roadblock_ids=np.array([draft.roadblock_id for draft in drafts], dtype=np.int64),
            lane_index=np.array([draft.index for draft in drafts], dtype=np.int64),
            speed_limit_mps=np.array([draft.speed_limit_mps for draft in drafts], dtype=np.float64),
            centerlines=Ragged.from_rows(lines, no_points),
            left_boundaries=Ragged.from_rows([draft.left_boundary + origin for draft in drafts], no_points),
            right_boundaries=Ragged.from_rows([draft.right_boundary + origin for draft in drafts], no_points),
            successors=Ragged.from_rows([np.array(row, dtype=np.int64) for row in successors], no_ids),
            predecessors=Ragged.from_rows([np.array(row, dtype=np.int64) for row in predecessors], no_ids),
            turn_kinds=np.array([draft.turn_kind for draft in drafts], dtype=np.int8),
            intersection_ids=np.array([draft.intersection_id for draft in drafts], dtype=np.int64),
            has_traffic_lights=np.array([bool(draft.stop_line_ids) for draft in drafts], dtype=bool),
            stop_line_ids=Ragged.from_rows(
                [np.array(draft.stop_line_ids, dtype=np.int64) for draft in drafts], no_ids
            ),
            connector_lines=Ragged.from_rows(
                [no_points if draft.from_lane is None else line for draft, line in zip(drafts, lines, strict=True)],
                no_points,
            ),
        )

    def to_global(self, poses: Float64[np.ndarray, "*shape 3"]) -> Float64[np.ndarray, "*shape 3"]:
        """Move poses from the site frame to the map's."""
        return poses + np.array([*self.origin, 0.0])


def strip(points: Float64[np.ndarray, "points 2"], width_m: float) -> shapely.Polygon:
    """The surface of a given width along a line."""
    return _between(parallel(points, width_m / 2), parallel(points, -width_m / 2))


def _between(left: Float64[np.ndarray, "left 2"], right: Float64[np.ndarray, "right 2"]) -> shapely.Polygon:
    polygon = shapely.Polygon(np.concatenate([left, right[::-1]]))
    return polygon if polygon.is_valid else _joined([polygon.buffer(0)])


def _joined(polygons: list[shapely.Polygon]) -> shapely.Polygon:
    """One polygon without slits. Parts that stay apart are joined by their hull."""
    whole = shapely.union_all(polygons).buffer(SEAM_M, join_style="mitre").buffer(-SEAM_M, join_style="mitre")
    return whole if isinstance(whole, shapely.Polygon) else whole.convex_hull


def _moved(polygon: shapely.Polygon, origin: tuple[float, float]) -> shapely.Polygon:
    return shapely.transform(polygon, lambda points: points + np.array(origin))


def _end_width_m(draft: LaneDraft, vertex: int) -> float:
    return float(np.hypot(*(draft.left_boundary[vertex] - draft.right_boundary[vertex])))


def _turn_kind(centerline: Float64[np.ndarray, "points 2"]) -> TurnKind:
    turn_rad = float(wrap_angle(end_pose(centerline)[2] - start_pose(centerline)[2]))
    if abs(turn_rad) < STRAIGHT_BELOW_RAD:
        return TurnKind.STRAIGHT
    if abs(turn_rad) > UTURN_ABOVE_RAD:
        return TurnKind.UTURN
    return TurnKind.LEFT if turn_rad > 0 else TurnKind.RIGHT
