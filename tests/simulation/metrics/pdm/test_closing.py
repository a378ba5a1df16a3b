"""Time to collision with all agents moved straight; each expected value follows from a gap and a speed.

The ego is 5 m by 2 m, its centre 1.5 m ahead of its rear axle, which starts at the origin: its front is at x = 4 m.
Tests are 0.3 s apart: a collision after 0.5 s is found at 0.6 s, one after 1.0 s at 1.2 s, one after 1.6 s never.
"""

import numpy as np
import pytest
import shapely

from simulation.ego.box import EgoBox
from simulation.ego.dynamics import STATE_SIZE, VELOCITY_X, X
from simulation.geometry.area_raster import rasterize
from simulation.geometry.polygons import flatten_polygons
from simulation.metrics.pdm.agents import ScoredAgents
from simulation.metrics.pdm.closing import closing_scores
from simulation.metrics.pdm.road import INTERSECTION, LANE, MULTIPLE_LANES, OFF_ROAD, ClassifiedAreas, ScoredMotions

BOX, FRONT_M = EgoBox(length=5.0, width=2.0, rear_axle_to_center=1.5), 4.0
LENGTH_M, WIDTH_M = 4.0, 2.0
NORTH = np.pi / 2


def motion(speed_mps: float, steps: int = 1) -> np.ndarray:
    """States (1, T, 10) straight east at constant speed."""
    states = np.zeros((1, steps, STATE_SIZE))
    states[0, :, X] = speed_mps * 0.1 * np.arange(steps)
    states[0, :, VELOCITY_X] = speed_mps
    return states


def scores(
    states: np.ndarray,
    x_m: float,
    y_m: float,
    heading: float,
    speed_mps: float | np.ndarray,
    *,
    area: int = 0,
    kind: int = LANE,
    is_valid: bool = True,
    is_ignored: bool = False,
) -> list[float]:
    """Scores of motions with one agent on a large polygon of one kind; x and y are the agent's box centre at first.

    The agent's speed is constant, or given for each instant (T,).
    """
    steps = states.shape[1]
    speeds = np.broadcast_to(np.asarray(speed_mps, dtype=np.float64), (steps,))
    way_m = np.concatenate([[0.0], np.cumsum(speeds[:-1] * 0.1)])
    poses = np.stack([x_m + way_m * np.cos(heading), y_m + way_m * np.sin(heading), np.full(steps, heading)], axis=-1)
    agents = ScoredAgents(
        poses=poses[:, np.newaxis].copy(),
        sizes=np.tile([LENGTH_M, WIDTH_M], (steps, 1, 1)),
        valid=np.full((steps, 1), is_valid),
        speeds=speeds[:1].copy(),
        is_static=np.array([False]),
        is_ignored=np.array([is_ignored]),
        stride=1,
    )
    low, high = np.array([-50.0, -50.0]), np.array([50.0, 50.0])
    polygons = flatten_polygons(np.array([shapely.box(*low, *high)]))
    return closing_scores(
        ScoredMotions(states, np.full(states.shape[:2], area, dtype=np.uint8), BOX),
        agents,
        speeds[:, np.newaxis].copy(),
        ClassifiedAreas(rasterize(polygons, low, high), np.array([kind], dtype=np.uint8)),
    ).tolist()


def score(states: np.ndarray, *agent, **situation) -> float:
    """Score of a single motion."""
    return scores(states, *agent, **situation)[0]


def leader_x(gap_m: float) -> float:
    """x of the centre of a leader that is a gap ahead of the ego."""
    return FRONT_M + gap_m + LENGTH_M / 2


@pytest.mark.parametrize(
    ("gap_m", "leader_mps", "expected"),
    [
        # 10 m/s behind 4 m/s: the gap closes within 0.5 s, 1.0 s, 1.33 s and 2 s.
        (3.0, 4.0, 0.0),
        (6.0, 4.0, 0.5),
        (8.0, 4.0, 0.5),
        (12.0, 4.0, 1.0),
        # Stopped leader: 0.8 s, 1.1 s, 1.6 s.
        (8.0, 0.0, 0.0),
        (11.0, 0.0, 0.5),
        (16.0, 0.0, 1.0),
        # As fast as the ego, and faster.
        (0.5, 10.0, 1.0),
        (0.5, 14.0, 1.0),
    ],
)
def test_the_time_gap_to_a_leader_decides(gap_m, leader_mps, expected):
    assert score(motion(10.0), leader_x(gap_m), 0.1, 0.0, leader_mps) == expected


@pytest.mark.parametrize(
    ("x_m", "y_m", "expected"),
    [
        # Northbound at 5 m/s. At 0.9 s the ego's box covers x = 8 to 13 m, and the agent's centre has moved 4.5 m.
        (11.5, -5.0, 0.0),
        # Its box starts at x = 13.5 m: it overlaps at 1.2 s, when the ego's front is at 16 m.
        (14.5, -6.0, 0.5),
        # It has already passed.
        (14.5, 4.0, 1.0),
        # It is still 7 m south of the ego's side when the ego has passed at 1.5 s.
        (14.5, -18.0, 1.0),
    ],
)
def test_a_crossing_agent_counts_if_the_boxes_overlap_at_the_same_time(x_m, y_m, expected):
    states = motion(10.0)
    assert score(states, x_m, y_m, NORTH, 5.0, area=MULTIPLE_LANES) == expected


def test_an_agent_beside_counts_in_an_intersection_or_outside_one_lane():
    # At 45 degrees from the ego's heading, into its side within 0.6 s.
    beside = {"x_m": 5.0, "y_m": -5.0, "heading": NORTH, "speed_mps": 5.0}
    states = motion(10.0)
    assert score(states, **beside) == 1.0
    assert score(states, **beside, area=MULTIPLE_LANES) == 0.0
    assert score(states, **beside, area=OFF_ROAD) == 0.0
    assert score(states, **beside, kind=INTERSECTION) == 0.0


def test_an_agent_from_behind_never_counts():
    assert score(motion(5.0), -6.0, 0.1, 0.0, 15.0, area=OFF_ROAD, kind=INTERSECTION) == 1.0


@pytest.mark.parametrize("speed_mps", [5.0, 0.0])
def test_an_agent_that_has_hit_the_rear_does_not_count_when_it_comes_out_ahead(speed_mps):
    # It brakes to 1 m/s when its centre is just ahead of the ego, which then drives 10 m/s.
    states = motion(speed_mps, 21)
    states[0, 15:, VELOCITY_X] = 10.0
    speeds = np.full(21, 15.0)
    speeds[15:] = 1.0
    x_m = {5.0: -7.0, 0.0: -15.0}[speed_mps]
    assert score(states, x_m, 0.1, 0.0, speeds) == 1.0
    # Without the contact it counts.
    assert score(states[:, 15:].copy(), leader_x(2.0), 0.1, 0.0, speeds[15:]) == 0.0


def test_a_stopped_ego_scores_1():
    assert score(motion(0.0), leader_x(0.5), 0.1, 0.0, 0.0) == 1.0


def test_invalid_and_ignored_agents_do_not_count():
    near = {"x_m": leader_x(3.0), "y_m": 0.1, "heading": 0.0, "speed_mps": 0.0}
    assert score(motion(10.0), **near) == 0.0
    assert score(motion(10.0), **near, is_valid=False) == 1.0
    assert score(motion(10.0), **near, is_ignored=True) == 1.0


@pytest.mark.parametrize(("steps", "expected"), [(1, 1.0), (5, 0.5), (11, 0.0)])
def test_the_worst_instant_of_a_motion_counts(steps, expected):
    # 16 m behind a stopped leader: 1.6 s at first, 1.2 s after 0.4 s, 0.6 s after 1 s.
    assert score(motion(10.0, steps), leader_x(15.9), 0.1, 0.0, 0.0) == expected


def test_a_leader_that_is_about_to_accelerate_counts_with_its_present_speed():
    # 6 m behind a stopped leader, at 10 m/s: 0.6 s. The leader drives 20 m/s 0.1 s later.
    speeds = np.full(5, 20.0)
    speeds[0] = 0.0
    assert score(motion(10.0, 5), leader_x(6.0), 0.1, 0.0, speeds) == 0.0
    speeds[0] = 20.0
    assert score(motion(10.0, 5), leader_x(6.0), 0.1, 0.0, speeds) == 1.0


def test_each_motion_has_its_own_score():
    # 8 m to a stopped leader: never, 1.33 s, 0.8 s.
    states = np.concatenate([motion(speed) for speed in (0.0, 6.0, 10.0)])
    assert scores(states, leader_x(8.0), 0.1, 0.0, 0.0) == [1.0, 0.5, 0.0]
