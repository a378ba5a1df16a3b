from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentKind, AgentTracks
from driving.map import AreaLayer, Lanes, Ragged
from driving.synthetic.scenes import scene
from simulation.traffic.learned.paths import (
    ARC,
    FREE,
    HEADING,
    LIGHT,
    PathBuilder,
    arc_of,
    gate_kind,
    is_on_lane,
    limit_at,
    path_length,
    pose_at,
    standing_off_lane,
)


def with_poses(scenario, poses, kind=AgentKind.VEHICLE):
    """The scenario with one agent, at rest at the poses given for all steps."""
    steps = len(scenario.time_us)
    poses = np.broadcast_to(np.asarray(poses, dtype=float), (steps, 3))
    return replace(
        scenario,
        about_track=None,
        agents=AgentTracks(
            track_ids=("one",),
            kinds=np.array([kind], dtype=np.int8),
            poses=poses[np.newaxis].copy(),
            velocities_mps=np.zeros((1, steps, 2)),
            sizes=np.broadcast_to([4.5, 2.0], (1, steps, 2)).copy(),
            valid=np.ones((1, steps), dtype=bool),
        ),
    )


def all_rows(scenario):
    return np.arange(scenario.agents.num_agents)


def test_a_moving_agents_path_keeps_its_logged_poses(junction):
    paths = PathBuilder(junction).build(all_rows(junction))
    agents = junction.agents
    for row in range(agents.num_agents):
        steps = np.flatnonzero(agents.valid[row])
        arc = 0.0
        for step in steps[::10].tolist():
            x, y, heading = agents.poses[row, step].tolist()
            arc = arc_of(paths, row, (x, y), arc)
            found = pose_at(paths, row, arc)
            assert np.hypot(found[0] - x, found[1] - y) < 0.1
            assert abs(np.angle(np.exp(1j * (found[2] - heading)))) < 0.1


def test_a_path_continues_along_the_lanes_to_their_end(queue):
    paths = PathBuilder(queue).build(all_rows(queue))
    for row in range(queue.agents.num_agents):
        start = paths.vertices[paths.offsets[row]]
        assert path_length(paths, row) > 20.0
        assert paths.is_open[row]
        x, y, _ = pose_at(paths, row, 15.0)
        assert x - start[0] == pytest.approx(15.0, abs=0.2)
        assert y == pytest.approx(start[1], abs=0.1)


def test_arc_lengths_ascend_and_headings_do_not_jump(junction):
    paths = PathBuilder(junction).build(all_rows(junction))
    for row in range(junction.agents.num_agents):
        vertices = paths.vertices[paths.offsets[row] : paths.offsets[row + 1]]
        assert (np.diff(vertices[:, ARC]) > 0).all()
        assert np.abs(np.diff(vertices[:, HEADING])).max() < 0.5


def test_the_offset_from_the_lane_fades(queue):
    row = 0
    x, y, heading = queue.agents.poses[row, 0].tolist()
    moved = with_poses(queue, (x, y + 0.8, heading))
    paths = PathBuilder(moved).build(np.array([0]))
    assert pose_at(paths, 0, 0.0)[1] == pytest.approx(y + 0.8)
    assert y + 0.5 < pose_at(paths, 0, 5.0)[1] < y + 0.8


def test_an_agent_beside_all_lanes_has_a_path_that_ends_where_it_stands(queue):
    x, y, heading = queue.agents.poses[0, 0].tolist()
    beside = with_poses(queue, (x, y - 40.0, heading))
    paths = PathBuilder(beside).build(np.array([0]))
    assert not paths.is_open[0]
    assert path_length(paths, 0) == pytest.approx(1.0)


def test_agents_without_a_path_have_no_vertices(queue):
    paths = PathBuilder(queue).build(np.array([1]))
    assert paths.offsets[1] == 0
    assert np.isnan(arc_of(paths, 0, (0.0, 0.0), 0.0))


def test_the_choice_between_successors_depends_on_the_seed_alone(junction):
    first, again = (PathBuilder(junction, seed=4).build(all_rows(junction)) for _ in range(2))
    np.testing.assert_array_equal(first.vertices, again.vertices)


def test_a_red_light_is_a_gate_at_the_connectors_start(red_light):
    scenario = red_light
    rows = all_rows(scenario)
    paths = PathBuilder(scenario).build(rows)
    kinds = paths.gate_kinds.tolist()
    if not len(rows):
        # The scene holds the ego alone: its own poses as an agent.
        ego = with_poses(scenario, scenario.ego.center_poses()[0, 0])
        paths = PathBuilder(ego).build(np.array([0]))
        kinds = paths.gate_kinds.tolist()
    assert LIGHT in kinds
    gate = kinds.index(LIGHT)
    assert scenario.map.lanes.is_connector(int(paths.gate_rows[gate]))


def test_speed_limits_come_from_the_lanes(queue):
    paths = PathBuilder(queue).build(all_rows(queue))
    limits = queue.map.lanes.speed_limit_mps
    assert limit_at(paths, 0, 1.0) in limits[~np.isnan(limits)]


def test_connectors_without_lines_are_free(junction):
    lanes = junction.map.lanes
    kinds = {gate_kind(junction.map, row) for row in range(lanes.num_lanes, len(lanes))}
    assert kinds <= {0, 1, 2, FREE}


@pytest.mark.parametrize(
    ("lateral_m", "turn", "expected"), [(0.0, 0.0, True), (1.9, 0.5, True), (2.1, 0.0, False), (0.0, 3.1, False)]
)
def test_an_agent_follows_a_lane_near_and_along_it(lateral_m, turn, expected):
    assert is_on_lane(lateral_m, turn) == expected


def test_parked_cars_are_those_that_never_move_and_follow_no_lane(queue):
    x, y, heading = queue.agents.poses[0, 0].tolist()
    assert not standing_off_lane(with_poses(queue, (x, y, heading)))[0]
    assert standing_off_lane(with_poses(queue, (x, y - 40.0, heading)))[0]
    assert standing_off_lane(with_poses(queue, (x, y, heading + np.pi / 2)))[0]
    assert standing_off_lane(with_poses(queue, (x, y, heading), AgentKind.BICYCLE))[0]
    assert not standing_off_lane(with_poses(queue, (x, y, heading), AgentKind.PEDESTRIAN))[0]


def test_a_map_without_lanes_gives_closed_paths(queue):
    none = np.zeros(0, dtype=np.int64)
    lines, rows = Ragged.from_rows([], np.zeros((0, 2))), Ragged.from_rows([], none)
    empty = Lanes(
        areas=AreaLayer.empty(),
        num_lanes=0,
        roadblock_ids=none,
        lane_index=none,
        speed_limit_mps=np.zeros(0),
        centerlines=lines,
        left_boundaries=lines,
        right_boundaries=lines,
        successors=rows,
        predecessors=rows,
        turn_kinds=none.astype(np.int8),
        intersection_ids=none,
        has_traffic_lights=none.astype(bool),
        stop_line_ids=rows,
        connector_lines=lines,
    )
    bare = replace(queue, map=replace(queue.map, lanes=empty, source=None))
    paths = PathBuilder(bare).build(all_rows(bare))
    assert not paths.is_open.any()
    assert standing_off_lane(bare).any()


def test_a_map_without_lanes_near_the_agents_gives_closed_paths():
    scenario = scene("queue")
    far = replace(scenario, agents=replace(scenario.agents, poses=scenario.agents.poses + np.array([0, 5e3, 0])))
    paths = PathBuilder(far).build(all_rows(far))
    assert not paths.is_open.any()
