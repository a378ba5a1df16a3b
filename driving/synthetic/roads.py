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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float64, Int64

from driving.map import AreaLayer, IntersectionKind, Lanes, MapGraph, Ragged, StopLineKind, TurnKind, polygon_array
from driving.synthetic.curves import link, parallel, resampled
from driving.synthetic.drafts import Areas, LaneDraft, joined, moved, strip, surface_between, turn_kind_of, width_at_m

__all__ = ["LAS_VEGAS_ORIGIN", "LaneDraft", "Road", "RoadBuilder", "strip"]

LAS_VEGAS_ORIGIN = (664_400.0, 3_997_600.0)
"""A place in the UTM zone (EPSG 32611) of `us-nv-las-vegas-strip` where sites are put [m]."""


@dataclass(frozen=True, kw_only=True)
class Road:
    """A piece of road without junctions. Lane ids are ordered from the leftmost in driving direction on."""

    segment_id: int
    forward_lanes: tuple[int, ...]
    backward_lanes: tuple[int, ...]
    forward_roadblock: int | None
    backward_roadblock: int | None


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
        self._roadblocks = Areas()
        self._roadblock_connectors: dict[tuple[int, int, int], int] = {}
        self._intersections: dict[int, tuple[IntersectionKind, shapely.Polygon | None]] = {}
        self._stop_lines, self._crosswalks, self._walkways = Areas(), Areas(), Areas()
        self._carparks, self._segments, self._generic = Areas(), Areas(), Areas()

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
            self._new_id(), surface_between(parallel(middle, left_m), parallel(middle, -right_m))
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
        roadblock_id = self._roadblocks.add(self._new_id(), surface_between(edges[0], edges[-1]))
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
        half_width_m = (1 - along) * width_at_m(before, -1) / 2 + along * width_at_m(after, 0) / 2
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
            turn_kind=turn_kind_of(centerline) if turn_kind is None else turn_kind,
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

    def path(self, lane_ids: Sequence[int]) -> Float64[np.ndarray, "points 2"]:
        """Centerlines of lanes and connectors one after the other, without repeated points."""
        drafts = [self.lanes.get(lane_id) or self.connectors[lane_id] for lane_id in lane_ids]
        line = np.concatenate([draft.centerline for draft in drafts])
        return line[np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-6])]

    def to_global(self, poses: Float64[np.ndarray, "*shape 3"]) -> Float64[np.ndarray, "*shape 3"]:
        """Move poses from the site frame to the map's."""
        return poses + np.array([*self.origin, 0.0])

    def build(self, others: Sequence["RoadBuilder"] = ()) -> MapGraph:
        """Make the map of everything that was added.

        Args:
            others: Further sites of the same map, with their own origins and ranges of ids.
        """
        sites = (self, *others)
        roadblock_connectors, edges = _roadblock_connectors(sites)

        def layer(areas_of: Callable[["RoadBuilder"], Areas]) -> AreaLayer:
            return _layer([(areas_of(site), site.origin) for site in sites])

        return MapGraph(
            name=self.name,
            version=self.version,
            epsg=self.epsg,
            lanes=_lanes(sites),
            roadblocks=layer(lambda site: site._roadblocks),
            roadblock_connectors=roadblock_connectors,
            roadblock_edges=edges,
            intersections=layer(lambda site: site._intersection_areas()),
            stop_lines=layer(lambda site: site._stop_lines),
            crosswalks=layer(lambda site: site._crosswalks),
            walkways=layer(lambda site: site._walkways),
            carparks=layer(lambda site: site._carparks),
            road_segments=layer(lambda site: site._segments),
            generic_drivable_areas=layer(lambda site: site._generic),
            metadata={"origin": "synthetic"},
        )

    def _intersection_areas(self) -> Areas:
        areas = Areas()
        for intersection_id, (kind, polygon) in self._intersections.items():
            parts = [draft.polygon for draft in self.connectors.values() if draft.intersection_id == intersection_id]
            if polygon is None and not parts:
                raise ValueError(f"Intersection {intersection_id} has neither a polygon nor a connector.")
            areas.add(intersection_id, joined(parts) if polygon is None else polygon, kind)
        return areas


def _roadblock_connectors(sites: Sequence[RoadBuilder]) -> tuple[AreaLayer, Int64[np.ndarray, "connectors 3"]]:
    parts, edges = [], []
    for site in sites:
        polygons: dict[int, list[shapely.Polygon]] = {}
        for draft in site.connectors.values():
            polygons.setdefault(draft.roadblock_id, []).append(draft.polygon)
        areas = Areas()
        for edge, block_id in site._roadblock_connectors.items():
            areas.add(block_id, joined(polygons[block_id]))
            edges.append(edge)
        parts.append((areas, site.origin))
    return _layer(parts), np.array(edges, dtype=np.int64).reshape(-1, 3)


def _lanes(sites: Sequence[RoadBuilder]) -> Lanes:
    placed = [(draft, np.array(site.origin)) for site in sites for draft in site.lanes.values()]
    num_lanes = len(placed)
    placed += [(draft, np.array(site.origin)) for site in sites for draft in site.connectors.values()]
    drafts = [draft for draft, _ in placed]
    rows = {draft.lane_id: row for row, draft in enumerate(drafts)}
    successors: list[list[int]] = [[] for _ in drafts]
    predecessors: list[list[int]] = [[] for _ in drafts]
    for draft in drafts[num_lanes:]:
        assert draft.from_lane is not None
        assert draft.to_lane is not None
        row, before, after = rows[draft.lane_id], rows[draft.from_lane], rows[draft.to_lane]
        successors[before].append(row)
        predecessors[row].append(before)
        successors[row].append(after)
        predecessors[after].append(row)

    no_points, no_ids = np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
    lines = [draft.centerline + origin for draft, origin in placed]
    polygons = polygon_array(moved(draft.polygon, (origin[0], origin[1])) for draft, origin in placed)
    return Lanes(
        areas=AreaLayer(ids=np.array([*rows], dtype=np.int64), polygons=polygons),
        num_lanes=num_lanes,
        roadblock_ids=np.array([draft.roadblock_id for draft in drafts], dtype=np.int64),
        lane_index=np.array([draft.index for draft in drafts], dtype=np.int64),
        speed_limit_mps=np.array([draft.speed_limit_mps for draft in drafts], dtype=np.float64),
        centerlines=Ragged.from_rows(lines, no_points),
        left_boundaries=Ragged.from_rows([draft.left_boundary + origin for draft, origin in placed], no_points),
        right_boundaries=Ragged.from_rows([draft.right_boundary + origin for draft, origin in placed], no_points),
        successors=Ragged.from_rows([np.array(row, dtype=np.int64) for row in successors], no_ids),
        predecessors=Ragged.from_rows([np.array(row, dtype=np.int64) for row in predecessors], no_ids),
        turn_kinds=np.array([draft.turn_kind for draft in drafts], dtype=np.int8),
        intersection_ids=np.array([draft.intersection_id for draft in drafts], dtype=np.int64),
        has_traffic_lights=np.array([bool(draft.stop_line_ids) for draft in drafts], dtype=bool),
        stop_line_ids=Ragged.from_rows([np.array(draft.stop_line_ids, dtype=np.int64) for draft in drafts], no_ids),
        connector_lines=Ragged.from_rows([no_points] * num_lanes + lines[num_lanes:], no_points),
    )


def _layer(parts: Sequence[tuple[Areas, tuple[float, float]]]) -> AreaLayer:
    return AreaLayer(
        ids=np.array([area_id for areas, _ in parts for area_id in areas.ids], dtype=np.int64),
        polygons=polygon_array(moved(polygon, origin) for areas, origin in parts for polygon in areas.polygons),
        kinds=np.array([kind for areas, _ in parts for kind in areas.kinds], dtype=np.int8),
    )
