import math
from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentKind
from driving.synthetic.curves import straight
from driving.synthetic.roads import RoadBuilder
from simulation.realism.scene_statistics import (
    MARGINALS,
    PAIRS,
    STATISTICS,
    leaders,
    overlapping_agents,
    scene_divergences,
    scene_statistics,
)

PEDESTRIAN = int(AgentKind.PEDESTRIAN)


def test_marginals_of_a_scene_by_hand(scene):
    found = scene_statistics([scene((50, -1.75, 0, 5), (60, -1.35, 0.1, 3), (60, -5.35, 0, 2))]).samples
    assert sorted(found["nearest"]) == pytest.approx([4.0, 4.0, math.hypot(10, 0.4)])
    assert sorted(found["lateral"]) == pytest.approx([0.0, 0.1, 0.4], abs=1e-6)
    assert sorted(found["angle"]) == pytest.approx([0.0, 0.0, math.degrees(0.1)], abs=1e-6)
    # The ego's box does not count.
    assert found["length"].tolist() == [4.0, 4.0]
    assert found["width"].tolist() == [2.0, 2.0]
    assert sorted(found["speed"]) == [2.0, 3.0, 5.0]
    assert found["count"].tolist() == [3.0]


def test_gap_closing_speed_and_headway_of_a_pair(scene):
    found = scene_statistics([scene((50, -1.75, 0, 5), (64, -1.75, 0, 3), (70, -5.25, 0, 0))]).samples
    assert found["gap"] == pytest.approx([10.0])
    assert found["closing"] == pytest.approx([2.0])
    assert found["headway"] == pytest.approx([2.0])


def test_a_standing_follower_has_a_gap_but_no_headway(scene):
    found = scene_statistics([scene((50, -1.75, 0, 0), (64, -1.75, 0, 3))]).samples
    assert len(found["gap"]) == 1
    assert len(found["headway"]) == 0


def test_leaders_are_found_across_a_connector_up_to_the_horizon(scene):
    leader, gap = leaders(scene((80, -1.75, 0, 5), (130, -1.75, 0, 5), (195, -1.75, 0, 5)))
    assert leader.tolist() == [1, -1, -1]
    assert gap[0] == pytest.approx(46.0, abs=0.01)


def test_oncoming_and_crossing_vehicles_and_pedestrians_are_no_leaders(scene):
    found = scene(
        (50, -1.75, 0, 5),
        (58, -1.75, np.pi / 2, 1),
        (62, -1.75, 0, 1),
        (54, 1.75, np.pi, 5),
        kinds=[0, 0, PEDESTRIAN, 0],
    )
    assert leaders(found)[0].tolist() == [-1, -1, -1, -1]


def test_of_two_vehicles_at_one_place_one_leads_with_gap_0(scene):
    leader, gap = leaders(scene((50, -1.75, 0, 5), (50, -1.75, 0, 5)))
    assert leader.tolist() == [1, -1]
    assert gap[0] == 0.0


def test_overlaps_need_a_vehicle_and_more_than_the_accuracy_of_labels(scene):
    people = scene((50, -1.75, 0, 5), (60, -9, 0, 1), (60.2, -9, 0, 1), kinds=[0, PEDESTRIAN, PEDESTRIAN])
    assert not overlapping_agents(people).any()
    touching = scene((50, -1.75, 0, 5), (53.97, -1.75, 0, 1), (70, -1.75, 0, 0), (73.5, -1.75, 0, 0))
    assert overlapping_agents(touching).tolist() == [False, False, True, True]
    assert scene_statistics([touching]).overlap_share == 0.5


def test_the_off_lane_share_is_that_of_the_other_vehicles(scene):
    off = scene((50, -30, 0, 5), (60, -9, 0, 1), (70, -1.75, 0, 0), (70, -20, 0, 1), kinds=[0, 0, 0, PEDESTRIAN])
    assert scene_statistics([off]).off_lane_share == 0.5


def test_turning_the_world_changes_no_statistic(scene):
    plain = scene((50, -1.75, 0, 5), (64, -1.5, 0.05, 3), (70, -5.25, 0, 0))
    angle = 1.1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    builder = RoadBuilder(origin=(0.0, 0.0), first_id=1)
    builder.add_road(straight((0.0, 0.0), tuple(turn @ [100.0, 0.0])), lanes_forward=2, lanes_backward=2)
    local = plain.poses[:, :2] - np.array([664_400.0, 3_997_600.0])
    poses = np.column_stack([local @ turn.T, plain.poses[:, 2] + angle])
    first, second = scene_statistics([plain]), scene_statistics([replace(plain, map=builder.build(), poses=poses)])
    for name in STATISTICS:
        assert second.samples[name] == pytest.approx(first.samples[name], abs=1e-4)


def test_divergences_have_their_means(scene):
    first = scene_statistics([scene((50, -1.75, 0, 5), (64, -1.75, 0, 3))])
    second = scene_statistics([scene((50, -1.75, 0, 5), (64, -1.45, 0, 3), (80, -1.75, 0, 5))])
    same = scene_divergences(first, first)
    assert same["six"] == same["pair"] == 0.0
    found = scene_divergences(first, second)
    assert found["six"] == pytest.approx(np.mean([found[name] for name in MARGINALS]))
    assert found["pair"] == pytest.approx(np.mean([found[name] for name in PAIRS]))
    assert found["length"] == 0.0
    assert found["lateral"] > 0.0


def test_no_snapshot_has_no_samples():
    empty = scene_statistics([])
    assert empty.num_snapshots == empty.num_agents == 0
    assert all(len(values) == 0 for values in empty.samples.values())
