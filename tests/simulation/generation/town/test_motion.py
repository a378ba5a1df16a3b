"""Motion of vehicles on lanes made by hand, and of the recorded vehicles of a town."""

import numpy as np
import pytest

from driving.agents import AgentKind
from driving.geometry import shifted_along_heading, wrap_angle
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.town.motion import PIVOT_SHARE, vehicle_motions
from simulation.generation.town.network import lane_points
from simulation.generation.town.tables import DRIVER, LANE, LaneNetwork, TrafficHistory

STEPS, SPEED_MPS, RADIUS_M = 200, 8.0, 40.0
STRAIGHT, CURVE = range(2)


@pytest.fixture(scope="module")
def lanes():
    """A straight lane of 400 m to the east, and a left-hand circle around the origin."""
    angles = np.linspace(0.0, 1.9 * np.pi, 480)
    circle = RADIUS_M * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    lines = [lane_points(np.linspace((0.0, 0.0), (400.0, 0.0), 201)), lane_points(circle)]
    table = np.zeros(2, dtype=LANE)
    table["length"] = [line[-1, 2] for line in lines]
    table["point_begin"], table["point_end"] = [0, 201], [201, 681]
    none = np.zeros(0, dtype=np.int64)
    return LaneNetwork(
        num_lanes=2,
        lanes=table,
        successors=none,
        conflict_other=none,
        conflict_zones=np.zeros((0, 4)),
        conflict_along=np.zeros(0, dtype=bool),
        walk_path=none,
        walk_zones=np.zeros((0, 3)),
        points=np.concatenate(lines),
    )


def motions_on(lanes, row, *, kind=AgentKind.VEHICLE, aside_m=0.0, speed_mps=SPEED_MPS, count=6):
    """Vehicles of the Pacifica's length at constant speed along a lane."""
    drivers = np.zeros(count, dtype=DRIVER)
    drivers["kind"], drivers["length"] = kind, PACIFICA.length_m
    shape = (STEPS, count)
    history = TrafficHistory(
        lane=np.full(shape, row, dtype=np.int32),
        s=np.repeat(10.0 + speed_mps * STEP_S * np.arange(STEPS)[:, np.newaxis], count, axis=1),
        aside=np.full(shape, aside_m),
        v=np.full(shape, speed_mps),
        a=np.zeros(shape),
        people=np.zeros((STEPS, 0, 4)),
        is_waiting=np.zeros((STEPS, 0), dtype=bool),
    )
    return vehicle_motions(np.random.default_rng(5), lanes, history, drivers)


def slips_m(poses):
    """Sideways and forward displacements of poses between steps, (time - 1, vehicles)."""
    middle = poses[:-1, :, 2] + np.asarray(wrap_angle(np.diff(poses[..., 2], axis=0))) / 2
    moved = np.diff(poses[..., :2], axis=0)
    cos, sin = np.cos(middle), np.sin(middle)
    return moved[..., 1] * cos - moved[..., 0] * sin, moved[..., 0] * cos + moved[..., 1] * sin


def test_vehicles_on_a_straight_lane_stay_near_its_centerline(lanes):
    motions = motions_on(lanes, STRAIGHT)
    np.testing.assert_allclose(motions.poses[:, 0, 0], 10.0 + 0.8 * np.arange(STEPS), atol=1e-9)
    assert 0.02 < np.abs(motions.poses[..., 1]).max() < 0.23
    assert np.abs(motions.poses[..., 2]).max() < 0.03
    assert (motions.speed == SPEED_MPS).all()
    assert np.hypot(*motions.velocities.transpose(2, 0, 1)) == pytest.approx(SPEED_MPS)


def test_bicycles_keep_to_the_right(lanes):
    left_m = motions_on(lanes, STRAIGHT, kind=AgentKind.BICYCLE).poses[..., 1]
    assert (np.abs(left_m + 0.9) < 0.16).all()


@pytest.mark.parametrize("row", [STRAIGHT, CURVE])
def test_the_rear_axle_rolls_without_lateral_slip(lanes, row):
    poses = motions_on(lanes, row).poses
    rear = shifted_along_heading(poses, -PIVOT_SHARE * PACIFICA.length_m)
    # The headings of the first seconds converge.
    sideways_m, forward_m = slips_m(rear[40:])
    assert np.abs(sideways_m).max() < 0.002
    assert (forward_m > 0.0).all()
    box_sideways_m, _ = slips_m(poses[40:])
    assert np.abs(sideways_m).max() < np.abs(box_sideways_m).max()


def test_in_a_curve_the_box_centre_moves_outwards_from_the_heading(lanes):
    slip_rad = motions_on(lanes, CURVE).slip[60:]
    # sin(slip) is the distance from rear axle to box centre over the radius.
    assert slip_rad.mean() == pytest.approx(np.arcsin(PACIFICA.rear_axle_to_center_m / RADIUS_M), abs=0.004)
    assert np.abs(motions_on(lanes, STRAIGHT).slip.mean()) < 0.002


@pytest.mark.parametrize("aside_m", [2.0, -2.0])
def test_beside_a_curved_centerline_the_speed_is_that_of_the_own_radius(lanes, aside_m):
    motions = motions_on(lanes, CURVE, aside_m=aside_m)
    assert motions.speed[10:] == pytest.approx(SPEED_MPS * (1.0 - aside_m / RADIUS_M), rel=1e-3)
    assert np.hypot(*motions.poses[..., :2].transpose(2, 0, 1)) == pytest.approx(RADIUS_M - aside_m, abs=0.23)


def test_a_vehicle_at_rest_does_not_turn(lanes):
    poses = motions_on(lanes, CURVE, speed_mps=0.0).poses
    assert (poses == poses[0]).all()


def test_the_motion_since_a_step_is_its_last_part(lanes):
    motions = motions_on(lanes, CURVE)
    later = motions.since(150)
    assert all((part == whole[150:]).all() for part, whole in zip(later, motions, strict=True))
    assert len(later.speed) == 50


def test_the_recorded_ego_rolls_without_slipping(recordings):
    for recording in recordings:
        ego = recording.ego
        poses, v = ego.rear_axle_poses[0], ego.velocities_mps[0]
        middle = poses[:-1, 2] + wrap_angle(np.diff(poses[:, 2])) / 2
        moved = np.diff(poses[:, :2], axis=0)
        forward = moved[:, 0] * np.cos(middle) + moved[:, 1] * np.sin(middle)
        sideways = moved[:, 1] * np.cos(middle) - moved[:, 0] * np.sin(middle)
        assert np.abs(sideways).max() < 0.03
        assert forward / STEP_S == pytest.approx((v[1:, 0] + v[:-1, 0]) / 2, abs=0.15)
        assert (v[:, 1] == 0.0).all()


def test_the_ego_drives_like_a_person(recordings):
    """Within nuPlan's bounds of comfort but for rare moments, and never as exact as a rail."""
    for recording in recordings:
        accel = recording.ego.accelerations_mps2[0]
        yaw_rate = wrap_angle(np.diff(recording.ego.rear_axle_poses[0, :, 2])) / STEP_S
        assert (np.abs(accel[:, 1]) < 4.89).all()
        assert ((accel[:, 0] > -4.05) & (accel[:, 0] < 2.40)).mean() > 0.98
        assert (np.abs(yaw_rate) < 0.95).all()


def test_agents_move_as_their_velocities_say(recordings):
    agents = recordings[0].agents
    both = agents.valid[:, 1:] & agents.valid[:, :-1]
    moved = np.hypot(*np.diff(agents.poses[..., :2], axis=1).transpose(2, 0, 1))[both] / STEP_S
    speed = np.hypot(*agents.velocities_mps.transpose(2, 0, 1))
    said = ((speed[:, 1:] + speed[:, :-1]) / 2)[both]
    assert np.quantile(np.abs(moved - said), 0.99) < 0.6
