"""Linked road pieces as nuPlan's lane graph, in which lanes and lane connectors alternate.

In nuPlan a lane connector has exactly one lane before and one lane behind it. In other sources junction pieces may
follow junction pieces, lanes may follow lanes, and links may lead out of the file. Rules (see docs/importing.md):

1. A link that one of two pieces names holds for both.
2. Overlapping lanes become junction pieces: both if they fork or merge in one direction, one of them if they lead in
   opposite directions (an alley).
3. Each path from a lane through junction pieces to a lane is one lane connector.
4. If a lane follows a lane directly, 1.5 m of each become a connector.
5. If a junction piece has no piece before or behind it, its outer 5 m become a lane, a stub.
6. In a map without links (a straight motorway), lanes are cut in half, as a route has at least two roadblocks.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import wrap_angle
from driving.importers.pieces import Piece, cut, joined, one_polygon, without_repeats

TRIM_M = 1.5
"""Length of a lane's end that becomes a connector when a lane follows a lane directly."""

STUB_M = 5.0
"""Length of the lane that is cut from a junction piece at the edge of the map."""

MAX_TRIM, MAX_STUB = 0.25, 0.3
"""Largest parts of the length of a piece that are cut off."""

MAX_CHAIN = 6
"""Largest number of junction pieces in one lane connector; longer paths are errors of a map."""

MIN_SHARED_AREA = 0.25
"""Lanes overlap when they share this part of the area of one of them."""

SAME_STUB_M = 1.0
"""Junction pieces share a stub when their ends are closer and have the same direction."""

SNAP_M = 1.0
"""A connector's end point is replaced by that of its lane when both are closer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Connection:
    """A path through a junction between two lanes."""

    piece: Piece
    start: str
    """Name of the lane before."""
    end: str


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneNetwork:
    """Lanes in roadblocks, and the connections between them."""

    groups: tuple[tuple[Piece, ...], ...]
    """Adjacent lanes of one direction from left to right: nuPlan's roadblocks."""
    connections: tuple[Connection, ...]
    num_stubs: int
    """Lanes by rule 5."""
    num_overlaid: int
    """Connectors by rule 2."""


def lane_network(pieces: Sequence[Piece], driven: Float64[np.ndarray, "poses 3"]) -> LaneNetwork:
    """The pieces of a map in nuPlan's form.

    Args:
        pieces: Lanes and junction pieces with the links of the source.
        driven: Poses of the ego: of two overlapping lanes in opposite directions, the driven one stays a lane.

    Raises:
        ValueError: When there is no lane.
    """
    if all(piece.is_connector for piece in pieces):
        raise ValueError("The map holds no lane for vehicles.")
    overlaid = overlaid_lanes(pieces, driven)
    by_key = {piece.key: replace(piece, is_connector=piece.is_connector or piece.key in overlaid) for piece in pieces}
    after, before = mutual_links(by_key)
    if not after:
        by_key = _halved(by_key)
        after, before = mutual_links(by_key)
    groups = adjacent_lanes(by_key)
    lanes = _Lanes(groups, by_key, after, before)
    connections = lanes.connections()
    return LaneNetwork(
        groups=tuple(tuple(lanes.lanes[key] for key in group) for group in lanes.groups),
        connections=connections,
        num_stubs=lanes.num_stubs,
        num_overlaid=len(overlaid),
    )


def _halved(pieces: dict[str, Piece]) -> dict[str, Piece]:
    """Each lane as two consecutive halves, adjacent to the halves of its neighbors."""
    halves = {}
    for key, piece in pieces.items():
        for half, (start, end) in enumerate(((0.0, 0.5), (0.5, 1.0)), start=1):
            halves[f"{key} {half}"] = replace(
                cut(piece, start, end),
                key=f"{key} {half}",
                successors=(f"{key} 2",) if half == 1 else (),
                left_neighbor=None if piece.left_neighbor is None else f"{piece.left_neighbor} {half}",
                right_neighbor=None if piece.right_neighbor is None else f"{piece.right_neighbor} {half}",
            )
    return halves


def mutual_links(pieces: dict[str, Piece]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Successors and predecessors of each piece. A link counts when one of its ends names it and the map has both."""
    links: dict[tuple[str, str], None] = {}
    for key, piece in pieces.items():
        links.update({(key, other): None for other in piece.successors if other in pieces and other != key})
        links.update({(other, key): None for other in piece.predecessors if other in pieces and other != key})
    after: dict[str, list[str]] = defaultdict(list)
    before: dict[str, list[str]] = defaultdict(list)
    for start, end in links:
        after[start].append(end)
        before[end].append(start)
    return after, before


def adjacent_lanes(pieces: dict[str, Piece]) -> list[list[str]]:
    """Names of the lanes of each roadblock from left to right, in the order of the pieces."""
    right_of: dict[str, str] = {}
    for key, piece in pieces.items():
        for left, right in ((piece.left_neighbor, key), (key, piece.right_neighbor)):
            if left in pieces and right in pieces and not (pieces[left].is_connector or pieces[right].is_connector):
                right_of.setdefault(left, right)
    left_of: dict[str, str] = {}
    for left, right in right_of.items():
        left_of.setdefault(right, left)
    right_of = {left: right for right, left in left_of.items()}
    groups, seen = [], set()
    for key, piece in pieces.items():
        if piece.is_connector or key in seen:
            continue
        first, visited = key, {key}
        while first in left_of and left_of[first] not in visited:
            first = left_of[first]
            visited.add(first)
        group = [first]
        while group[-1] in right_of and right_of[group[-1]] not in group:
            group.append(right_of[group[-1]])
        group = [member for member in group if member not in seen]
        seen.update(group)
        groups.append(group)
    return groups


def overlaid_lanes(pieces: Sequence[Piece], driven: Float64[np.ndarray, "poses 3"]) -> set[str]:
    """Names of the lanes that become junction pieces by rule 2."""
    lanes = [piece for piece in pieces if not piece.is_connector]
    polygons = [lane.polygon for lane in lanes]
    first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    overlaid: set[str] = set()
    for i, j in sorted({(min(a, b), max(a, b)) for a, b in zip(first.tolist(), second.tolist(), strict=True)}):
        if i == j or lanes[i].key in overlaid or lanes[j].key in overlaid:
            continue
        shared = polygons[i].intersection(polygons[j]).area
        parts = [shared / polygons[i].area, shared / polygons[j].area]
        if max(parts) < MIN_SHARED_AREA:
            continue
        if abs(float(wrap_angle(_heading(lanes[i]) - _heading(lanes[j])))) < np.pi / 2:
            overlaid.update(
                lane.key for lane, part in zip((lanes[i], lanes[j]), parts, strict=True) if part >= MIN_SHARED_AREA
            )
        else:
            less_driven = i if _driven_steps(lanes[i], driven) < _driven_steps(lanes[j], driven) else j
            overlaid.add(lanes[less_driven].key)
    return overlaid


def _heading(piece: Piece) -> float:
    step = piece.centerline[-1] - piece.centerline[0]
    return float(np.arctan2(step[1], step[0]))


def _driven_steps(piece: Piece, driven: Float64[np.ndarray, "poses 3"]) -> int:
    aligned = np.cos(driven[:, 2] - _heading(piece)) > 0.5
    return int(shapely.contains_xy(piece.polygon, driven[aligned, 0], driven[aligned, 1]).sum())


class _Lanes:
    """The lanes after cutting, and the connections between them."""

    def __init__(
        self,
        groups: list[list[str]],
        pieces: dict[str, Piece],
        after: dict[str, list[str]],
        before: dict[str, list[str]],
    ) -> None:
        self.pieces, self.after, self.before = pieces, after, before
        self.groups = [list(group) for group in groups]
        self.lanes: dict[str, Piece] = {}
        self.heads: dict[str, Piece] = {}
        self.tails: dict[str, Piece] = {}
        self.num_stubs = 0
        for group in groups:
            self._trim(group)

    def _trim(self, group: list[str]) -> None:
        """Cut off ends at which lanes follow lanes, from all lanes of the group: its ends stay straight."""
        mean_m = float(np.mean([self.pieces[key].length_m for key in group]))
        part = min(TRIM_M / mean_m, MAX_TRIM)
        start, end = (
            part if any(not self.pieces[other].is_connector for key in group for other in links[key]) else 0.0
            for links in (self.before, self.after)
        )
        for key in group:
            piece = self.pieces[key]
            self.lanes[key] = cut(piece, start, 1.0 - end)
            if start:
                self.heads[key] = cut(piece, 0.0, start)
            if end:
                self.tails[key] = cut(piece, 1.0 - end, 1.0)

    def connections(self) -> tuple[Connection, ...]:
        """All connections; of several between the same two lanes only the shortest."""
        shortest: dict[tuple[str, str], Connection] = {}
        for start, chain, end in self._chains():
            first = self._stub(chain[0], is_start=True) if start is None else None
            last = self._stub(chain[-1], is_start=False) if end is None else None
            connection = self._connection(start or first, chain, end or last, first is not None, last is not None)
            if connection is None:
                continue
            known = shortest.get((connection.start, connection.end))
            if known is None or connection.piece.length_m < known.piece.length_m:
                shortest[connection.start, connection.end] = connection
        return tuple(shortest.values())

    def _chains(self) -> Iterator[tuple[str | None, list[str], str | None]]:
        """Lane before, junction pieces, lane behind; None for a lane outside the map."""
        for group in list(self.groups):
            for lane in list(group):
                for other in self.after[lane]:
                    if self.pieces[other].is_connector:
                        yield from ((lane, chain, end) for chain, end in self._onwards([other]))
                    else:
                        yield lane, [], other
        for key, piece in self.pieces.items():
            if piece.is_connector and not self.before[key]:
                yield from ((None, chain, end) for chain, end in self._onwards([key]))

    def _onwards(self, chain: list[str]) -> Iterator[tuple[list[str], str | None]]:
        if not self.after[chain[-1]]:
            yield chain, None
        for other in self.after[chain[-1]]:
            if not self.pieces[other].is_connector:
                yield chain, other
            elif other not in chain and len(chain) < MAX_CHAIN:
                yield from self._onwards([*chain, other])

    def _stub(self, key: str, is_start: bool) -> str:
        """Name of the stub at the open end of a junction piece, built on first use."""
        piece = self.pieces[key]
        part = _stub_part(piece)
        stub = replace(
            cut(piece, 0.0, part) if is_start else cut(piece, 1.0 - part, 1.0),
            key=f"{'before' if is_start else 'behind'} {key}",
            is_connector=False,
            left_neighbor=None,
            right_neighbor=None,
        )
        if stub.key in self.lanes:
            return stub.key
        outer = 0 if is_start else -1
        for name, other in self.lanes.items():
            is_alike = name.startswith("before " if is_start else "behind ") and (
                np.hypot(*(other.centerline[outer] - stub.centerline[outer])) < SAME_STUB_M
                and np.cos(_heading(other) - _heading(stub)) > np.cos(0.5)
            )
            if is_alike:
                return name
        self.lanes[stub.key] = stub
        self.groups.append([stub.key])
        self.num_stubs += 1
        return stub.key

    def _connection(
        self, start: str | None, chain: list[str], end: str | None, cut_start: bool, cut_end: bool
    ) -> Connection | None:
        assert start is not None
        assert end is not None
        if start == end:
            return None
        parts = [self.pieces[key] for key in chain]
        if cut_start and cut_end and len(parts) == 1:
            part = _stub_part(parts[0])
            parts = [cut(parts[0], part, 1.0 - part)]
        else:
            if cut_start:
                parts[0] = cut(parts[0], _stub_part(parts[0]), 1.0)
            if cut_end:
                parts[-1] = cut(parts[-1], 0.0, 1.0 - _stub_part(parts[-1]))
        parts = [
            *([self.tails[start]] if start in self.tails else []),
            *parts,
            *([self.heads[end]] if end in self.heads else []),
        ]
        piece = joined(f"{start} to {end}", parts)
        grounds = [piece.polygon, self.lanes[start].beyond_end, self.lanes[end].beyond_start]
        piece = replace(
            piece, is_connector=True, polygon=one_polygon([ground for ground in grounds if ground is not None])
        )
        line = _snapped(piece.centerline, self.lanes[start].centerline[-1], self.lanes[end].centerline[0])
        return Connection(piece=replace(piece, centerline=line), start=start, end=end)


def _stub_part(piece: Piece) -> float:
    return min(STUB_M / piece.length_m, MAX_STUB)


def _snapped(
    line: Float64[np.ndarray, "points 2"], start: Float64[np.ndarray, "2"], end: Float64[np.ndarray, "2"]
) -> Float64[np.ndarray, "snapped 2"]:
    """A line between the exact end points of its lanes."""
    first = 1 if np.hypot(*(line[0] - start)) < SNAP_M else 0
    last = len(line) - 1 if np.hypot(*(line[-1] - end)) < SNAP_M else len(line)
    snapped = without_repeats(np.concatenate([start[np.newaxis], line[first:last], end[np.newaxis]]))
    return snapped if len(snapped) > 1 else line
