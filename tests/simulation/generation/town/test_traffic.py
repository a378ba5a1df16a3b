import numpy as np

from driving.agents import AgentKind, LightStatus
from driving.checks import overlap_m


def test_nobody_enters_on_red(observed):
    net, lane = observed.net, observed.history.lane
    step, vehicle = np.nonzero((lane[1:] != lane[:-1]) & (net.lanes["light"][lane[1:]] >= 0))
    light = net.lanes["light"][lane[step + 1, vehicle]]
    # The box centre enters about a second after the front passed the line, at walking pace somewhat later.
    recent = np.stack([observed.lights[light, np.maximum(step - back, 0)] for back in range(25)])
    assert len(step) > 20
    assert (recent != LightStatus.RED).any(axis=0).all()


def test_vehicles_do_not_drive_through_each_other(observed):
    drivers, poses = observed.drivers, observed.motions.poses
    sizes = np.stack([drivers["length"], drivers["width"]], axis=-1)
    first, second = np.triu_indices(len(drivers), k=1)
    overlapping = set()
    for step in range(0, len(poses), 10):
        near = np.hypot(*(poses[step, first, :2] - poses[step, second, :2]).T) < 12.0
        a, b = first[near], second[near]
        depth_m = overlap_m(poses[step, a], sizes[a], poses[step, b], sizes[b])
        overlapping |= set(zip(a[depth_m > 0.2].tolist(), b[depth_m > 0.2].tolist(), strict=True))
    # A long vehicle may swing its tail over a queue.
    assert len(overlapping) <= 1


def test_people_are_not_run_over(observed):
    drivers, poses, people = observed.drivers, observed.motions.poses, observed.history.people
    for step in range(0, len(poses), 5):
        near = np.argwhere(
            np.hypot(*(people[step, :, np.newaxis, :2] - poses[step, np.newaxis, :, :2]).transpose(2, 0, 1)) < 8.0
        )
        who, car = near.T
        depth_m = overlap_m(
            people[step, who, :3],
            np.full((len(who), 2), 0.4),
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


def test_people_cross_signalised_streets_while_traffic_waits(observed):
    assert observed.history.is_waiting.any()
    assert (observed.history.people[..., 3] > 0).mean() > 0.8
