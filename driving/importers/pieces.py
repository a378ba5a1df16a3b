"""Road pieces: a lane or a part of a junction between two boundaries, as a source has it.

Importers read pieces; `links` and `roads` turn them into nuPlan's lane graph. Pieces can be cut across, joined
lengthwise and turned into polygons. All points are global [m].
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import Polyline, arc_lengths
from driving.importers.notes import ImportNotes, NoteKind
from driving.importers.numbers import usable

STATION_STEP_M = 2.0
"""Largest distance between the points of computed centerlines and boundaries."""

MIN_HALF_WIDTH_M, MAX_HALF_WIDTH_M = 0.5, 6.0
"""Bounds of the distance between a lane's centerline and each of its boundaries."""

MAX_OVERHANG_M = 60.0
"""Largest length of a lane polygon beyond the end of its centerline."""

MAX_LENGTH_M = 100_000.0
"""Longer boundaries are errors of the source."""

MIN_POINT_GAP_M = 0.02
"""Points of a line that are closer count as one point: the heading of a shorter step is noise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """A piece of road in driving direction, with links by the names of the source."""

    key: str
    """Name in the source, unique within the map."""
    is_connector: bool
    """Whether it is part of a junction, where pieces may cross and overlap."""
    left: Float64[np.ndarray, "left_points 2"]
    """Left boundary."""
    right: Float64[np.ndarray, "right_points 2"]
    centerline: Float64[np.ndarray, "points 2"]
    polygon: shapely.Polygon
    successors: tuple[str, ...] = ()
    """Names of the following pieces. Names that are not in the map are ignored."""
    predecessors: tuple[str, ...] = ()
    left_neighbor: str | None = None
    """Name of the adjacent lane of the same direction."""
    right_neighbor: str | None = None
    speed_limit_mps: float | None = None
    """None where the source has none."""
    beyond_start: shapely.Polygon | None = None
    """Part of the source's lane polygon before the start of the centerline. It belongs to the connectors."""
    beyond_end: shapely.Polygon | None = None

    @property
    def length_m(self) -> float:
        """Length of the centerline."""
        return float(arc_lengths(self.centerline)[-1])


def piece_between(
    *,
    key: str,
    is_connector: bool,
    left: Float64[np.ndarray, "left_points 2"],
    right: Float64[np.ndarray, "right_points 2"],
    successors: Iterable[str] = (),
    predecessors: Iterable[str] = (),
    left_neighbor: str | None = None,
    right_neighbor: str | None = None,
    speed_limit_mps: float | None = None,
) -> Piece:
    """A piece from two boundaries. Its centerline is their mean at equal fractions of their lengths.

    Raises:
        ValueError: When a boundary has fewer than two distinct points.
    """
    left, right = _clean_boundary(left, key), _clean_boundary(right, key)
    count = max(
        2,
        len(left),
        len(right),
        int(np.ceil(max(arc_lengths(left)[-1], arc_lengths(right)[-1]) / STATION_STEP_M)) + 1,
    )
    fractions = np.linspace(0.0, 1.0, count)
    middle = (points_at(left, fractions) + points_at(right, fractions)) / 2
    centerline = without_repeats(middle)
    if len(centerline) < 2:
        raise ValueError(f"The boundaries of road piece {key!r} enclose no area.")
    return Piece(
        key=key,
        is_connector=is_connector,
        left=left,
        right=right,
        centerline=centerline,
        polygon=ribbon(left, right),
        successors=tuple(successors),
        predecessors=tuple(predecessors),
        left_neighbor=left_neighbor,
        right_neighbor=right_neighbor,
        speed_limit_mps=speed_limit_mps,
    )


def piece_along(
    *,
    key: str,
    is_connector: bool,
    centerline: Float64[np.ndarray, "points 2"],
    widths_m: tuple[float, float],
    successors: Iterable[str] = (),
    predecessors: Iterable[str] = (),
    speed_limit_mps: float | None = None,
) -> Piece:
    """A piece around a centerline. Its width is linear between the widths at both ends."""
    centerline = _clean_boundary(centerline, key)
    along = arc_lengths(centerline)
    half_m = np.interp(along / along[-1], [0.0, 1.0], widths_m)[:, np.newaxis] / 2
    normals = _normals(centerline)
    left, right = centerline + half_m * normals, centerline - half_m * normals
    quads = shapely.polygons(np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1))
    return Piece(
        key=key,
        is_connector=is_connector,
        left=without_repeats(left),
        right=without_repeats(right),
        centerline=centerline,
        polygon=one_polygon(shapely.convex_hull(quads).tolist()),
        successors=tuple(successors),
        predecessors=tuple(predecessors),
        speed_limit_mps=speed_limit_mps,
    )


def piece_inside(
    *,
    key: str,
    centerline: Float64[np.ndarray, "points 2"],
    polygon: shapely.Polygon,
    successors: Sequence[str] = (),
    predecessors: Sequence[str] = (),
    speed_limit_mps: float | None = None,
) -> Piece:
    """A lane from a polygon and a centerline. Its boundaries are where cross-sections intersect the polygon.

    At an end with a linked piece, the polygon is cut off at the end of the centerline; the part beyond goes to the
    connectors there.

    Raises:
        ValueError: When the polygon has no area or the centerline fewer than two distinct points.
    """
    centerline = _clean_boundary(centerline, key)
    area = largest_part(shapely.make_valid(polygon))
    if area is None:
        raise ValueError(f"The polygon of lane {key!r} has no area.")
    before, behind = None, None
    if predecessors:
        area, before = _cut_off(area, centerline[::-1])
    if successors:
        area, behind = _cut_off(area, centerline)
    length_m = float(arc_lengths(centerline)[-1])
    stations = points_at(centerline, np.linspace(0.0, 1.0, max(2, int(np.ceil(length_m / STATION_STEP_M)) + 1)))
    normals = _normals(stations)
    usual_m = min(max(area.area / length_m / 2, MIN_HALF_WIDTH_M), MAX_HALF_WIDTH_M)
    sides = []
    for sign in (1.0, -1.0):
        rays = shapely.linestrings(np.stack([stations, stations + sign * MAX_HALF_WIDTH_M * normals], axis=1))
        reach_m = shapely.distance(shapely.points(stations), shapely.intersection(rays, area.exterior))
        # At a station on the end edge of the polygon the distance is 0; the mean width replaces it.
        reach_m = np.where(np.isnan(reach_m) | (reach_m < MIN_HALF_WIDTH_M), usual_m, reach_m)
        sides.append(without_repeats(stations + sign * reach_m[:, np.newaxis] * normals))
    return Piece(
        key=key,
        is_connector=False,
        left=sides[0],
        right=sides[1],
        centerline=centerline,
        polygon=area,
        successors=tuple(successors),
        predecessors=tuple(predecessors),
        speed_limit_mps=speed_limit_mps,
        beyond_start=before,
        beyond_end=behind,
    )


def built_piece(key: str, build: Callable[[], Piece], notes: ImportNotes) -> Piece | None:
    """A piece, or None with a note when its geometry is degenerate.

    Args:
        key: Name of the piece in the source.
        build: Reads and builds it.
        notes: Receives the reason when it fails.
    """
    try:
        return build()
    except (ValueError, shapely.errors.ShapelyError) as error:
        notes.add(NoteKind.LEFT_OUT, "lanes of the map that cannot be built", f"{key} ({error})")
        return None


def built_areas(
    outlines: Mapping[str, Callable[[], shapely.Geometry]], what: str, notes: ImportNotes
) -> list[shapely.Geometry]:
    """Valid polygons of a map layer. Those without an area are noted as left out.

    Args:
        outlines: Readers of the outlines by name.
        what: Name of the layer, for the notes.
        notes: Receives the outlines that are left out.
    """
    areas = []
    for key, read in outlines.items():
        try:
            outline = read()
            if not usable(shapely.get_coordinates(outline)).all():
                raise ValueError("points that are not finite")
            if not shapely.make_valid(outline).area > 0:
                raise ValueError("no area")
            areas.append(outline)
        except (ValueError, shapely.errors.ShapelyError) as error:
            notes.add(NoteKind.LEFT_OUT, f"{what} that cannot be built", f"{key} ({error})")
    return areas


def cut(piece: Piece, start: float, end: float) -> Piece:
    """The part of a piece between two fractions of its length, without links."""
    if (start, end) == (0.0, 1.0):
        return piece
    left, right = part_of(piece.left, start, end), part_of(piece.right, start, end)
    return replace(
        piece,
        left=left,
        right=right,
        centerline=part_of(piece.centerline, start, end),
        polygon=ribbon(left, right),
        successors=(),
        predecessors=(),
    )


def joined(key: str, parts: Sequence[Piece]) -> Piece:
    """Consecutive pieces as one piece, with the lowest of their speed limits."""
    if len(parts) == 1:
        return replace(parts[0], key=key)
    limits = [part.speed_limit_mps for part in parts if part.speed_limit_mps is not None]
    return Piece(
        key=key,
        is_connector=True,
        left=without_repeats(np.concatenate([part.left for part in parts])),
        right=without_repeats(np.concatenate([part.right for part in parts])),
        centerline=without_repeats(np.concatenate([part.centerline for part in parts])),
        polygon=one_polygon([part.polygon for part in parts]),
        speed_limit_mps=min(limits, default=None),
    )


# ---------------------------------------------------------------------- lines


def without_repeats(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "kept 2"]:
    """A line without points closer than 2 cm to the point before. The last point is kept."""
    kept = [0]
    for index in range(1, len(points)):
        if np.hypot(*(points[index] - points[kept[-1]])) > MIN_POINT_GAP_M:
            kept.append(index)
    if len(kept) > 1:
        kept[-1] = len(points) - 1
    return points[kept]


def points_at(
    line: Float64[np.ndarray, "points 2"], fractions: Float64[np.ndarray, "queries"]
) -> Float64[np.ndarray, "queries 2"]:
    """Points at fractions of a line's length."""
    polyline = Polyline(line)
    return polyline.at(fractions * polyline.length_m)[:, :2]


def part_of(line: Float64[np.ndarray, "points 2"], start: float, end: float) -> Float64[np.ndarray, "part 2"]:
    """The part of a line between two fractions of its length."""
    along = arc_lengths(line)
    inside = (along > start * along[-1]) & (along < end * along[-1])
    ends = points_at(line, np.array([start, end]))
    return without_repeats(np.concatenate([ends[:1], line[inside], ends[1:]]))


def _normals(line: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "points 2"]:
    """Unit vectors to the left of a line at its points."""
    steps = np.diff(line, axis=0)
    steps = steps / np.hypot(*steps.T)[:, np.newaxis]
    ahead = np.concatenate([steps[:1], steps[:-1] + steps[1:], steps[-1:]])
    # A vertex where the line turns back by 180 degrees takes the normal of the step before.
    ahead = np.where(np.hypot(*ahead.T)[:, np.newaxis] > 1e-6, ahead, np.concatenate([steps, steps[-1:]]))
    return np.stack([-ahead[:, 1], ahead[:, 0]], axis=-1) / np.hypot(*ahead.T)[:, np.newaxis]


def _clean_boundary(line: Float64[np.ndarray, "points 2"], key: str) -> Float64[np.ndarray, "kept 2"]:
    if not usable(line).all():
        raise ValueError(f"A boundary of road piece {key!r} has points that are not finite.")
    line = without_repeats(line)
    if len(line) < 2:
        raise ValueError(f"A boundary of road piece {key!r} needs at least 2 distinct points, got {len(line)}.")
    if arc_lengths(line)[-1] > MAX_LENGTH_M:
        raise ValueError(f"A boundary of road piece {key!r} is longer than {MAX_LENGTH_M / 1000:.0f} km.")
    return line


# ---------------------------------------------------------------------- polygons


def ribbon(
    left: Float64[np.ndarray, "left_points 2"], right: Float64[np.ndarray, "right_points 2"]
) -> shapely.Polygon:
    """The polygon between two boundaries. If they cross, the parts on both sides are joined."""
    polygon = shapely.Polygon(np.concatenate([left, right[::-1]]))
    return polygon if polygon.is_valid else one_polygon([shapely.make_valid(polygon)])


def one_polygon(parts: Iterable[shapely.Geometry]) -> shapely.Polygon:
    """The union of areas as one polygon without holes. Gaps between parts get the narrowest possible bridge."""
    union = shapely.union_all(list(parts))
    if not isinstance(union, shapely.Polygon):
        union = shapely.union_all(_areas(union))
    for bridge_m in (0.0, 0.05, 0.3, 1.0, 2.0):
        # Mitred growing and round shrinking keep a bridge where two parts touch in one point.
        closed = union.buffer(bridge_m, join_style="mitre").buffer(-bridge_m, quad_segs=4) if bridge_m else union
        if isinstance(closed, shapely.Polygon) and closed.area > 0:
            return shapely.Polygon(closed.exterior)
    hull = union.convex_hull
    if not isinstance(hull, shapely.Polygon):
        raise ValueError("A piece of road has no area.")
    return hull


def _cut_off(
    area: shapely.Polygon, centerline: Float64[np.ndarray, "points 2"]
) -> tuple[shapely.Polygon, shapely.Polygon | None]:
    """The polygon of a lane up to the last point of its centerline, and its part beyond that point."""
    ahead = centerline[-1] - centerline[-2]
    ahead = ahead / np.hypot(*ahead)
    across = MAX_HALF_WIDTH_M * np.array([-ahead[1], ahead[0]])
    near, far = centerline[-1], centerline[-1] + MAX_OVERHANG_M * ahead
    line = shapely.LineString(centerline)
    # A lane that bends back may pass its own end; the strip around its centerline is kept.
    course = line.buffer(MIN_HALF_WIDTH_M, cap_style="flat")
    beyond = shapely.Polygon([near + across, far + across, far - across, near - across]).difference(course)
    parts = _areas(area.difference(beyond))
    if not parts:
        return area, None
    kept = max(parts, key=lambda part: (part.intersection(line).length, part.area))
    return shapely.Polygon(kept.exterior), largest_part(area.intersection(beyond))


def largest_part(area: shapely.Geometry) -> shapely.Polygon | None:
    """The largest polygon of a geometry, without holes; None when it has no area."""
    parts = _areas(area)
    return shapely.Polygon(max(parts, key=lambda part: part.area).exterior) if parts else None


def _areas(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    # Twice, as a collection may hold multi-polygons.
    parts = shapely.get_parts(shapely.get_parts(geometry)).tolist()
    return [part for part in parts if isinstance(part, shapely.Polygon) and part.area > 0]
