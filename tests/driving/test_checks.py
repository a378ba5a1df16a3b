from dataclasses import replace

import numpy as np
import pytest

from driving import AgentKind, Ragged, Route, TrafficLights
from driving.checks import check_scenario, scenario_findings
from driving.findings import FindingKind
from driving.geometry import box_overlap_m
from driving.map_checks import map_findings
from driving.synthetic.scenes import SCENES, scene


def messages(scenario, **options) -> str:
    return " ".join(finding.message for finding in scenario_findings(scenario, **options))


def with_ego(scenario, **arrays):
    return replace(scenario, ego=replace(scenario.ego, **arrays))


def with_agents(scenario, **arrays):
    return replace(scenario, agents=replace(scenario.agents, **arrays))


def moved(poses: np.ndarray, x: float, y: float) -> np.ndarray:
    return poses + np.array([x, y, 0.0])


@pytest.mark.parametrize("name", SCENES)
def test_hand_made_scenes_have_no_findings(name):
    assert check_scenario(scene(name)) == []


def test_time_stamps_must_rise():
    scenario = scene("queue")
    time_us = scenario.time_us.copy()
    time_us[5] = time_us[3]
    broken = with_ego(replace(scenario, time_us=time_us), time_us=time_us)
    with pytest.raises(ValueError, match=f"{scenario.scenario_id}.*step 5 is 100000 us before step 4"):
        check_scenario(broken)
    assert "differ from the scenario's" in messages(replace(scenario, time_us=time_us))


def test_poses_must_be_finite():
    scenario = scene("queue")
    poses = scenario.ego.rear_axle_poses.copy()
    poses[0, 7:9] = np.nan
    with pytest.raises(ValueError, match="rear_axle_poses are not finite at 2 steps, first at 7"):
        check_scenario(with_ego(scenario, rear_axle_poses=poses))


@pytest.mark.parametrize("name", ["poses", "velocities_mps", "sizes"])
def test_agents_are_finite_where_observed_and_nowhere_else(name):
    scenario = scene("queue")
    values = getattr(scenario.agents, name).copy()
    values[1, 4] = np.nan
    assert f"Observed agents need finite {name}; those of {2:016x} are not." in messages(
        with_agents(scenario, **{name: values})
    )
    hidden = scenario.agents.valid.copy()
    hidden[2, 4] = False
    assert f"Unobserved agents have NaN {name}; those of {3:016x} are not." in messages(
        with_agents(scenario, valid=hidden)
    )


def test_boxes_have_an_extent():
    scenario = scene("queue")
    sizes = scenario.agents.sizes.copy()
    sizes[0, :, 1] = 0.0
    assert "length and width above 0" in messages(with_agents(scenario, sizes=sizes))


def test_track_ids_are_unique():
    assert "Track ids must be unique, but a occur twice" in messages(
        with_agents(scene("queue"), track_ids=("a", "a", "b"))
    )


def test_map_ids_are_unique_over_both_kinds_of_roadblocks():
    map_graph = scene("queue").map
    connectors = map_graph.roadblock_connectors
    taken = np.concatenate([map_graph.roadblocks.ids[:1], connectors.ids[1:]])
    findings = map_findings(replace(map_graph, roadblock_connectors=replace(connectors, ids=taken)))
    assert any(finding.kind == FindingKind.MAP_IDS and "roadblock" in finding.message for finding in findings)


def test_links_between_lanes_go_both_ways():
    map_graph = scene("queue").map
    lanes = map_graph.lanes
    rows = [lanes.predecessors[row] for row in range(len(lanes))]
    target = int(lanes.successors[0][0])
    rows[target] = rows[target][:0]
    cut = Ragged.from_rows(rows, np.zeros(0, dtype=np.int64))
    found = [finding.message for finding in map_findings(replace(map_graph, lanes=replace(lanes, predecessors=cut)))]
    assert f"disagree on the links {lanes.ids[0]} to {lanes.ids[target]}." in found[0]
    assert f"exactly one predecessor; {lanes.ids[target]} do not" in found[1]


def test_centerlines_continue_each_other():
    map_graph = scene("queue").map
    lanes = map_graph.lanes
    rows = [lanes.centerlines[row] for row in range(len(lanes))]
    rows[0] = rows[0][:-1]
    cut = replace(map_graph, lanes=replace(lanes, centerlines=Ragged.from_rows(rows, np.zeros((0, 2)))))
    (finding,) = map_findings(cut)
    assert finding.kind == FindingKind.LANE_GAP
    assert "(2.0 m)" in finding.message
    assert check_scenario(replace(scene("queue"), map=cut), recorded=True) != []


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        ((), "names no roadblock"),
        ((1, 2), "no roadblocks 1, 2 of the route"),
        ("reversed", "not connected from"),
        ("behind", r"starts 68\.5 m off its route"),
    ],
)
def test_the_route_must_start_at_the_ego(ids, sentence):
    scenario = scene("queue")
    known = scenario.route.roadblock_ids
    chosen = {"reversed": known[::-1], "behind": known[2:]}.get(ids, ids) if isinstance(ids, str) else ids
    with pytest.raises(ValueError, match=sentence):
        check_scenario(replace(scenario, route=replace(scenario.route, roadblock_ids=chosen)))


def test_a_route_needs_a_centerline():
    scenario = scene("queue")
    empty = Route(roadblock_ids=scenario.route.roadblock_ids, goal_pose=None, centerline=np.zeros((0, 2)))
    assert "no centerline" in messages(replace(scenario, route=empty))


def test_leaving_the_route_later_is_a_finding_but_no_error():
    scenario = scene("straight_road")
    _, finding = check_scenario(
        replace(scenario, route=replace(scenario.route, roadblock_ids=scenario.route.roadblock_ids[:1])),
        recorded=True,
    )
    # The centre, 1.461 m before the axle, is more than 1 m behind the end of the first road, x = 60, from 6.0 s on.
    assert finding.message == "The logged ego leaves its route for 91 frames, first at iteration 60."
    assert not finding.is_error


def test_lights_name_connectors():
    scenario = scene("queue")
    lights = TrafficLights.from_dense(np.array([77]), np.zeros((1, 253), dtype=np.int8))
    assert "the map has none of 77" in messages(replace(scenario, traffic_lights=lights))


def test_agents_do_not_overlap_at_the_start():
    scenario = scene("queue")
    poses = scenario.agents.poses.copy()
    poses[1] = moved(poses[1], -2.5, 0.0)  # 2 m of road between them
    assert f"agents overlap: {1:016x} and {2:016x} (0.50 m)" in messages(with_agents(scenario, poses=poses))
    poses[1] = moved(poses[1], 0.46, 0.0)
    assert messages(with_agents(scenario, poses=poses)) == ""


def test_static_objects_may_touch_each_other():
    scenario = scene("queue")
    poses = scenario.agents.poses.copy()
    poses[1] = poses[2]
    cones = with_agents(scenario, poses=poses, kinds=np.full(3, AgentKind.TRAFFIC_CONE, dtype=np.int8))
    assert messages(cones) == ""


def test_a_collision_needs_overlapping_boxes():
    scenario = scene("queue")
    assert messages(with_agents(scenario, poses=moved(scenario.agents.poses, -2.99, 0.0))) == ""
    hit = with_agents(scenario, poses=moved(scenario.agents.poses, -5.0, 0.0))
    with pytest.raises(ValueError, match=f"collides with agent {1:016x} by 2.00 m, first at iteration 6"):
        check_scenario(hit)
    (finding,) = check_scenario(hit, recorded=True)
    assert finding.kind == FindingKind.COLLISION


def test_the_ego_overlaps_no_agent_at_the_start():
    scenario = scene("queue")
    on_top = with_agents(scenario, poses=moved(scenario.agents.poses, -62.0, 0.0))
    assert f"At the first frame the ego overlaps agent {1:016x}" in messages(on_top)


@pytest.mark.parametrize(("aside_m", "leaves"), [(3.4, False), (3.6, True)])
def test_corners_may_leave_the_road_by_30_cm(aside_m, leaves):
    # The right edge of the road is at y = -6, that of the ego at -1.75 - 1.1485 - aside.
    scenario = scene("straight_road")
    there = with_ego(scenario, rear_axle_poses=moved(scenario.ego.rear_axle_poses, 0.0, -aside_m))
    found = messages(there, recorded=True)
    assert ("leaves the drivable area for 151 frames, first at iteration 0, by up to 0.50 m" in found) == leaves


def test_unknown_scenario_types_are_findings():
    (finding,) = check_scenario(replace(scene("queue"), scenario_type="juggling"))
    assert "no scenario type 'juggling'" in finding.message
    assert check_scenario(replace(scene("queue"), scenario_type="unknown")) == []


def test_the_depth_of_an_overlap_is_the_shortest_shift_that_separates():
    car, size = np.array([[0.0, 0.0, 0.0]]), np.array([[4.0, 2.0]])
    for pose, depth_m in (
        ([3.0, 0.0, 0.0], 1.0),
        ([3.0, 1.5, 0.0], 0.5),
        ([5.0, 0.0, 0.0], -1.0),
        ([2.5, 0.0, np.pi / 2], 0.5),
        # A corner of the turned square reaches 2.5 - sqrt(2) = 1.086 m along x.
        ([2.5, 0.0, np.pi / 4], 2.0 - (2.5 - np.sqrt(2))),
    ):
        other_size = np.array([[2.0, 2.0]]) if pose[2] == np.pi / 4 else size
        assert box_overlap_m(car, size, np.array([pose]), other_size)[0] == pytest.approx(depth_m)


def test_a_route_of_one_roadblock_is_found():
    scenario = scene("queue")
    single = replace(scenario, route=replace(scenario.route, roadblock_ids=scenario.route.roadblock_ids[:1]))
    with pytest.raises(
        ValueError, match=f"The route is the single roadblock {scenario.route.roadblock_ids[0]}; nuPlan's"
    ):
        check_scenario(single)
    assert FindingKind.SINGLE_ROADBLOCK in {finding.kind for finding in check_scenario(single, recorded=True)}
