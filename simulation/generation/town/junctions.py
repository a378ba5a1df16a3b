"""The inside of junctions: setbacks of lanes, lane connectors, kerbs, crosswalks and stop lines."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from jaxtyping import Float64

from driving.map import IntersectionKind, StopLineKind, TurnKind
from driving.synthetic.curves import end_pose, resampled, start_pose
from driving.synthetic.drafts import strip
from driving.synthetic.roads import RoadBuilder
from simulation.generation.town.layout import Arm, Junction, JunctionKind, Link
from simulation.generation.town.paths import direction, gentlest, quintic
from simulation.generation.town.town_map import Movement

CORNER_RADIUS_M = 7.0
"""Radius of the kerb between two streets."""
STUB_M = 4.7
"""Length over which a street keeps its full width inside the junction."""
WALKWAY_FROM_KERB_M = 1.7
"""Distance from the kerb to the middle of the walkway."""
RING_RADIUS_M, RING_HALF_WIDTH_M = 17.0, 3.2
"""Radius of the lane of a roundabout, and half the width of its surface."""
RING_LEAD_RAD = 0.62
"""Angle at the roundabout's centre between an arm and the point where its lane meets the ring."""
SAMPLE_M = 0.8
"""Distance between the vertices of a connector's centerline."""
INTERSECTION_KINDS = {
    JunctionKind.SIGNAL: IntersectionKind.TRAFFIC_LIGHT,
    JunctionKind.ALL_WAY_STOP: IntersectionKind.STOP_SIGN,
    JunctionKind.BEND: IntersectionKind.PASS_THROUGH,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmEnd:
    """An arm and its lanes at the edge of the junction."""

    arm: Arm
    incoming: tuple[int, ...]
    """Ids of the lanes towards the junction, leftmost first."""
    outgoing: tuple[int, ...]
    half_width_m: float
    pose: Float64[np.ndarray, "3"]
    """End of the dividing line, heading out of the junction."""
    crosswalk_id: int | None = None
    stop_line_id: int | None = None

    def point(self, outward_m: float, left_m: float) -> Float64[np.ndarray, "2"]:
        """A point relative to the end of the dividing line, seen out of the junction."""
        return self.pose[:2] + outward_m * direction(self.pose[2]) + left_m * direction(self.pose[2] + np.pi / 2)


class Turn(NamedTuple):
    """A connection of two lanes through a junction."""

    from_arm: int
    to_arm: int
    kind: TurnKind
    from_lane: int
    to_lane: int


def setbacks_m(junction: Junction, links: tuple[Link, ...]) -> list[float]:
    """Distance from the centre to the end of the lanes of each arm: streets stay apart and kerbs are round."""
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


def kerb_line(before: ArmEnd, after: ArmEnd, outside_m: float = 0.0) -> Float64[np.ndarray, "points 2"]:
    """The kerb around a corner, from an arm's left side to the next arm's right side.

    Args:
        before: An arm.
        after: The next arm, counter-clockwise.
        outside_m: Distance from the kerb, away from the road.
    """
    start = np.array([*before.point(-STUB_M, before.half_width_m + outside_m), before.pose[2] + np.pi])
    end = np.array([*after.point(-STUB_M, -after.half_width_m - outside_m), after.pose[2]])
    return resampled(gentlest(start, end), 1.5)


def surface(junction: Junction, ends: list[ArmEnd], connectors: list[shapely.Polygon]) -> shapely.Polygon:
    """The paved area of a junction. It overlaps its streets by 0.2 m, so that the drivable area has no slits."""
    rim: list[np.ndarray] = []
    for number, end in enumerate(ends):
        after = ends[(number + 1) % len(ends)]
        rim += [end.point(0.2, -end.half_width_m), end.point(0.2, end.half_width_m)]
        if junction.kind == JunctionKind.ROUNDABOUT:
            rim += [end.point(-STUB_M, end.half_width_m), junction.center, after.point(-STUB_M, -after.half_width_m)]
        else:
            rim += list(kerb_line(end, after))
    whole = shapely.union_all([shapely.Polygon(rim).buffer(0), *[part.buffer(0.3) for part in connectors]])
    if junction.kind == JunctionKind.ROUNDABOUT:
        center = shapely.Point(junction.center)
        disk = center.buffer(RING_RADIUS_M + RING_HALF_WIDTH_M, quad_segs=24)
        # Dilation and erosion round the kerb between the arms and the ring.
        whole = shapely.union_all([whole, disk]).buffer(6.0).buffer(-6.0)
        whole = whole.difference(center.buffer(RING_RADIUS_M - RING_HALF_WIDTH_M, quad_segs=24))
    else:
        whole = shapely.Polygon(whole.exterior)
    return whole.simplify(0.03)


def connector_path(builder: RoadBuilder, junction: Junction, turn: Turn) -> Float64[np.ndarray, "points 2"]:
    """Centerline of a connector between two lanes of the builder."""
    start = end_pose(builder.lanes[turn.from_lane].centerline)
    end = start_pose(builder.lanes[turn.to_lane].centerline)
    if junction.kind != JunctionKind.ROUNDABOUT:
        return resampled(gentlest(start, end), SAMPLE_M)
    joins = junction.arms[turn.from_arm].heading + RING_LEAD_RAD
    leaves = junction.arms[turn.to_arm].heading - RING_LEAD_RAD
    span = (leaves - joins) % (2 * np.pi)
    if span > 2 * np.pi - 2 * RING_LEAD_RAD or span < 0.05:
        return resampled(gentlest(start, end), SAMPLE_M)
    angles = joins + np.linspace(0.0, span, max(3, int(span * RING_RADIUS_M / SAMPLE_M)))
    ring = junction.center + RING_RADIUS_M * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    bend = 1.0 / RING_RADIUS_M
    entry = quintic(start, np.array([*ring[0], joins + np.pi / 2]), 1.05, (0.0, bend))
    leave = quintic(np.array([*ring[-1], joins + span + np.pi / 2]), end, 1.05, (bend, 0.0))
    return resampled(np.concatenate([entry, ring[1:-1], leave]), SAMPLE_M)


def lane_pairs(
    turn: TurnKind, incoming: tuple[int, ...], outgoing: tuple[int, ...], is_only: bool
) -> list[tuple[int, int]]:
    """Pairs of lanes that a turn connects. Turns stay on their side of the street; straight lanes keep their index.

    Args:
        turn: Direction of the turn.
        incoming: Lane ids, leftmost first.
        outgoing: Lane ids of the arm after the turn, leftmost first.
        is_only: Whether the arm has no straight connection, so that more lanes than the outer one turn.
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


def turn_kind(junction: Junction, from_arm: int, to_arm: int) -> TurnKind:
    """Direction of the turn from one arm to another."""
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
    turns = junction_turns(junction, ends)
    paths = [connector_path(builder, junction, turn) for turn in turns]
    intersection = builder.add_intersection(
        INTERSECTION_KINDS.get(junction.kind, IntersectionKind.DEFAULT),
        surface(junction, ends, [strip(path, 3.6) for path in paths]),
    )
    has_lights = junction.kind == JunctionKind.SIGNAL
    movements = []
    for turn, path in zip(turns, paths, strict=True):
        connector = builder.add_connector(
            turn.from_lane,
            turn.to_lane,
            intersection,
            traffic_light_stop_line=ends[turn.from_arm].stop_line_id if has_lights else None,
            path=path,
            turn_kind=turn.kind,
        )
        rank = _rank(junction, turn.kind, ranks[turn.from_arm])
        movements.append(
            Movement(
                lane_id=connector,
                junction=number,
                from_arm=turn.from_arm,
                to_arm=turn.to_arm,
                turn=turn.kind,
                rank=rank,
            )
        )
    return movements


def junction_turns(junction: Junction, ends: list[ArmEnd]) -> list[Turn]:
    """All connections of a junction, arm by arm. Every incoming and every outgoing lane has one."""
    count = len(ends)
    turns = []
    for from_arm in range(count):
        kinds = {to_arm: turn_kind(junction, from_arm, to_arm) for to_arm in range(count) if to_arm != from_arm}
        is_only = TurnKind.STRAIGHT not in kinds.values()
        for to_arm, kind in kinds.items():
            paired_as = TurnKind.STRAIGHT if junction.kind == JunctionKind.BEND else kind
            pairs = lane_pairs(paired_as, ends[from_arm].incoming, ends[to_arm].outgoing, is_only)
            turns += [Turn(from_arm, to_arm, kind, *pair) for pair in pairs]
    reached = {turn.to_lane for turn in turns}
    for to_arm, end in enumerate(ends):
        for index, lane in enumerate(end.outgoing):
            if lane in reached:
                continue
            beside = end.outgoing[index + 1] if index + 1 < len(end.outgoing) else end.outgoing[index - 1]
            similar = next(turn for turn in turns if turn.to_lane == beside)
            turns.append(similar._replace(to_arm=to_arm, to_lane=lane))
    return turns


def _rank(junction: Junction, turn: TurnKind, street_rank: int) -> int:
    by_turn = {TurnKind.STRAIGHT: 2, TurnKind.RIGHT: 1, TurnKind.LEFT: 0}[turn]
    if junction.kind == JunctionKind.YIELD:
        return 10 * street_rank + by_turn
    return by_turn if junction.kind == JunctionKind.SIGNAL else 0


def stop_line_kind(junction: Junction, street_rank: int, ranks: list[int]) -> StopLineKind | None:
    """Kind of the stop line at the end of an arm; None for an arm without one."""
    if junction.kind == JunctionKind.SIGNAL:
        return StopLineKind.TRAFFIC_LIGHT
    if junction.kind == JunctionKind.ALL_WAY_STOP:
        return StopLineKind.STOP_SIGN
    if junction.kind == JunctionKind.ROUNDABOUT or (junction.kind == JunctionKind.YIELD and street_rank < max(ranks)):
        return StopLineKind.YIELD
    return None
