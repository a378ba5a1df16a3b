"""Maps of track archives: centerlines with links, lane polygons, and areas."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import Polyline, wrap_angle
from driving.importers.links import lane_network
from driving.importers.pieces import Piece, piece_along, piece_inside
from driving.importers.places import NOWHERE, Place, place_at
from driving.importers.roads import Areas, map_of
from driving.map import MapGraph

NUSCENES_ORIGINS = {
    "boston-seaport": (42.336849169438615, -71.05785369873047, "right"),
    "singapore-onenorth": (1.2882100868743724, 103.78475189208984, "left"),
    "singapore-hollandvillage": (1.2993652317780957, 103.78217697143555, "left"),
    "singapore-queenstown": (1.2782562240223188, 103.76741409301758, "left"),
}
"""Latitude and longitude of the nuScenes maps' origins, and the side that one drives on.

Source: the data set's own software, `nuscenes/scripts/export_poses.py`."""

DEFAULT_WIDTH_M = 3.5
"""Of connectors whose lanes have no polygon either."""

MIN_WIDTH_M, MAX_WIDTH_M = 2.8, 4.5
"""Connectors are made no narrower and no wider, whatever their lanes' mean widths."""

MAX_HEADING_DIFFERENCE_RAD, MAX_BESIDE_M, MIN_OVERLAP = np.deg2rad(20.0), 5.5, 0.5
"""Lanes are neighbors when they look the same way, their centerlines are no further apart, and they run beside each
other over half the length of each."""

MAX_SEAM_M = 0.5
"""... and the gap between their polygons is no wider."""

AREA_MARGIN_M = 30.0
"""The drivable area is kept so far around the lanes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ArchiveMap:
    """A scene's map, where it lies, and on which side one drives."""

    graph: MapGraph
    place: Place
    driving_side: str


def read_map(folder: Path, scene: str, map_name: str, driven: Float64[np.ndarray, "poses 3"]) -> ArchiveMap:
    """Read the map of a scene.

    Args:
        folder: The archive's `maps`.
        scene: Name of the scene.
        map_name: Name of the map that it is cut from; names the drivable area.
        driven: Ego poses in the map's frame.

    Raises:
        FileNotFoundError: When there is no map.
        ValueError: When it is no such file.
    """
    path = _first_file(folder, [f"{scene}.json.gz", f"{scene}.json", f"{map_name}.json.gz", f"{map_name}.json"])
    if path is None:
        raise FileNotFoundError(f"No map {scene}.json or {scene}.json.gz in {folder}.")
    document = read_json(path)
    place, side = _place(document, map_name)
    try:
        pieces = _pieces(document["lanes"], place)
        crosswalks, walkways = (
            [shapely.Polygon(place.to_global(np.array(area["polygon"], dtype=np.float64))) for area in areas.values()]
            for areas in (document.get("crosswalks", {}), document.get("walkways", {}))
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no map of a track archive: {type(error).__name__}: {error}.") from error
    network = lane_network(pieces, place.poses_to_global(driven))
    drivable = _drivable_area(folder, map_name, place, shapely.union_all([piece.polygon for piece in pieces]).bounds)
    graph = map_of(
        name=f"{map_name}-{scene}",
        place=place,
        network=network,
        areas=Areas(drivable=drivable, crosswalks=crosswalks, walkways=walkways),
        metadata={
            "source": f"track archive, map of {scene} in {map_name}",
            "driving_side": side,
            "lanes": "lane polygons as given; connectors are drawn around their centerlines, as wide as their lanes",
            "neighbors": "as given" if _has_neighbors(document) else "lanes that run close beside each other",
            **place.metadata,
        },
    )
    return ArchiveMap(graph=graph, place=place, driving_side=side)


def read_json(path: Path) -> dict[str, Any]:
    """A json file, packed or not.

    Raises:
        ValueError: When it is broken.
    """
    try:
        packed = path.read_bytes()
        return json.loads(gzip.decompress(packed) if path.suffix == ".gz" else packed)
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no complete json file: {error}") from error


def _first_file(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _place(document: dict[str, Any], map_name: str) -> tuple[Place, str]:
    if "origin" in document:
        latitude, longitude = document["origin"]
        place = place_at(latitude, longitude, "as stated by the archive; the frame is shifted, not turned")
        return place, str(document.get("driving_side", "right"))
    if map_name in NUSCENES_ORIGINS:
        latitude, longitude, side = NUSCENES_ORIGINS[map_name]
        return place_at(latitude, longitude, "published origin of the map; the frame is shifted, not turned"), side
    return NOWHERE, str(document.get("driving_side", "right"))


def _drivable_area(
    folder: Path, map_name: str, place: Place, bounds: tuple[float, float, float, float]
) -> list[shapely.Geometry]:
    names = [f"drivable_area_{map_name}.geojson.gz", f"drivable_area_{map_name}.geojson"]
    path = _first_file(folder, names)
    if path is None:
        return []
    document = read_json(path)
    features = document.get("features", [document])
    window = shapely.box(*bounds).buffer(AREA_MARGIN_M, join_style="mitre")
    found = []
    for feature in features:
        area = shapely.from_geojson(json.dumps(feature.get("geometry", feature)))
        area = shapely.transform(shapely.make_valid(area), place.to_global)
        found.append(shapely.intersection(area, window))
    return found


# ---------------------------------------------------------------------- lanes


def _has_neighbors(document: dict[str, Any]) -> bool:
    return any("left_neighbor" in lane or "right_neighbor" in lane for lane in document["lanes"].values())


def _pieces(lanes: dict[str, Any], place: Place) -> list[Piece]:
    pieces: dict[str, Piece] = {}
    for key, lane in lanes.items():
        if lane.get("polygon"):
            pieces[key] = replace(
                piece_inside(
                    key=key,
                    centerline=_centerline(lane, place),
                    polygon=shapely.Polygon(place.to_global(np.array(lane["polygon"], dtype=np.float64))),
                    successors=lane["successors"],
                    predecessors=lane["predecessors"],
                    speed_limit_mps=lane.get("speed_limit_mps"),
                ),
                is_connector=lane["kind"] == "lane_connector",
                left_neighbor=lane.get("left_neighbor"),
                right_neighbor=lane.get("right_neighbor"),
            )
    drawn = dict(pieces)
    for key, lane in lanes.items():
        if key not in drawn:
            pieces[key] = replace(
                piece_along(
                    key=key,
                    is_connector=lane["kind"] == "lane_connector",
                    centerline=_centerline(lane, place),
                    widths_m=(_width_m(lane["predecessors"], drawn), _width_m(lane["successors"], drawn)),
                    successors=lane["successors"],
                    predecessors=lane["predecessors"],
                    speed_limit_mps=lane.get("speed_limit_mps"),
                ),
                left_neighbor=lane.get("left_neighbor"),
                right_neighbor=lane.get("right_neighbor"),
            )
    result = [pieces[key] for key in lanes]
    return result if _has_neighbors({"lanes": lanes}) else with_neighbors(result)


def _centerline(lane: dict[str, Any], place: Place) -> Float64[np.ndarray, "points 2"]:
    return place.to_global(np.array(lane["centerline"], dtype=np.float64)[:, :2])


def _width_m(keys: Sequence[str], drawn: dict[str, Piece]) -> float:
    widths = [drawn[key].polygon.area / drawn[key].length_m for key in keys if key in drawn]
    return float(np.clip(np.mean(widths), MIN_WIDTH_M, MAX_WIDTH_M)) if widths else DEFAULT_WIDTH_M


def with_neighbors(pieces: Sequence[Piece]) -> list[Piece]:
    """Lanes with the neighbors that run beside them in the same direction: the nearest on each side, if mutual."""
    lanes = [piece for piece in pieces if not piece.is_connector]
    polygons = [lane.polygon for lane in lanes]
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
    """How far `other` runs to the left (or, negative, right) of `lane`; None when it is no neighbor."""
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
