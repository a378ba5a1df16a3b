from dataclasses import replace

import numpy as np
import pytest


@pytest.fixture(scope="module")
def lane_rows(observed):
    """A lane with a left neighbour, that neighbour, and a lane without a right neighbour."""
    table = observed.net.lanes
    row = int(np.flatnonzero(table["left"] >= 0)[0])
    return row, int(table["left"][row]), int(np.flatnonzero(table["right"] < 0)[0])


def lane_under(observed, row, aside_m):
    """Lane under the first vehicle, placed on a lane with a distance from the centerline."""
    history = observed.history
    lane, aside = history.lane.copy(), history.aside.copy()
    lane[0, 0], aside[0, 0] = row, aside_m
    return replace(observed, history=history._replace(lane=lane, aside=aside)).lane_under(0, 0)


def test_the_lane_under_a_vehicle_changes_at_the_boundary(observed, lane_rows):
    row, left, _ = lane_rows
    half_m = observed.net.lanes["width"][row] / 2
    assert lane_under(observed, row, 0.0) == row
    assert lane_under(observed, row, half_m - 0.01) == row
    assert lane_under(observed, row, half_m + 0.01) == left
    assert lane_under(observed, left, -half_m + 0.01) == left
    assert lane_under(observed, left, -half_m - 0.01) == row


def test_beside_the_outermost_lane_there_is_no_other(observed, lane_rows):
    *_, outermost = lane_rows
    assert lane_under(observed, outermost, -5.0) == outermost


def test_the_lane_under_a_vehicle_contains_its_box_centre(observed):
    lanes, poses = observed.town.map.lanes, observed.motions.poses
    num_vehicles = len(observed.drivers)
    contained = [
        observed.lane_under(vehicle, step) in lanes.areas.rows_containing(poses[step, vehicle, :2])
        for step in (0, 150, 300)
        for vehicle in range(num_vehicles)
    ]
    # Vehicles that change lanes may deviate from the middle by up to 0.2 m at the boundary.
    assert np.mean(contained) > 0.99


def test_map_traffic_lights_and_motions_cover_the_same_steps(observed, settings):
    steps, vehicles = observed.history.lane.shape
    assert steps == round(settings.recorded_s * 10)
    assert vehicles == len(observed.drivers) == settings.vehicles + settings.bicycles
    assert observed.motions.poses.shape == (steps, vehicles, 3)
    assert observed.lights.shape == (observed.town.map.lanes.has_traffic_lights.sum(), steps)
    assert observed.history.people.shape == (steps, len(observed.people_sizes), 4)
    assert len(observed.net.lanes) == len(observed.town.map.lanes)
    assert len(observed.parked.poses) == len(observed.parked.sizes) <= len(observed.town.parking_poses)
