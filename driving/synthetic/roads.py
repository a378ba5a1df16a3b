"""Build a map of all nuPlan layers from centre lines: roads, intersections, crosswalks, walkways and car parks.

    builder = RoadBuilder()
    west = builder.add_road(straight((-120, 0), (-15, 0)), lanes_forward=1, lanes_backward=1)
    east = builder.add_road(straight((15, 0), (120, 0)), lanes_forward=1, lanes_backward=1)
    junction = builder.add_intersection(IntersectionKind.DEFAULT)
    builder.add_connector(west.forward_lanes[0], east.forward_lanes[0], junction)
    builder.add_connector(east.backward_lanes[0], west.backward_lanes[0], junction)
    map_graph = builder.build()

Inputs are in the site frame: metres east and north of `origin`. `build` moves them to the projected coordinates
of the map. Traffic keeps to the right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float64, Int64

from driving.connectors import connector_links, turn_kind_of
from driving.map import AreaLayer, IntersectionKind, Lanes, MapGraph, Ragged, StopLineKind, TurnKind, polygon_array
from driving.synthetic.curves import link, parallel, resampled
from driving.synthetic.drafts import AreaDrafts, LaneDraft, merged_surface, strip, surface_between, translated

LAS_VEGAS_ORIGIN = (664_400.0, 3_997_600.0)
"""Origin of the sites in the UTM zone (EPSG 32611) of `us-nv-las-vegas-strip` [m]."""

TURN_ABOVE_RAD = np.radians(30.0)
"""Change of heading from which a connector turns left or right."""


@dataclass(frozen=True, kw_only=True)
class Road:
    """A road between two intersections. Lane ids are ordered from left to right in driving direction."""

    segment_id: int
    forward_lanes: tuple[int, ...]
    backward_lanes: tuple[int, ...]
    forward_roadblock: int | None
    backward_roadblock: int | None


class RoadBuilder:
    """Collects the parts of a site and builds the map. Ids are unique over all layers."""

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
        self._roadblocks = AreaDrafts()
        self._roadblock_connectors: dict[tuple[int, int, int], int] = {}
        self._intersections: dict[int, tuple[IntersectionKind, shapely.Polygon | None]] = {}
        self._stop_lines, self._crosswalks, self._walkways = AreaDrafts(), AreaDrafts(), AreaDrafts()
        self._carparks, self._segments, self._generic = AreaDrafts(), AreaDrafts(), AreaDrafts()

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
        """Add a road along the line between its two driving directions.

        Args:
            points: The dividing line. Forward lanes lie to its right, backward lanes to its left and run
                against it. Without backward lanes it is the left edge of a one-way road.
            lanes_forward: Lanes in the direction of the line.
            lanes_backward: Lanes against it.
            lane_width_m: Width of every lane.
            speed_limit_mps: None for a map without limits.
            shoulder_forward_m: Drivable strip right of the forward lanes, for example for parked cars.
            shoulder_backward_m: Drivable strip beside the backward lanes.
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

    # ------------------------------------------------------------------ intersections

    def add_intersection(
        self, kind: IntersectionKind = IntersectionKind.DEFAULT, polygon: shapely.Polygon | None = None
    ) -> int:
        """Add an intersection. Without a polygon it covers the surface of its connectors."""
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
            from_lane: Id of the lane before the connector.
            to_lane: Id of the lane behind the connector.
            intersection: Id from `add_intersection`.
            traffic_light_stop_line: Id from `add_stop_line`; marks the connector as one with traffic lights.
            speed_limit_mps: None takes the lower limit of the two lanes.
            path: Centerline, for example around a roundabout; None takes a smooth curve.
            turn_kind: None takes it from the change of heading.
        """
        before, after = self.lanes[from_lane], self.lanes[to_lane]
        centerline = link(before.end_pose, after.start_pose) if path is None else path
        along = np.linspace(0.0, 1.0, len(centerline))
        half_width_m = (1 - along) * before.width_at_m(-1) / 2 + along * after.width_at_m(0) / 2
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
            turn_kind=turn_kind_of(centerline, TURN_ABOVE_RAD) if turn_kind is None else turn_kind,
            stop_line_ids=() if traffic_light_stop_line is None else (traffic_light_stop_line,),
        )
        return connector_id

    def add_stop_line(
        self, lanes: tuple[int, ...], kind: StopLineKind, *, before_end_m: float = 1.0, behind_end_m: float = 0.5
    ) -> int:
        """Add a strip across the ends of neighbouring lanes (leftmost first) and the starts of their connectors."""
        left, right = self.lanes[lanes[0]], self.lanes[lanes[-1]]
        forward = np.array([np.cos(left.end_pose[2]), np.sin(left.end_pose[2])])
        a, b = left.left_boundary[-1], right.right_boundary[-1]
        back, front = -before_end_m * forward, behind_end_m * forward
        return self._stop_lines.add(self._new_id(), shapely.Polygon([a + back, b + back, b + front, a + front]), kind)

    # ------------------------------------------------------------------ areas

    def add_crosswalk(self, start: tuple[float, float], end: tuple[float, float], width_m: float = 3.5) -> int:
        """Add a crosswalk along the line from `start` to `end`."""
        return self._crosswalks.add(self._new_id(), strip(np.array([start, end]), width_m))

    def add_walkway(self, points: Float64[np.ndarray, "points 2"], width_m: float = 2.5) -> int:
        """Add a footpath along a line."""
        return self._walkways.add(self._new_id(), strip(points, width_m))

    def add_carpark(self, polygon: shapely.Polygon) -> int:
        """Add a car park, which is drivable."""
        return self._carparks.add(self._new_id(), polygon)

    def add_drivable_area(self, polygon: shapely.Polygon) -> int:
        """Add a drivable area outside roads and intersections, for example a driveway."""
        return self._generic.add(self._new_id(), polygon)

    # ------------------------------------------------------------------ the map

    def path(self, lane_ids: Sequence[int]) -> Float64[np.ndarray, "points 2"]:
        """Concatenated centerlines of lanes and connectors, without repeated points."""
        drafts = [self.lanes.get(lane_id) or self.connectors[lane_id] for lane_id in lane_ids]
        line = np.concatenate([draft.centerline for draft in drafts])
        return line[np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-6])]

    def to_global(self, poses: Float64[np.ndarray, "*shape 3"]) -> Float64[np.ndarray, "*shape 3"]:
        """Move poses from the site frame to the map frame."""
        return poses + np.array([*self.origin, 0.0])

    def build(self, others: Sequence["RoadBuilder"] = ()) -> MapGraph:
        """Build the map.

        Args:
            others: Further sites of the same map, with origins and id ranges of their own.
        """
        sites = (self, *others)
        roadblock_connectors, edges = _roadblock_connectors(sites)

        def layer(areas_of: Callable[["RoadBuilder"], AreaDrafts]) -> AreaLayer:
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

    def _intersection_areas(self) -> AreaDrafts:
        areas = AreaDrafts()
        for intersection_id, (kind, polygon) in self._intersections.items():
            parts = [draft.polygon for draft in self.connectors.values() if draft.intersection_id == intersection_id]
            if polygon is None and not parts:
                raise ValueError(f"Intersection {intersection_id} has neither a polygon nor a connector.")
            areas.add(intersection_id, merged_surface(parts) if polygon is None else polygon, kind)
        return areas


def _roadblock_connectors(sites: Sequence[RoadBuilder]) -> tuple[AreaLayer, Int64[np.ndarray, "connectors 3"]]:
    parts, edges = [], []
    for site in sites:
        polygons: dict[int, list[shapely.Polygon]] = {}
        for draft in site.connectors.values():
            polygons.setdefault(draft.roadblock_id, []).append(draft.polygon)
        areas = AreaDrafts()
        for edge, block_id in site._roadblock_connectors.items():
            areas.add(block_id, merged_surface(polygons[block_id]))
            edges.append(edge)
        parts.append((areas, site.origin))
    return _layer(parts), np.array(edges, dtype=np.int64).reshape(-1, 3)


def _lanes(sites: Sequence[RoadBuilder]) -> Lanes:
    placed = [(draft, np.array(site.origin)) for site in sites for draft in site.lanes.values()]
    num_lanes = len(placed)
    placed += [(draft, np.array(site.origin)) for site in sites for draft in site.connectors.values()]
    drafts = [draft for draft, _ in placed]
    rows = {draft.lane_id: row for row, draft in enumerate(drafts)}
    ends = np.array(
        [
            [rows[lane] for lane in (draft.from_lane, draft.to_lane) if lane is not None]
            for draft in drafts[num_lanes:]
        ],
        dtype=np.int64,
    ).reshape(-1, 2)
    successors, predecessors = connector_links(num_lanes, ends)
    no_points, no_ids = np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
    lines = [draft.centerline + origin for draft, origin in placed]
    polygons = polygon_array(translated(draft.polygon, (origin[0], origin[1])) for draft, origin in placed)
    return Lanes(
        areas=AreaLayer(ids=np.array([*rows], dtype=np.int64), polygons=polygons),
        num_lanes=num_lanes,
        roadblock_ids=np.array([draft.roadblock_id for draft in drafts], dtype=np.int64),
        lane_index=np.array([draft.index for draft in drafts], dtype=np.int64),
        speed_limit_mps=np.array([draft.speed_limit_mps for draft in drafts], dtype=np.float64),
        centerlines=Ragged.from_rows(lines, no_points),
        left_boundaries=Ragged.from_rows([draft.left_boundary + origin for draft, origin in placed], no_points),
        right_boundaries=Ragged.from_rows([draft.right_boundary + origin for draft, origin in placed], no_points),
        successors=successors,
        predecessors=predecessors,
        turn_kinds=np.array([draft.turn_kind for draft in drafts], dtype=np.int8),
        intersection_ids=np.array([draft.intersection_id for draft in drafts], dtype=np.int64),
        has_traffic_lights=np.array([bool(draft.stop_line_ids) for draft in drafts], dtype=bool),
        stop_line_ids=Ragged.from_rows([np.array(draft.stop_line_ids, dtype=np.int64) for draft in drafts], no_ids),
        connector_lines=Ragged.from_rows([no_points] * num_lanes + lines[num_lanes:], no_points),
    )


def _layer(parts: Sequence[tuple[AreaDrafts, tuple[float, float]]]) -> AreaLayer:
    return AreaLayer(
        ids=np.array([area_id for areas, _ in parts for area_id in areas.ids], dtype=np.int64),
        polygons=polygon_array(translated(polygon, origin) for areas, origin in parts for polygon in areas.polygons),
        kinds=np.array([kind for areas, _ in parts for kind in areas.kinds], dtype=np.int8),
    )
