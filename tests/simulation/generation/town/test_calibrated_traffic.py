from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentKind
from driving.checks import check_scenario
from driving.geometry import box_overlap_m
from driving.vehicle import PACIFICA
from simulation.generation.town.calibrated_traffic import (
    LANE_MARGIN_M,
    calibrate_drivers,
    lane_offsets,
    with_calibration,
)
from simulation.generation.town.calibration import Calibration
from simulation.generation.town.drivers import draw_drivers
from simulation.generation.town.generator import generate_town, simulate_town
from simulation.generation.town.layout import small_town

CALIBRATION = Calibration(
    length_m=(3.6, 4.2, 4.6, 5.0, 11.5),
    width_m=(1.6, 1.8, 1.9, 2.1, 2.6),
    size_correlation=0.7,
    offset_m=(0.0, 0.15, 0.3, 0.6, 1.4),
    vehicles=1.1,
    pedestrians=1.5,
    headway=0.8,
    min_gap=0.9,
    speed=1.05,
)

BEFORE = {
    "mean": [316.97657549481494, 241.07612406422572],
    "headings": 37.58467925357246,
    "sizes": 1038.8783572218852,
    "speeds": 235966.5586054285,
}
"""Of the small town of seed 2, at its last step."""


@pytest.fixture(scope="module")
def calibrated_settings():
    return with_calibration(small_town(), CALIBRATION)


@pytest.fixture(scope="module")
def calibrated(calibrated_settings):
    return simulate_town(2, calibrated_settings)


def test_factors_apply_to_the_counts(calibrated_settings):
    settings = calibrated_settings
    assert settings.vehicles == round(1.1 * small_town().vehicles)
    assert settings.pedestrians == round(1.5 * small_town().pedestrians)
    assert settings.calibration is CALIBRATION


def test_drivers_get_sizes_and_gaps_and_egos_keep_their_size():
    plain = draw_drivers(np.random.default_rng(0), small_town())
    drivers = plain.copy()
    shown = calibrate_drivers(np.random.default_rng(1), drivers, CALIBRATION)
    motor, ego = drivers["kind"] == AgentKind.VEHICLE, drivers["is_ego_make"]
    assert (drivers["length"][ego] == PACIFICA.length_m).all()
    assert (shown[ego, 0] <= PACIFICA.length_m).all()
    assert (shown[ego, 1] <= PACIFICA.width_m).all()
    assert np.median(shown[motor, 0]) == pytest.approx(4.6, abs=0.25)
    np.testing.assert_array_equal(shown[motor & ~ego, 0], drivers["length"][motor & ~ego])
    np.testing.assert_allclose(drivers["headway"][motor], 0.8 * plain["headway"][motor])
    np.testing.assert_allclose(drivers["min_gap"][motor], 0.9 * plain["min_gap"][motor])
    np.testing.assert_array_equal(drivers[~motor], plain[~motor])
    heavy = motor & ~ego & (drivers["eagerness"] < 0)
    assert drivers["length"][heavy].min() >= drivers["length"][motor & ~ego & ~heavy].max()


def test_vehicles_keep_their_boxes_in_their_lanes(calibrated):
    """On streets with parked cars, where no lane has a free shoulder."""
    rng = np.random.default_rng(5)
    drivers, net = calibrated.drivers, calibrated.net
    offsets = lane_offsets(rng, net, calibrated.history, drivers, CALIBRATION)
    rows = calibrated.history.lane
    room = (net.lanes["width"][rows] - drivers["width"]) / 2 - LANE_MARGIN_M
    has_neighbour = net.lanes["right"][rows] >= 0
    motor = drivers["kind"] == AgentKind.VEHICLE
    assert (offsets[:, ~motor] == 0.0).all()
    assert (offsets <= np.maximum(room, 0.0) + 0.05)[:, motor].all()
    assert (offsets >= -np.maximum(room, 0.0) - 0.05)[has_neighbour & motor].all()
    assert 0.15 < np.median(np.abs(offsets[:, motor])) < 0.45


def test_offsets_change_with_the_driven_distance_only(calibrated):
    offsets = lane_offsets(
        np.random.default_rng(5), calibrated.net, calibrated.history, calibrated.drivers, CALIBRATION
    )
    stands = (calibrated.history.v[1:] == 0.0) & (calibrated.history.v[:-1] == 0.0)
    assert np.abs(np.diff(offsets, axis=0))[stands].max() < 1e-9
    assert np.abs(np.diff(offsets, axis=0)).max() < 0.12


def test_calibrated_scenarios_are_valid_and_free_of_overlaps(calibrated_settings):
    for recording in generate_town(2, replace(calibrated_settings, scenarios=3)):
        for scenario in recording.scenarios():
            check_scenario(scenario)


def test_moving_vehicles_do_not_overlap(calibrated):
    motor = np.flatnonzero(calibrated.drivers["kind"] == AgentKind.VEHICLE)
    sizes = calibrated.vehicle_sizes[motor, :2]
    first, second = np.triu_indices(len(motor), k=1)
    for poses in calibrated.motions.poses[::40, motor]:
        near = np.hypot(*(poses[first, :2] - poses[second, :2]).T) < 15.0
        one, other = first[near], second[near]
        assert box_overlap_m(poses[one], sizes[one], poses[other], sizes[other]).max() < 0.05


def test_the_map_of_a_town_does_not_depend_on_its_calibration(calibrated, observed):
    np.testing.assert_array_equal(
        calibrated.town.map.lanes.centerlines.values, observed.town.map.lanes.centerlines.values
    )


def test_without_calibration_a_town_is_as_before(observed):
    """Values of the version before calibrations existed."""
    poses = observed.motions.poses[-1, :, :2] - observed.town.origin
    assert poses.mean(axis=0) == pytest.approx(BEFORE["mean"], abs=1e-6)
    assert observed.motions.poses[-1, :, 2].sum() == pytest.approx(BEFORE["headings"], abs=1e-6)
    assert observed.vehicle_sizes.sum() == pytest.approx(BEFORE["sizes"], abs=1e-9)
    assert observed.motions.speed.sum() == pytest.approx(BEFORE["speeds"], abs=1e-5)
