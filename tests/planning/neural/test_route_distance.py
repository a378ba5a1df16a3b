"""Distances of motions to the route."""

import numpy as np
import pytest

from planning.neural.route_distance import (
    DISTANCE_PER_RAD_M,
    FREE_DISTANCE_M,
    MAX_OFFSET_M,
    nearest_to_route,
    off_route_distance_m,
)

POINTS = np.stack([2.0 * np.arange(20) - 4.0, np.zeros(20), np.ones(20), np.zeros(20)], axis=-1)
"""A route straight ahead along x."""


def distance_m(poses: list[tuple[float, float, float]], *, is_connector: bool, num_points: int = 20) -> float:
    """Distance of one motion to the straight route."""
    tracked = np.array(poses)[np.newaxis, np.newaxis]
    connectors = np.full((1, 20), is_connector)
    return off_route_distance_m(tracked, POINTS[np.newaxis], np.array([num_points]), connectors).item()


def test_distance_counts_only_off_the_route_and_in_intersections():
    on_route = [(2.0, 0.3, 0.0), (4.0, -0.3, 0.0)]
    beside = [(2.0, 3.0, 0.0), (4.0, 3.0, 0.0)]
    assert distance_m(on_route, is_connector=True) == 0.0
    assert distance_m(beside, is_connector=False) == 0.0
    assert distance_m(beside, is_connector=True, num_points=0) == 0.0


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_offset_and_turn_to_either_side_add_up_and_are_averaged_over_instants(side):
    offset = [(2.0, 0.0, 0.0), (4.0, 1.0 * side, 0.0)]
    turned = [(2.0, 0.0, 0.0), (4.0, 0.0, 0.5 * side)]
    assert distance_m(offset, is_connector=True) == pytest.approx(0.5 * (1.0 - FREE_DISTANCE_M))
    assert distance_m(turned, is_connector=True) == pytest.approx(0.5 * (0.5 * DISTANCE_PER_RAD_M - FREE_DISTANCE_M))


def poses_at(*offsets_m: float) -> np.ndarray:
    """Motions parallel to the route."""
    poses = np.zeros((len(offsets_m), 4, 3))
    poses[..., 0], poses[..., 1] = 5.0 * np.arange(1, 5), np.array(offsets_m)[:, np.newaxis]
    return poses


def test_motions_near_the_route_come_first_in_their_order():
    poses = poses_at(0.0, MAX_OFFSET_M + 1.0, 3.0, -3.9, MAX_OFFSET_M + 0.1)
    assert nearest_to_route(poses, POINTS, 20, 3).tolist() == [0, 2, 3]
    # Too few are near: the least excess follows.
    assert nearest_to_route(poses, POINTS, 20, 4).tolist() == [0, 2, 3, 4]


def test_without_a_route_the_first_motions_are_taken():
    assert nearest_to_route(poses_at(9.0, 0.0, 0.0), POINTS, 0, 2).tolist() == [0, 1]
