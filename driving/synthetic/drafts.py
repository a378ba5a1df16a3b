"""Parts of a site before they become rows of a map: lane drafts, polygons, and surfaces between lines."""

from dataclasses import dataclass, field

import numpy as np
import shapely
from jaxtyping import Float64

from driving.map import TurnKind
from driving.synthetic.curves import end_pose, parallel, start_pose

SEAM_M = 0.5
"""Gaps of up to twice this width between the connectors of an intersection are closed."""


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
        """Pose at the first point of the centerline."""
        return start_pose(self.centerline)

    @property
    def end_pose(self) -> Float64[np.ndarray, "3"]:
        """Pose at the last point of the centerline."""
        return end_pose(self.centerline)

    @property
    def polygon(self) -> shapely.Polygon:
        """The surface between the boundaries."""
        return surface_between(self.left_boundary, self.right_boundary)

    def width_at_m(self, vertex: int) -> float:
        """Width at a vertex [m]."""
        return float(np.hypot(*(self.left_boundary[vertex] - self.right_boundary[vertex])))


@dataclass
class AreaDrafts:
    """Polygons of one map layer with ids and kinds, in the order of their addition."""

    ids: list[int] = field(default_factory=list)
    polygons: list[shapely.Polygon] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)

    def add(self, area_id: int, polygon: shapely.Polygon, kind: int = 0) -> int:
        """Append a polygon and return its id."""
        self.ids.append(area_id)
        self.polygons.append(polygon)
        self.kinds.append(kind)
        return area_id


def strip(points: Float64[np.ndarray, "points 2"], width_m: float) -> shapely.Polygon:
    """The surface of a given width along a line."""
    return surface_between(parallel(points, width_m / 2), parallel(points, -width_m / 2))


def surface_between(left: Float64[np.ndarray, "left 2"], right: Float64[np.ndarray, "right 2"]) -> shapely.Polygon:
    """The polygon between two lines of the same direction, made valid where a tight bend folds it."""
    polygon = shapely.Polygon(np.concatenate([left, right[::-1]]))
    return polygon if polygon.is_valid else merged_surface([polygon.buffer(0)])


def merged_surface(polygons: list[shapely.Polygon]) -> shapely.Polygon:
    """One polygon that covers all polygons and closes the slits between them; their hull if parts stay apart."""
    whole = shapely.union_all(polygons).buffer(SEAM_M, join_style="mitre").buffer(-SEAM_M, join_style="mitre")
    return whole if isinstance(whole, shapely.Polygon) else whole.convex_hull


def translated(polygon: shapely.Polygon, offset_m: tuple[float, float]) -> shapely.Polygon:
    """The polygon moved by an offset."""
    return shapely.transform(polygon, lambda points: points + np.array(offset_m))
