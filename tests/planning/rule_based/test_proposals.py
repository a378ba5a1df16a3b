"""Rollout of proposals on straight parallel paths, with values known by hand."""

import numpy as np
import pytest
import shapely

from planning.rule_based.paths import Paths
from planning.rule_based.proposals import (
    LEAD_PROGRESS,
    LEAD_REAR,
    LEAD_SPEED,
    ProposalRollout,
    ProposalScene,
    RedLights,
    extend_proposal,
    overlaps_now,
    roll_out_proposals,
)
from simulation.ego.box import EgoBox
from simulation.geometry.boxes import box_corners
from simulation.geometry.polygons import flatten_polygons
from simulation.geometry.polylines import arc_lengths, chunk_bounds
from simulation.metrics.pdm.agents import AgentsNow

BOX = EgoBox(length=5.0, width=2.0, rear_axle_to_center=1.5)
TARGETS_MPS = np.array([5.0, 10.0])
STEPS, LAST = 40, 80


def agents_at(*poses: tuple[float, float, float], speed_mps: float = 0.0) -> AgentsNow:
    count = len(poses)
    table = np.array(poses, dtype=np.float64).reshape(count, 3)
    velocities = speed_mps * np.stack([np.cos(table[:, 2]), np.sin(table[:, 2])], axis=-1)
    return AgentsNow(
        poses=table,
        sizes=np.tile([4.0, 2.0], (count, 1)),
        velocities=velocities,
        speeds=np.full(count, speed_mps),
        is_static=np.zeros(count, dtype=bool),
        is_ignored=np.zeros(count, dtype=bool),
    )


def lights_at(*boxes: tuple[float, float, float, float]) -> RedLights:
    polygons = [shapely.box(*bounds) for bounds in boxes] or [shapely.box(900.0, 0.0, 901.0, 1.0)]
    return RedLights(
        areas=flatten_polygons(np.array(polygons)),
        rows=np.arange(len(boxes)),
        centroids=np.array([[polygon.centroid.x, polygon.centroid.y] for polygon in polygons[: len(boxes)]]).reshape(
            -1, 2
        ),
        is_ignored=np.zeros(len(boxes), dtype=bool),
    )


def rolled_out(agents: AgentsNow, lights: RedLights, speed_mps: float = 5.0) -> tuple[ProposalScene, ProposalRollout]:
    """Two paths along x, 4 m apart, by two speeds, over 4 s; the rear axle starts at x = 10 m."""
    points = np.zeros((2, 101, 2))
    points[..., 0], points[1, :, 1] = 2.0 * np.arange(101), 4.0
    paths = Paths(
        points=points,
        arcs=np.stack([arc_lengths(line) for line in points]),
        headings=np.zeros((2, 101)),
        chunks=np.stack([chunk_bounds(line) for line in points]),
    )
    scene = ProposalScene(paths=paths, agents=agents, lights=lights, targets_mps=TARGETS_MPS, box=BOX)
    rollout = ProposalRollout(
        progress=np.zeros((4, LAST + 1)),
        speed=np.zeros((4, LAST + 1)),
        lead=np.zeros((4, LAST + 1, 3)),
        poses=np.zeros((4, LAST + 1, 3)),
        corridors=np.zeros((2, 4)),
        standing=np.full((2, len(agents.poses) + len(lights.rows)), np.nan),
    )
    roll_out_proposals(scene, rollout, (10.0, 0.0, speed_mps), STEPS, 8.0)
    return scene, rollout


def test_on_a_free_road_each_proposal_approaches_its_target_speed_on_its_path():
    _, rollout = rolled_out(agents_at(), lights_at())
    assert rollout.poses[:, 0].tolist() == [[10.0, 0.0, 0.0]] * 2 + [[10.0, 4.0, 0.0]] * 2
    speed = rollout.speed[:, STEPS]
    assert speed[[0, 2]] == pytest.approx([5.0, 5.0], abs=0.4)
    assert 8.0 < speed[1] < 10.0
    # Without an obstacle, the end of the path is the leader, half a length of the ego nearer.
    assert rollout.lead[0, 2].tolist() == [200.0, 0.0, 2.5]


def test_the_first_step_follows_a_leader_at_arc_length_zero_as_in_the_reference():
    _, rollout = rolled_out(agents_at(), lights_at())
    # The gap is below the minimum: full braking with 3 m/s2 in the first step.
    assert rollout.speed[:, 1] == pytest.approx(5.0 - 0.1 * 3.0)


def test_a_standing_agent_is_the_leader_on_its_path_only():
    _, rollout = rolled_out(agents_at((40.0, 0.0, 0.0)), lights_at())
    # From the front at 10 - 0.77 + 4 m to the rear end at 38 m.
    assert rollout.lead[0, 2, LEAD_PROGRESS] - rollout.progress[0, 1] == pytest.approx(
        38.0 - (rollout.progress[0, 1] + 4.0)
    )
    assert rollout.lead[0, 2, LEAD_SPEED] == 0.0
    assert rollout.lead[2, 2, LEAD_PROGRESS] == 200.0
    assert rollout.progress[1, STEPS] + 4.0 < 38.0 < rollout.progress[3, STEPS] + 8.0


def test_a_moving_agent_is_forecast_at_constant_velocity():
    _, rollout = rolled_out(agents_at((40.0, 0.0, 0.0), speed_mps=3.0), lights_at())
    front_m = rollout.progress[0, STEPS - 1] + 4.0
    gap_m = rollout.lead[0, STEPS, LEAD_PROGRESS] - rollout.progress[0, STEPS - 1]
    assert gap_m == pytest.approx(38.0 + 3.0 * 4.0 - front_m)
    assert rollout.lead[0, STEPS, LEAD_SPEED] == 3.0


def test_agents_beside_behind_and_ignored_are_no_leaders():
    agents = agents_at((40.0, -3.5, 0.0), (0.0, 0.0, 0.0), (40.0, 0.0, 0.0))
    agents = agents._replace(is_ignored=np.array([False, False, True]))
    _, rollout = rolled_out(agents, lights_at())
    assert (rollout.lead[:2, 2 : STEPS + 1 : 2, LEAD_PROGRESS] == 200.0).all()


def test_a_red_light_is_a_standing_leader_unless_ignored():
    lights = lights_at((50.0, -2.0, 60.0, 2.0))
    _, rollout = rolled_out(agents_at(), lights)
    gap_m = rollout.lead[0, 2, LEAD_PROGRESS] - rollout.progress[0, 1]
    assert gap_m == pytest.approx(50.0 - (rollout.progress[0, 1] + 4.0))
    assert rollout.lead[0, 2, LEAD_REAR] == 0.0
    _, rollout = rolled_out(agents_at(), lights._replace(is_ignored=np.array([True])))
    assert rollout.lead[0, 2, LEAD_PROGRESS] == 200.0


def test_an_extended_proposal_continues_like_a_longer_rollout():
    agents = agents_at((40.0, 0.0, 0.0), speed_mps=3.0)
    scene, rollout = rolled_out(agents, lights_at())
    extend_proposal(scene, rollout, 1, STEPS + 1, LAST)
    assert (np.diff(rollout.progress[1]) >= 0.0).all()
    assert rollout.progress[1, LAST] + 4.0 < 38.0 + 3.0 * 8.0
    assert not rollout.poses[0, STEPS + 1 :].any()


def test_overlaps_now_finds_agents_that_touch_and_lights_around_the_ego():
    agents, lights = (
        agents_at((4.0, 0.0, 0.0), (9.0, 0.0, 0.0)),
        lights_at((-5.0, -5.0, 9.0, 5.0), (0.0, -5.0, 9.0, 5.0)),
    )
    overlapping, inside = overlaps_now(agents, lights, box_corners(1.5, 0.0, 0.0, BOX.length, BOX.width))
    assert overlapping.tolist() == [True, False]
    assert inside.tolist() == [True, False]
