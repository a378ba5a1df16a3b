"""Exact terms, each alone, with values known by hand."""

from dataclasses import fields, replace

import numpy as np
import pytest

from distill.states import with_ego
from driving.observation import Observation
from driving.synthetic.scenes import scene
from driving.vehicle import PACIFICA
from planning.neural import exact_terms
from planning.neural.exact_terms import (
    CERTAIN_LOGIT,
    EXACT_TERMS,
    OFF_ROAD_TOLERANCE_M,
    OFF_ROUTE_DISTANCE_WEIGHT,
    OFF_ROUTE_WEIGHT,
    PARTS,
    StudentSettings,
)
from planning.neural.route_distance import FREE_DISTANCE_M
from planning.neural.route_line import RouteContext
from planning.neural.tokens import IS_CONNECTOR, POSITION_M, ROUTE_POINTS, ROUTE_SIZE
from planning.neural.ttc_check import ForecastArrays
from simulation.ego.dynamics import ACCEL_X, STATE_SIZE, VELOCITY_X, X, Y
from simulation.metrics.pdm.road import OFF_ROAD, ONCOMING

STANDING = np.zeros((1, 1, 8, STATE_SIZE))


def areas_of(observation: Observation, tracked: np.ndarray = STANDING) -> np.ndarray:
    context = RouteContext(observation.map, observation.route)
    return exact_terms.areas_under_ego([observation], [context], tracked)


def steady(speed_mps: float, accel_mps2: float = 0.0) -> np.ndarray:
    """One candidate straight ahead, every 0.1 s."""
    times_s = 0.1 * np.arange(1, 41)
    tracked = np.zeros((1, 1, 40, STATE_SIZE))
    tracked[0, 0, :, X] = speed_mps * times_s + 0.5 * accel_mps2 * times_s**2
    tracked[0, 0, :, VELOCITY_X] = speed_mps + accel_mps2 * times_s
    tracked[0, 0, :, ACCEL_X] = accel_mps2
    return tracked


def test_a_corner_is_off_the_road_beyond_the_tolerance():
    here = scene("straight_road").observation_at(30)
    x_m, y_m, heading = here.ego_now.rear_axle_pose
    left = np.array([-np.sin(heading), np.cos(heading)])
    lateral_m = np.arange(0.0, 30.0, 0.01)
    edge_m = lateral_m[here.map.lanes.areas.contains(np.array([x_m, y_m]) + lateral_m[:, np.newaxis] * left)].max()
    flags = []
    for beyond_m in (-0.1, 0.5 * OFF_ROAD_TOLERANCE_M, OFF_ROAD_TOLERANCE_M + 0.1):
        moved = np.append((edge_m + beyond_m - 0.5 * PACIFICA.width_m) * left, 0.0)
        ego = replace(here.ego_now, rear_axle_pose=here.ego_now.rear_axle_pose + moved)
        areas = areas_of(with_ego(here, ego))
        flags.append([bool((areas & flag).all()) for flag in (OFF_ROAD, ONCOMING)])
    # All three are in the lane of the other direction, off the route.
    assert flags == [[False, True], [False, True], [True, True]]
    assert not (areas_of(here) & (OFF_ROAD | ONCOMING)).any()


def test_observations_on_one_map_share_a_raster_and_keep_their_own_areas():
    here = scene("straight_road").observation_at(30)
    away = with_ego(
        here, replace(here.ego_now, rear_axle_pose=here.ego_now.rear_axle_pose + np.array([0.0, 60.0, 0.0]))
    )
    contexts = [RouteContext(here.map, here.route)] * 2
    areas = exact_terms.areas_under_ego([here, away], contexts, np.repeat(STANDING, 2, axis=0))
    assert not (areas[0] & OFF_ROAD).any()
    assert (areas[1] & OFF_ROAD).all()


def test_the_logit_of_the_drivable_area_falls_with_the_time_off_the_road():
    areas = np.zeros((1, 3, 8), dtype=np.uint8)
    areas[0, 1, :4] = OFF_ROAD
    areas[0, 2] = OFF_ROAD
    assert exact_terms.drivable_area(areas).tolist() == [[CERTAIN_LOGIT, -0.75 * CERTAIN_LOGIT, -CERTAIN_LOGIT]]


def test_the_off_route_penalty_adds_time_off_the_lanes_and_distance_in_intersections():
    route = np.zeros((1, ROUTE_POINTS, ROUTE_SIZE), dtype=np.float32)
    route[..., 0] = np.arange(ROUTE_POINTS) * 2.0 / POSITION_M
    route[..., 2] = 1.0
    mask = np.ones((1, ROUTE_POINTS), dtype=bool)
    areas = np.zeros((1, 2, 8), dtype=np.uint8)
    areas[0, 1, :2] = ONCOMING
    tracked = np.zeros((1, 2, 8, STATE_SIZE))
    tracked[..., X] = 5.0 * np.arange(1, 9)
    tracked[0, 1, :, Y] = 1.4
    on_lanes = exact_terms.off_route(areas, tracked, route, mask)
    assert on_lanes[0] == pytest.approx([0.0, OFF_ROUTE_WEIGHT * 0.25])
    route[..., IS_CONNECTOR] = 1.0
    in_intersection = exact_terms.off_route(areas, tracked, route, mask)
    assert (in_intersection - on_lanes)[0] == pytest.approx(
        [0.0, OFF_ROUTE_DISTANCE_WEIGHT * (1.4 - FREE_DISTANCE_M)], abs=1e-6
    )


def comfort_of(observation, tracked):
    history = exact_terms.comfort_history(observation.ego, observation.iteration)
    return exact_terms.comfort([history], tracked)


def test_comfort_includes_the_history_of_the_ego_but_not_what_preceded_the_drive():
    calm = scene("straight_road").observation_at(30)
    accelerations = calm.ego.accelerations_mps2.copy()
    accelerations[0, -8:-1, 0] = -6.0
    braked = replace(calm, ego=replace(calm.ego, accelerations_mps2=accelerations))
    tracked = steady(float(calm.ego_now.velocity_mps[0]))
    assert comfort_of(calm, tracked).item() == CERTAIN_LOGIT
    assert comfort_of(braked, tracked).item() == -CERTAIN_LOGIT
    assert comfort_of(replace(braked, iteration=0), tracked).item() == CERTAIN_LOGIT


@pytest.mark.parametrize(("accel_mps2", "is_comfortable"), [(0.0, True), (-3.8, True), (-4.3, False), (2.6, False)])
def test_comfort_holds_the_bounds_of_nuplan(accel_mps2, is_comfortable):
    observation = replace(scene("straight_road").observation_at(30), iteration=0)
    accelerations = np.zeros_like(observation.ego.accelerations_mps2)
    accelerations[..., 0] = accel_mps2
    observation = replace(observation, ego=replace(observation.ego, accelerations_mps2=accelerations))
    logit = comfort_of(observation, steady(12.0, accel_mps2)).item()
    assert (logit == CERTAIN_LOGIT) == is_comfortable


def test_a_violated_time_to_collision_overrides_the_prediction_and_adds_a_penalty():
    ahead = np.array([PACIFICA.rear_axle_to_center_m + 0.5 * PACIFICA.length_m + 16.0, 0.0])
    forecasts = ForecastArrays(
        now=ahead[np.newaxis, np.newaxis],
        ahead=np.tile(ahead, (1, 1, 8, 1)),
        boxes=np.array([[[1.0, 0.0, 2.0, 2.0]]]),
        mask=np.array([[True]]),
    )
    tracked = np.concatenate([steady(2.0), steady(12.0), steady(12.0)], axis=1)
    predicted = np.array([[1.5, 4.0, -9.0]], dtype=np.float32)
    logits, penalty = exact_terms.time_to_collision(forecasts, tracked, predicted)
    assert logits.tolist() == [[1.5, -CERTAIN_LOGIT, -9.0]]
    assert penalty[0, 0] == 0.0
    # From 0.95 s before contact until the boxes are side by side: 6 of 18 instants.
    assert penalty[0, 1] == penalty[0, 2] == pytest.approx(1 / 3)


def test_all_parts_are_on_by_default_and_each_can_be_turned_off():
    assert all(getattr(StudentSettings(), name) for name in PARTS)
    for name in PARTS:
        settings = StudentSettings.without((name,))
        assert [field.name for field in fields(settings) if not getattr(settings, field.name)] == [name]
    heads_alone = StudentSettings.without(("all",))
    assert heads_alone.network
    assert not any(getattr(heads_alone, name) for name in EXACT_TERMS)


def test_an_unknown_part_raises_with_the_nearest_known_one():
    with pytest.raises(ValueError, match="Did you mean 'comfort'"):
        StudentSettings.without(("comfrot",))


def test_a_term_without_its_head_is_off():
    assert StudentSettings().for_heads(("drivable_area", "comfort", "time_to_collision")) == StudentSettings()
    imitation_only = StudentSettings().for_heads(())
    off = [name for name in PARTS if not getattr(imitation_only, name)]
    assert off == ["drivable_area", "off_route", "comfort", "time_to_collision"]
