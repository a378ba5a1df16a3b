"""The rule-based teacher on hand-made scenes with scores known by hand."""

from dataclasses import replace

import numpy as np
import pytest

from distill.contract import SUB_SCORES, Future, logged_future
from distill.states import with_ego
from distill.teacher import TEACHERS, RuleTeacher, check_teacher, load_teacher
from driving import AgentTracks, LightStatus, Route
from driving.synthetic.scenes import scene
from planning.neural.vocabulary import NUM_POSES, TrajectoryVocabulary

TIME_S = np.arange(NUM_POSES) * 0.1


def straight(*speeds_mps: float, curvature: float = 0.0) -> TrajectoryVocabulary:
    """Entries of constant speed; with a curvature, circles to the left."""
    poses = np.zeros((len(speeds_mps), NUM_POSES, 3), dtype=np.float32)
    for row, speed in enumerate(speeds_mps):
        turned = curvature * speed * TIME_S
        poses[row, :, 0] = speed * TIME_S if curvature == 0 else np.sin(turned) / curvature
        poses[row, :, 1] = 0.0 if curvature == 0 else (1 - np.cos(turned)) / curvature
        poses[row, :, 2] = turned
    return TrajectoryVocabulary(poses=poses)


def sub_scores(name: str, iteration: int, vocabulary: TrajectoryVocabulary) -> dict[str, np.ndarray]:
    scenario = scene(name)
    label = RuleTeacher(vocabulary).label(scenario.observation_at(iteration), logged_future(scenario, iteration))
    return dict(zip(SUB_SCORES, label.scores.T, strict=True))


def test_on_an_empty_straight_road_progress_rises_with_speed_up_to_the_limit():
    scores = sub_scores("straight_road", 20, straight(5.0, 10.0, 13.0))
    for name in set(SUB_SCORES) - {"progress", "comfort"}:
        assert scores[name].tolist() == [1.0, 1.0, 1.0], name
    assert scores["progress"][2] == 1.0
    assert np.all(np.diff(scores["progress"]) > 0.05)


def test_speeding_lowers_its_own_score_and_does_not_set_the_reference_of_progress():
    scores = sub_scores("straight_road", 20, straight(10.0, 20.0))
    assert scores["speed_limit"][0] == 1.0
    assert scores["speed_limit"][1] < 0.8
    assert scores["progress"].tolist() == [1.0, 1.0]


def test_leaving_the_road_lowers_drivable_area_direction_and_lane_keeping():
    scores = sub_scores("straight_road", 20, straight(10.0, curvature=0.05))
    assert scores["drivable_area"][0] == 0.0
    assert scores["driving_direction"][0] < 1.0
    assert scores["lane_keeping"][0] == 0.0


def test_entering_a_red_connector_is_penalised_and_stopping_before_it_is_not():
    # At 2 s the ego is 45 m before its stop, at 10 m/s; stopped by braking at 2.2 m/s2 it does not reach the line.
    braking = straight(0.0).poses.copy()
    scores = sub_scores("red_light", 60, TrajectoryVocabulary(poses=np.concatenate([braking, straight(8.0).poses])))
    assert scores["traffic_lights"].tolist() == [1.0, 0.0]


def with_lights(scenario, red_from: int, until: int):
    """The scenario with all its lights red from one frame on, green before, and green again from another on."""
    lights = scenario.traffic_lights
    frames = np.repeat(np.arange(lights.num_steps), np.diff(lights.offsets))
    is_red = (frames >= red_from) & (frames < until)
    statuses = np.where(is_red, int(LightStatus.RED), int(LightStatus.GREEN)).astype(lights.statuses.dtype)
    return replace(scenario, traffic_lights=replace(lights, statuses=statuses))


def test_a_motion_that_entered_at_green_may_leave_at_red():
    # The ego creeps towards its stop line; accelerating to 8 m/s its front reaches it after about 3 s.
    scenario = scene("red_light")
    now, end = scenario.first_frame + 60, len(scenario.time_us)
    for red_from, score in ((0, 0.0), (now + 10, 0.0), (now + 35, 1.0), (end, 1.0)):
        changed = with_lights(scenario, red_from, end)
        label = RuleTeacher(straight(0.0, 8.0)).label(changed.observation_at(60), logged_future(changed, 60))
        assert label.scores[:, SUB_SCORES.index("traffic_lights")].tolist() == [1.0, score], red_from


def test_hard_braking_from_a_steady_speed_is_uncomfortable():
    # From 10 m/s: one entry keeps its speed, one stops within 1.5 s.
    time_s = np.arange(NUM_POSES) * 0.1
    stopping = np.zeros((1, NUM_POSES, 3), dtype=np.float32)
    stopping[0, :, 0] = np.where(time_s < 1.5, 10.0 * time_s - 0.5 * 6.67 * time_s**2, 7.5)
    vocabulary = TrajectoryVocabulary(poses=np.concatenate([straight(10.0).poses, stopping]))
    assert sub_scores("straight_road", 20, vocabulary)["comfort"].tolist() == [1.0, 0.0]


def test_keeping_the_speed_behind_a_standing_vehicle_is_a_collision():
    scenario = scene("queue")
    vocabulary = straight(0.0, 12.0)
    worst = np.ones(2)
    for iteration in range(0, 150, 10):
        label = RuleTeacher(vocabulary).label(scenario.observation_at(iteration), logged_future(scenario, iteration))
        worst = np.minimum(worst, label.scores[:, 0])
    assert worst.tolist() == [1.0, 0.0]


def test_labels_of_a_part_of_the_vocabulary_equal_those_of_the_whole():
    whole = straight(0.0, 4.0, 8.0, 12.0)
    part = TrajectoryVocabulary(poses=whole.poses[:2])
    first, second = sub_scores("pedestrian_crossing", 30, whole), sub_scores("pedestrian_crossing", 30, part)
    for name in set(SUB_SCORES) - {"progress"}:
        assert first[name][:2].tolist() == second[name].tolist(), name


@pytest.mark.parametrize(("distance_m", "no_collision"), [(55.0, 0.0), (65.0, 1.0)])
def test_oncoming_agents_that_appear_far_away_later_are_ignored(distance_m, no_collision):
    scenario = scene("straight_road")
    observation, future = scenario.observation_at(20), logged_future(scenario, 20)
    steps = future.agents.num_steps
    x, y, heading = observation.ego_now.center_pose()
    forward = np.array([np.cos(heading), np.sin(heading)])
    ahead_m = distance_m - 15.0 * 0.1 * (np.arange(steps) - 10)
    poses = np.zeros((1, steps, 3))
    poses[0, :, :2] = np.array([x, y]) + ahead_m[:, np.newaxis] * forward
    poses[0, :, 2] = heading + np.pi
    oncoming = AgentTracks(
        track_ids=("oncoming",),
        kinds=np.zeros(1, dtype=np.int8),
        poses=poses,
        velocities_mps=np.broadcast_to(-15.0 * forward, (1, steps, 2)).copy(),
        sizes=np.broadcast_to([4.5, 2.0], (1, steps, 2)).copy(),
        valid=np.arange(steps)[np.newaxis] >= 10,
    )
    label = RuleTeacher(straight(10.0)).label(observation, replace(future, agents=oncoming))
    assert label.scores[0, SUB_SCORES.index("no_collision")] == no_collision


@pytest.mark.parametrize(
    ("side", "distance_m", "expected"),
    # Another 3 s after a motion of 4 s: at 10 m/s an agent comes 70 m near.
    [("ahead", 60.0, 0.5), ("ahead", 80.0, 1.0), ("behind", 60.0, 1.0)],
)
def test_standing_where_an_agent_comes_is_no_way_out(side, distance_m, expected):
    scenario = scene("straight_road")
    observation, future = scenario.observation_at(20), logged_future(scenario, 20)
    steps = future.agents.num_steps
    x, y, heading = observation.ego_now.center_pose()
    forward = np.array([np.cos(heading), np.sin(heading)])
    toward_ego = -forward if side == "ahead" else forward
    away_m = distance_m - 10.0 * 0.1 * np.arange(steps)
    poses = np.zeros((1, steps, 3))
    poses[0, :, :2] = np.array([x, y]) - away_m[:, np.newaxis] * toward_ego
    poses[0, :, 2] = np.arctan2(toward_ego[1], toward_ego[0])
    agent = AgentTracks(
        track_ids=("coming",),
        kinds=np.zeros(1, dtype=np.int8),
        poses=poses,
        velocities_mps=np.broadcast_to(10.0 * toward_ego, (1, steps, 2)).copy(),
        sizes=np.broadcast_to([4.5, 2.0], (1, steps, 2)).copy(),
        valid=np.ones((1, steps), dtype=bool),
    )
    ego = replace(observation.ego_now, velocity_mps=np.zeros(2), acceleration_mps2=np.zeros(2))
    label = RuleTeacher(straight(0.0)).label(with_ego(observation, ego), replace(future, agents=agent))
    assert label.scores[0, SUB_SCORES.index("no_collision")] == expected


@pytest.mark.parametrize("count", [0, 500])
def test_empty_and_crowded_scenes_are_scored(count):
    scenario = scene("straight_road")
    observation, future = scenario.observation_at(20), logged_future(scenario, 20)
    steps = future.agents.num_steps
    poses = np.zeros((count, steps, 3))
    # On the pavement and beyond, 8 m and more aside, one every 2 m.
    poses[..., :2] = observation.ego_now.rear_axle_pose[:2] + np.array([0.0, 8.0])
    poses[..., :2] += 2.0 * np.stack(np.divmod(np.arange(count), 25), axis=-1)[:, np.newaxis]
    crowd = AgentTracks(
        track_ids=tuple(map(str, range(count))),
        kinds=np.ones(count, dtype=np.int8),
        poses=poses,
        velocities_mps=np.zeros((count, steps, 2)),
        sizes=np.full((count, steps, 2), 0.6),
        valid=np.ones((count, steps), dtype=bool),
    )
    label = RuleTeacher(straight(0.0, 10.0)).label(observation, replace(future, agents=crowd))
    assert label.scores[:, SUB_SCORES.index("no_collision")].tolist() == [1.0, 1.0]
    assert np.isfinite(label.scores).all()


@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_each_teacher_keeps_the_contract(name):
    check_teacher(TEACHERS[name], scene("cut_in"))


def test_an_unknown_teacher_names_the_nearest():
    with pytest.raises(KeyError, match="Did you mean 'rules'"):
        load_teacher("rule", straight(1.0))


def test_a_future_that_is_too_short_and_a_missing_route_are_refused():
    scenario = scene("straight_road")
    observation, future = scenario.observation_at(0), logged_future(scenario, 0)
    teacher = RuleTeacher(straight(1.0))
    short = Future(agents=AgentTracks.none(10), traffic_lights=future.traffic_lights.steps(0, 10))
    with pytest.raises(ValueError, match="future of 41 steps, got 10"):
        teacher.label(observation, short)
    lost = Route(roadblock_ids=(), goal_pose=None, centerline=np.zeros((0, 2)))
    with pytest.raises(ValueError, match="route names no lane"):
        teacher.label(replace(observation, route=lost), future)
    with pytest.raises(ValueError, match="share the future"):
        Future(agents=AgentTracks.none(10), traffic_lights=future.traffic_lights)
