import numpy as np
import pytest

from driving.agents import AgentKind
from driving.geometry import wrap_angle
from driving.timing import STEP_S, STEP_US
from simulation.generation.town.observed import Clip
from simulation.generation.town.recorder import (
    LIGHT_SIGHT_M,
    SIGHT_M,
    agents_in_sight,
    ego_motion,
    lights_in_sight,
    track_id,
)


@pytest.fixture(scope="module")
def clip(observed):
    """A clip of the ego vehicle that drives farthest."""
    driven = np.where(observed.drivers["is_ego_make"], observed.history.v.sum(axis=0), -1.0)
    return Clip(int(driven.argmax()), 40, 240)


@pytest.fixture(scope="module")
def agents(observed, clip):
    return agents_in_sight(observed, clip)


@pytest.fixture(scope="module")
def ego(observed, clip):
    return ego_motion(observed, clip, np.arange(200) * STEP_US)


def all_places(observed, clip):
    """Positions of vehicles, parked cars and pedestrians, in the order of their track numbers, (agents, time, 2)."""
    steps = slice(clip.start, clip.stop)
    parked = np.repeat(observed.parked.poses[:, np.newaxis, :2], clip.stop - clip.start, axis=1)
    moving, people = (
        values[steps, :, :2].transpose(1, 0, 2) for values in (observed.motions.poses, observed.history.people)
    )
    return np.concatenate([moving, parked, people])


def test_exactly_the_agents_within_sight_are_recorded(observed, clip, agents):
    places = all_places(observed, clip)
    is_near = np.hypot(*(places - places[clip.vehicle]).transpose(2, 0, 1)) < SIGHT_M
    is_near[clip.vehicle] = False
    numbers = np.flatnonzero(is_near.any(axis=1))
    assert agents.track_ids == tuple(track_id(observed.name, number) for number in numbers.tolist())
    assert (agents.valid == is_near[numbers]).all()
    assert not agents.valid.all()
    np.testing.assert_array_equal(agents.poses[..., :2][agents.valid], places[numbers][agents.valid])


def test_the_ego_is_not_among_its_agents(observed, clip, agents):
    assert track_id(observed.name, clip.vehicle) not in agents.track_ids
    assert len(set(agents.track_ids)) == len(agents.track_ids)


def test_unobserved_entries_are_nan(agents):
    for values in (agents.poses, agents.velocities_mps, agents.sizes):
        assert np.isnan(values[~agents.valid]).all()
        assert np.isfinite(values[agents.valid]).all()
    assert (np.isnan(agents.z_m) == ~agents.valid).all()


def test_agents_have_the_kind_size_and_velocity_of_their_source(observed, clip, agents):
    num_vehicles, num_parked = len(observed.drivers), len(observed.parked.poses)
    rows = {one: row for row, one in enumerate(agents.track_ids)}
    is_person = agents.kinds == AgentKind.PEDESTRIAN
    for number in range(num_vehicles + num_parked + len(observed.people_sizes)):
        row = rows.get(track_id(observed.name, number))
        if row is None:
            continue
        valid = agents.valid[row]
        assert is_person[row] == (number >= num_vehicles + num_parked)
        speeds = np.hypot(*agents.velocities_mps[row, valid].T)
        if number < num_vehicles:
            driver = observed.drivers[number]
            assert agents.kinds[row] == driver["kind"]
            assert agents.sizes[row, valid] == pytest.approx(
                np.tile([driver["length"], driver["width"]], (valid.sum(), 1))
            )
            assert agents.heights_m[row] == driver["height"]
        elif is_person[row]:
            pace = observed.history.people[clip.start : clip.stop, number - num_vehicles - num_parked, 3]
            assert speeds == pytest.approx(pace[valid])
        else:
            assert (speeds == 0.0).all()
    assert agents.z_m[agents.valid] == pytest.approx(np.repeat(agents.heights_m / 2, agents.valid.sum(axis=1)))


def test_the_ego_is_the_vehicle_of_the_clip_at_its_rear_axle(observed, clip, ego):
    centers = observed.motions.poses[clip.start : clip.stop, clip.vehicle]
    np.testing.assert_allclose(ego.center_poses()[0], centers, atol=1e-8)
    assert ego.num_steps == clip.stop - clip.start


def test_the_velocity_of_the_ego_is_that_of_its_rear_axle(ego):
    poses, velocity = ego.rear_axle_poses[0], ego.velocities_mps[0]
    moved = np.diff(poses[:, :2], axis=0)
    middle = poses[:-1, 2] + wrap_angle(np.diff(poses[:, 2])) / 2
    forward_m = moved[:, 0] * np.cos(middle) + moved[:, 1] * np.sin(middle)
    assert forward_m / STEP_S == pytest.approx((velocity[1:, 0] + velocity[:-1, 0]) / 2, abs=0.15)
    assert (velocity[:, 1] == 0.0).all()
    assert np.gradient(velocity[:, 0], STEP_S) == pytest.approx(ego.accelerations_mps2[0, :, 0])


def test_track_ids_are_those_of_the_town():
    assert track_id("town-0002", 7) == track_id("town-0002", 7)
    assert len({track_id(town, number) for town in ("town-0002", "town-0003") for number in range(200)}) == 400
    assert len(track_id("town-0002", 7)) == 16
    assert int(track_id("town-0002", 7), 16) > 0


def test_lights_near_the_ego_have_their_status(observed, clip):
    lights, lanes = lights_in_sight(observed, clip), observed.town.map.lanes
    assert lights.offsets[0] == 0
    assert lights.offsets[-1] == len(lights.lane_connector_ids) == len(lights.statuses) > 0
    lit = np.flatnonzero(lanes.has_traffic_lights)
    starts = np.array([lanes.centerlines[row][0] for row in lit])
    for frame in range(0, clip.stop - clip.start, 20):
        eye = observed.motions.poses[clip.start + frame, clip.vehicle, :2]
        near = np.flatnonzero(np.hypot(*(starts - eye).T) < LIGHT_SIGHT_M)
        here = slice(lights.offsets[frame], lights.offsets[frame + 1])
        assert lights.lane_connector_ids[here].tolist() == lanes.ids[lit[near]].tolist()
        assert lights.statuses[here].tolist() == observed.lights[near, clip.start + frame].tolist()
