"""Lanelets of CommonRoad XML as a map."""

from dataclasses import replace
from functools import partial
from xml.etree import ElementTree

import numpy as np
import shapely
from jaxtyping import Float64

from driving.importers.commonroad_values import number, point
from driving.importers.links import lane_network
from driving.importers.notes import ImportNotes, NoteKind
from driving.importers.pieces import Piece, built_piece, piece_between
from driving.importers.places import NOWHERE, Place, place_at
from driving.importers.roads import DEFAULT_SPEED_LIMIT_MPS, Areas, map_of
from driving.importers.speed_limits import is_speed_sign, speed_limit_mps
from driving.map import MapGraph

MOTORWAY_SPEED_MPS = 29.06
"""65 mph: assumed in scenarios that are tagged as motorway and have no limit."""

MOTORWAY_TAGS = frozenset({"highway", "interstate"})
"""Scenario tags of motorways."""

MIN_CROSSED_PART = 0.05
"""A lanelet is crossed when another one covers this part of it."""

FOOT_TYPES = frozenset({"sidewalk", "crosswalk", "bicycleLane"})
"""Lanelet types that are not lanes for cars."""


def read_place(root: ElementTree.Element, notes: ImportNotes) -> Place:
    """The place of the file's origin, from its location. CommonRoad writes 999 for an unknown one; 2018b has none."""
    latitude, longitude = root.findtext("location/gpsLatitude"), root.findtext("location/gpsLongitude")
    if latitude is None or longitude is None:
        return NOWHERE
    try:
        degrees = number(latitude, "latitude"), number(longitude, "longitude")
        if max(np.abs(degrees)) > 180:
            return NOWHERE
        return place_at(
            *degrees, "rough: the location of the file is taken as its origin, its axes as east and north"
        )
    except ValueError as error:
        notes.add(NoteKind.LEFT_OUT, f"the location of the file ({error})")
        return NOWHERE


def read_map(
    root: ElementTree.Element, name: str, place: Place, driven: Float64[np.ndarray, "poses 3"], notes: ImportNotes
) -> MapGraph:
    """The lanelets as lanes; those behind the entries of an intersection are junction pieces.

    Args:
        root: Of the file.
        name: Of the scenario.
        place: Where the file lies.
        driven: Ego poses, global.
        notes: Receives lanelets, signs and limits that cannot be read.

    Raises:
        ValueError: When there is no lane.
    """
    benchmark_id = root.get("benchmarkID", "")
    limits = _sign_limits(root, benchmark_id.removeprefix("C-")[:3], notes)
    entries = {
        str(element.get("ref"))
        for incoming in root.findall("intersection/incoming")
        for tag in ("successorsLeft", "successorsRight", "successorsStraight")
        for element in incoming.findall(tag)
    }
    pieces: dict[str, Piece] = {}
    crosswalks, walkways = [], []
    for element in root.findall("lanelet"):
        key = str(element.get("id"))
        piece = built_piece(key, partial(_piece, element, place, limits, entries, notes), notes)
        if piece is None:
            continue
        kinds = {(kind.text or "").strip() for kind in element.findall("laneletType")}
        if "crosswalk" in kinds:
            crosswalks.append(piece.polygon)
        elif "sidewalk" in kinds:
            walkways.append(piece.polygon)
        elif key in pieces:
            notes.add(NoteKind.LEFT_OUT, "lanelets with the id of an earlier lanelet", key)
        elif not kinds & FOOT_TYPES:
            pieces[key] = piece
    lanes = _with_inner_pieces([*pieces.values()]) if pieces else []
    tags = {tag.tag for tag in root.findall("scenarioTags/*")} | set(root.get("tags", "").split())
    return map_of(
        name=f"commonroad-{name}",
        place=place,
        network=lane_network(lanes, driven),
        areas=Areas(
            drivable=[shapely.union_all([piece.polygon for piece in lanes])] if lanes else [],
            crosswalks=crosswalks,
            walkways=walkways,
        ),
        metadata={
            "source": f"CommonRoad {benchmark_id}",
            "drivable_area": "the union of the lanelets: the source has none of its own",
            "lanes": "lanelets; the successors of intersection entries are junction pieces, and so are the lanelets"
            " behind them as long as other lanelets cross them",
            **place.metadata,
        },
        lane_speed_mps=MOTORWAY_SPEED_MPS if tags & MOTORWAY_TAGS else DEFAULT_SPEED_LIMIT_MPS,
    )


def _with_inner_pieces(pieces: list[Piece]) -> list[Piece]:
    """Mark all junction pieces; the file names only those behind an entry.

    A lanelet behind a junction piece is a junction piece if another lanelet crosses it or its neighbor is one.
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


def _sign_limits(root: ElementTree.Element, country: str, notes: ImportNotes) -> dict[str, float]:
    """Limits [m/s] of the traffic signs that are speed limits."""
    limits: dict[str, float] = {}
    for sign in root.findall("trafficSign"):
        for element in sign.findall("trafficSignElement"):
            sign_id, value = element.findtext("trafficSignID", "").strip(), element.findtext("additionalValue")
            where = f"sign {sign_id} {sign.get('id')}"
            if not is_speed_sign(sign_id, country):
                if value is not None and any(character.isdigit() for character in value):
                    sentence = f"signs with a number that are no known speed limit of {country or 'any country'}"
                    notes.add(NoteKind.LEFT_OUT, sentence, f"{value!r} of {where}")
                continue
            if value is None:
                notes.add(NoteKind.LEFT_OUT, "speed limit signs without a value", where)
                continue
            limit = speed_limit_mps(value, where, notes)
            if limit is not None:
                limits[str(sign.get("id"))] = min(limit, limits.get(str(sign.get("id")), limit))
    return limits


def _piece(
    element: ElementTree.Element, place: Place, limits: dict[str, float], entries: set[str], notes: ImportNotes
) -> Piece:
    key = str(element.get("id"))
    named = [limits[ref] for ref in _references(element, "trafficSignRef") if ref in limits]
    # Formats before 2020a.
    own = element.findtext("speedLimit")
    if own is not None:
        limit = speed_limit_mps(own, f"lanelet {key}", notes)
        named += [] if limit is None else [limit]
    return piece_between(
        key=key,
        is_connector=key in entries,
        left=_boundary(element, "leftBound", place),
        right=_boundary(element, "rightBound", place),
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


def _boundary(element: ElementTree.Element, tag: str, place: Place) -> Float64[np.ndarray, "points 2"]:
    points = [point(vertex, tag) for vertex in element.findall(f"{tag}/point")]
    if len(points) < 2:
        raise ValueError(f"its {tag} needs at least 2 points, got {len(points)}")
    return place.to_global(np.array(points))
