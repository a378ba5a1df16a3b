"""Collisions and times to collision with agents: compiled kernels against plain code without the grid."""

import numpy as np
import pytest
import shapely

from driving.geometry import box_corners
from simulation.ego.box import EgoBox
from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.geometry.area_raster import rasterize
from simulation.geometry.polygons import flatten_polygons
from simulation.metrics.pdm.agents import (
    AgentsNow,
    constant_velocity_agents,
    near_grid,
    no_collision_scores,
    time_to_collision_scores,
)
from simulation.metrics.pdm.road import INTERSECTION, LANE, MULTIPLE_LANES, ClassifiedAreas, ScoredMotions
from simulation.metrics.rules import (
    PDM_TTC_STEPS,
    MovingPoint,
    collision_kind,
    counts_for_ttc,
    is_at_fault,
    relative_position,
)
from tests.support.random_motions import random_agents, random_states

BOX = EgoBox(length=5.0, width=2.0, rear_axle_to_center=1.5)
START = np.array([100.0, -40.0, 0.7])
MOTIONS, STEPS = 60, 21
SEEDS = [0, 1, 2]


def classified(kind: int = LANE) -> ClassifiedAreas:
    """One polygon over the whole site."""
    low, high = START[:2] - 100.0, START[:2] + 100.0
    polygons = flatten_polygons(np.array([shapely.box(*low, *high)]))
    return ClassifiedAreas(rasterize(polygons, low, high), np.array([kind], dtype=np.uint8))


class Situation:
    """Random motions among random agents."""

    def __init__(self, seed: int, num_agents: int = 8, stride: int = 2) -> None:
        rng = np.random.default_rng(seed)
        self.states = random_states(rng, MOTIONS, STEPS, START)
        self.areas = (rng.uniform(size=(MOTIONS, STEPS)) < 0.3).astype(np.uint8) * MULTIPLE_LANES
        self.motions = ScoredMotions(self.states, self.areas, BOX)
        self.agents = constant_velocity_agents(random_agents(rng, num_agents, START), STEPS, stride)
        self.grid = near_grid(self.states, self.agents, BOX)

    def rear(self, m: int, t: int) -> MovingPoint:
        """The rear axle at an instant."""
        state = self.states[m, t]
        speed = np.hypot(state[VELOCITY_X], state[VELOCITY_Y])
        return MovingPoint(state[X], state[Y], state[HEADING], speed)

    def ego_corners(self, rear: MovingPoint, moved_m: float = 0.0) -> np.ndarray:
        """Corners of the ego's box after it has moved ahead."""
        ahead = BOX.rear_axle_to_center + moved_m
        center = [rear.x + ahead * np.cos(rear.heading), rear.y + ahead * np.sin(rear.heading), rear.heading]
        return box_corners(np.array(center), np.array([BOX.length, BOX.width]))

    def overlapping(self, corners: np.ndarray, step: int) -> list[int]:
        """Rows of the agents that overlap a box at a step, without the grid."""
        f = step // self.agents.stride
        boxes = shapely.polygons(box_corners(self.agents.poses[f], self.agents.sizes[f]))
        overlaps = shapely.intersects(boxes, shapely.Polygon(corners))
        return np.flatnonzero(overlaps & self.agents.valid[f] & ~self.agents.is_ignored).tolist()


def plain_no_collision(situation: Situation, m: int) -> tuple[float, int]:
    agents, ignored, score, first = situation.agents, set(), 1.0, -1
    for t in range(STEPS):
        rear, f = situation.rear(m, t), t // agents.stride
        corners = situation.ego_corners(rear)
        for n in situation.overlapping(corners, t):
            if n in ignored:
                continue
            agent = MovingPoint(*agents.poses[f, n], agents.speeds[n])
            agent_corners = box_corners(agents.poses[f, n], agents.sizes[f, n])
            if is_at_fault(collision_kind(rear, corners, agent, agent_corners), situation.areas[m, t] == 0):
                score = min(score, 0.5 if agents.is_static[n] else 0.0)
                first = t if first < 0 else first
            else:
                ignored.add(n)
        if score == 0.0:
            break
    return score, first


def plain_time_to_collision(situation: Situation, m: int, in_intersection: bool, num_steps: int) -> tuple[float, int]:
    agents, ignored = situation.agents, set()
    for t in range(num_steps):
        rear = situation.rear(m, t)
        if rear.speed < 5e-3:
            continue
        for ahead in PDM_TTC_STEPS:
            for n in situation.overlapping(situation.ego_corners(rear, rear.speed * ahead * 0.1), t + ahead):
                if n in ignored:
                    continue
                x, y = agents.poses[(t + ahead) // agents.stride, n, :2]
                if counts_for_ttc(relative_position(rear, x, y), in_intersection or situation.areas[m, t] > 0):
                    return 0.0, t
                ignored.add(n)
    return 1.0, -1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("stride", [1, 2])
def test_collisions_equal_plain_code_without_the_grid(seed, stride):
    situation = Situation(seed, stride=stride)
    scores, first = no_collision_scores(situation.motions, situation.agents, situation.grid)
    expected = [plain_no_collision(situation, m) for m in range(MOTIONS)]
    assert list(zip(scores.tolist(), first.tolist(), strict=True)) == expected
    assert 0.0 < scores.mean() < 1.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("in_intersection", [True, False])
def test_times_to_collision_equal_plain_code_without_the_grid(seed, in_intersection):
    situation = Situation(seed, num_agents=4)
    areas = classified(INTERSECTION if in_intersection else LANE)
    scores, first = time_to_collision_scores(situation.motions, situation.agents, situation.grid, areas, STEPS - 3)
    expected = [plain_time_to_collision(situation, m, in_intersection, STEPS - 3) for m in range(MOTIONS)]
    assert list(zip(scores.tolist(), first.tolist(), strict=True)) == expected
    assert 0.0 < scores.mean() < 1.0


def test_the_grid_holds_each_agent_in_all_cells_from_which_it_can_be_touched():
    situation = Situation(5, num_agents=20)
    grid, agents = situation.grid, situation.agents
    reach = 0.5 * np.hypot(BOX.length, BOX.width)
    rng = np.random.default_rng(0)
    span = grid.shape * grid.cell_m
    for point in grid.origin + rng.uniform(0.0, 1.0, (300, 2)) * span:
        f = int(rng.integers(len(agents.valid)))
        i, j = ((point - grid.origin) / grid.cell_m).astype(int)
        cell = f * grid.shape[0] * grid.shape[1] + i * grid.shape[1] + j
        held = set(grid.rows[grid.offsets[cell] : grid.offsets[cell + 1]].tolist())
        away = np.hypot(*(agents.poses[f, :, :2] - point).T)
        close = away <= reach + 0.5 * np.hypot(*agents.sizes[f].T)
        assert set(np.flatnonzero(close & ~agents.is_ignored).tolist()) <= held
        assert not held & set(np.flatnonzero(agents.is_ignored).tolist())


def test_a_far_away_motion_keeps_the_grid_small():
    situation = Situation(0)
    states = situation.states.copy()
    states[0, :, X] += 20_000.0
    grid = near_grid(states, situation.agents, BOX)
    assert grid.shape.max() <= 129
    assert grid.cell_m > 100.0


def test_agents_keep_their_velocity_every_stride():
    now = AgentsNow(
        poses=np.array([[1.0, 2.0, 0.5]]),
        sizes=np.array([[4.0, 2.0]]),
        velocities=np.array([[10.0, -5.0]]),
        speeds=np.array([11.2]),
        is_static=np.array([False]),
        is_ignored=np.array([False]),
    )
    agents = constant_velocity_agents(now, num_steps=41, stride=2)
    # 40 steps of the motion and 9 beyond: 0.0 s, 0.2 s, ... 4.8 s.
    assert agents.poses.shape == (25, 1, 3)
    assert agents.poses[-1, 0] == pytest.approx([1.0 + 48.0, 2.0 - 24.0, 0.5])
    assert agents.valid.all()
    assert (agents.sizes == now.sizes).all()


def test_after_a_collision_without_fault_the_agent_no_longer_counts():
    # The ego stands for 1 s and is touched by an agent, then drives into the same agent.
    states = np.zeros((1, STEPS, 10))
    states[0, 10:, X] = np.arange(STEPS - 10) * 0.5
    states[0, 10:, VELOCITY_X] = 5.0
    now = AgentsNow(
        poses=np.array([[5.9, 0.0, 0.0]]),
        sizes=np.array([[4.0, 2.0]]),
        velocities=np.zeros((1, 2)),
        speeds=np.zeros(1),
        is_static=np.array([False]),
        is_ignored=np.array([False]),
    )
    agents = constant_velocity_agents(now, STEPS)
    motions = ScoredMotions(states, np.zeros((1, STEPS), dtype=np.uint8), BOX)
    scores, first = no_collision_scores(motions, agents, near_grid(states, agents, BOX))
    assert (scores[0], first[0]) == (1.0, -1)
    moving = ScoredMotions(states[:, 10:].copy(), motions.areas[:, 10:].copy(), BOX)
    scores, first = no_collision_scores(moving, agents, near_grid(moving.states, agents, BOX))
    assert (scores[0], first[0]) == (0.0, 0)
