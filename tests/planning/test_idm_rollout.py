"""Rollout of the IDM planner on a straight path, with values known by hand."""

import numpy as np
import pytest
import shapely

from planning.idm_rollout import IdmObstacles, IdmPath, IdmPlanSettings, overlaps_path, plan_idm, pose_at
from simulation.ego.box import EgoBox
from simulation.geometry.polygons import flatten_polygons
from simulation.geometry.polylines import chunked_line
from simulation.traffic.idm_law import NUPLAN_PLANNER, idm_acceleration

BOX = EgoBox(length=5.0, width=2.0, rear_axle_to_center=1.5)
PATH = IdmPath(
    line=chunked_line(np.stack([2.0 * np.arange(101), np.zeros(101)], axis=-1)),
    headings=np.zeros(101),
    num_points=100,
)
SETTINGS = IdmPlanSettings(target_speed_mps=10.0, parameters=NUPLAN_PLANNER, radius_m=40.0, step_s=0.5, num_steps=16)


def obstacles(*agents: tuple[float, ...], light_x: float | None = None) -> IdmObstacles:
    """Agents as x, y, heading, speed, length, width; a red area from `light_x` on."""
    area = shapely.box(light_x or 900.0, -2.0, (light_x or 900.0) + 10.0, 2.0)
    return IdmObstacles(
        agents=np.array(agents, dtype=np.float64).reshape(-1, 6),
        areas=flatten_polygons(np.array([area])),
        red_rows=np.zeros(0 if light_x is None else 1, dtype=np.int64),
        red_rows_beside=np.zeros(0, dtype=np.int64),
    )


def plan(scene: IdmObstacles, x: float = 20.0, speed: float = 8.0) -> np.ndarray:
    return plan_idm(PATH, np.array([x, 0.0, 0.0, speed]), BOX, scene, SETTINGS)


def test_the_first_step_is_an_euler_step_from_the_present_speed():
    poses = plan(obstacles())
    assert len(poses) == 17
    # The box centre is 1.5 m ahead of the rear axle.
    assert poses[:2, 0] == pytest.approx([18.5, 18.5 + 0.5 * 8.0])
    # The end of the path, 198 m, is the leader.
    accel = idm_acceleration(8.0, 198.0 - 20.0 - 2.5, 0.0, 10.0, NUPLAN_PLANNER)
    assert poses[2, 0] - poses[1, 0] == pytest.approx(0.5 * (8.0 + 0.5 * accel))


@pytest.mark.parametrize("scene", [obstacles((52.0, 0.0, 0.0, 0.0, 4.0, 2.0)), obstacles(light_x=50.0)])
def test_it_stops_before_a_standing_agent_and_before_a_red_light(scene):
    front_m = plan(scene)[:, 0] + 1.5 + 2.5
    assert front_m.max() < 50.0
    assert front_m[-1] > 44.0


def test_agents_out_of_range_or_beside_the_corridor_do_not_matter():
    free = plan(obstacles())
    beside = obstacles((40.0, 3.5, 0.0, 0.0, 4.0, 2.0), (75.0, 0.0, 0.0, 0.0, 4.0, 2.0))
    assert np.array_equal(plan(beside), free)


def test_an_agent_that_overlaps_the_ego_stops_it():
    # 0.5 m in the first step; then full braking with 3 m/s2.
    poses = plan(obstacles((23.0, 0.5, 0.0, 0.0, 4.0, 2.0)), speed=1.0)
    assert poses[-1, 0] - poses[0, 0] == pytest.approx(0.5)


def test_it_does_not_drive_beyond_the_last_vertex_but_one():
    poses = plan(obstacles(), x=190.0, speed=10.0)
    assert poses[:, 0].max() <= 198.0 - 1.5 + 1e-9


def test_poses_between_vertices_are_interpolated_and_clamped():
    points = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]])
    arc, headings = np.array([0.0, 2.0, 4.0]), np.array([3.0, 3.4, 3.4])
    assert pose_at(points, arc, headings, 1.0, 3) == pytest.approx((1.0, 0.0, 3.2 - 2 * np.pi))
    assert pose_at(points, arc, headings, 9.0, 3)[:2] == pytest.approx((2.0, 2.0))
    assert pose_at(points, arc, headings, 9.0, 2)[:2] == pytest.approx((2.0, 0.0))
    assert pose_at(points, arc, headings, -1.0, 3)[:2] == pytest.approx((0.0, 0.0))


def test_red_areas_beside_the_path_count_under_the_ego_box_only():
    red, beside = obstacles(light_x=150.0), obstacles(light_x=21.0)
    free = plan(obstacles())
    assert overlaps_path(PATH, 1.0, red.areas, 0)
    for scene, is_under in ((red, False), (beside, True)):
        moved = scene._replace(red_rows=np.zeros(0, dtype=np.int64), red_rows_beside=np.zeros(1, dtype=np.int64))
        assert np.array_equal(plan(moved), free) is not is_under


@pytest.mark.parametrize(("y", "overlaps"), [(2.9, True), (3.1, False), (-3.1, False)])
def test_areas_overlap_the_path_within_its_half_width(y, overlaps):
    areas = flatten_polygons(np.array([shapely.box(50.0, y - 2.0, 60.0, y + 2.0)]))
    assert overlaps_path(PATH, 1.0, areas, 0) is overlaps
