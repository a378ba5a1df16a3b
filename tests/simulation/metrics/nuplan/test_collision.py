import numpy as np
import pytest
import shapely

from driving.agents import AgentKind
from driving.geometry import box_corners
from simulation.metrics.nuplan.collision import collisions, no_ego_at_fault_collisions
from simulation.metrics.rules import CollisionKind
from tests.support.drives import (
    FRONT_M,
    LEFT_LANE_Y,
    REAR_TO_CENTER_M,
    RIGHT_LANE_Y,
    STEPS,
    TIME_S,
    agents,
    drive,
    motion,
    steady,
)

CENTER_X = 20.0 + REAR_TO_CENTER_M


def metric(ego, *rows):
    return no_ego_at_fault_collisions(drive(ego, agents(*rows)))[0]


def test_a_standing_car_ahead_is_hit_when_the_front_reaches_it():
    # Front at 24.049 + 8 t, rear of the car at 80 - 2.4: contact at 6.694 s, so in the sample at 6.7 s.
    result = metric(steady(8.0), {"x": 80.0, "y": LEFT_LANE_Y})
    assert result.score == 0.0
    assert result.first_violation.time_s == pytest.approx(6.7)
    assert result.sentence == "hit the standing vehicle track0 at 6.7 s, relative speed 8.0 m/s"
    assert result.first_violation.track_id == "track0"
    assert result.statistics["max_collision_energy_with_vehicles"] == pytest.approx(4.0)


def test_boxes_that_touch_collide_and_boxes_a_micrometre_apart_do_not():
    rear_x = 40.0
    car = {"x": rear_x + FRONT_M + 2.4, "y": LEFT_LANE_Y, "speed": 0.0}
    standing = motion(np.full(STEPS, rear_x), LEFT_LANE_Y, speed_mps=np.ones(STEPS))
    assert len(metric(standing, car).violations) == 1
    assert not metric(standing, {**car, "x": car["x"] + 1e-6}).violations


@pytest.mark.parametrize(
    ("ego_speed", "car", "kind"),
    [
        (0.05, {"x": CENTER_X + 4.0, "speed": -3.0}, CollisionKind.STOPPED_EGO),
        (5.0, {"x": CENTER_X + 4.0, "speed": 0.05}, CollisionKind.STOPPED_TRACK),
        (5.0, {"x": CENTER_X + 4.0, "speed": 3.0}, CollisionKind.ACTIVE_FRONT),
        (5.0, {"x": CENTER_X - 4.5, "speed": 9.0}, CollisionKind.ACTIVE_REAR),
        (5.0, {"x": CENTER_X - 0.5, "y": LEFT_LANE_Y - 2.1, "speed": 5.0}, CollisionKind.ACTIVE_LATERAL),
    ],
)
def test_the_kind_of_the_first_contact(ego_speed, car, kind):
    ego = motion(20.0 + ego_speed * TIME_S, LEFT_LANE_Y)
    found = collisions(drive(ego, agents({"y": LEFT_LANE_Y, **car})))
    assert found.kinds[0, 0] == kind
    assert found.steps[0, 0] == 0
    assert found.at_fault[0, 0] == (kind in (CollisionKind.STOPPED_TRACK, CollisionKind.ACTIVE_FRONT))


@pytest.mark.parametrize(("ego_y", "score"), [(LEFT_LANE_Y, 1.0), ((LEFT_LANE_Y + RIGHT_LANE_Y) / 2, 0.0)])
def test_a_side_collision_is_the_fault_of_an_ego_between_lanes(ego_y, score):
    beside = {"x": CENTER_X - 0.5, "y": ego_y - 2.1, "speed": 8.0}
    result = metric(steady(8.0, y=ego_y), beside)
    assert result.score == score
    contact = (result.violations or result.notes)[0]
    assert contact.sentence.startswith("touched vehicle track0 sideways")
    assert ("while not within one lane" in contact.sentence) == (score == 0.0)


def test_a_rear_end_collision_by_an_agent_is_a_note_without_cost():
    result = metric(steady(5.0), {"x": CENTER_X - 20.0, "y": LEFT_LANE_Y, "speed": 9.0})
    assert result.score == 1.0
    assert result.notes[0].sentence.startswith("was hit from behind by vehicle track0 at 3.8 s")


def test_each_agent_counts_once():
    result = metric(steady(8.0), {"x": 60.0, "y": LEFT_LANE_Y})
    assert result.statistics["number_of_all_at_fault_collisions"] == 1


@pytest.mark.parametrize(
    ("kinds", "score"),
    [
        ([AgentKind.TRAFFIC_CONE], 0.5),
        ([AgentKind.TRAFFIC_CONE, AgentKind.BARRIER], 0.0),
        ([AgentKind.PEDESTRIAN], 0.0),
        ([AgentKind.BICYCLE], 0.0),
        ([AgentKind.VEHICLE], 0.0),
    ],
)
def test_one_static_object_halves_the_score_and_all_other_collisions_zero_it(kinds, score):
    rows = [{"x": 60.0 + 5 * n, "y": LEFT_LANE_Y, "size": (0.5, 0.5), "kind": kind} for n, kind in enumerate(kinds)]
    assert metric(steady(8.0), *rows).score == score


def test_an_invalid_agent_does_not_collide():
    row = {"x": 60.0, "y": LEFT_LANE_Y, "seen": TIME_S < 2.0}
    assert metric(steady(8.0), row).score == 1.0


def test_recorded_velocities_of_static_objects_do_not_count():
    cone = {"x": 60.0, "y": LEFT_LANE_Y, "size": (0.5, 0.5), "kind": AgentKind.TRAFFIC_CONE}
    cones = agents(cone)
    cones.velocities_mps[:] = 3.0
    found = collisions(drive(steady(8.0), cones))
    assert found.kinds[0, 0] == CollisionKind.STOPPED_TRACK
    assert found.impacts_mps[0, 0] == pytest.approx(4.0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_first_contacts_are_those_of_shapely(seed):
    rng = np.random.default_rng(seed)
    starts = rng.uniform([20.0, -7.0], [40.0, 3.0], (4, 2))
    speeds = rng.uniform(2.0, 9.0, (4, 1))
    heading = rng.normal(0.0, 0.1, (4, 1)) + np.zeros(STEPS)
    ways = speeds * TIME_S
    ego = motion(starts[:, :1] + ways * np.cos(heading), starts[:, 1:] + ways * np.sin(heading), heading)
    rows = [
        {"x": rng.uniform(20.0, 120.0), "y": rng.uniform(-8.0, 4.0), "heading": rng.uniform(-3.0, 3.0)}
        for _ in range(6)
    ]
    rows = [{**row, "speed": rng.uniform(0.0, 5.0), "seen": rng.uniform(0.0, 3.0) < TIME_S} for row in rows]
    scene = drive(ego, agents(*rows))
    boxes = shapely.polygons(scene.corners)
    expected = np.full((4, 6), -1)
    for n in range(6):
        agent = shapely.polygons(box_corners(scene.agents.poses[n], scene.agents.sizes[n]))
        touches = shapely.intersects(boxes, agent) & scene.agents.valid[n]
        expected[:, n] = np.where(touches.any(axis=1), touches.argmax(axis=1), -1)
    found = collisions(scene)
    assert found.steps.tolist() == expected.tolist()
    assert (expected >= 0).any()
    np.testing.assert_array_equal(np.isnan(found.impacts_mps), expected < 0)
    np.testing.assert_array_equal(found.kinds < 0, expected < 0)


def test_the_impact_is_half_the_relative_speed():
    # Both at 6 m/s, at a right angle: the relative speed is 6 * sqrt(2).
    crossing = {"x": CENTER_X + 2.0, "y": LEFT_LANE_Y - 1.0, "speed": 6.0, "heading": np.pi / 2}
    found = collisions(drive(motion(20.0 + 6.0 * TIME_S, LEFT_LANE_Y), agents(crossing)))
    assert found.impacts_mps[0, 0] == pytest.approx(3.0 * np.sqrt(2.0))
