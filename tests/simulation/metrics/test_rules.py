"""The rules for pairs of boxes, with values known by hand."""

import numpy as np
import pytest

from driving.geometry import box_corners
from simulation.metrics.rules import (
    AHEAD,
    BEHIND,
    BESIDE,
    MAX_LONGITUDINAL_ACCEL_MPS2,
    MAX_OFF_ROAD_M,
    MIN_LONGITUDINAL_ACCEL_MPS2,
    STOPPED_SPEED_MPS,
    TTC_BOUND_S,
    CollisionKind,
    MovingPoint,
    angle_off_heading,
    collision_kind,
    counts_for_ttc,
    direction_scores,
    is_at_fault,
    relative_position,
)

EGO_SIZE = CAR_SIZE = np.array([5.0, 2.0])


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    # tan(30 degrees) = 0.5774: the bounds are at y = +-5.774 for x = +-10.
    [(10, 0, AHEAD), (10, 5.7, AHEAD), (10, -5.8, BESIDE), (0, 3, BESIDE), (-10, -5.8, BESIDE), (-10, 5.7, BEHIND)],
)
@pytest.mark.parametrize("heading", [0.0, 1.0, np.pi, -2.5])
def test_ahead_and_behind_are_cones_of_30_degrees_around_the_rear_axle(x, y, expected, heading):
    cos, sin = np.cos(heading), np.sin(heading)
    ego = MovingPoint(3.0, -2.0, heading, 0.0)
    assert relative_position(ego, 3.0 + x * cos - y * sin, -2.0 + x * sin + y * cos) == expected


def test_the_angle_is_unsigned_and_undefined_on_the_axle():
    north = MovingPoint(1.0, 2.0, np.pi / 2, 0.0)
    assert angle_off_heading(north, 1.0, 7.0) == pytest.approx(0.0, abs=1e-7)
    for x in (-4.0, 6.0):
        assert angle_off_heading(north, x, 2.0) == pytest.approx(np.pi / 2)
    assert np.isnan(angle_off_heading(north, 1.0, 2.0))
    assert relative_position(north, 1.0, 2.0) == BESIDE


@pytest.mark.parametrize(
    ("ego_mps", "agent_mps", "offset_m", "kind"),
    [
        (STOPPED_SPEED_MPS, 9.0, (4.5, 0.0), CollisionKind.STOPPED_EGO),
        (0.051, STOPPED_SPEED_MPS, (4.5, 0.0), CollisionKind.STOPPED_TRACK),
        (5.0, 0.051, (4.5, 0.0), CollisionKind.ACTIVE_FRONT),
        (5.0, 9.0, (-4.5, 0.0), CollisionKind.ACTIVE_REAR),
        (5.0, 5.0, (-0.5, 1.9), CollisionKind.ACTIVE_LATERAL),
    ],
)
def test_the_kind_of_a_collision_follows_from_speeds_and_positions(ego_mps, agent_mps, offset_m, kind):
    # The ego's box centre is 1.5 m ahead of its rear axle, which is at the origin.
    ego_box, agent_box = np.array([1.5, 0.0, 0.0]), np.array([1.5 + offset_m[0], offset_m[1], 0.0])
    found = collision_kind(
        MovingPoint(0.0, 0.0, 0.0, ego_mps),
        box_corners(ego_box, EGO_SIZE),
        MovingPoint(*agent_box, agent_mps),
        box_corners(agent_box, CAR_SIZE),
    )
    assert CollisionKind(found) == kind


def test_the_ego_is_at_fault_for_front_collisions_and_for_lateral_ones_outside_its_lane():
    at_fault = {kind for kind in CollisionKind if is_at_fault(kind, True)}
    assert at_fault == {CollisionKind.STOPPED_TRACK, CollisionKind.ACTIVE_FRONT}
    assert {kind for kind in CollisionKind if is_at_fault(kind, False)} - at_fault == {CollisionKind.ACTIVE_LATERAL}


def test_agents_behind_never_count_for_the_time_to_collision():
    assert [counts_for_ttc(position, False) for position in (AHEAD, BESIDE, BEHIND)] == [True, False, False]
    assert [counts_for_ttc(position, True) for position in (AHEAD, BESIDE, BEHIND)] == [True, True, False]


def test_the_direction_score_falls_at_2_m_and_at_6_m():
    assert direction_scores(np.array([0.0, 1.99, 2.0, 5.99, 6.0])).tolist() == [1.0, 1.0, 0.5, 0.5, 0.0]


def test_the_thresholds_are_those_of_nuplan():
    assert (STOPPED_SPEED_MPS, TTC_BOUND_S, MAX_OFF_ROAD_M) == (0.05, 0.95, 0.3)
    assert (MIN_LONGITUDINAL_ACCEL_MPS2, MAX_LONGITUDINAL_ACCEL_MPS2) == (-4.05, 2.40)
