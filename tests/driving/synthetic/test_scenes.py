"""The values in the docstrings of the scenes."""

import numpy as np
import pytest

from driving import PACIFICA, AgentKind, LightStatus, Scenario
from driving.scenario_types import CHALLENGE_SCENARIO_TYPES, KNOWN_SCENARIO_TYPES
from driving.synthetic.proving_ground import proving_ground
from driving.synthetic.scene_script import track_id
from driving.synthetic.scenes import SCENES, scene

FRONT_M = 4.049
HALF_CAR_M = 2.4

SITE_OF_SCENE = {
    "straight_road": "road",
    "queue": "road",
    "cut_in": "avenue",
    "red_light": "crossroads",
    "t_junction": "t_junction",
    "roundabout": "roundabout",
    "pedestrian_crossing": "crossing",
    "parked_car": "road",
    "construction": "avenue",
}


def ego(name: str, time_s: float) -> np.ndarray:
    """Rear axle in the site frame."""
    origin = proving_ground().sites[SITE_OF_SCENE[name]].builder.origin
    return scene(name).logged_ego_pose(round(time_s * 10)) - np.array([*origin, 0.0])


def speed_mps(name: str, time_s: float) -> float:
    scenario = scene(name)
    return float(scenario.ego.speed_mps[0, scenario.first_frame + round(time_s * 10)])


def agent(name: str, number: int, time_s: float) -> np.ndarray:
    """Box centre in the site frame; agents are numbered from 1."""
    scenario = scene(name)
    origin = proving_ground().sites[SITE_OF_SCENE[name]].builder.origin
    row = scenario.agents.track_ids.index(track_id(number))
    return scenario.agents.poses[row, scenario.first_frame + round(time_s * 10)] - np.array([*origin, 0.0])


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_is_15_s_long_with_history_and_future(name):
    scenario = scene(name)
    assert (scenario.first_frame, scenario.num_frames, len(scenario.time_us)) == (22, 151, 253)
    assert scenario.scenario_type in KNOWN_SCENARIO_TYPES
    assert scenario.metadata["origin"] == f"synthetic: {name}"


@pytest.mark.parametrize("name", SCENES)
def test_every_logged_ego_drives_smoothly(name):
    """Inside nuPlan's bounds of comfort, without its filter."""
    motion, frames = scene(name).ego, scene(name).frames
    lon_mps2, lat_mps2 = motion.accelerations_mps2[0, frames].T
    assert lon_mps2.min() > -4.05
    assert lon_mps2.max() < 2.40
    assert np.abs(lat_mps2).max() < 4.89
    yaw_rate = np.diff(np.unwrap(motion.rear_axle_poses[0, frames, 2])) / 0.1
    assert np.abs(yaw_rate).max() < 0.95
    assert np.abs(np.diff(yaw_rate) / 0.1).max() < 1.93
    assert np.abs(np.diff(lon_mps2) / 0.1).max() < 4.13


@pytest.mark.parametrize("name", SCENES)
def test_velocities_are_the_changes_of_the_poses(name):
    motion = scene(name).ego
    moved = np.diff(motion.rear_axle_poses[0, :, :2], axis=0) / 0.1
    mean = (motion.speed_mps[0, 1:] + motion.speed_mps[0, :-1]) / 2
    np.testing.assert_allclose(np.hypot(*moved.T), mean, atol=0.03)


def test_the_same_scene_twice_is_equal():
    first, second = SCENES["roundabout"](), SCENES["roundabout"]()
    np.testing.assert_array_equal(first.agents.poses, second.agents.poses)
    assert first.map is second.map


def test_an_unknown_scene_names_the_nearest():
    with pytest.raises(KeyError, match=r"No scene named 'que'\. Did you mean 'queue'"):
        scene("que")


def test_straight_road():
    np.testing.assert_allclose(ego("straight_road", 15.0) - ego("straight_road", 0.0), [150.0, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(ego("straight_road", 4.0), [40.0, -1.75, 0.0], atol=1e-6)
    assert scene("straight_road").agents.num_agents == 0


def test_queue():
    gap_m = agent("queue", 1, 0.0)[0] - HALF_CAR_M - ego("queue", 0.0)[0] - FRONT_M
    assert gap_m == pytest.approx(58.0)
    assert speed_mps("queue", 3.0) == 10.0
    np.testing.assert_allclose(ego("queue", 8.0), [55.0, -1.75, 0.0], atol=1e-6)
    assert speed_mps("queue", 8.0) == speed_mps("queue", 15.0) == 0.0
    assert agent("queue", 1, 15.0)[0] - HALF_CAR_M - ego("queue", 15.0)[0] - FRONT_M == pytest.approx(3.0)
    assert scene("queue").ego.accelerations_mps2[0, :, 0].min() == pytest.approx(-np.pi, abs=1e-3)


def test_cut_in():
    def gap_m(time_s: float) -> float:
        return agent("cut_in", 1, time_s)[0] - HALF_CAR_M - ego("cut_in", time_s)[0] - FRONT_M

    assert gap_m(0.0) == pytest.approx(27.0)
    assert agent("cut_in", 1, 2.9)[1] == pytest.approx(-1.75)
    assert agent("cut_in", 1, 4.5)[1] == pytest.approx(-3.5, abs=0.1)
    assert agent("cut_in", 1, 6.1)[1] == pytest.approx(-5.25, abs=1e-3)
    assert gap_m(8.0) == pytest.approx(14.7, abs=0.05)
    assert gap_m(15.0) == pytest.approx(gap_m(8.0))
    assert speed_mps("cut_in", 8.0) == 10.0


def test_red_light():
    assert ego("red_light", 7.0)[0] + FRONT_M == pytest.approx(-18.0)
    assert ego("red_light", 10.0)[0] == pytest.approx(ego("red_light", 7.0)[0])
    assert ego("red_light", 16.0)[0] - ego("red_light", 10.0)[0] == pytest.approx(24.0)
    assert speed_mps("red_light", 16.0) == pytest.approx(8.0)
    np.testing.assert_allclose(agent("red_light", 1, 4.0), [1.75, 0.0, np.pi / 2], atol=0.01)

    site, scenario = proving_ground().sites["crossroads"], scene("red_light")
    ahead, across = site.connectors("west_to_east")[0], site.connectors("south_to_north")[0]
    for iteration, shown, shown_across in (
        (0, LightStatus.RED, LightStatus.GREEN),
        (50, LightStatus.RED, LightStatus.YELLOW),
        (80, LightStatus.RED, LightStatus.RED),
        (89, LightStatus.RED, LightStatus.RED),
        (90, LightStatus.GREEN, LightStatus.RED),
    ):
        step = scenario.first_frame + iteration
        assert ahead in scenario.traffic_lights.ids_showing(step, shown)
        assert across in scenario.traffic_lights.ids_showing(step, shown_across)
    (line,) = scenario.map.stop_lines_of(scenario.map.lane_row(ahead))
    stop_line_x = scenario.map.stop_lines.polygons[line].bounds[0] - site.builder.origin[0]
    assert stop_line_x - (ego("red_light", 7.0)[0] + FRONT_M) == pytest.approx(2.0)


def test_t_junction():
    assert ego("t_junction", 0.0)[1] + FRONT_M == pytest.approx(-14.0)
    assert agent("t_junction", 1, 0.5)[0] == pytest.approx(0.0, abs=1e-6)
    assert agent("t_junction", 2, 1.5)[0] == pytest.approx(0.0, abs=1e-6)
    assert speed_mps("t_junction", 2.5) == 0.0
    assert speed_mps("t_junction", 7.5) == 6.0
    assert ego("t_junction", 2.5)[2] == pytest.approx(np.pi / 2, abs=1e-3)
    assert abs(ego("t_junction", 10.0)[2]) == pytest.approx(np.pi, abs=0.1)
    assert speed_mps("t_junction", 14.0) == 10.0


def test_roundabout():
    assert ego("roundabout", 1.0)[0] == pytest.approx(-32.0, abs=0.01)
    around = [np.hypot(*ego("roundabout", time_s)[:2]) for time_s in (6.0, 7.0, 8.0)]
    np.testing.assert_allclose(around, 18.0, atol=0.15)
    followed = [ego("roundabout", time_s + 2.5)[:2] for time_s in (1.5, 2.0, 3.0)]
    led = [agent("roundabout", 1, time_s)[:2] for time_s in (1.5, 2.0, 3.0)]
    np.testing.assert_allclose(followed, led, atol=0.5)


def test_pedestrian_crossing():
    assert agent("pedestrian_crossing", 1, 3.6)[1] == pytest.approx(-3.5)
    assert agent("pedestrian_crossing", 1, 9.2)[1] == pytest.approx(3.5)
    assert ego("pedestrian_crossing", 6.0)[0] + FRONT_M == pytest.approx(57.0)
    assert ego("pedestrian_crossing", 10.0)[0] + FRONT_M == pytest.approx(57.0)
    assert speed_mps("pedestrian_crossing", 16.0) == 8.0
    seen = scene("pedestrian_crossing").agents.valid[1, scene("pedestrian_crossing").frames]
    assert int(np.argmax(seen)) == 50
    crosswalk = scene("pedestrian_crossing").map.crosswalks
    here = scene("pedestrian_crossing").agents.poses[:1, 22 + 64, :2]
    assert crosswalk.contains(here).tolist() == [True]


def test_parked_car():
    beside = ego("parked_car", 9.5)
    right_m, left_m = beside[1] - PACIFICA.width_m / 2, beside[1] + PACIFICA.width_m / 2
    assert beside[0] == pytest.approx(76.0, abs=0.1)
    assert right_m - (-2.5) == pytest.approx(0.70, abs=2e-3)
    assert left_m == pytest.approx(0.50, abs=2e-3)
    assert ego("parked_car", 15.0)[1] == pytest.approx(-1.75, abs=1e-3)


def test_construction():
    assert ego("construction", 4.0)[1] == pytest.approx(-3.5, abs=0.05)
    assert ego("construction", 7.0)[1] == pytest.approx(-1.75, abs=1e-3)
    kinds = scene("construction").agents.kinds.tolist()
    assert [kinds.count(kind) for kind in (AgentKind.CZONE_SIGN, AgentKind.TRAFFIC_CONE, AgentKind.BARRIER)] == [
        1,
        6,
        8,
    ]
    last_cone_left_m = agent("construction", 7, 0.0)[1] + 0.2
    assert ego("construction", 8.0)[1] - PACIFICA.width_m / 2 - last_cone_left_m == pytest.approx(0.70, abs=2e-3)


def test_the_challenge_types_are_known_types():
    assert len(CHALLENGE_SCENARIO_TYPES) == 14
    assert len(KNOWN_SCENARIO_TYPES) == 73
    assert set(CHALLENGE_SCENARIO_TYPES) <= KNOWN_SCENARIO_TYPES


def test_all_scenes_share_one_map():
    maps = {id(scene(name).map) for name in SCENES}
    assert len(maps) == 1
    assert isinstance(scene("queue"), Scenario)
