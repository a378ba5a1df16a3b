"""Features of tracked candidates, with values known by hand."""

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from planning.neural import candidate_features as cf
from planning.neural.agent_forecast import forecast_agents
from planning.neural.candidate_features import (
    CandidateGeometry,
    apart_from_ego,
    candidate_features,
    candidate_geometry,
)
from planning.neural.features import FEATURE_NAMES, FeatureBuilder
from simulation.ego.box import EgoBox
from simulation.ego.dynamics import HEADING, VELOCITY_X, X, Y

GAP = cf.FORECAST_BLOCK + cf.GAP
FREE_PATH = cf.FORECAST_BLOCK + cf.FREE_PATH
FREE_PATH_LATER = cf.FORECAST_BLOCK + cf.FREE_PATH_LATER
GAP_LATER = cf.FORECAST_BLOCK + cf.GAP_LATER
CLOSING_TIME = cf.FORECAST_BLOCK + cf.CLOSING_TIME


def features_of(
    pose: tuple[float, float, float],
    speed_mps: float,
    agent: tuple[float, float] | None = None,
    agent_mps: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """One candidate after 0.5 s on a straight route along x with 4 m to both edges of the road; red from 20 m on.

    The network forecasts the agent at `agent`, where it arrives with `agent_mps`; if its motion continues, it is
    100 m farther away.
    """
    route = np.zeros((1, 20, 12), dtype=np.float32)
    route[0, :, 0] = np.arange(20) * 2.0
    route[0, :, 2] = 1.0
    route[0, :, 4:8] = 4.0
    route[0, :, 8] = 10.0
    route[0, 10:, 10] = 1.0
    route[0, :, 11] = np.arange(20) * 2.0
    forecast = np.zeros((1, 1, 8, 2), dtype=np.float32)
    if agent is not None:
        forecast[:] = agent
    tracked = np.zeros((1, 1, 8, 4), dtype=np.float32)
    tracked[..., :] = (*pose, speed_mps)
    geometry = CandidateGeometry(
        tracked=tracked,
        route=route,
        route_counts=np.array([20]),
        now_m=(forecast[:, :, 0] - 0.5 * np.array(agent_mps)).astype(np.float32),
        boxes=np.array([[[1.0, 0.0, 4.0, 2.0]]], dtype=np.float32),
        mask=np.array([[agent is not None]]),
        kinematic_m=forecast + np.float32(100.0),
    )
    return candidate_features(geometry, forecast)[0, 0, 0]


def test_the_position_on_the_route_is_that_of_the_box_centre():
    row = features_of((4.0 - 1.461, 1.0, 0.0), 12.0)
    assert len(row) == cf.NUM_CANDIDATE_FEATURES
    assert row[cf.OFFSET] * 2.0 == pytest.approx(1.0, abs=1e-5)
    assert row[cf.ARC_LENGTH] * 20.0 == pytest.approx(4.0, abs=1e-4)
    # 4 m to the edge, minus an offset of 1 m, minus half of the width of 2.297 m.
    assert row[cf.LEFT_EDGE] == pytest.approx(1.8515, abs=1e-4)
    assert row[cf.OVERSPEED] == pytest.approx(0.6)
    # 20 - 4 - 2.588 m from the bumper to the red connector: beyond the range of 12 m.
    assert row[cf.TO_RED_LIGHT] * 4.0 == pytest.approx(12.0)
    assert features_of((10.0 - 1.461, 0.0, 0.0), 5.0)[cf.TO_RED_LIGHT] * 4.0 == pytest.approx(7.412, abs=1e-4)


def test_the_free_path_ends_at_the_box_of_an_agent_ahead():
    row = features_of((-1.461, 0.0, 0.0), 5.0, agent=(15.0, 0.5))
    gap_m = 15.0 - 2.588 - 2.0
    assert row[GAP] * 2.0 == pytest.approx(gap_m, abs=1e-4)
    assert row[FREE_PATH] * 6.0 == pytest.approx(gap_m, abs=1e-4)
    assert row[FREE_PATH_LATER] * 2.0 == pytest.approx(gap_m - 4.5, abs=1e-4)
    # The ego covers 4.5 m in 0.9 s; it reaches the standing agent after gap / 5 s.
    assert row[GAP_LATER] * 2.0 == pytest.approx(gap_m - 4.5, abs=1e-4)
    assert row[CLOSING_TIME] == pytest.approx(gap_m / 5.0, abs=1e-4)
    assert row[cf.KINEMATIC_BLOCK + cf.GAP] * 2.0 == pytest.approx(12.0)


def test_only_the_difference_of_speeds_closes_the_gap():
    row = features_of((-1.461, 0.0, 0.0), 5.0, agent=(15.0, 0.5), agent_mps=(4.0, 0.0))
    gap_m = 15.0 - 2.588 - 2.0
    assert row[GAP_LATER] * 2.0 == pytest.approx(gap_m - 0.9, abs=1e-4)
    assert row[CLOSING_TIME] == pytest.approx(4.0)
    faster = features_of((-1.461, 0.0, 0.0), 5.0, agent=(15.0, 0.5), agent_mps=(9.0, 0.0))
    assert faster[CLOSING_TIME] == pytest.approx(4.0)


def test_an_agent_beside_the_ego_is_near_but_leaves_the_path_free():
    row = features_of((-1.461, 0.0, 0.0), 5.0, agent=(0.0, 3.0))
    assert row[GAP] * 2.0 == pytest.approx(3.0 - 1.1485 - 1.0, abs=1e-4)
    assert row[cf.FORECAST_BLOCK + cf.LATERAL_GAP] * 2.0 == pytest.approx(12.0)
    assert row[FREE_PATH] * 6.0 == pytest.approx(36.0)


def test_without_agents_all_gaps_have_their_largest_value():
    row = features_of((0.0, 0.0, 0.0), 0.0)
    for block in (cf.FORECAST_BLOCK, cf.KINEMATIC_BLOCK):
        assert row[block + cf.GAP] * 2.0 == pytest.approx(12.0)
        assert row[block + cf.FREE_PATH] * 6.0 == pytest.approx(36.0)


def test_each_corner_has_its_own_distance_to_the_edge():
    # Turned by 30 degrees to the left: the front left corner is the leftmost, the rear right one the rightmost.
    turn = np.deg2rad(30.0)
    row = features_of((20.0 - 1.461 * np.cos(turn), -1.461 * np.sin(turn), turn), 5.0)
    lateral_m = 2.588 * np.sin(turn) + 1.1485 * np.cos(turn)
    assert row[cf.LEFT_EDGE] == pytest.approx(4.0 - lateral_m, abs=1e-3)
    assert row[cf.RIGHT_EDGE] == pytest.approx(4.0 - lateral_m, abs=1e-3)


def test_the_gap_of_turned_boxes_is_measured_along_the_axes_of_both():
    # Turned by 45 degrees and 0.2 m to the right of the agent: along the axes of the ego alone they would overlap.
    turn = np.deg2rad(45.0)
    half_m = (2.588 + 1.1485) * np.sqrt(0.5)
    y = -(1.0 + half_m + 0.2)
    row = features_of((-1.461 * np.cos(turn), y - 1.461 * np.sin(turn), turn), 5.0, agent=(0.0, 0.0))
    assert row[GAP] * 2.0 == pytest.approx(0.2, abs=1e-3)


def test_an_agent_that_overlaps_the_ego_now_is_left_out():
    box = EgoBox(length=5.0, width=2.0, rear_axle_to_center=1.5)
    # The front of the ego is at 4 m; the agents are 4 m long, the last two turned across the lane.
    now_m = np.array([[[5.9, 0.0], [6.1, 0.0], [4.9, 0.0], [5.1, 0.0], [5.9, 0.0]]], dtype=np.float32)
    boxes = np.tile(np.array([1.0, 0.0, 4.0, 2.0], dtype=np.float32), (1, 5, 1))
    boxes[0, 2:4, :2] = 0.0, 1.0
    mask = np.array([[True, True, True, True, False]])
    assert apart_from_ego(now_m, boxes, mask, box).tolist() == [[False, True, False, True, False]]


@pytest.fixture(scope="module")
def features() -> dict[str, np.ndarray]:
    built = FeatureBuilder().build(scene("cut_in").observation_at(40))
    return {name: getattr(built, name)[np.newaxis] for name in FEATURE_NAMES}


@pytest.fixture(scope="module")
def tracked() -> np.ndarray:
    """Three candidates straight ahead at 1, 4 and 8 m/s."""
    states = np.zeros((1, 3, 8, 10))
    states[0, :, :, VELOCITY_X] = np.array([[1.0], [4.0], [8.0]])
    states[0, :, :, X] = states[0, :, :, VELOCITY_X] * np.arange(1, 9) * 0.5
    return states


def test_the_geometry_holds_tokens_in_metres(features, tracked):
    geometry = candidate_geometry(features, tracked)
    observation = scene("cut_in").observation_at(40)
    ego = observation.ego_now.rear_axle_pose
    first = np.flatnonzero(geometry.mask[0])[0]
    distance_m = np.hypot(*(observation.agents.poses[:, -1, :2] - ego[:2]).T)
    assert np.isclose(distance_m, np.hypot(*geometry.now_m[0, first]), rtol=1e-5).any()
    assert np.array_equal(geometry.kinematic_m, forecast_agents(features["agents"]))
    assert np.array_equal(geometry.tracked[..., :3], tracked[..., (X, Y, HEADING)].astype(np.float32))


def test_states_of_a_batch_do_not_depend_on_each_other(features, tracked):
    one = candidate_geometry(features, tracked)
    two = CandidateGeometry(*(np.concatenate([values, values[:, ...]]) for values in one))
    two.tracked[0] += 1.0
    both = candidate_features(two, two.kinematic_m)
    assert np.array_equal(both[1], candidate_features(one, one.kinematic_m)[0])
    assert np.array_equal(candidate_features(two.rows(slice(1, 2)), one.kinematic_m), both[1:])
