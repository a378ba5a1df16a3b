"""The bridge to nuPlan's devkit; tests that need the devkit are skipped without it."""

import importlib.util

import numpy as np
import pytest

from driving import Observation
from driving.synthetic.scenes import scene
from planning.devkit.configuration import instantiate, make_from_class, make_from_file
from planning.registry import load_planner

HAS_DEVKIT = importlib.util.find_spec("nuplan") is not None
needs_devkit = pytest.mark.skipif(not HAS_DEVKIT, reason="nuPlan's devkit is not on the PYTHONPATH")
IDM = "nuplan.planning.simulation.planner.idm_planner:IDMPlanner"


def test_nested_nodes_are_made_from_the_inside_out():
    node = {
        "_target_": "datetime.timedelta",
        "_convert_": "all",
        "days": {"_target_": "builtins.int", "_recursive_": False},
        "hours": 2,
    }
    assert instantiate(node).total_seconds() == 7200.0


def test_a_class_without_settings_is_made_without_arguments():
    assert make_from_class("collections:OrderedDict") == {}


def test_a_class_with_missing_arguments_raises_with_the_way_to_give_them():
    with pytest.raises(ValueError, match="no planner YAML of its package names it"):
        make_from_class("datetime:date")


def test_a_missing_package_is_named():
    with pytest.raises(ValueError, match="no module 'not_a_planner'"):
        make_from_class("not_a_planner.module:Planner")


def test_a_settings_file_may_hold_the_node_below_its_name(tmp_path):
    path = tmp_path / "planner.yaml"
    path.write_text("my_planner:\n  _target_: datetime.timedelta\n  hours: 3\n")
    assert make_from_file(path).total_seconds() == 10800.0


def test_a_settings_file_without_a_class_is_refused(tmp_path):
    path = tmp_path / "planner.yaml"
    path.write_text("hours: 3\n")
    with pytest.raises(ValueError, match="needs a _target_"):
        make_from_file(path)
    with pytest.raises(FileNotFoundError, match="No planner settings"):
        make_from_file(tmp_path / "other.yaml")


@pytest.mark.skipif(HAS_DEVKIT, reason="says what happens without the devkit")
def test_without_the_devkit_its_planners_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="needs nuPlan's devkit, but there is no module 'nuplan'"):
        load_planner(f"devkit:{IDM}")


@pytest.fixture
def seen() -> Observation:
    return scene("queue").observation_at(40)


@needs_devkit
def test_the_devkits_idm_planner_plans_as_ours_does(seen):
    ours, theirs = load_planner("idm"), load_planner(f"devkit:{IDM}")
    for planner in (ours, theirs):
        planner.reset(seen.map, seen.route)
    a, b = ours.plan(seen), theirs.plan(seen)
    np.testing.assert_allclose(a.time_s, b.time_s, atol=1e-9)
    np.testing.assert_allclose(a.poses, b.poses, atol=1e-6)


@needs_devkit
def test_observations_survive_the_way_there_and_back(seen):
    from planning.devkit.ours import agent_tracks, ego_motion
    from planning.devkit.states import history_buffer

    history = history_buffer(seen)
    ego = ego_motion(history.ego_states)
    np.testing.assert_allclose(ego.rear_axle_poses, seen.ego.rear_axle_poses, atol=1e-9)
    np.testing.assert_allclose(ego.velocities_mps, seen.ego.velocities_mps, atol=1e-9)
    agents = agent_tracks([frame.tracked_objects for frame in history.observations])
    rows = [agents.track_ids.index(track_id) for track_id in seen.agents.track_ids]
    np.testing.assert_allclose(agents.poses[rows], seen.agents.poses, atol=1e-9)
    assert (agents.valid[rows] == seen.agents.valid).all()
    for step in range(seen.agents.num_steps):
        ids = [agents.track_ids[row] for row in agents.rows_at(step)]
        assert ids == [seen.agents.track_ids[row] for row in seen.agents.rows_at(step)]


@needs_devkit
def test_the_devkits_map_api_knows_our_map(seen):
    from nuplan.common.actor_state.state_representation import Point2D
    from nuplan.common.maps.maps_datatypes import SemanticMapLayer

    from planning.devkit.layers import devkit_map

    api, road = devkit_map(seen.map), seen.map
    pose = seen.ego_now.center_pose()
    lane = api.get_one_map_object(Point2D(pose[0], pose[1]), SemanticMapLayer.LANE)
    row = int(road.lane_rows_at(pose[:2])[0])
    assert int(lane.id) == road.lanes.ids[row]
    assert int(lane.get_roadblock_id()) == road.lanes.roadblock_ids[row]
    assert [int(edge.id) for edge in lane.outgoing_edges] == [
        int(road.lanes.ids[i]) for i in road.lanes.successors[row]
    ]
    assert lane.baseline_path.length == pytest.approx(road.centerline(row).length_m)
    assert api.is_in_layer(Point2D(pose[0], pose[1]), SemanticMapLayer.DRIVABLE_AREA)
