"""Steps of agents on a straight lane made by hand, against the law of the intelligent driver model."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driving.geometry import box_corners
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import flatten_polygons
from simulation.traffic.idm_law import NUPLAN_AGENTS, idm_acceleration
from simulation.traffic.idm_map import LaneArrays
from simulation.traffic.idm_paths import PROGRESS, build_path
from simulation.traffic.idm_shapes import CORNERS, parts_needed, set_part
from simulation.traffic.idm_step import (
    MAX_ROUTE,
    RADIUS_M,
    Agents,
    Lights,
    ObstacleBoxes,
    Storage,
    World,
    set_pose,
    step_agents,
)

LENGTH_M, WIDTH_M, STEP_S = 4.5, 2.0, 0.1
CAPACITY = 128
LIMITS_MPS = (10.0, 14.0, 14.0)
"""Speed limits of the first lane and of its two successors."""
FIRST, STRAIGHT_ON, TURN = range(3)
EGO_ASIDE = np.array([90.0, 40.0, 0.0])
"""Box centre of an ego beside the road."""


@njit(cache=True)
def advanced(world: World, storage: Storage, ego_center: np.ndarray, dt_s: float) -> Storage:
    """The kernel of a step has no wrapper for calls from Python."""
    return step_agents(world, storage, ego_center, dt_s)


class Road(NamedTuple):
    world: World
    storage: Storage

    def after(self, steps, ego=EGO_ASIDE, dt_s=STEP_S):
        storage = self.storage
        for _ in range(steps):
            storage = advanced(self.world, storage, ego, dt_s)
        return Road(self.world, storage)

    def path_end_m(self, agent):
        return self.storage.paths[agent, self.world.agents.path_count[agent] - 1, PROGRESS]


def straight_lanes(has_lights=False):
    """A lane of 200 m to the east that leads into a straight one and into one that turns."""
    east = np.linspace((0.0, 0.0), (200.0, 0.0), 101)
    angles = np.linspace(0.0, np.pi / 2, 41)
    turn = np.array([200.0, 20.0]) + 20.0 * np.stack([np.sin(angles), -np.cos(angles)], axis=-1)
    lines = [east, east + np.array([200.0, 0.0]), turn]
    steps = [np.diff(line, axis=0) for line in lines]
    headings = [np.arctan2(step[:, 1], step[:, 0]) for step in steps]
    return LaneArrays(
        offsets=np.array([0, 101, 202, 243]),
        points=np.concatenate(lines),
        arc=np.concatenate([np.concatenate([[0.0], np.cumsum(np.hypot(*step.T))]) for step in steps]),
        headings=np.concatenate([np.append(heading, heading[-1]) for heading in headings]),
        speed_limit=np.array(LIMITS_MPS),
        has_lights=np.array([False, has_lights, False]),
        entry_curvature=np.array([0.0, 0.0, 0.05]),
        next_offsets=np.array([0, 2, 2, 2]),
        next_rows=np.array([STRAIGHT_ON, TURN]),
        stop_lines=flatten_polygons(np.zeros(0, dtype=object)),
    )


def road(places_m, speeds_mps, *, boxes=(), lanes=None, red=(), green=()):
    """Agents in the middle of the first lane, and boxes (x, y, heading, speed) of the size of an agent."""
    num = len(places_m)
    lanes = straight_lanes() if lanes is None else lanes
    agents = Agents(
        alive=np.ones(num, dtype=bool),
        progress=np.array(places_m, dtype=np.float64),
        speed=np.array(speeds_mps, dtype=np.float64),
        target=np.full(num, LIMITS_MPS[FIRST]),
        length=np.full(num, LENGTH_M),
        width=np.full(num, WIDTH_M),
        pose=np.zeros((num, 3)),
        route=np.zeros((num, MAX_ROUTE), dtype=np.int64),
        route_count=np.ones(num, dtype=np.int64),
        path_count=np.zeros(num, dtype=np.int64),
        part_count=np.ones(num, dtype=np.int64),
        bounds=np.zeros((num, 4)),
    )
    num_parts = parts_needed(CAPACITY)
    storage = Storage(
        paths=np.zeros((num, CAPACITY, 4)),
        parts=np.zeros((num, num_parts, CORNERS, 2)),
        part_bounds=np.zeros((num, num_parts, 4)),
    )
    line = np.column_stack([lanes.points[:101], lanes.headings[:101]])
    for agent in range(num):
        agents.path_count[agent] = build_path(line, len(line), storage.paths[agent])
        set_pose(agents, storage, agent)
        box = box_corners(agents.pose[agent], np.array([LENGTH_M, WIDTH_M]))
        set_part(storage.parts[agent], storage.part_bounds[agent], 0, box)
        agents.bounds[agent] = storage.part_bounds[agent, 0]
    poses = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    obstacles = ObstacleBoxes(
        parts=np.zeros((len(poses), 1, CORNERS, 2)),
        bounds=np.zeros((len(poses), 1, 4)),
        speed=poses[:, 3].copy(),
        heading=poses[:, 2].copy(),
    )
    for row, pose in enumerate(poses):
        set_part(obstacles.parts[row], obstacles.bounds[row], 0, box_corners(pose[:3], np.array([LENGTH_M, WIDTH_M])))
    num_lanes = len(lanes.speed_limit)
    lights = Lights(
        green=np.isin(np.arange(num_lanes), green),
        red=np.isin(np.arange(num_lanes), red),
        stop_offsets=np.zeros(num_lanes + 1, dtype=np.int64),
        stop_rows=np.zeros(0, dtype=np.int64),
    )
    return Road(World(agents, lanes, lights, obstacles), storage)


def followed(place_m, speed_mps, gap_m, lead_mps, target_mps):
    """Place and speed after one Euler step of the law."""
    accel = idm_acceleration.py_func(speed_mps, gap_m, lead_mps, target_mps, NUPLAN_AGENTS)
    return place_m + STEP_S * speed_mps, max(0.0, speed_mps + STEP_S * accel)


def test_a_pose_is_that_of_the_progress_on_the_path():
    alone = road([30.0], [5.0])
    assert alone.world.agents.pose[0] == pytest.approx([30.0, 0.0, 0.0])
    alone.world.agents.progress[0] = 1e6
    set_pose(alone.world.agents, alone.storage, 0)
    # The last vertex of a line is not part of its path.
    assert alone.world.agents.pose[0] == pytest.approx([198.0, 0.0, 0.0])


@pytest.mark.parametrize("speed_mps", [0.0, 4.0, 10.0, 13.0])
def test_on_a_free_road_the_end_of_the_path_is_the_leader(speed_mps):
    alone = road([20.0], [speed_mps])
    expected = followed(20.0, speed_mps, alone.path_end_m(0) - 20.0 - LENGTH_M / 2, 0.0, LIMITS_MPS[FIRST])
    agents = alone.after(1).world.agents
    assert (agents.progress[0], agents.speed[0]) == pytest.approx(expected)
    assert agents.pose[0] == pytest.approx([expected[0], 0.0, 0.0])


speeds = st.floats(0.0, 12.0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(26.0, 43.0), speeds), min_size=2, max_size=4), st.integers(1, 4))
def test_agents_in_a_row_follow_the_law(vehicles, steps):
    places = np.cumsum([gap_m for gap_m, _ in vehicles]) - 20.0
    speed = np.array([speed_mps for _, speed_mps in vehicles])
    queue = road(places, speed)
    # Before its first step an agent occupies its box, later also the way of its headway.
    headway_m = np.zeros(len(places))
    for _ in range(steps):
        for a in range(len(places)):
            if a + 1 < len(places):
                gap_m, lead_mps = places[a + 1] - places[a] - LENGTH_M - headway_m[a], speed[a + 1]
            else:
                gap_m, lead_mps = 198.0 - places[a] - LENGTH_M / 2, 0.0
            places[a], speed[a] = followed(places[a], speed[a], gap_m, lead_mps, LIMITS_MPS[FIRST])
            headway_m[a] = speed[a] * NUPLAN_AGENTS.headway_s
    agents = queue.after(steps).world.agents
    np.testing.assert_allclose(agents.speed, speed, atol=1e-9)
    np.testing.assert_allclose(agents.pose[:, 0], places, atol=1e-9)


@pytest.mark.parametrize(("heading", "lead_mps"), [(0.0, 3.0), (np.pi, -3.0), (np.pi / 2, 0.0)])
def test_the_speed_of_a_leader_counts_along_the_heading_of_the_follower(heading, lead_mps):
    agents = road([20.0], [8.0], boxes=[(60.0, 0.0, heading, 3.0)]).after(1).world.agents
    extent_m = WIDTH_M if heading == np.pi / 2 else LENGTH_M
    expected = followed(20.0, 8.0, 40.0 - LENGTH_M / 2 - extent_m / 2, lead_mps, LIMITS_MPS[FIRST])
    assert (agents.progress[0], agents.speed[0]) == pytest.approx(expected)


@pytest.mark.parametrize(("aside_m", "brakes"), [(1.9, True), (2.1, False), (-1.9, True), (-2.1, False)])
def test_only_obstacles_in_the_corridor_of_the_vehicle_width_are_leaders(aside_m, brakes):
    agents = road([20.0], [8.0], boxes=[(28.0, aside_m, 0.0, 0.0)]).after(1).world.agents
    assert (agents.speed[0] < 8.0) == brakes


def test_an_obstacle_behind_is_no_leader():
    with_box, without = (road([60.0], [6.0], boxes=boxes).after(1) for boxes in ([(40.0, 0.0, 0.0, 9.0)], []))
    assert with_box.world.agents.speed[0] == without.world.agents.speed[0]


def test_the_nearest_of_several_obstacles_leads():
    near, far = (50.0, 0.0, 0.0, 1.0), (80.0, 0.0, 0.0, 0.0)
    results = [road([20.0], [8.0], boxes=boxes).after(1).world.agents.speed[0] for boxes in ([near], [far, near])]
    assert results[0] == results[1]
    assert results[0] < road([20.0], [8.0], boxes=[far]).after(1).world.agents.speed[0]


def test_agents_brake_to_a_stop_behind_an_obstacle_and_never_reverse():
    agents = road([20.0], [10.0], boxes=[(90.0, 0.0, 0.0, 0.0)]).after(250).world.agents
    assert 0.0 <= agents.speed[0] < 0.05
    assert 0.2 < 90.0 - agents.pose[0, 0] - LENGTH_M < 3.0


def test_agents_out_of_range_of_the_ego_leave_for_good():
    queue = road([20.0, 80.0], [5.0, 5.0])
    queue = queue.after(1, ego=np.array([80.0 + RADIUS_M - 1.0, 0.0, 0.0]))
    assert queue.world.agents.alive.tolist() == [False, True]
    assert queue.world.agents.progress[0] == 20.0
    queue = queue.after(3, ego=np.array([20.0, 0.0, 0.0]))
    assert queue.world.agents.alive.tolist() == [False, True]
    assert queue.world.agents.progress[0] == 20.0


def test_near_the_end_of_its_path_an_agent_continues_on_the_straightest_lane():
    agents = road([170.0], [8.0]).after(1).world.agents
    assert agents.route[0, : agents.route_count[0]].tolist() == [FIRST, STRAIGHT_ON]
    # The limit is that of the route's last lane.
    assert agents.target[0] == LIMITS_MPS[STRAIGHT_ON]
    # The path begins anew where the agent was.
    assert agents.progress[0] == pytest.approx(0.8)
    assert agents.pose[0, 0] == pytest.approx(170.8)


@pytest.mark.parametrize(
    ("lights", "following"), [({"red": [STRAIGHT_ON]}, TURN), ({}, TURN), ({"green": [STRAIGHT_ON]}, STRAIGHT_ON)]
)
def test_a_connector_with_lights_is_open_on_green_only(lights, following):
    agents = road([170.0], [8.0], lanes=straight_lanes(has_lights=True), **lights).after(1).world.agents
    assert agents.route[0, : agents.route_count[0]].tolist() == [FIRST, following]


def test_an_agent_follows_its_path_around_a_turn():
    agents = road([170.0], [8.0], red=[STRAIGHT_ON]).after(50, ego=np.array([200.0, 60.0, 0.0])).world.agents
    x, y, heading = agents.pose[0]
    assert np.hypot(x - 200.0, y - 20.0) == pytest.approx(20.0, abs=0.05)
    assert 0.1 < heading < np.pi / 2
