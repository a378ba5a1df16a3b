from typing import NamedTuple

import numpy as np
import pytest
import shapely

from driving.geometry import wrap_angle
from driving.map import IntersectionKind, StopLineKind, TurnKind
from driving.synthetic.curves import end_pose, start_pose
from driving.synthetic.drafts import strip
from driving.synthetic.roads import RoadBuilder
from simulation.generation.town.junctions import (
    CORNER_RADIUS_M,
    RING_HALF_WIDTH_M,
    RING_RADIUS_M,
    STUB_M,
    ArmEnd,
    add_junction,
    connector_path,
    junction_turns,
    kerb_line,
    lane_pairs,
    setbacks_m,
    stop_line_kind,
    surface,
    turn_kind,
)
from simulation.generation.town.layout import Arm, Junction, JunctionKind, Link, StreetProfile
from simulation.generation.town.paths import curvature, direction

SOUTH, EAST, NORTH, WEST = range(4)
"""Arms of a crossing, counter-clockwise."""
CROSSING = (-90.0, 0.0, 90.0, 180.0)
SKEWED = (-100.0, 5.0, 75.0, 170.0)
THREE_ARMS = (-90.0, 0.0, 180.0)
STRAIGHT, LEFT, RIGHT = TurnKind.STRAIGHT, TurnKind.LEFT, TurnKind.RIGHT


class Site(NamedTuple):
    builder: RoadBuilder
    junction: Junction
    links: tuple[Link, ...]
    ends: list[ArmEnd]


def site(kind, headings=CROSSING, lanes=(1, 1, 1, 1)):
    """A junction at the origin with streets of 100 m; each lane is 3.5 m wide, each shoulder 1 m."""
    radians = np.radians(headings)
    arms = tuple(Arm(link=k, is_tail=True, heading=float(heading)) for k, heading in enumerate(radians))
    links = tuple(
        Link(
            tail=0,
            head=k + 1,
            profile=StreetProfile(rank=0, lanes=count, lane_width_m=3.5, speed_limit_mps=10.0, shoulder_m=1.0),
            curve=np.array([[0.0, 0.0], 100.0 * direction(heading)]),
            length_m=100.0,
        )
        for k, (heading, count) in enumerate(zip(radians, lanes, strict=False))
    )
    junction = Junction(center=np.zeros(2), kind=kind, arms=arms)
    builder, ends = RoadBuilder(), []
    for arm, link, setback_m in zip(arms, links, setbacks_m(junction, links), strict=True):
        line = np.array([setback_m, setback_m + 100.0])[:, np.newaxis] * direction(arm.heading)
        count = link.profile.lanes
        road = builder.add_road(line, lanes_forward=count, lanes_backward=count, speed_limit_mps=10.0)
        ends.append(
            ArmEnd(
                arm=arm,
                incoming=road.backward_lanes,
                outgoing=road.forward_lanes,
                half_width_m=link.profile.half_width_m,
                pose=np.array([*line[0], arm.heading]),
            )
        )
    return Site(builder, junction, links, ends)


def test_streets_end_where_the_kerbs_between_them_have_their_radius():
    right_angled = site(JunctionKind.SIGNAL)
    expected_m = 4.5 + CORNER_RADIUS_M + STUB_M
    assert setbacks_m(right_angled.junction, right_angled.links) == pytest.approx([expected_m] * 4)
    wide = site(JunctionKind.SIGNAL, lanes=(2, 1, 1, 1))
    # East and west lie behind the wide street, north is opposite to it.
    assert setbacks_m(wide.junction, wide.links) == pytest.approx(np.array([0.0, 3.5, 0.0, 3.5]) + expected_m)


def test_opposite_streets_come_closer_and_those_of_a_roundabout_stay_out_of_its_ring():
    bend = site(JunctionKind.BEND, (0.0, 180.0))
    assert setbacks_m(bend.junction, bend.links) == [8.0 + STUB_M] * 2
    ring = site(JunctionKind.ROUNDABOUT)
    assert setbacks_m(ring.junction, ring.links) == [RING_RADIUS_M + RING_HALF_WIDTH_M + 16.0] * 4


def test_points_of_an_arm_are_seen_out_of_the_junction():
    end = site(JunctionKind.SIGNAL).ends[NORTH]
    assert end.point(2.0, 3.0) == pytest.approx(end.pose[:2] + np.array([-3.0, 2.0]))


@pytest.mark.parametrize("headings", [CROSSING, SKEWED, THREE_ARMS])
@pytest.mark.parametrize("outside_m", [0.0, 1.7])
def test_kerbs_join_the_sides_of_streets_and_do_not_cross(headings, outside_m):
    ends = site(JunctionKind.SIGNAL, headings, lanes=(2, 1, 1, 2)).ends
    kerbs = []
    for number, end in enumerate(ends):
        after = ends[(number + 1) % len(ends)]
        line = kerb_line(end, after, outside_m)
        assert line[0] == pytest.approx(end.point(-STUB_M, end.half_width_m + outside_m))
        assert line[-1] == pytest.approx(after.point(-STUB_M, -after.half_width_m - outside_m))
        kerbs.append(shapely.LineString(line))
    for number, kerb in enumerate(kerbs):
        assert kerb.is_simple
        assert not any(kerb.intersects(other) for other in kerbs[number + 1 :])


def test_turns_are_named_by_the_change_of_heading():
    junction = site(JunctionKind.SIGNAL, SKEWED).junction
    assert [turn_kind(junction, SOUTH, arm) for arm in (EAST, NORTH, WEST)] == [RIGHT, STRAIGHT, LEFT]
    assert [turn_kind(junction, WEST, arm) for arm in (SOUTH, EAST, NORTH)] == [RIGHT, STRAIGHT, LEFT]


@pytest.mark.parametrize(
    ("turn", "incoming", "outgoing", "is_only", "pairs"),
    [
        (STRAIGHT, (1, 2), (11, 12), False, [(1, 11), (2, 12)]),
        (STRAIGHT, (1, 2, 3), (11, 12), False, [(1, 11), (2, 12), (3, 12)]),
        (STRAIGHT, (1,), (11, 12), False, [(1, 11), (1, 12)]),
        (LEFT, (1, 2), (11, 12), False, [(1, 11)]),
        (RIGHT, (1, 2), (11, 12), False, [(2, 12)]),
        (LEFT, (1, 2, 3, 4), (11,), True, [(1, 11), (2, 11)]),
        (RIGHT, (1, 2, 3), (11, 12), True, [(3, 12), (2, 11)]),
        (RIGHT, (1,), (11,), True, [(1, 11)]),
    ],
)
def test_turns_connect_lanes_of_their_side(turn, incoming, outgoing, is_only, pairs):
    assert lane_pairs(turn, incoming, outgoing, is_only) == pairs


@pytest.mark.parametrize("headings", [CROSSING, THREE_ARMS])
@pytest.mark.parametrize("lanes", [(1, 1, 1, 1), (3, 1, 3, 1), (2, 3, 1, 2)])
def test_every_lane_of_a_junction_has_a_connection_to_another_arm(headings, lanes):
    place = site(JunctionKind.SIGNAL, headings, lanes)
    turns = junction_turns(place.junction, place.ends)
    assert {turn.from_lane for turn in turns} == {lane for end in place.ends for lane in end.incoming}
    assert {turn.to_lane for turn in turns} == {lane for end in place.ends for lane in end.outgoing}
    for turn in turns:
        assert turn.from_arm != turn.to_arm
        assert turn.from_lane in place.ends[turn.from_arm].incoming
        assert turn.to_lane in place.ends[turn.to_arm].outgoing
        assert turn.kind == turn_kind(place.junction, turn.from_arm, turn.to_arm)


@pytest.mark.parametrize(
    ("kind", "headings"),
    [
        (JunctionKind.SIGNAL, CROSSING),
        (JunctionKind.YIELD, SKEWED),
        (JunctionKind.BEND, (0.0, 95.0)),
        (JunctionKind.ROUNDABOUT, CROSSING),
    ],
)
def test_connectors_leave_and_reach_their_lanes_in_the_direction_of_the_lanes(kind, headings):
    place = site(kind, headings)
    for turn in junction_turns(place.junction, place.ends):
        path = connector_path(place.builder, place.junction, turn)
        before = end_pose(place.builder.lanes[turn.from_lane].centerline)
        after = start_pose(place.builder.lanes[turn.to_lane].centerline)
        assert path[0] == pytest.approx(before[:2], abs=1e-6)
        assert path[-1] == pytest.approx(after[:2], abs=1e-6)
        assert abs(wrap_angle(start_pose(path)[2] - before[2])) < 0.03
        assert abs(wrap_angle(end_pose(path)[2] - after[2])) < 0.03
        assert np.abs(curvature(path)[1:-1]).max() < 1 / 5.3


def test_connectors_of_a_roundabout_go_counter_clockwise_on_the_ring():
    place = site(JunctionKind.ROUNDABOUT)
    for turn in junction_turns(place.junction, place.ends):
        path = connector_path(place.builder, place.junction, turn)
        radius_m = np.hypot(*path.T)
        assert radius_m.min() > RING_RADIUS_M - 0.5
        if turn.kind == RIGHT:
            continue
        assert radius_m.min() == pytest.approx(RING_RADIUS_M, abs=0.1)
        angles = np.unwrap(np.arctan2(path[:, 1], path[:, 0]))
        swept = {STRAIGHT: np.pi, LEFT: 1.5 * np.pi}[turn.kind]
        # The lanes start and end right of the middle of their arms.
        assert angles[-1] - angles[0] == pytest.approx(swept - 2 * np.arctan(1.75 / 36.2), abs=0.02)


@pytest.mark.parametrize("kind", [JunctionKind.SIGNAL, JunctionKind.ROUNDABOUT])
def test_the_surface_of_a_junction_holds_its_connectors(kind):
    place = site(kind)
    turns = junction_turns(place.junction, place.ends)
    strips = [strip(connector_path(place.builder, place.junction, turn), 3.5) for turn in turns]
    whole = surface(place.junction, place.ends, strips)
    assert whole.is_valid
    ground = shapely.union_all(strips)
    if kind == JunctionKind.ROUNDABOUT:
        # The island of the ring is not drivable.
        assert len(whole.interiors) == 1
        assert not whole.contains(shapely.Point(0.0, 0.0))
        ground = ground.difference(shapely.Point(0.0, 0.0).buffer(RING_RADIUS_M - RING_HALF_WIDTH_M + 0.1))
    assert ground.difference(whole).area < 0.05


@pytest.mark.parametrize(
    ("kind", "layer_kind", "ranks"),
    [
        (JunctionKind.SIGNAL, IntersectionKind.TRAFFIC_LIGHT, {STRAIGHT: {2}, RIGHT: {1}, LEFT: {0}}),
        (JunctionKind.ALL_WAY_STOP, IntersectionKind.STOP_SIGN, {STRAIGHT: {0}, RIGHT: {0}, LEFT: {0}}),
        (JunctionKind.YIELD, IntersectionKind.DEFAULT, {STRAIGHT: {2, 12}, RIGHT: {1, 11}, LEFT: {0, 10}}),
    ],
)
def test_a_junction_becomes_connectors_with_the_right_of_way_of_its_kind(kind, layer_kind, ranks):
    place = site(kind)
    movements = add_junction(place.builder, 3, place.junction, place.ends, [0, 1, 0, 1])
    town_map = place.builder.build()
    assert town_map.intersections.kinds.tolist() == [layer_kind]
    assert [move.lane_id for move in movements] == town_map.lanes.ids[town_map.lanes.num_lanes :].tolist()
    assert {move.junction for move in movements} == {3}
    for turn, expected in ranks.items():
        assert {move.rank for move in movements if move.turn == turn} == expected


@pytest.mark.parametrize(
    ("kind", "stop_lines"),
    [
        (JunctionKind.SIGNAL, [StopLineKind.TRAFFIC_LIGHT] * 2),
        (JunctionKind.ALL_WAY_STOP, [StopLineKind.STOP_SIGN] * 2),
        (JunctionKind.ROUNDABOUT, [StopLineKind.YIELD] * 2),
        (JunctionKind.YIELD, [StopLineKind.YIELD, None]),
        (JunctionKind.BEND, [None, None]),
    ],
)
def test_the_stop_lines_of_minor_and_major_arms(kind, stop_lines):
    junction = site(kind).junction
    assert [stop_line_kind(junction, rank, [0, 1, 0, 1]) for rank in (0, 1)] == stop_lines


def test_connectors_of_a_town_join_their_lanes_smoothly(observed):
    lanes = observed.town.map.lanes
    for row in range(lanes.num_lanes, len(lanes)):
        line = lanes.centerlines[row]
        before = end_pose(lanes.centerlines[lanes.predecessors[row][0]])
        after = start_pose(lanes.centerlines[lanes.successors[row][0]])
        assert line[[0, -1]] == pytest.approx(np.array([before[:2], after[:2]]), abs=1e-6)
        assert abs(wrap_angle(start_pose(line)[2] - before[2])) < 0.05
        assert abs(wrap_angle(end_pose(line)[2] - after[2])) < 0.05
