"""An observation contains the past and the present, and gives no access to the future."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from driving import (
    AgentTracks,
    CameraFrames,
    CameraRig,
    EgoMotion,
    LightStatus,
    MapGraph,
    Observation,
    Scenario,
    TrafficLights,
)
from driving.synthetic.scenes import SCENES, scene


def arrays_of(value: object, path: str = "observation") -> dict[str, np.ndarray]:
    """All arrays that can be reached from a value, but not those of the map, which holds no drive."""
    if isinstance(value, np.ndarray):
        return {path: value}
    found: dict[str, np.ndarray] = {}
    if isinstance(value, MapGraph):
        return found
    if is_dataclass(value):
        for item in fields(value):
            found |= arrays_of(getattr(value, item.name), f"{path}.{item.name}")
    return found


def with_cameras(scenario: Scenario) -> Scenario:
    """The scenario with one image per step."""
    count = len(scenario.time_us)
    rig = CameraRig(
        names=("CAM_F0",),
        intrinsics=np.eye(3)[np.newaxis],
        distortion=np.zeros((1, 5)),
        ego_from_camera=np.eye(4)[np.newaxis],
        image_sizes=np.array([[2, 2]]),
    )
    cameras = CameraFrames(
        rig=rig,
        cameras=np.zeros(count, dtype=np.int64),
        time_us=scenario.time_us,
        global_from_ego=np.tile(np.eye(4), (count, 1, 1)),
        paths=tuple(f"{step}.jpg" for step in range(count)),
    )
    return replace(scenario, cameras=cameras)


def with_another_future(scenario: Scenario, now: int) -> Scenario:
    """Everything behind step `now` is different: ego, agents, the set of agents, lights, images."""
    ego, agents, lights = scenario.ego, scenario.agents, scenario.traffic_lights
    later = np.arange(len(scenario.time_us)) > now

    def changed(values: np.ndarray, axis: int) -> np.ndarray:
        mask = later.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
        return np.where(mask, values + 7.0, values)

    other_ego = EgoMotion(
        time_us=ego.time_us,
        **{item.name: changed(getattr(ego, item.name), 1) for item in fields(ego) if item.name != "time_us"},
    )
    stranger = AgentTracks(
        track_ids=(*agents.track_ids, "stranger"),
        kinds=np.append(agents.kinds, np.int8(1)),
        poses=np.concatenate(
            [changed(agents.poses, 1), np.where(later[:, np.newaxis], 5.0, np.full((1, 1, 3), np.nan))]
        ),
        velocities_mps=np.concatenate(
            [changed(agents.velocities_mps, 1), np.where(later[:, np.newaxis], 5.0, np.full((1, 1, 2), np.nan))]
        ),
        sizes=np.concatenate([agents.sizes, np.where(later[:, np.newaxis], 5.0, np.full((1, 1, 2), np.nan))]),
        valid=np.concatenate([agents.valid, later[np.newaxis]]),
    )
    rows = np.arange(len(lights.statuses)) >= lights.offsets[now + 1]
    other_lights = replace(lights, statuses=np.where(rows, np.int8(LightStatus.UNKNOWN), lights.statuses))
    cameras = scenario.cameras
    if cameras is not None:
        paths = tuple(f"other-{path}" if behind else path for path, behind in zip(cameras.paths, later, strict=True))
        cameras = replace(cameras, paths=paths, global_from_ego=changed(cameras.global_from_ego, 0))
    return replace(scenario, ego=other_ego, agents=stranger, traffic_lights=other_lights, cameras=cameras)


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("iteration", [0, 60, 150])
def test_another_future_gives_the_same_observation(name, iteration):
    scenario = with_cameras(scene(name))
    other = with_another_future(scenario, scenario.first_frame + iteration)
    seen, seen_otherwise = scenario.observation_at(iteration), other.observation_at(iteration)
    ours, theirs = arrays_of(seen), arrays_of(seen_otherwise)
    assert ours.keys() == theirs.keys()
    for path, values in ours.items():
        np.testing.assert_array_equal(values, theirs[path], err_msg=path)
    assert seen.agents.track_ids == seen_otherwise.agents.track_ids
    assert seen.cameras.paths == seen_otherwise.cameras.paths


@pytest.mark.parametrize("name", SCENES)
def test_no_array_leads_back_into_the_recording(name):
    scenario = with_cameras(scene(name))
    recorded = {**arrays_of(scenario.ego), **arrays_of(scenario.agents, "agents")}
    recorded |= {**arrays_of(scenario.traffic_lights, "lights"), **arrays_of(scenario.cameras, "cameras")}
    recorded = {path: values for path, values in recorded.items() if "rig" not in path}
    for path, values in arrays_of(scenario.observation_at(40)).items():
        if "route" in path or "rig" in path:
            continue
        base = values
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert base.size == values.size, f"{path} is a view of something larger"
        for other_path, other in recorded.items():
            assert not np.shares_memory(values, other), f"{path} shares memory with {other_path}"


def test_agents_that_were_not_observed_yet_are_not_listed():
    scenario = scene("pedestrian_crossing")
    assert scenario.observation_at(49).agents.num_agents == 1
    assert scenario.observation_at(50).agents.num_agents == 2


def test_the_history_holds_22_steps_and_ends_now():
    scenario = scene("queue")
    observation = scenario.observation_at(10)
    assert observation.ego.num_steps == observation.agents.num_steps == 22
    assert observation.time_us == scenario.time_us[scenario.first_frame + 10]
    np.testing.assert_array_equal(observation.ego_now.rear_axle_pose, scenario.logged_ego_pose(10))


def test_lights_are_those_of_now():
    scenario = scene("red_light")
    for iteration, count in ((89, 0), (90, 6)):
        lights = scenario.observation_at(iteration).traffic_lights
        assert lights.num_steps == 1
        assert len(lights.ids_showing(0, LightStatus.GREEN)) == count


def test_ego_and_agents_share_their_history():
    observation = scene("queue").observation_at(0)
    with pytest.raises(ValueError, match="share their history; got 22 and 5"):
        Observation(**{**vars(observation), "agents": AgentTracks.none(5)})


def test_no_light_of_the_future_is_hidden_in_an_empty_table():
    scenario = scene("queue")
    assert scenario.observation_at(0).traffic_lights.num_steps == 1
    assert isinstance(scenario.observation_at(0).traffic_lights, TrafficLights)
