from dataclasses import replace

import numpy as np
import pytest
from hand_made_junction import EASTBOUND, WEST, junction

from driving.agents import AgentKind, LightStatus
from driving.geometry import box_overlap_m
from driving.timing import STEP_S
from simulation.generation.town.drivers import draw_drivers
from simulation.generation.town.generator import simulate_town
from simulation.generation.town.layout import small_town
from simulation.generation.town.tables import PERSON
from simulation.generation.town.traffic import choose_connector, populate


def test_no_vehicle_enters_on_red(observed):
    net, lane = observed.net, observed.history.lane
    step, vehicle = np.nonzero((lane[1:] != lane[:-1]) & (net.lanes["light"][lane[1:]] >= 0))
    light = net.lanes["light"][lane[step + 1, vehicle]]
    # The box centre enters about a second after the front passes the line, at walking pace later.
    recent = np.stack([observed.lights[light, np.maximum(step - back, 0)] for back in range(25)])
    assert len(step) > 20
    assert (recent != LightStatus.RED).any(axis=0).all()


def test_vehicles_do_not_overlap(observed):
    drivers, poses = observed.drivers, observed.motions.poses
    sizes = np.stack([drivers["length"], drivers["width"]], axis=-1)
    first, second = np.triu_indices(len(drivers), k=1)
    overlapping = set()
    for step in range(0, len(poses), 10):
        near = np.hypot(*(poses[step, first, :2] - poses[step, second, :2]).T) < 12.0
        a, b = first[near], second[near]
        depth_m = box_overlap_m(poses[step, a], sizes[a], poses[step, b], sizes[b])
        overlapping |= set(zip(a[depth_m > 0.2].tolist(), b[depth_m > 0.2].tolist(), strict=True))
    # The rear of a long vehicle may reach over a queue in a turn.
    assert len(overlapping) <= 1


def test_vehicles_do_not_hit_pedestrians(observed):
    drivers, poses, people = observed.drivers, observed.motions.poses, observed.history.people
    for step in range(0, len(poses), 5):
        near = np.argwhere(
            np.hypot(*(people[step, :, np.newaxis, :2] - poses[step, np.newaxis, :, :2]).transpose(2, 0, 1)) < 8.0
        )
        pedestrian, car = near.T
        depth_m = box_overlap_m(
            people[step, pedestrian, :3],
            np.full((len(pedestrian), 2), 0.4),
            poses[step, car],
            np.stack([drivers["length"][car], drivers["width"][car]], axis=-1),
        )
        assert len(depth_m) == 0 or depth_m.max() < 0.05


def test_traffic_flows(observed):
    assert (observed.history.v.max(axis=0) > 1.0).mean() > 0.97
    assert observed.history.v.mean() > 2.5


def test_speeds_keep_near_the_limit(observed):
    limit = observed.net.lanes["limit"][observed.history.lane]
    assert (observed.history.v <= 1.12 * limit + 0.5).mean() > 0.99


def test_bicycles_are_slow_and_keep_to_the_kerb(observed):
    bicycles = observed.drivers["kind"] == AgentKind.BICYCLE
    assert observed.history.v[:, bicycles].max() < 7.0
    lane = observed.history.lane[:, bicycles]
    on_lanes = lane < observed.net.num_lanes
    assert (observed.net.lanes["right"][lane[on_lanes]] == -1).mean() > 0.9


def test_pedestrians_wait_at_kerbs_and_most_of_them_walk(observed):
    assert observed.history.is_waiting.any()
    assert (observed.history.people[..., 3] > 0).mean() > 0.8


def test_accelerations_are_the_changes_of_speed_and_stay_within_the_emergency_bound(observed):
    v, a = observed.history.v, observed.history.a
    moving = (v[1:] > 0.2) & (v[:-1] > 0.2)
    np.testing.assert_allclose((np.diff(v, axis=0) / STEP_S)[moving], a[1:][moving], atol=1e-9)
    assert a.min() >= -7.0
    assert a.max() < 2.5


def test_vehicles_change_rows_only_to_connectors_and_neighbouring_lanes(observed):
    net, lane = observed.net, observed.history.lane
    step, vehicle = np.nonzero(lane[1:] != lane[:-1])
    before, after = lane[step, vehicle], lane[step + 1, vehicle]
    lanes = net.lanes
    is_entry = lanes["from_lane"][after] == before
    is_exit = lanes["to_lane"][before] == after
    is_change = (lanes["left"][before] == after) | (lanes["right"][before] == after)
    assert (is_entry | is_exit | is_change).all()
    assert is_change.any()
    assert is_entry.sum() > 100


def test_lane_changes_move_sideways_without_a_jump(observed):
    jump_m = np.abs(np.diff(observed.history.aside, axis=0))
    changes = np.diff(observed.history.lane, axis=0) != 0
    assert jump_m[~changes].max() < 0.6
    assert np.abs(observed.history.aside).max() < 4.0


def test_histories_are_cut_at_a_step(observed):
    later = observed.history.since(100)
    assert len(later.v) == len(observed.history.v) - 100
    assert np.shares_memory(later.people, observed.history.people)
    np.testing.assert_array_equal(later.lane[0], observed.history.lane[100])


def test_equal_seeds_give_equal_traffic_and_attempts_differ():
    settings = replace(small_town(), recorded_s=40.0, warm_up_s=0.0)
    first, again, other = (simulate_town(7, settings, attempt) for attempt in (0, 0, 1))
    for name in first.history._fields:
        np.testing.assert_array_equal(getattr(first.history, name), getattr(again.history, name))
    assert first.name == other.name == "town-0007"
    assert not np.array_equal(first.history.s, other.history.s)


def test_vehicles_start_apart_on_lanes_and_bicycles_at_the_kerb(observed):
    settings = small_town()
    drivers = draw_drivers(np.random.default_rng(3), settings)
    population = populate(np.random.default_rng(3), observed.net, drivers, np.zeros(4, dtype=PERSON))
    now = population.vehicles
    assert (now["lane"] < observed.net.num_lanes).all()
    for lane in np.unique(now["lane"]):
        places = np.sort(now["s"][now["lane"] == lane])
        assert (np.diff(places) > 12.9).all()
        assert places[0] >= 8.0
        assert places[-1] <= observed.net.lanes["length"][lane] - 15.0
    bicycles = drivers["kind"] == AgentKind.BICYCLE
    assert (observed.net.lanes["right"][now["lane"][bicycles]] == -1).all()
    assert (now["v"] <= drivers["top_speed"]).all()
    assert len(population.vehicle_random) == len(drivers)
    assert len(population.people_random) == 4


def test_too_many_vehicles_are_refused():
    drivers = draw_drivers(np.random.default_rng(0), replace(small_town(), vehicles=50))
    with pytest.raises(ValueError, match=r"58 vehicles do not fit on lanes with 20 places\. Ask for fewer"):
        populate(np.random.default_rng(0), junction(), drivers, np.zeros(0, dtype=PERSON))


def test_the_choice_of_a_connector_follows_its_weights():
    net = junction()
    lanes = net.lanes.copy()
    lanes["successor_end"][WEST] = 2
    lanes["bend"][EASTBOUND + 1] = 0.1
    curved = net._replace(lanes=lanes)
    draws = np.linspace(0.0, 0.999, 200)
    # Weights 1 for the straight connector and 0.75 for the curve, 0.075 for a truck.
    share = np.mean([choose_connector(curved, WEST, 4.5, draw) == EASTBOUND for draw in draws])
    assert share == pytest.approx(1 / 1.75, abs=0.01)
    share = np.mean([choose_connector(curved, WEST, 11.0, draw) == EASTBOUND for draw in draws])
    assert share == pytest.approx(1 / 1.075, abs=0.01)
    lanes["rank"][curved.lanes["to_lane"][EASTBOUND]] = 2
    share = np.mean([choose_connector(curved, WEST, 4.5, draw) == EASTBOUND for draw in draws])
    assert share == pytest.approx(2.4 / 3.15, abs=0.01)
