import numpy as np
import pytest

from driving.agents import AgentKind
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


def judged(ego, *rows):
    return no_ego_at_fault_collisions(drive(ego, agents(*rows)))[0]


def test_a_standing_car_ahead_is_hit_when_the_front_reaches_it():
    # Front at 24.049 + 8 t, rear of the car at 80 - 2.4: contact at 6.694 s, so in the sample at 6.7 s.
    result = judged(steady(8.0), {"x": 80.0, "y": LEFT_LANE_Y})
    assert result.score == 0.0
    assert result.first_violation_s == pytest.approx(6.7)
    assert result.sentence == "hit the standing vehicle track0 at 6.7 s, relative speed 8.0 m/s"
    assert result.first_violation.track_id == "track0"
    assert result.statistics["max_collision_energy_with_vehicles"] == pytest.approx(4.0)


def test_touching_counts_and_a_hair_less_does_not():
    rear_x = 40.0
    car = {"x": rear_x + FRONT_M + 2.4, "y": LEFT_LANE_Y, "speed": 0.0}
    standing = motion(np.full(STEPS, rear_x), LEFT_LANE_Y, speed_mps=np.ones(STEPS))
    assert len(judged(standing, car).violations) == 1
    assert not judged(standing, {**car, "x": car["x"] + 1e-6}).violations


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
def test_who_ran_into_whom(ego_speed, car, kind):
    ego = motion(20.0 + ego_speed * TIME_S, LEFT_LANE_Y)
    found = collisions(drive(ego, agents({"y": LEFT_LANE_Y, **car})))
    assert found.kinds[0, 0] == kind
    assert found.steps[0, 0] == 0
    assert found.at_fault[0, 0] == (kind in (CollisionKind.STOPPED_TRACK, CollisionKind.ACTIVE_FRONT))


@pytest.mark.parametrize(("ego_y", "score"), [(LEFT_LANE_Y, 1.0), ((LEFT_LANE_Y + RIGHT_LANE_Y) / 2, 0.0)])
def test_a_side_collision_is_the_fault_of_an_ego_between_lanes(ego_y, score):
    beside = {"x": CENTER_X - 0.5, "y": ego_y - 2.1, "speed": 8.0}
    result = judged(steady(8.0, y=ego_y), beside)
    assert result.score == score
    contact = (result.violations or result.notes)[0]
    assert contact.sentence.startswith("touched vehicle track0 sideways")
    assert ("while not within one lane" in contact.sentence) == (score == 0.0)


def test_being_hit_from_behind_costs_nothing_but_is_told():
    result = judged(steady(5.0), {"x": CENTER_X - 20.0, "y": LEFT_LANE_Y, "speed": 9.0})
    assert result.score == 1.0
    assert result.notes[0].sentence.startswith("was hit from behind by vehicle track0 at 3.8 s")


def test_the_same_agent_is_hit_only_once():
    result = judged(steady(8.0), {"x": 60.0, "y": LEFT_LANE_Y})
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
def test_one_static_object_costs_half_anything_else_all(kinds, score):
    rows = [{"x": 60.0 + 5 * n, "y": LEFT_LANE_Y, "size": (0.5, 0.5), "kind": kind} for n, kind in enumerate(kinds)]
    assert judged(steady(8.0), *rows).score == score


def test_an_unseen_agent_is_not_hit():
    row = {"x": 60.0, "y": LEFT_LANE_Y, "seen": TIME_S < 2.0}
    assert judged(steady(8.0), row).score == 1.0


def test_static_objects_have_no_speed_whatever_they_say():
    cone = {"x": 60.0, "y": LEFT_LANE_Y, "size": (0.5, 0.5), "kind": AgentKind.TRAFFIC_CONE}
    others = agents(cone)
    others.velocities_mps[:] = 3.0
    found = collisions(drive(steady(8.0), others))
    assert found.kinds[0, 0] == CollisionKind.STOPPED_TRACK
    assert found.impacts_mps[0, 0] == pytest.approx(4.0)
