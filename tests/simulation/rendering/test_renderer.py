"""Images of whole scenes."""

from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentKind
from driving.geometry import poses_out_of_frame_of
from driving.rigs import NUPLAN_8, NUSCENES_6
from driving.synthetic.scenes import SCENES, scene
from simulation.rendering.appearance import APPEARANCES, DAY, FOG, NIGHT
from simulation.rendering.renderer import GROUND, SKY, CameraRenderer
from simulation.rendering.snapshot import Snapshot, snapshot_of

RIG = NUPLAN_8.resized(sizes=(64, 36))


def snapshot_at(scenario, iteration=0) -> Snapshot:
    now = scenario.observation_at(iteration)
    return snapshot_of(now.ego_now.rear_axle_pose, now.agents, now.traffic_lights, now.time_us)


def with_agents(snapshot, poses_ego, sizes_m, *, kind=AgentKind.VEHICLE, is_braking=False) -> Snapshot:
    """The snapshot with these agents only."""
    count = len(poses_ego)
    return replace(
        snapshot,
        track_ids=tuple(f"agent {k}" for k in range(count)),
        kinds=np.full(count, kind, dtype=np.int8),
        poses=poses_out_of_frame_of(np.asarray(poses_ego, dtype=np.float64), snapshot.ego_pose),
        sizes_m=np.asarray(sizes_m, dtype=np.float64),
        is_braking=np.full(count, is_braking),
        turn_signals=np.zeros(count, dtype=np.int8),
    )


@pytest.fixture(scope="module")
def road():
    scenario = scene("straight_road")
    return scenario, snapshot_at(scenario)


@pytest.mark.parametrize("name", sorted(SCENES))
def test_hand_made_scenes_render_with_sky_above_ground(name):
    scenario = scene(name)
    images = CameraRenderer(scenario.map, RIG).render(snapshot_at(scenario, 20), (0, 1))
    for image, ids, depth in zip(images.images, images.instances, images.depth_m, strict=True):
        assert image.shape == (36, 64, 3)
        assert (image.dtype, ids.dtype, depth.dtype) == (np.uint8, np.int32, np.float32)
        assert (ids[0] != GROUND).all()
        assert (ids[-1] != SKY).all()
        np.testing.assert_array_equal(np.isinf(depth), ids == SKY)
        assert image.std() > 10


@pytest.mark.parametrize("appearance", sorted(APPEARANCES))
def test_equal_seeds_give_equal_bytes_in_any_order_of_calls(appearance, road):
    scenario, now = road
    now = with_agents(now, [[12.0, 1.0, 0.2]], [[4.5, 1.9, 1.6]])
    first = CameraRenderer(scenario.map, RIG, seed=3, appearance=APPEARANCES[appearance])
    second = CameraRenderer(scenario.map, RIG, seed=3, appearance=APPEARANCES[appearance])
    second.render(replace(now, time_us=now.time_us + 1, ego_pose=now.ego_pose + np.array([9.0, 2.0, 0.4])), (3,))
    again = second.render(now, (2, 0))
    for image, expected in zip(again.images, first.render(now, (0, 2)).images[::-1], strict=True):
        np.testing.assert_array_equal(image, expected)
    other_seed = CameraRenderer(scenario.map, RIG, seed=4, appearance=APPEARANCES[appearance]).render(now, (0,))
    assert (other_seed.images[0] != again.images[1]).mean() > 0.1


@pytest.mark.parametrize(
    ("kind", "size_m"),
    [
        (AgentKind.VEHICLE, (4.6, 1.9, 1.6)),
        (AgentKind.VEHICLE, (11.0, 2.5, 3.2)),
        (AgentKind.PEDESTRIAN, (0.6, 0.6, 1.75)),
        (AgentKind.BICYCLE, (1.8, 0.6, 1.7)),
        (AgentKind.TRAFFIC_CONE, (0.4, 0.4, 0.8)),
        (AgentKind.BARRIER, (2.0, 0.5, 1.0)),
    ],
)
@pytest.mark.parametrize("distance_m", [14.0, 60.0])
def test_instances_fill_the_outline_of_their_projected_box(kind, size_m, distance_m, road):
    scenario, now = road
    rig = NUPLAN_8.resized(sizes=(480, 270))
    pose = np.array([distance_m, 1.5, 0.3])
    images = CameraRenderer(scenario.map, rig).render(with_agents(now, [pose], [size_m], kind=kind), (0,))
    v, u = np.nonzero(images.instances[0] == 0)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 2)]) / 2 * size_m
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    corners = np.column_stack(
        [
            pose[0] + cos * signs[:, 0] - sin * signs[:, 1],
            pose[1] + sin * signs[:, 0] + cos * signs[:, 1],
            signs[:, 2],
        ]
    )
    pixels, _ = rig.project(0, corners)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    # Meshes touch all faces of the box but not its corners.
    slack = 1.5 + 0.4 * (high - low)
    first, last = np.array([u.min(), v.min()]), np.array([u.max(), v.max()])
    assert ((first > low - 1.5) & (last < high + 1.5)).all()
    assert ((first < low + slack) & (last > high - slack)).all()
    assert abs(np.median(images.depth_m[0][v, u]) - (distance_m - 1.67)) < 0.5 * max(size_m) + 0.3


def test_nearer_agents_hide_farther_ones_and_agents_behind_are_not_shown(road):
    scenario, now = road
    agents = with_agents(
        now, [[10.0, 0, 0], [30.0, 0, 0], [-10.0, 0, 0]], [[4.5, 3.0, 3.0], [4.5, 1.5, 1.0], [4, 2, 2]]
    )
    front, back = CameraRenderer(scenario.map, RIG).render(agents, (0, 1)).instances
    assert (front == 0).any()
    assert not np.isin(front, [1, 2]).any()
    assert (back == 2).any()
    assert not np.isin(back, [0, 1]).any()


def test_brake_lights_make_the_rear_redder(road):
    scenario, now = road
    renderer = CameraRenderer(scenario.map, NUSCENES_6.resized(sizes=(320, 180)))
    reds = []
    for is_braking in (False, True):
        images = renderer.render(with_agents(now, [[9.0, 0, 0]], [[4.5, 1.9, 1.6]], is_braking=is_braking), (0,))
        pixels = images.images[0][images.instances[0] == 0].astype(int)
        reds.append((pixels[:, 0] - pixels[:, 1:].max(axis=1) > 120).sum())
    assert reds[1] > reds[0] + 10


def test_fog_hides_distant_agents_and_night_is_darker_than_day(road):
    scenario, now = road
    far = with_agents(now, [[120.0, 0, 0]], [[4.5, 6.0, 6.0]])
    contrast, brightness = {}, {}
    for name, appearance in (("day", DAY), ("fog", FOG), ("night", NIGHT)):
        images = CameraRenderer(scenario.map, RIG, appearance=replace(appearance, noise_sd=0.0)).render(far, (0,))
        picture, ids = images.images[0].astype(float), images.instances[0]
        contrast[name] = np.abs(picture[ids == 0].mean(axis=0) - picture[:8][ids[:8] == SKY].mean(axis=0)).max()
        brightness[name] = picture.mean()
    assert contrast["fog"] < 0.3 * contrast["day"]
    assert brightness["night"] < 0.65 * brightness["day"]


def test_agents_without_a_finite_pose_or_size_are_left_out(road):
    scenario, now = road
    agents = with_agents(now, [[10.0, 0, 0], [np.nan, 0, 0], [14.0, 3, 0]], [[4.5, 2, 2], [4, 2, 2], [4, np.nan, 2]])
    ids = CameraRenderer(scenario.map, RIG).render(agents, (0,)).instances[0]
    assert set(np.unique(ids).tolist()) <= {0, GROUND, SKY, -3}


def test_a_camera_that_the_rig_does_not_have_is_refused(road):
    scenario, now = road
    with pytest.raises(IndexError, match="The rig has cameras 0 to 7, got 8"):
        CameraRenderer(scenario.map, RIG).render(now, (8,))


def test_agents_that_leave_come_or_change_are_drawn_as_by_a_new_renderer(road):
    scenario, now = road
    kept = CameraRenderer(scenario.map, RIG)
    for poses, sizes in (
        ([[12.0, 1.0, 0.2], [60.0, 0.0, 0.0]], [[4.5, 1.9, 1.6]] * 2),
        ([[12.5, 1.0, 0.2], [45.0, 0.0, 0.0]], [[4.5, 1.9, 1.6]] * 2),
        ([[13.0, 1.0, 0.2]], [[4.5, 1.9, 1.6]]),
        ([[13.0, 1.0, 0.2]], [[9.0, 2.5, 3.2]]),
    ):
        seen = with_agents(now, poses, sizes)
        for one, other in zip(
            kept.render(seen, (0,)).images, CameraRenderer(scenario.map, RIG).render(seen, (0,)).images, strict=True
        ):
            np.testing.assert_array_equal(one, other)
