"""Positions of motions on the road: compiled kernels against plain shapely code, and values known by hand."""

import numpy as np
import pytest
import shapely

from driving.geometry import Polyline, box_corners
from driving.synthetic.scenes import scene
from simulation.ego.box import EgoBox, ego_box
from simulation.ego.dynamics import HEADING, STATE_SIZE, VELOCITY_X, X, Y
from simulation.geometry.polylines import chunked_line
from simulation.metrics.pdm.areas import scoring_areas
from simulation.metrics.pdm.road import (
    DRIVABLE,
    INTERSECTION,
    LANE,
    MULTIPLE_LANES,
    OFF_ROAD,
    ON_ROUTE,
    ONCOMING,
    ClassifiedAreas,
    ScoredMotions,
    ego_areas,
    is_in_intersection,
    is_in_one_lane,
    longest_stray,
    oncoming_distances,
    progress_along,
    sides_count,
    touches_areas,
    touching_square,
)
from simulation.metrics.pdm.rules import EPDMS_RULES, TUPLAN_RULES
from tests.support.random_motions import random_states

BOX = ego_box()
STEPS = 21


class Site:
    """A scene with its polygons as the kernels and as shapely see them."""

    def __init__(self, name: str, rules=TUPLAN_RULES) -> None:
        self.scenario = scene(name)
        graph = self.scenario.map
        self.start = self.scenario.logged_ego_pose(30)
        self.areas = scoring_areas(graph)
        layers = (graph.lanes.areas, graph.carparks, graph.intersections, graph.roadblocks)
        self.polygons = np.concatenate([layer.polygons for layer in layers])
        rows = [row for block in self.scenario.route.roadblock_ids for row in graph.lane_rows_of_roadblock(block)]
        kinds = self.areas.kinds_near(self.start[:2], self.areas.on_route(rows), rules)
        low = self.start[:2] - 60.0
        self.classified = ClassifiedAreas(self.areas.raster(low, low + 120.0), kinds)

    def kinds_at(self, x: float, y: float) -> int:
        """Bits of all polygons that contain a point."""
        inside = shapely.contains_xy(self.polygons, x, y)
        return int(np.bitwise_or.reduce(self.classified.kinds[inside], initial=0))


def centers(states: np.ndarray, box: EgoBox = BOX) -> np.ndarray:
    """Poses of the box centre (M, T, 3)."""
    offset = box.rear_axle_to_center * np.stack([np.cos(states[..., HEADING]), np.sin(states[..., HEADING])], axis=-1)
    return np.concatenate([states[..., :2] + offset, states[..., 2:3]], axis=-1)


def straight(speed_mps: float, y_m: float | np.ndarray, steps: int = STEPS) -> np.ndarray:
    """States (1, T, 10) east from the origin."""
    states = np.zeros((1, steps, STATE_SIZE))
    states[0, :, X] = speed_mps * 0.1 * np.arange(steps)
    states[0, :, Y] = y_m
    states[0, :, VELOCITY_X] = speed_mps
    return states


def motions_with(areas: np.ndarray, states: np.ndarray) -> ScoredMotions:
    return ScoredMotions(states, areas.astype(np.uint8), EgoBox(4.0, 2.0, 0.0))


@pytest.mark.parametrize(("name", "rules"), [("t_junction", TUPLAN_RULES), ("roundabout", EPDMS_RULES)])
def test_areas_of_poses_are_those_of_shapely(name, rules):
    site = Site(name, rules)
    states = random_states(np.random.default_rng(4), 40, STEPS, site.start)
    found = ego_areas(states, site.classified, BOX)
    middles = centers(states)
    lanes = np.flatnonzero(site.classified.kinds & LANE)
    for m, t in np.ndindex(40, STEPS):
        corners = box_corners(middles[m, t], np.array([BOX.length, BOX.width]))
        on_road = [site.kinds_at(*corner) & DRIVABLE for corner in corners]
        at_center = site.kinds_at(*middles[m, t, :2])
        inside = np.array([shapely.contains_xy(site.polygons[lanes], *corner) for corner in corners])
        several = inside.any(axis=0).sum() > 1 and not inside.all(axis=0).any()
        expected = MULTIPLE_LANES * several | OFF_ROAD * (not all(on_road)) | at_center & INTERSECTION
        expected |= 0 if at_center & ON_ROUTE else ONCOMING
        assert found[m, t] == expected, (m, t)
    for flag in (MULTIPLE_LANES, OFF_ROAD, ONCOMING):
        assert 0 < (found & flag > 0).mean() < 1, flag


def test_points_in_intersections_are_those_of_shapely():
    site = Site("t_junction")
    points = np.random.default_rng(0).uniform(-55.0, 55.0, (300, 2)) + site.start[:2]
    expected = [bool(site.kinds_at(x, y) & INTERSECTION) for x, y in points]
    assert [is_in_intersection(site.classified, x, y) for x, y in points] == expected
    assert {True, False} == set(expected)


def test_agents_beside_count_off_one_lane_or_in_an_intersection():
    site = Site("t_junction")
    outside = site.start[:2]
    polygons = site.scenario.map.intersections.polygons
    inside = polygons[np.argmin(shapely.distance(polygons, shapely.Point(outside)))].representative_point()
    assert is_in_one_lane(0)
    assert not is_in_one_lane(MULTIPLE_LANES)
    assert not is_in_one_lane(OFF_ROAD | ONCOMING)
    assert not sides_count(ONCOMING, site.classified, outside[0], outside[1])
    assert sides_count(OFF_ROAD, site.classified, outside[0], outside[1])
    assert sides_count(0, site.classified, inside.x, inside.y)


@pytest.mark.parametrize(
    ("oncoming_steps", "window", "expected_m"),
    [
        (slice(0), 0, 0.0),
        # 1 m a step; the first pose of a motion has no step.
        (slice(None), 0, 20.0),
        (slice(5, 10), 0, 5.0),
        (slice(None), 10, 11.0),
        (slice(5, 10), 10, 5.0),
    ],
)
def test_the_oncoming_distance_is_that_of_a_run_or_of_a_window(oncoming_steps, window, expected_m):
    areas = np.zeros((1, STEPS))
    areas[0, oncoming_steps] = ONCOMING
    assert oncoming_distances(motions_with(areas, straight(10.0, 0.0)), window, False) == pytest.approx([expected_m])


def test_two_oncoming_runs_count_apart_without_a_window_and_together_within_one():
    areas = np.zeros((1, STEPS))
    areas[0, [3, 4, 8, 9, 10]] = ONCOMING
    motions = motions_with(areas, straight(10.0, 0.0))
    assert oncoming_distances(motions, 0, False) == pytest.approx([3.0])
    assert oncoming_distances(motions, 10, False) == pytest.approx([5.0])


def test_oncoming_poses_in_intersections_can_be_spared():
    motions = motions_with(np.full((1, STEPS), ONCOMING | INTERSECTION), straight(10.0, 0.0))
    assert oncoming_distances(motions, 0, True) == [0.0]
    assert oncoming_distances(motions, 0, False) == pytest.approx([20.0])


def test_progress_is_the_difference_of_the_projected_ends():
    rng = np.random.default_rng(2)
    points = np.cumsum(rng.uniform([1.0, -1.0], [3.0, 1.0], (60, 2)), axis=0)
    states = random_states(rng, 50, STEPS, np.array([20.0, points[10, 1], 0.0]))
    ends = centers(states)[:, [0, -1], :2]
    along = Polyline(points=points).project(ends.reshape(-1, 2))[:, 0].reshape(-1, 2)
    expected = np.maximum(along[:, 1] - along[:, 0], 0.0)
    np.testing.assert_allclose(progress_along(states, chunked_line(points), BOX), expected, atol=1e-9)


def test_backwards_progress_is_0():
    line = chunked_line(np.array([[-50.0, 0.0], [0.0, 0.0], [50.0, 0.0]]))
    assert progress_along(straight(-5.0, 0.0), line, BOX) == [0.0]


def test_a_run_off_the_centerline_counts_poses_beyond_half_a_metre():
    line = chunked_line(np.array([[-10.0, 0.0], [10.0, 0.0], [60.0, 0.0]]))
    near = np.arange(len(line.chunks))
    lateral = np.zeros(STEPS)
    lateral[[2, 3, 4, 8, 9]] = 0.51
    lateral[12:18] = 0.49
    states = straight(10.0, lateral)
    assert longest_stray(motions_with(np.zeros((1, STEPS)), states), line, near) == [3]
    # Poses in an intersection are left out: the two runs join.
    areas = np.zeros((1, STEPS))
    areas[0, 5:8] = INTERSECTION
    assert longest_stray(motions_with(areas, states), line, near) == [5]


def test_without_near_chunks_all_poses_are_off_the_centerline():
    line = chunked_line(np.array([[0.0, 90.0], [10.0, 90.0]]))
    none = np.zeros(0, dtype=np.int64)
    assert longest_stray(motions_with(np.zeros((1, STEPS)), straight(10.0, 0.0)), line, none) == [STEPS]


def test_touched_areas_are_those_of_shapely():
    site = Site("t_junction")
    rng = np.random.default_rng(7)
    states = random_states(rng, 60, STEPS, site.start)
    rows = rng.integers(-1, len(site.polygons), (STEPS, 2))
    middles = centers(states)
    expected = []
    for m in range(len(states)):
        boxes = shapely.polygons(box_corners(middles[m], np.tile([BOX.length, BOX.width], (STEPS, 1))))
        expected.append(
            any(row >= 0 and boxes[t].intersects(site.polygons[row]) for t in range(STEPS) for row in rows[t])
        )
    assert touches_areas(states, site.areas.flat, rows, BOX).tolist() == expected
    assert {True, False} == set(expected)


def test_areas_touching_a_square_are_those_of_shapely():
    site = Site("t_junction")
    x, y = site.start[:2]
    for radius_m in (1.0, 15.0, 60.0):
        square = shapely.box(x - radius_m, y - radius_m, x + radius_m, y + radius_m)
        expected = shapely.intersects(site.polygons, square)
        expected[:3] = False
        found = touching_square(site.areas.flat, x, y, radius_m, 3)
        assert found[:-1].tolist() == expected.tolist()
        assert not found[-1]
