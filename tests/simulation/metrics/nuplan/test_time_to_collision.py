import numpy as np
import pytest
import shapely

from driving.geometry import box_corners
from simulation.metrics.nuplan.time_to_collision import (
    MovingBox,
    first_straight_overlap,
    time_to_collision_within_bound,
    times_to_collision,
)
from simulation.metrics.pdm.straight_motion import TEST_S, StraightBox, first_near, first_overlap
from tests.support.drives import FRONT_M, LEFT_LANE_Y, RIGHT_LANE_Y, STEPS, agents, drive, fork_map, motion, steady

BETWEEN_LANES_Y = (LEFT_LANE_Y + RIGHT_LANE_Y) / 2


def metric(ego, *rows, on=None):
    return time_to_collision_within_bound(drive(ego, agents(*rows), on=on))[0]


def test_the_time_is_the_gap_over_the_speed_rounded_up_to_a_tenth():
    # Gap 20.05 m at 10 m/s: 2.005 s, and so the step of 2.1 s.
    car = {"x": 20.0 + FRONT_M + 20.05 + 2.4, "y": LEFT_LANE_Y}
    series = metric(steady(10.0), car).series
    assert series[0] == pytest.approx(2.1)
    assert series[10] == pytest.approx(1.1)


def test_the_bound_is_0_95_s():
    beyond = {"x": 20.0 + FRONT_M + 9.95 + 2.4, "y": LEFT_LANE_Y, "speed": 0.0}
    # At 1.0 s the gap is closed at 10 m/s; a step later at 0.9 s, which is below the bound.
    ego = motion(np.full(STEPS, 20.0), LEFT_LANE_Y, speed_mps=np.full(STEPS, 10.0))
    assert metric(ego, beyond).score == 1.0
    near = metric(ego, {**beyond, "x": beyond["x"] - 1.0})
    assert near.score == 0.0
    assert near.sentence == "down to 0.9 s from a collision with vehicle track0 at 0.0 s to 14.9 s"
    assert near.statistics["min_time_to_collision"] == pytest.approx(0.9)


def test_an_at_fault_collision_has_no_time_left():
    result = metric(steady(8.0), {"x": 60.0, "y": LEFT_LANE_Y})
    hit = int(np.argmin(result.series))
    assert result.series[hit] == 0.0
    # Once hit, the agent does not count any more.
    assert np.isinf(result.series[hit + 1 :]).all()


def test_a_stopped_ego_has_an_infinite_time_to_collision():
    ego = motion(np.full(STEPS, 20.0), LEFT_LANE_Y, speed_mps=np.full(STEPS, 0.005))
    assert np.isinf(metric(ego, {"x": 30.0, "y": LEFT_LANE_Y, "speed": -9.0}).series).all()


def test_agents_behind_do_not_count():
    assert np.isinf(metric(steady(5.0), {"x": 5.0, "y": LEFT_LANE_Y, "speed": 6.0}).series).all()


@pytest.mark.parametrize(("ego_y", "score"), [(LEFT_LANE_Y, 1.0), (BETWEEN_LANES_Y, 0.0)])
def test_agents_beside_count_only_between_lanes(ego_y, score):
    # Drives into the ego's side within 0.7 s, from 90 degrees to the right.
    crossing = {"x": 23.0, "y": ego_y - 4.5, "speed": 2.0, "heading": np.pi / 2, "seen": np.arange(STEPS) < 3}
    assert metric(motion(np.full(STEPS, 20.0), ego_y, speed_mps=np.full(STEPS, 0.1)), crossing).score == score


def test_agents_beside_count_in_intersections():
    crossing = {"x": 113.0, "y": -4.5, "speed": 2.0, "heading": np.pi / 2, "seen": np.arange(STEPS) < 3}
    ego = motion(np.full(STEPS, 110.0), 0.0, speed_mps=np.full(STEPS, 0.1))
    assert metric(ego, crossing, on=fork_map()).score == 0.0


def test_agents_move_along_their_box_and_not_their_velocity():
    towards = {"x": 60.0, "y": LEFT_LANE_Y, "speed": 5.0, "heading": np.pi, "seen": np.arange(STEPS) < 1}
    away = {**towards, "box_heading": 0.0}
    ego = steady(8.0)
    assert metric(ego, towards).series[0] == pytest.approx(2.6)
    assert np.isinf(metric(ego, away).series[0])


def test_the_agent_with_the_shortest_time_is_named():
    present = agents({"x": 50.0, "y": LEFT_LANE_Y}, {"x": 40.0, "y": LEFT_LANE_Y})
    assert times_to_collision(drive(steady(8.0), present)).agents[0, 0] == 1


def random_boxes(seed: int, count: int = 200) -> list[tuple[MovingBox, MovingBox]]:
    """Pairs of an ego at the origin and an agent within 25 m, at up to 10 m/s each."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        ego = MovingBox(0.0, 0.0, rng.uniform(-np.pi, np.pi), 5.0, 2.0, rng.uniform(0.1, 10.0))
        x, y = rng.uniform(-25.0, 25.0, 2)
        size = rng.uniform([0.5, 0.5], [8.0, 2.5])
        pairs.append((ego, MovingBox(x, y, rng.uniform(-np.pi, np.pi), *size, rng.uniform(0.0, 10.0))))
    return pairs


def polygon_after(box: MovingBox, time_s: float) -> shapely.Polygon:
    way = box.speed * time_s
    pose = np.array([box.x + way * np.cos(box.heading), box.y + way * np.sin(box.heading), box.heading])
    return shapely.Polygon(box_corners(pose, np.array([box.length, box.width])))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_first_overlap_of_straight_boxes_is_that_of_shapely(seed):
    num_steps, found, expected = 29, [], []
    for ego, agent in random_boxes(seed):
        found.append(first_straight_overlap(ego, agent, num_steps))
        steps = range(1, num_steps + 1)
        overlaps = [
            step for step in steps if polygon_after(ego, 0.1 * step).intersects(polygon_after(agent, 0.1 * step))
        ]
        expected.append(overlaps[0] if overlaps else 0)
    assert found == expected
    assert len(set(found)) > 5


def straight_box(box: MovingBox) -> StraightBox:
    return StraightBox(*box, np.cos(box.heading), np.sin(box.heading))


def test_the_tests_of_many_motions_agree_with_the_metric():
    """Tests every 0.3 s find no overlap that the metric misses, and miss only overlaps shorter than 0.3 s."""
    agreed = 0
    for ego, agent in random_boxes(2, count=600):
        reach = 0.5 * (np.hypot(ego.length, ego.width) + np.hypot(agent.length, agent.width))
        near = first_near(straight_box(ego), straight_box(agent), reach, len(TEST_S))
        index = (
            first_overlap(straight_box(ego), straight_box(agent), reach, max(near, 0), len(TEST_S))
            if near >= 0
            else -1
        )
        overlaps = [polygon_after(ego, time_s).intersects(polygon_after(agent, time_s)) for time_s in TEST_S]
        assert index == (overlaps.index(True) if any(overlaps) else -1)
        if index > 0:
            step = first_straight_overlap(ego, agent, 29)
            assert 10 * TEST_S[index - 1] < step <= round(10 * TEST_S[index])
            agreed += 1
    assert agreed > 10
