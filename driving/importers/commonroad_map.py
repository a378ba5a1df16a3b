"""Lanelets of CommonRoad XML 2020a as a map."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import shapely
from jaxtyping import Float64

from driving.importers.links import lane_network
from driving.importers.pieces import Piece, piece_between
from driving.importers.places import NOWHERE, Place, place_at
from driving.importers.roads import DEFAULT_SPEED_LIMIT_MPS, Areas, map_of
from driving.map import MapGraph

MOTORWAY_SPEED_MPS = 29.06
"""65 mph: assumed in scenarios that are tagged as highway and name no limit."""

SPEED_SIGNS = frozenset({"R2-1", "274"})
"""Speed limit signs of the USA and of Germany; their additional value is the limit [m/s]."""

MIN_CROSSED_PART = 0.05
"""A lanelet is crossed where another covers so much of it."""

FOOT_TYPES = frozenset({"sidewalk", "crosswalk", "bicycleLane"})
"""Lanelet types that are no lanes for cars."""


def number(text: str, where: str, *, is_finite: bool = True) -> float:
    """A number of the file.

    Raises:
        ValueError: When it is none.
    """
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(f"Expected a number in the {where}, got {text!r}.") from error
    if is_finite and not np.isfinite(value):
        raise ValueError(f"Expected a finite number in the {where}, got {text!r}.")
    return value


def read_place(root: ElementTree.Element) -> Place:
    """Where the file's origin lies, by its location; CommonRoad writes 999 where it is unknown."""
    latitude, longitude = root.findtext("location/gpsLatitude"), root.findtext("location/gpsLongitude")
    if latitude is None or longitude is None:
        return NOWHERE
    degrees = number(latitude, "location"), number(longitude, "location")
    if max(np.abs(degrees)) > 180:
        return NOWHERE
    return place_at(*degrees, "rough: the file's location is taken as its origin, and its axes as east and north")


def read_map(root: ElementTree.Element, name: str, place: Place, driven: Float64[np.ndarray, "poses 3"]) -> MapGraph:
    """The lanelets as lanes, those behind the entries of an intersection as junction pieces.

    Args:
        root: Of the file.
        name: Of the scenario.
        place: Where the file lies.
        driven: Ego poses, global.

    Raises:
        ValueError: When there is no lane or a lanelet is broken.
    """
    limits = _speed_limits(root)
    entries = {
        str(element.get("ref"))
        for incoming in root.findall("intersection/incoming")
        for tag in ("successorsLeft", "successorsRight", "successorsStraight")
        for element in incoming.findall(tag)
    }
    pieces, crosswalks, walkways = [], [], []
    for element in root.findall("lanelet"):
        piece = _piece(element, place, limits, entries)
        kinds = {(kind.text or "").strip() for kind in element.findall("laneletType")}
        if not kinds & FOOT_TYPES:
            pieces.append(piece)
        elif "crosswalk" in kinds:
            crosswalks.append(piece.polygon)
        elif "sidewalk" in kinds:
            walkways.append(piece.polygon)
    pieces = _with_inner_pieces(pieces)
    is_motorway = root.find("scenarioTags/highway") is not None
    return map_of(
        name=f"commonroad-{name}",
        place=place,
        network=lane_network(pieces, driven),
        areas=Areas(
            drivable=[shapely.union_all([piece.polygon for piece in pieces])] if pieces else [],
            crosswalks=crosswalks,
            walkways=walkways,
        ),
        metadata={
            "source": f"CommonRoad {name}",
            "drivable_area": "the union of the lanelets: the source has none of its own",
            "lanes": "lanelets; those that an intersection names as successors of its entries are junction pieces,"
            " and those behind them as long as other lanelets cross them",
            **place.metadata,
        },
        lane_speed_mps=MOTORWAY_SPEED_MPS if is_motorway else DEFAULT_SPEED_LIMIT_MPS,
    )


def _with_inner_pieces(pieces: list[Piece]) -> list[Piece]:
    """Mark more junction pieces than the file does, which names those behind an entry only.

    A lanelet that follows on a junction piece is one too if another lanelet crosses it, or the one beside it.
    """
    polygons = [piece.polygon for piece in pieces]
    first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    shared = np.zeros(len(pieces))
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        if i != j:
            shared[i] = max(shared[i], polygons[i].intersection(polygons[j]).area / polygons[i].area)
    inner = {piece.key for piece in pieces if piece.is_connector}
    crossed = {piece.key for row, piece in enumerate(pieces) if shared[row] > MIN_CROSSED_PART}
    behind = {key for piece in pieces if piece.key in inner for key in piece.successors}
    while True:
        found = {
            piece.key
            for piece in pieces
            if piece.key in behind - inner
            and (piece.key in crossed or inner & {piece.left_neighbor, piece.right_neighbor})
        }
        if not found:
            break
        inner |= found
        behind |= {key for piece in pieces if piece.key in found for key in piece.successors}
    return [replace(piece, is_connector=piece.key in inner) for piece in pieces]


def _speed_limits(root: ElementTree.Element) -> dict[str, float]:
    """Limits [m/s] of the signs that are speed limits."""
    limits = {}
    for sign in root.findall("trafficSign"):
        for element in sign.findall("trafficSignElement"):
            value = element.findtext("additionalValue")
            if element.findtext("trafficSignID", "").strip() in SPEED_SIGNS and value is not None:
                limits[str(sign.get("id"))] = number(value, f"traffic sign {sign.get('id')}")
    return limits


def _piece(element: ElementTree.Element, place: Place, limits: dict[str, float], entries: set[str]) -> Piece:
    key = str(element.get("id"))
    named = [limits[ref] for ref in _references(element, "trafficSignRef") if ref in limits]
    return piece_between(
        key=key,
        is_connector=key in entries,
        left=_boundary(element, "leftBound", key, place),
        right=_boundary(element, "rightBound", key, place),
        successors=_references(element, "successor"),
        predecessors=_references(element, "predecessor"),
        left_neighbor=_neighbor(element, "adjacentLeft"),
        right_neighbor=_neighbor(element, "adjacentRight"),
        speed_limit_mps=min(named, default=None),
    )


def _references(element: ElementTree.Element, tag: str) -> list[str]:
    return [str(child.get("ref")) for child in element.findall(tag)]


def _neighbor(element: ElementTree.Element, tag: str) -> str | None:
    child = element.find(tag)
    return str(child.get("ref")) if child is not None and child.get("drivingDir") == "same" else None


def _boundary(element: ElementTree.Element, tag: str, key: str, place: Place) -> Float64[np.ndarray, "points 2"]:
    points = [
        (number(point.findtext("x", ""), f"lanelet {key}"), number(point.findtext("y", ""), f"lanelet {key}"))
        for point in element.findall(f"{tag}/point")
    ]
    if len(points) < 2:
        raise ValueError(f"The {tag} of lanelet {key} needs at least 2 points, got {len(points)}.")
    return place.to_global(np.array(points, dtype=np.float64))
