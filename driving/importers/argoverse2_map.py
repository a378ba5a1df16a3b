"""Argoverse 2 maps: `log_map_archive_<log>____<CITY>_city_<number>.json`, in the city frame."""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float64

from driving.importers.links import lane_network
from driving.importers.naming import file_name
from driving.importers.notes import ImportNotes
from driving.importers.pieces import Piece, built_areas, built_piece, piece_between
from driving.importers.places import Place, place_at
from driving.importers.roads import Areas, map_of
from driving.map import MapGraph

CITIES = {
    "ATX": ("austin", 30.27464237939507, -97.7404457407424),
    "DTW": ("detroit", 42.29993066912924, -83.17555750783717),
    "MIA": ("miami", 25.77452579915163, -80.19656914449405),
    "PAO": ("palo-alto", 37.416065, -122.13571963362166),
    "PIT": ("pittsburgh", 40.44177902989321, -80.01294377242584),
    "WDC": ("washington", 38.889377, -77.0355047439081),
}
"""Name, latitude and longitude of the origin of each city frame; the frames are UTM minus this point.

Source: `av2.geometry.utm` of the data set's API."""

VEHICLE_LANES = frozenset({"VEHICLE", "BUS"})
"""Lane types that become lanes. Bike lanes stay drivable area only, as nuPlan's lanes are for cars."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CityMap:
    """The map of a log and the place of its city frame."""

    graph: MapGraph
    place: Place
    city: str


def read_map(log: Path, driven_city: Float64[np.ndarray, "poses 3"], notes: ImportNotes) -> CityMap:
    """Read the map of a log.

    Args:
        log: Folder of the log.
        driven_city: Ego poses in the city frame.
        notes: Receives lanes and areas that cannot be built.

    Raises:
        FileNotFoundError: When the log has no map.
        ValueError: When the file is no such map, or of an unknown city.
    """
    files = sorted((log / "map").glob("log_map_archive_*.json"))
    if not files:
        raise FileNotFoundError(f"Log {log} has no map/log_map_archive_*.json.")
    code = files[0].stem.split("____")[-1].split("_")[0]
    if code not in CITIES:
        raise ValueError(f"Map {files[0]} names no known city, but {code!r}; known: {sorted(CITIES)}.")
    city, latitude, longitude = CITIES[code]
    place = place_at(latitude, longitude, "exact: the city frame is UTM minus a published origin")
    try:
        document = json.loads(files[0].read_text(encoding="utf-8"))
        segments = [
            segment for segment in document["lane_segments"].values() if segment["lane_type"] in VEHICLE_LANES
        ]
        built = [built_piece(str(segment["id"]), partial(_piece, segment, place), notes) for segment in segments]
        pieces = _in_one_direction([piece for piece in built if piece is not None])
        areas = Areas(
            drivable=built_areas(
                {
                    key: partial(_polygon, area["area_boundary"], [], place)
                    for key, area in document["drivable_areas"].items()
                },
                "drivable areas",
                notes,
            ),
            crosswalks=built_areas(
                {
                    key: partial(_polygon, crossing["edge1"], crossing["edge2"], place)
                    for key, crossing in document["pedestrian_crossings"].items()
                },
                "crosswalks",
                notes,
            ),
        )
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{files[0]} is no Argoverse 2 map: {type(error).__name__}: {error}.") from error
    network = lane_network(pieces, place.poses_to_global(driven_city))
    graph = map_of(
        name=f"av2-{city}-{file_name(log.name[:8], notes)}",
        place=place,
        network=network,
        areas=areas,
        metadata={
            "source": f"Argoverse 2 map of log {log.name}",
            "lanes": "vehicle and bus lanes; bike lanes are drivable area only; centerline = mean of both boundaries",
            **place.metadata,
        },
    )
    return CityMap(graph=graph, place=place, city=city)


def _piece(segment: dict[str, Any], place: Place) -> Piece:
    left_neighbor, right_neighbor = segment["left_neighbor_id"], segment["right_neighbor_id"]
    return piece_between(
        key=str(segment["id"]),
        is_connector=bool(segment["is_intersection"]),
        left=_points(segment["left_lane_boundary"], place),
        right=_points(segment["right_lane_boundary"], place),
        successors=[str(other) for other in segment["successors"]],
        predecessors=[str(other) for other in segment["predecessors"]],
        left_neighbor=None if left_neighbor is None else str(left_neighbor),
        right_neighbor=None if right_neighbor is None else str(right_neighbor),
    )


def _in_one_direction(pieces: list[Piece]) -> list[Piece]:
    """Remove neighbors of the opposite direction. Such lanes name each other on the same side."""
    by_key = {piece.key: piece for piece in pieces}

    def kept(piece: Piece, other: str | None, side: str) -> str | None:
        return other if other in by_key and getattr(by_key[other], side) == piece.key else None

    return [
        replace(
            piece,
            left_neighbor=kept(piece, piece.left_neighbor, "right_neighbor"),
            right_neighbor=kept(piece, piece.right_neighbor, "left_neighbor"),
        )
        for piece in pieces
    ]


def _polygon(edge: list[dict[str, Any]], opposite: list[dict[str, Any]], place: Place) -> shapely.Polygon:
    """The polygon of an outline, or between two edges of the same direction."""
    return shapely.Polygon(_points([*edge, *opposite[::-1]], place))


def _points(points: list[dict[str, Any]], place: Place) -> Float64[np.ndarray, "points 2"]:
    rows = np.array([[point["x"], point["y"]] for point in points], dtype=np.float64).reshape(-1, 2)
    return place.to_global(rows)
