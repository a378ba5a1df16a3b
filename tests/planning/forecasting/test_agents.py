"""Agents follow their lanes, keep their distance and stop at red lights; off lanes they keep their velocity."""

from dataclasses import replace

import numpy as np
import pytest

from driving import AgentKind, AgentTracks, LightStatus, Observation, TrafficLights
from driving.synthetic.scenes import scene
from planning.forecasting.agents import forecast_along_lanes, lane_network
from planning.forecasting.lane_following import LaneForecasts

CAR = (4.8, 2.0)


def among(observation: Observation, *agents: tuple[np.ndarray, float, AgentKind]) -> Observation:
    """The observation with agents at the given poses, at the given speeds along their headings."""
    steps, count = observation.agents.num_steps, len(agents)
    poses = np.array([pose for pose, _, _ in agents])
    speeds = np.array([speed for _, speed, _ in agents])
    velocities = speeds[:, np.newaxis] * np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=-1)
    tracks = AgentTracks(
        track_ids=tuple(f"{number:016x}" for number in range(count)),
        kinds=np.array([kind for _, _, kind in agents], dtype=np.int8),
        poses=np.repeat(poses[:, np.newaxis], steps, axis=1),
        velocities_mps=np.repeat(velocities[:, np.newaxis], steps, axis=1),
        sizes=np.tile(np.array(CAR), (count, steps, 1)),
        valid=np.ones((count, steps), dtype=bool),
    )
    return replace(observation, agents=tracks)


def forecast(observation: Observation) -> LaneForecasts:
    return forecast_along_lanes(observation, np.arange(observation.agents.num_agents))


def test_a_car_in_a_bend_follows_it():
    observation = scene("roundabout").observation_at(0)
    graph = observation.map
    # The lane that turns most.
    turns = [abs(np.diff(np.unwrap(graph.centerline(row).headings)).sum()) for row in range(len(graph.lanes))]
    line = graph.centerline(int(np.argmax(turns)))
    start = line.at(np.array([0.0]))[0]
    vehicle = forecast(among(observation, (start, 4.0, AgentKind.VEHICLE)))
    on_lane = vehicle.positions_m[0][np.arange(1, 9) * 2.0 < line.length_m]
    assert len(on_lane) >= 2
    assert np.abs(line.project(on_lane)[:, 1]).max() < 0.3
    assert vehicle.has_lane.tolist() == [True]
    # A pedestrian at the same position walks straight on.
    pedestrian = forecast(among(observation, (start, 4.0, AgentKind.PEDESTRIAN)))
    times_s = np.arange(1, 9)[:, np.newaxis] * 0.5
    assert pedestrian.positions_m[0] == pytest.approx(
        start[:2] + times_s * 4.0 * np.array([np.cos(start[2]), np.sin(start[2])])
    )
    assert not pedestrian.has_lane[0]


def test_a_car_stops_at_a_red_light_and_not_without_one():
    observation = scene("red_light").observation_at(40)
    graph = observation.map
    red = graph.lane_row(next(iter(observation.traffic_lights.ids_showing(0, LightStatus.RED))))
    before = graph.centerline(int(graph.lanes.predecessors[red][0]))
    place = before.at(np.array([before.length_m - 22.0]))[0]
    shown = among(observation, (place, 10.0, AgentKind.VEHICLE))
    ahead, _, _, red_light_gap_m = forecast(shown)
    stop = graph.centerline(red).points[0]
    to_stop_m = (stop - ahead[0]) @ np.array([np.cos(place[2]), np.sin(place[2])])
    assert red_light_gap_m[0] == pytest.approx(22.0 - CAR[0] / 2, abs=0.1)
    assert to_stop_m.min() > CAR[0] / 2 - 0.5
    dark = TrafficLights.none(observation.traffic_lights.num_steps)
    ahead, _, _, red_light_gap_m = forecast(replace(shown, traffic_lights=dark))
    assert red_light_gap_m[0] > 50.0
    assert ((stop - ahead[0]) @ np.array([np.cos(place[2]), np.sin(place[2])])).min() < -10.0


def test_a_car_keeps_behind_the_one_ahead():
    observation = scene("straight_road").observation_at(0)
    lanes = lane_network(observation.map)
    first = lanes.sampled.samples[5]
    along = np.array([np.cos(first[2]), np.sin(first[2])])
    behind = (first, 10.0, AgentKind.VEHICLE)
    stopped = (np.append(first[:2] + 25.0 * along, first[2]), 0.0, AgentKind.VEHICLE)
    ahead, _, leader_gap_m, _ = forecast(among(observation, behind, stopped))
    assert leader_gap_m[0] == pytest.approx(25.0 - CAR[0], abs=0.1)
    assert ((ahead[0] - first[:2]) @ along).max() < 25.0 - CAR[0]
    assert ahead[1] == pytest.approx(np.tile(stopped[0][:2], (8, 1)))
    # Without a leader it keeps its speed.
    ahead, *_ = forecast(among(observation, behind))
    assert (ahead[0] - first[:2]) @ along == pytest.approx(np.arange(1, 9) * 5.0, abs=1.5)


def test_a_vehicle_off_all_lanes_keeps_its_velocity():
    observation = scene("straight_road").observation_at(0)
    far = observation.ego_now.rear_axle_pose + np.array([0.0, 500.0, 0.3])
    ahead, has_lane, _, _ = forecast(among(observation, (far, 6.0, AgentKind.VEHICLE)))
    assert not has_lane[0]
    assert ahead[0, -1] == pytest.approx(far[:2] + 24.0 * np.array([np.cos(far[2]), np.sin(far[2])]))


def test_without_agents_the_forecasts_are_empty():
    forecasts = forecast(scene("straight_road").observation_at(0))
    assert forecasts.positions_m.shape == (0, 8, 2)
    assert all(len(values) == 0 for values in forecasts)
