"""Maps of track archives: centerlines with links, lane polygons, and areas."""

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import Polyline, wrap_angle
from driving.importers.links import lane_network
from driving.importers.naming import file_name
from driving.importers.notes import ImportNotes, NoteKind
from driving.importers.pieces import Piece, built_areas, built_piece, piece_along, piece_inside
from driving.importers.places import NOWHERE, Place, place_at
from driving.importers.roads import Areas, map_of
from driving.importers.speed_limits import speed_limit_mps
from driving.map import MapGraph, polygon_array

NUSCENES_ORIGINS = {
    "boston-seaport": (42.336849169438615, -71.05785369873047, "right"),
    "singapore-onenorth": (1.2882100868743724, 103.78475189208984, "left"),
    "singapore-hollandvillage": (1.2993652317780957, 103.78217697143555, "left"),
    "singapore-queenstown": (1.2782562240223188, 103.76741409301758, "left"),
}
"""Latitude and longitude of the origins of the nuScenes maps, and the driving side.

Source: `nuscenes/scripts/export_poses.py` of the data set's API."""

DEFAULT_WIDTH_M = 3.5
"""Width of connectors between lanes without polygon."""

MIN_WIDTH_M, MAX_WIDTH_M = 2.8, 4.5
"""Bounds of the width of connectors without polygon, which follows from the mean width of their lanes."""

MAX_HEADING_DIFFERENCE_RAD, MAX_BESIDE_M, MIN_OVERLAP = np.deg2rad(20.0), 5.5, 0.5
"""Lanes are neighbors when their headings and centerlines are this close and each covers half the length of the
other."""

MAX_SEAM_M = 0.5
"""... and the gap between their polygons is at most this wide."""

AREA_MARGIN_M = 30.0
"""Margin around the lanes within which the drivable area is kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ArchiveMap:
    """The map of a scene, its place, and its driving side."""

    graph: MapGraph
    place: Place
    driving_side: str


def read_map(
    folder: Path, scene: str, map_name: str, driven: Float64[np.ndarray, "poses 3"], notes: ImportNotes
) -> ArchiveMap:
    """Read the map of a scene.

    Args:
        folder: The archive's `maps`.
        scene: Name of the scene.
        map_name: Name of the map of the scene, and of the drivable area.
        driven: Ego poses in the frame of the map.
        notes: Receives lanes, limits and areas that cannot be read.

    Raises:
        FileNotFoundError: When there is no map.
        ValueError: When a file is no such map or area, or holds no lane.
    """
    path = _first_file(folder, [f"{scene}.json.gz", f"{scene}.json", f"{map_name}.json.gz", f"{map_name}.json"])
    if path is None:
        raise FileNotFoundError(f"No map {scene}.json or {scene}.json.gz in {folder}.")
    document = read_json(path)
    place, side = _place(document, map_name, path)
    try:
        pieces = _pieces(document["lanes"], place, notes)
        crosswalks, walkways = (
            built_areas(
                {key: partial(_polygon, area["polygon"], place) for key, area in document.get(name, {}).items()},
                name,
                notes,
            )
            for name in ("crosswalks", "walkways")
        )
        has_neighbors = _has_neighbors(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no map of a track archive: {type(error).__name__}: {error}.") from error
    network = lane_network(pieces, place.poses_to_global(driven))
    bounds = shapely.union_all([piece.polygon for piece in pieces]).bounds
    drivable = _drivable_area(folder, map_name, place, bounds, notes)
    graph = map_of(
        name=file_name(f"{map_name}-{scene}", notes),
        place=place,
        network=network,
        areas=Areas(drivable=drivable, crosswalks=crosswalks, walkways=walkways),
        metadata={
            "source": f"track archive, map of {scene} in {map_name}",
            "driving_side": side,
            "lanes": "lane polygons as given; connectors are ribbons along centerlines, as wide as their lanes",
            "neighbors": "as given" if has_neighbors else "adjacent lanes of one direction",
            **place.metadata,
        },
    )
    return ArchiveMap(graph=graph, place=place, driving_side=side)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a json file, compressed or not.

    Raises:
        ValueError: When the file is broken or holds no object.
    """
    try:
        packed = path.read_bytes()
        document = json.loads(gzip.decompress(packed) if path.suffix == ".gz" else packed)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no complete json file: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path} must hold a json object, got {type(document).__name__}.")
    return document


def _first_file(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _place(document: dict[str, Any], map_name: str, path: Path) -> tuple[Place, str]:
    side = document.get("driving_side", "right")
    if side not in ("left", "right"):
        raise ValueError(f"{path}: driving_side must be 'left' or 'right', got {side!r}.")
    if "origin" in document:
        try:
            latitude, longitude = map(float, document["origin"])
            place = place_at(latitude, longitude, "as stated by the archive; the frame is shifted, not turned")
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: origin must be a latitude and a longitude: {error}") from error
        return place, side
    if map_name in NUSCENES_ORIGINS:
        latitude, longitude, side = NUSCENES_ORIGINS[map_name]
        return place_at(latitude, longitude, "published origin of the map; the frame is shifted, not turned"), side
    return NOWHERE, side


def _drivable_area(
    folder: Path, map_name: str, place: Place, bounds: tuple[float, float, float, float], notes: ImportNotes
) -> list[shapely.Geometry]:
    path = _first_file(folder, [f"drivable_area_{map_name}.geojson.gz", f"drivable_area_{map_name}.geojson"])
    if path is None:
        return []
    document = read_json(path)
    window = shapely.box(*bounds).buffer(AREA_MARGIN_M, join_style="mitre")

    def area_of(feature: dict[str, Any]) -> shapely.Geometry:
        area = shapely.from_geojson(json.dumps(feature.get("geometry", feature)))
        return shapely.transform(shapely.make_valid(area), place.to_global)

    try:
        features = dict(enumerate(document.get("features", [document])))
        areas = built_areas(
            {f"feature {row}": partial(area_of, feature) for row, feature in features.items()},
            "drivable areas",
            notes,
        )
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no GeoJSON with polygons: {error}.") from error
    return [shapely.intersection(area, window) for area in areas]


# ---------------------------------------------------------------------- lanes


def _has_neighbors(document: dict[str, Any]) -> bool:
    return any("left_neighbor" in lane or "right_neighbor" in lane for lane in document["lanes"].values())


def _pieces(lanes: dict[str, Any], place: Place, notes: ImportNotes) -> list[Piece]:
    """The lanes; those without polygon are ribbons as wide as their neighbors in the graph."""
    lanes = {key: lane for key, lane in lanes.items() if _is_known_kind(key, lane, notes)}
    limits = {key: _speed_limit_mps(key, lane, notes) for key, lane in lanes.items()}
    with_polygon: dict[str, Piece] = {}
    for key, lane in lanes.items():
        if lane.get("polygon"):
            piece = built_piece(key, partial(_lane_inside, key, lane, place), notes)
            if piece is not None:
                with_polygon[key] = piece
    result = []
    for key, lane in lanes.items():
        piece = (
            with_polygon.get(key)
            if lane.get("polygon")
            else built_piece(key, partial(_lane_along, key, lane, place, with_polygon), notes)
        )
        if piece is not None:
            result.append(
                replace(
                    piece,
                    is_connector=lane["kind"] == "lane_connector",
                    left_neighbor=lane.get("left_neighbor"),
                    right_neighbor=lane.get("right_neighbor"),
                    speed_limit_mps=limits[key],
                )
            )
    return result if _has_neighbors({"lanes": lanes}) else with_neighbors(result)


def _is_known_kind(key: str, lane: dict[str, Any], notes: ImportNotes) -> bool:
    if lane["kind"] in ("lane", "lane_connector"):
        return True
    notes.add(NoteKind.LEFT_OUT, f"lanes of the unknown kind {lane['kind']!r}", key)
    return False


def _speed_limit_mps(key: str, lane: dict[str, Any], notes: ImportNotes) -> float | None:
    limit = lane.get("speed_limit_mps")
    return None if limit is None else speed_limit_mps(str(limit), f"lane {key}", notes)


def _lane_inside(key: str, lane: dict[str, Any], place: Place) -> Piece:
    return piece_inside(
        key=key,
        centerline=_points(lane["centerline"], place),
        polygon=_polygon(lane["polygon"], place),
        successors=lane["successors"],
        predecessors=lane["predecessors"],
    )


def _lane_along(key: str, lane: dict[str, Any], place: Place, drawn: dict[str, Piece]) -> Piece:
    return piece_along(
        key=key,
        is_connector=True,
        centerline=_points(lane["centerline"], place),
        widths_m=(_width_m(lane["predecessors"], drawn), _width_m(lane["successors"], drawn)),
        successors=lane["successors"],
        predecessors=lane["predecessors"],
    )


def _points(points: Sequence[Any], place: Place) -> Float64[np.ndarray, "points 2"]:
    rows = np.array(points, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise ValueError(f"expected points of x and y, got the shape {rows.shape}")
    return place.to_global(rows[:, :2])


def _polygon(points: Sequence[Any], place: Place) -> shapely.Polygon:
    return shapely.Polygon(_points(points, place))


def _width_m(keys: Sequence[str], drawn: dict[str, Piece]) -> float:
    widths = [drawn[key].polygon.area / drawn[key].length_m for key in keys if key in drawn]
    return float(np.clip(np.mean(widths), MIN_WIDTH_M, MAX_WIDTH_M)) if widths else DEFAULT_WIDTH_M


def with_neighbors(pieces: Sequence[Piece]) -> list[Piece]:
    """Lanes with their neighbors of the same direction: the nearest on each side, if the relation is mutual."""
    lanes = [piece for piece in pieces if not piece.is_connector]
    # An object array, as the tree takes no empty list.
    polygons = polygon_array(lane.polygon for lane in lanes)
    first, second = shapely.STRtree(polygons).query(polygons, predicate="dwithin", distance=MAX_SEAM_M)
    left_of: dict[str, tuple[float, str]] = {}
    right_of: dict[str, tuple[float, str]] = {}
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        if i == j:
            continue
        beside_m = _beside_m(lanes[i], lanes[j])
        if beside_m is not None:
            side = left_of if beside_m > 0 else right_of
            side[lanes[i].key] = min(side.get(lanes[i].key, (np.inf, "")), (abs(beside_m), lanes[j].key))
    result = []
    for piece in pieces:
        left, right = left_of.get(piece.key), right_of.get(piece.key)
        result.append(
            replace(
                piece,
                left_neighbor=left[1] if left and right_of.get(left[1], (0, ""))[1] == piece.key else None,
                right_neighbor=right[1] if right and left_of.get(right[1], (0, ""))[1] == piece.key else None,
            )
        )
    return result


def _beside_m(lane: Piece, other: Piece) -> float | None:
    """Lateral offset of `other` from `lane` [m], positive to the left; None when it is no neighbor."""
    line, other_line = Polyline(lane.centerline), Polyline(other.centerline)
    middle = other_line.at(np.array([other_line.length_m / 2]))[0]
    along, offset_m = line.project(middle[np.newaxis, :2])[0]
    heading = line.at(np.array([along]))[0, 2]
    if abs(float(wrap_angle(heading - middle[2]))) > MAX_HEADING_DIFFERENCE_RAD:
        return None
    if not 1.0 < abs(offset_m) < MAX_BESIDE_M:
        return None
    start_m, end_m = line.project(other.centerline[[0, -1]])[:, 0]
    other_start_m, other_end_m = other_line.project(lane.centerline[[0, -1]])[:, 0]
    shared = min((end_m - start_m) / line.length_m, (other_end_m - other_start_m) / other_line.length_m)
    return float(offset_m) if shared > MIN_OVERLAP else None
