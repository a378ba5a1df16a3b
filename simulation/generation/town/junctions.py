"""The inside of junctions: how far streets stand back, which lanes lead where, kerbs, crosswalks and stop lines."""

from dataclasses import dataclass

import numpy as np
import shapely

from driving.map import IntersectionKind, StopLineKind, TurnKind
from driving.synthetic.curves import end_pose, start_pose
from driving.synthetic.drafts import strip
from driving.synthetic.roads import RoadBuilder
from simulation.generation.town.layout import Arm, Junction, JunctionKind, Link
from simulation.generation.town.paths import direction, evenly, gentlest, quintic

CORNER_RADIUS_M = 7.0
"""Radius of the kerb between two streets."""
CROSSWALK_FROM_M, CROSSWALK_TO_M = 1.2, 4.2
"""Where the crosswalk lies, measured from the end of the lanes into the junction."""
STUB_M = 4.7
"""The street keeps its full width this far into the junction."""
WALKWAY_FROM_KERB_M = 1.7
"""Middle of the walkway, measured outwards from the kerb."""
RING_RADIUS_M, RING_HALF_WIDTH_M = 17.0, 3.2
"""The middle of a roundabout's lane, and half the width of its surface."""
RING_LEAD_RAD = 0.62
"""Angle at the roundabout's centre between an arm and the place where its lane joins or leaves the ring."""
SAMPLE_M = 0.8
"""Distance between the vertices of a connector's centerline."""


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A lane connector and what the traffic rules say about it."""

    lane_id: int
    junction: int
    from_arm: int
    to_arm: int
    turn: TurnKind
    rank: int
    """Among connectors that cross, the higher rank goes first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmEnd:
    """An arm with its lanes in place."""

    arm: Arm
    incoming: tuple[int, ...]
    """Lane ids towards the junction, leftmost first."""
    outgoing: tuple[int, ...]
    half_width_m: float
    pose: np.ndarray
    """Where the dividing line meets the end of the lanes, heading out of the junction."""
    crosswalk_id: int | None
    stop_line_id: int | None

    def place(self, outward_m: float, left_m: float) -> np.ndarray:
        """A point (2,) beside the dividing line, seen from the junction outwards."""
        return self.pose[:2] + outward_m * direction(self.pose[2]) + left_m * direction(self.pose[2] + np.pi / 2)


def setbacks_m(junction: Junction, links: tuple[Link, ...]) -> list[float]:
    """How far from the centre the lanes of each arm end, so that streets do not touch and kerbs are round."""
    count = len(junction.arms)
    if junction.kind == JunctionKind.ROUNDABOUT:
        return [RING_RADIUS_M + RING_HALF_WIDTH_M + 16.0] * count
    radius_m = 16.0 if junction.kind == JunctionKind.BEND else CORNER_RADIUS_M
    result = [8.0] * count
    for number in range(count):
        after = (number + 1) % count
        gap = (junction.arms[after].heading - junction.arms[number].heading) % (2 * np.pi)
        if gap > np.radians(165.0):
            continue
        halves = [links[junction.arms[k].link].profile.half_width_m for k in (number, after)]
        round_m = radius_m / np.tan(gap / 2)
        result[number] = max(result[number], (halves[1] + halves[0] * np.cos(gap)) / np.sin(gap) + round_m)
        result[after] = max(result[after], (halves[0] + halves[1] * np.cos(gap)) / np.sin(gap) + round_m)
    return [max(setback, 8.0) + STUB_M for setback in result]


def kerb_line(before: ArmEnd, after: ArmEnd, outside_m: float = 0.0) -> np.ndarray:
    """The kerb (points, 2) around the corner from an arm's left side to the next arm's right side.

    Args:
        before: An arm.
        after: The next one, counter-clockwise.
        outside_m: Distance from the kerb, away from the road.
    """
    start = np.array([*before.place(-STUB_M, before.half_width_m + outside_m), before.pose[2] + np.pi])
    end = np.array([*after.place(-STUB_M, -after.half_width_m - outside_m), after.pose[2]])
    return evenly(gentlest(start, end), 1.5)


def surface(junction: Junction, ends: list[ArmEnd], connectors: list[shapely.Polygon]) -> shapely.Polygon:
    """The paved ground of a junction. It reaches 0.2 m into its streets, so that no slit is left between them."""
    rim: list[np.ndarray] = []
    for number, end in enumerate(ends):
        after = ends[(number + 1) % len(ends)]
        rim += [end.place(0.2, -end.half_width_m), end.place(0.2, end.half_width_m)]
        if junction.kind == JunctionKind.ROUNDABOUT:
            rim += [end.place(-STUB_M, end.half_width_m), junction.center, after.place(-STUB_M, -after.half_width_m)]
        else:
            rim += list(kerb_line(end, after))
    whole = shapely.union_all([shapely.Polygon(rim).buffer(0), *[part.buffer(0.3) for part in connectors]])
    if junction.kind == JunctionKind.ROUNDABOUT:
        center = shapely.Point(junction.center)
        disk = center.buffer(RING_RADIUS_M + RING_HALF_WIDTH_M, quad_segs=24)
        # Widened and narrowed again, so that the kerb runs from the arms into the ring in a curve.
        whole = shapely.union_all([whole, disk]).buffer(6.0).buffer(-6.0)
        whole = whole.difference(center.buffer(RING_RADIUS_M - RING_HALF_WIDTH_M, quad_segs=24))
    else:
        whole = shapely.Polygon(whole.exterior)
    return whole.simplify(0.03)


def connector_path(
    builder: RoadBuilder, junction: Junction, ends: list[ArmEnd], move: tuple[int, int, int, int]
) -> np.ndarray:
    """Centerline (points, 2) of a connector.

    Args:
        builder: Holds the lanes.
        junction: The junction.
        ends: Its arms.
        move: Arm and lane id that one comes from, arm and lane id that one goes to.
    """
    from_arm, from_lane, to_arm, to_lane = move
    start = end_pose(builder.lanes[from_lane].centerline)
    end = start_pose(builder.lanes[to_lane].centerline)
    if junction.kind != JunctionKind.ROUNDABOUT:
        return evenly(gentlest(start, end), SAMPLE_M)
    joins = junction.arms[from_arm].heading + RING_LEAD_RAD
    leaves = junction.arms[to_arm].heading - RING_LEAD_RAD
    span = (leaves - joins) % (2 * np.pi)
    if span > 2 * np.pi - 2 * RING_LEAD_RAD or span < 0.05:
        return evenly(gentlest(start, end), SAMPLE_M)
    angles = joins + np.linspace(0.0, span, max(3, int(span * RING_RADIUS_M / SAMPLE_M)))
    ring = junction.center + RING_RADIUS_M * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    bend = 1.0 / RING_RADIUS_M
    entry = quintic(start, np.array([*ring[0], joins + np.pi / 2]), 1.05, (0.0, bend))
    leave = quintic(np.array([*ring[-1], joins + span + np.pi / 2]), end, 1.05, (bend, 0.0))
    return evenly(np.concatenate([entry, ring[1:-1], leave]), SAMPLE_M)


def lane_pairs(
    turn: TurnKind, incoming: tuple[int, ...], outgoing: tuple[int, ...], is_only: bool
) -> list[tuple[int, int]]:
    """Which lanes a turn connects: turns keep to their side of the street, straight lanes go on as they are.

    Args:
        turn: The way to go.
        incoming: Lane ids, leftmost first.
        outgoing: The same of the street that one goes to.
        is_only: Whether no lane of the arm goes straight, so that turns may use more than the outer lane.
    """
    if turn == TurnKind.STRAIGHT:
        common = min(len(incoming), len(outgoing))
        pairs = [(incoming[k], outgoing[k]) for k in range(common)]
        pairs += [(lane, outgoing[-1]) for lane in incoming[common:]]
        return pairs + [(incoming[-1], lane) for lane in outgoing[common:]]
    used = max(1, len(incoming) // 2) if is_only else 1
    if turn == TurnKind.LEFT:
        return [(incoming[k], outgoing[min(k, len(outgoing) - 1)]) for k in range(used)]
    used = max(1, len(incoming) - used) if is_only else 1
    return [(incoming[-1 - k], outgoing[max(-1 - k, -len(outgoing))]) for k in range(used)]


def turn_of(junction: Junction, from_arm: int, to_arm: int) -> TurnKind:
    """Which way one turns from one arm to another."""
    change = (junction.arms[to_arm].heading - junction.arms[from_arm].heading - np.pi) % (2 * np.pi)
    change = change if change < np.pi else change - 2 * np.pi
    if abs(change) < np.radians(42.0):
        return TurnKind.STRAIGHT
    return TurnKind.LEFT if change > 0 else TurnKind.RIGHT


def add_junction(
    builder: RoadBuilder, number: int, junction: Junction, ends: list[ArmEnd], ranks: list[int]
) -> list[Movement]:
    """Add a junction's connectors and surface to the map.

    Args:
        builder: Holds the lanes of all streets.
        number: Index of the junction.
        junction: The junction.
        ends: Its arms with their lanes.
        ranks: Rank of the street of each arm.
    """
    kinds = {
        JunctionKind.SIGNAL: IntersectionKind.TRAFFIC_LIGHT,
        JunctionKind.ALL_WAY_STOP: IntersectionKind.STOP_SIGN,
        JunctionKind.BEND: IntersectionKind.PASS_THROUGH,
    }
    moves = [
        (from_arm, to_arm, turn, pair, connector_path(builder, junction, ends, (from_arm, pair[0], to_arm, pair[1])))
        for from_arm, to_arm, turn, pair in _moves(junction, ends)
    ]
    ways = [strip(path, 3.6) for *_, path in moves]
    intersection = builder.add_intersection(
        kinds.get(junction.kind, IntersectionKind.DEFAULT), surface(junction, ends, ways)
    )
    movements = []
    for from_arm, to_arm, turn, (from_lane, to_lane), path in moves:
        connector = builder.add_connector(
            from_lane,
            to_lane,
            intersection,
            traffic_light_stop_line=ends[from_arm].stop_line_id if junction.kind == JunctionKind.SIGNAL else None,
            path=path,
            turn_kind=turn,
        )
        movements.append(
            Movement(
                lane_id=connector,
                junction=number,
                from_arm=from_arm,
                to_arm=to_arm,
                turn=turn,
                rank=_rank(junction, turn, ranks[from_arm]),
            )
        )
    return movements


def _moves(junction: Junction, ends: list[ArmEnd]) -> list[tuple[int, int, TurnKind, tuple[int, int]]]:
    """All connections of a junction, from arm by arm; every lane leads on and every lane is led to."""
    count = len(ends)
    moves = []
    for from_arm in range(count):
        turns = {to_arm: turn_of(junction, from_arm, to_arm) for to_arm in range(count) if to_arm != from_arm}
        is_only = TurnKind.STRAIGHT not in turns.values()
        for to_arm, turn in turns.items():
            as_turn = TurnKind.STRAIGHT if junction.kind == JunctionKind.BEND else turn
            pairs = lane_pairs(as_turn, ends[from_arm].incoming, ends[to_arm].outgoing, is_only)
            moves += [(from_arm, to_arm, turn, pair) for pair in pairs]
    led_to = {pair[1] for *_, pair in moves}
    for to_arm, end in enumerate(ends):
        for index, lane in enumerate(end.outgoing):
            if lane in led_to:
                continue
            beside = end.outgoing[index + 1] if index + 1 < len(end.outgoing) else end.outgoing[index - 1]
            from_arm, _, turn, pair = next(move for move in moves if move[3][1] == beside)
            moves.append((from_arm, to_arm, turn, (pair[0], lane)))
    return moves


def _rank(junction: Junction, turn: TurnKind, street_rank: int) -> int:
    by_turn = {TurnKind.STRAIGHT: 2, TurnKind.RIGHT: 1, TurnKind.LEFT: 0}[turn]
    if junction.kind == JunctionKind.YIELD:
        return 10 * street_rank + by_turn
    return by_turn if junction.kind == JunctionKind.SIGNAL else 0


def stop_line_kind(junction: Junction, street_rank: int, ranks: list[int]) -> StopLineKind | None:
    """What holds traffic at the end of an arm; None where nothing does."""
    if junction.kind == JunctionKind.SIGNAL:
        return StopLineKind.TRAFFIC_LIGHT
    if junction.kind == JunctionKind.ALL_WAY_STOP:
        return StopLineKind.STOP_SIGN
    if junction.kind == JunctionKind.ROUNDABOUT or (junction.kind == JunctionKind.YIELD and street_rank < max(ranks)):
        return StopLineKind.YIELD
    return None
