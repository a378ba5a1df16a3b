"""The PDM score on a straight road, with values known by hand.

The road runs east; the centerline of the ego's lane is at y = -1.75, that of the oncoming lane at y = 1.75.
"""

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from simulation.ego.dynamics import STATE_SIZE
from simulation.metrics.pdm.agents import AgentsNow, ScoredAgents, constant_velocity_agents
from simulation.metrics.pdm.areas import scoring_areas
from simulation.metrics.pdm.rules import EPDMS_RULES, PDMS_RULES, TUPLAN_RULES
from simulation.metrics.pdm.scorer import Centerline, PdmScene, score_motions

STEPS = 41
TIME_S = np.arange(STEPS) * 0.1


@pytest.fixture(scope="module")
def road():
    return scene("straight_road")


def motion(road, speed_mps=10.0, aside_m=None, time_s=TIME_S):
    """States (1, T, 10): straight from the scene's start, shifted left by `aside_m` (T,)."""
    states = np.zeros((1, len(time_s), STATE_SIZE))
    start = road.logged_ego_pose(0)
    states[0, :, 0] = start[0] + speed_mps * time_s
    states[0, :, 1] = start[1] + (0.0 if aside_m is None else aside_m)
    states[0, :, 3] = speed_mps
    return states


def agents_at(road, rows, is_static=False):
    """Agents of 4.8 m by 2 m, given as x ahead of the ego's rear axle, y to its left, heading, speed."""
    start = road.logged_ego_pose(0)
    rows = np.array(rows, dtype=np.float64).reshape(-1, 4)
    poses = rows[:, :3].copy()
    poses[:, :2] += start[:2]
    velocities = rows[:, 3:] * np.stack([np.cos(rows[:, 2]), np.sin(rows[:, 2])], axis=-1)
    now = AgentsNow(
        poses=poses,
        sizes=np.tile([4.8, 2.0], (len(rows), 1)),
        velocities=velocities,
        speeds=rows[:, 3].copy(),
        is_static=np.full(len(rows), is_static),
        is_ignored=np.zeros(len(rows), dtype=bool),
    )
    return constant_velocity_agents(now, STEPS)


def score(road, states, agents=None, rules=TUPLAN_RULES):
    areas = scoring_areas(road.map)
    rows = [row for block in road.route.roadblock_ids for row in road.map.lane_rows_of_roadblock(block)]
    kinds = areas.kinds_near(road.logged_ego_pose(0)[:2], areas.on_route(rows), rules)
    line = Centerline(points=np.ascontiguousarray(road.route.centerline))
    scene_now = PdmScene(
        areas=areas, kinds=kinds, agents=agents_at(road, []) if agents is None else agents, centerline=line
    )
    return score_motions(states, scene_now, rules)


def test_driving_straight_without_agents_scores_1(road):
    scores = score(road, motion(road))
    assert scores.score == pytest.approx([1.0])
    assert scores.progress_m == pytest.approx([40.0])
    assert scores.collision_step.tolist() == scores.ttc_step.tolist() == [-1]


@pytest.mark.parametrize(
    ("agent", "is_static", "no_collision", "in_time"),
    [
        ([30.0, 0.0, 0.0, 0.0], False, 0.0, 0.0),
        ([30.0, 0.0, 0.0, 0.0], True, 0.5, 0.0),
        # 49 m ahead, its rear end at 46.6: the front is at 44.05 after 4 s, and reaches it 0.26 s later.
        ([49.0, 0.0, 0.0, 0.0], False, 1.0, 0.0),
        ([70.0, 0.0, 0.0, 0.0], False, 1.0, 1.0),
        # From behind and twice as fast: not the ego's fault. But the time to collision compares the agent's future
        # position with the ego's present one, so that the agent counts as ahead.
        ([-20.0, 0.0, 0.0, 20.0], False, 1.0, 0.0),
        ([20.0, 3.5, np.pi, 10.0], False, 1.0, 1.0),
    ],
    ids=["standing car", "static object", "soon", "far", "rear-ender", "oncoming lane"],
)
def test_collisions_and_times_to_collision_with_one_agent(road, agent, is_static, no_collision, in_time):
    scores = score(road, motion(road), agents_at(road, [agent], is_static))
    assert (scores.no_collision[0], scores.time_to_collision[0]) == (no_collision, in_time)


def test_a_standing_ego_is_never_at_fault(road):
    scores = score(road, motion(road, speed_mps=0.0), agents_at(road, [[10.0, 0.0, np.pi, 4.0]]))
    assert (scores.no_collision[0], scores.time_to_collision[0]) == (1.0, 1.0)


def test_the_step_of_the_first_collision_is_known(road):
    # The front bumper is 4.049 m before the axle, the car's rear end at 27.6: touched at 2.36 s.
    assert score(road, motion(road), agents_at(road, [[30.0, 0.0, 0.0, 0.0]])).collision_step[0] == 24


def test_leaving_the_road_scores_0(road):
    away = score(road, motion(road, aside_m=np.linspace(0.0, -6.0, STEPS)))
    assert (away.drivable_area[0], away.score[0]) == (0.0, 0.0)


def test_driving_against_traffic_is_measured_in_one_stretch_or_in_a_second(road):
    # On the other side from 1.5 s on: 25 m in one stretch, 11 steps of 1 m in the worst second.
    aside = np.where(TIME_S < 1.45, 0.0, 3.5)
    for rules in (TUPLAN_RULES, PDMS_RULES, EPDMS_RULES):
        assert score(road, motion(road, aside_m=aside), rules=rules).driving_direction[0] == 0.0
    # There for two poses: 3.64 m across and 1 m along, half the score.
    aside = np.where((TIME_S > 1.45) & (TIME_S < 1.65), 3.5, 0.0)
    assert score(road, motion(road, aside_m=aside)).driving_direction[0] == 0.5
    # Navsim v1 lists it without counting it.
    assert score(road, motion(road, aside_m=aside), rules=PDMS_RULES).allowed[0] == 1.0


def test_progress_is_relative_to_the_best(road):
    states = np.concatenate([motion(road, speed_mps=v) for v in (10.0, 5.0, 0.0)])
    assert score(road, states).progress == pytest.approx([1.0, 0.5, 0.0])
    slow = np.concatenate([motion(road, speed_mps=v) for v in (0.02, 0.0)])
    assert score(road, slow).progress == pytest.approx([1.0, 1.0])


def test_keeping_the_lane_allows_less_than_two_seconds_off_the_centerline(road):
    short, long = (np.where(end > TIME_S, 0.6, 0.0) for end in (1.85, 1.95))
    states = np.concatenate([motion(road, aside_m=short), motion(road, aside_m=long)])
    assert score(road, states, rules=EPDMS_RULES).lane_keeping.tolist() == [1.0, 0.0]


def test_a_batch_equals_its_members(road):
    rng = np.random.default_rng(7)
    asides = np.cumsum(rng.normal(0.0, 0.08, (40, STEPS)), axis=1)
    states = np.concatenate(
        [motion(road, speed, aside) for speed, aside in zip(rng.uniform(0, 15, 40), asides, strict=True)]
    )
    agents = agents_at(road, rng.uniform([-30, -6, -3, 0], [60, 6, 3, 12], (12, 4)))
    together = score(road, states, agents)
    for m in range(len(states)):
        alone = score(road, states[m : m + 1], agents)
        for name in ("no_collision", "drivable_area", "driving_direction", "time_to_collision", "comfort"):
            assert getattr(alone, name)[0] == getattr(together, name)[m], name
    assert 0.0 < together.no_collision.mean() < 1.0


def test_agents_must_reach_far_enough_ahead(road):
    agents = agents_at(road, [[30.0, 0.0, 0.0, 0.0]])
    short = ScoredAgents(*(array[:20] for array in agents[:3]), *agents[3:])
    with pytest.raises(ValueError, match="need agents at 25 instants, got 20"):
        score(road, motion(road), short)
