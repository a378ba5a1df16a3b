"""Parts of a site before they become rows of a map: drafts of lanes, polygons, and surfaces between lines."""

from dataclasses import dataclass, field

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import wrap_angle
from driving.map import TurnKind
from driving.synthetic.curves import end_pose, parallel, start_pose

STRAIGHT_BELOW_RAD = np.radians(30.0)
UTURN_ABOVE_RAD = np.radians(150.0)
"""Heading changes that part straight connectors, turns and U-turns."""

SEAM_M = 0.5
"""Gaps up to twice this between the connectors of a junction are closed: the road surface has no slits."""


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
        return surface_between(self.left_boundary, self.right_boundary)


@dataclass
class Areas:
    """Polygons with ids and kinds, as they are added."""

    ids: list[int] = field(default_factory=list)
    polygons: list[shapely.Polygon] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)

    def add(self, area_id: int, polygon: shapely.Polygon, kind: int = 0) -> int:
        """Append one and hand back its id."""
        self.ids.append(area_id)
        self.polygons.append(polygon)
        self.kinds.append(kind)
        return area_id


def strip(points: Float64[np.ndarray, "points 2"], width_m: float) -> shapely.Polygon:
    """The surface of a given width along a line."""
    return surface_between(parallel(points, width_m / 2), parallel(points, -width_m / 2))


def surface_between(left: Float64[np.ndarray, "left 2"], right: Float64[np.ndarray, "right 2"]) -> shapely.Polygon:
    """The polygon between two lines of the same direction, mended where a tight bend folds it."""
    polygon = shapely.Polygon(np.concatenate([left, right[::-1]]))
    return polygon if polygon.is_valid else joined([polygon.buffer(0)])


def joined(polygons: list[shapely.Polygon]) -> shapely.Polygon:
    """One polygon that covers all, without slits. Parts that stay apart are joined by their hull."""
    whole = shapely.union_all(polygons).buffer(SEAM_M, join_style="mitre").buffer(-SEAM_M, join_style="mitre")
    return whole if isinstance(whole, shapely.Polygon) else whole.convex_hull


def moved(polygon: shapely.Polygon, origin: tuple[float, float]) -> shapely.Polygon:
    """The polygon at its place on the map."""
    return shapely.transform(polygon, lambda points: points + np.array(origin))


def width_at_m(draft: LaneDraft, vertex: int) -> float:
    """Width of a lane at one of its vertices [m]."""
    return float(np.hypot(*(draft.left_boundary[vertex] - draft.right_boundary[vertex])))


def turn_kind_of(centerline: Float64[np.ndarray, "points 2"]) -> TurnKind:
    """Which way a line turns from its start to its end."""
    turn_rad = float(wrap_angle(end_pose(centerline)[2] - start_pose(centerline)[2]))
    if abs(turn_rad) < STRAIGHT_BELOW_RAD:
        return TurnKind.STRAIGHT
    if abs(turn_rad) > UTURN_ABOVE_RAD:
        return TurnKind.UTURN
    return TurnKind.LEFT if turn_rad > 0 else TurnKind.RIGHT
