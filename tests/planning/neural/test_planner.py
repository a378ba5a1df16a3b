"""The student plans from a checkpoint, alone and in batches, on empty and on crowded roads."""

import json
import os
from dataclasses import replace

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch

from distill.contract import SUB_SCORES
from distill.motions import generated_motions
from distill.states import with_ego
from driving import PACIFICA, AgentTracks, BatchedPlanner, ExplainsPlans, Route, check_planner
from driving.nuplan.writer import write_world
from driving.planner import require_valid_plan
from driving.synthetic.scenes import SCENES, scene
from planning.neural.decoder import IMITATION
from planning.neural.encoder import NetworkConfig
from planning.neural.network import ScoreWeights, Student, StudentNetwork, joined_score
from planning.neural.planner import EDGE_M, NUM_CANDIDATES, OFF_ROUTE_WEIGHT, StudentPlanner
from planning.neural.ttc_check import ExpectedOthers
from planning.neural.vocabulary import build_vocabulary
from planning.registry import load_planner
from simulation.benchmark.report import Report
from simulation.benchmark.run import run_benchmark
from simulation.benchmark.settings import BenchmarkSettings
from simulation.ego.dynamics import STATE_SIZE, X, state_array
from simulation.ego.vocabulary_tracking import drive_vocabulary
from simulation.rollout import Rollout, run_lockstep, run_rollout

CONFIG = NetworkConfig(width=16, heads=2, encoder_layers=1, feed_forward=16)


@pytest.fixture(scope="module")
def student() -> Student:
    torch.manual_seed(0)
    vocabulary = build_vocabulary(generated_motions(300, seed=0), 64, iterations=2)
    network = StudentNetwork(CONFIG, SUB_SCORES)
    return Student(network=network, vocabulary=vocabulary, weights=ScoreWeights())


@pytest.fixture(scope="module")
def folder(student, tmp_path_factory):
    path = tmp_path_factory.mktemp("student") / "first"
    student.save(path)
    return path


def test_a_checkpoint_keeps_the_planners_contract_by_its_path(folder):
    planner = load_planner(f"student:{folder}")
    assert isinstance(planner, BatchedPlanner)
    assert planner.name == "student:first"
    check_planner(lambda: load_planner(f"student:{folder}"), scene("cut_in"))


def test_a_batch_equals_its_members(student):
    planner = StudentPlanner(student)
    observations = [scene(name).observation_at(30) for name in ("queue", "red_light", "roundabout")]
    together = planner.plan_batch(observations)
    for observation, plan in zip(observations, together, strict=True):
        assert planner.plan(observation).poses == pytest.approx(plan.poses, abs=1e-3)
    assert planner.plan_batch([]) == []


def test_it_tells_the_best_entries_of_each_observation(student):
    planner = StudentPlanner(student)
    assert isinstance(planner, ExplainsPlans)
    observations = [scene(name).observation_at(30) for name in ("queue", "red_light")]
    planner.plan_batch(observations)
    _, scores = planner.scores(observations)
    for observation, told, row in zip(observations, planner.candidates(), scores, strict=True):
        assert told.scores == pytest.approx(np.sort(row)[::-1][:NUM_CANDIDATES])
        assert told.chosen == 0
        start = np.tile(observation.ego_now.rear_axle_pose, (NUM_CANDIDATES, 1))
        assert told.poses[:, 0] == pytest.approx(start, abs=1e-6)
    planner.plan(observations[0])
    assert len(planner.candidates()) == 1
    planner.plan_batch([])
    assert planner.candidates() == []


def test_logs_in_lockstep_hold_each_scenarios_own_candidates(student):
    scenarios = [replace(scene(name), num_frames=frames) for name, frames in (("queue", 4), ("red_light", 6))]
    rollouts = [Rollout(each) for each in scenarios]
    assert run_lockstep(rollouts, StudentPlanner(student)) == [None, None]
    for scenario, log in zip(scenarios, [rollout.log() for rollout in rollouts], strict=True):
        alone = run_rollout(scenario, StudentPlanner(student))
        assert len(log.candidates) == log.num_steps == scenario.num_frames - 1
        for one, other in zip(log.candidates, alone.candidates, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-3)
            assert one.poses[0] == pytest.approx(other.poses[0], abs=1e-2)


def test_a_corner_may_be_a_little_off_the_road(student):
    planner = StudentPlanner(student)
    here = scene("straight_road").observation_at(30)
    x_m, y_m, heading = here.ego_now.rear_axle_pose
    left = np.array([-np.sin(heading), np.cos(heading)])
    aside_m = np.arange(0.0, 30.0, 0.01)
    edge_m = aside_m[here.map.lanes.areas.contains(np.array([x_m, y_m]) + aside_m[:, np.newaxis] * left)].max()
    standing = np.zeros((1, 1, 8, STATE_SIZE))
    shares = []
    for beyond_m in (-0.1, 0.5 * EDGE_M, EDGE_M + 0.1):
        moved = np.append((edge_m + beyond_m - 0.5 * PACIFICA.width_m) * left, 0.0)
        ego = replace(here.ego_now, rear_axle_pose=here.ego_now.rear_axle_pose + moved)
        shares.append([share.item() for share in planner._off_road([with_ego(here, ego)], standing)])
    # All of these are in the lane of the other direction, beside the route.
    assert shares == [[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    assert [share.item() for share in planner._off_road([here], standing)] == [0.0, 0.0]


def test_what_an_entry_loses_beside_the_route_stays_lost_when_it_is_looked_at(student):
    planner = StudentPlanner(student)
    observation = scene("straight_road").observation_at(40)
    state = state_array(observation.ego_now)[np.newaxis]
    entries = np.array([[7, 7]])
    logits = {name: torch.zeros(1, 2) for name in (*SUB_SCORES, IMITATION)}
    nobody = ExpectedOthers(
        now=np.zeros((1, 1, 2)),
        ahead=np.zeros((1, 1, 8, 2)),
        boxes=np.ones((1, 1, 4)),
        present=np.array([[False]]),
    )
    lost = torch.tensor([[OFF_ROUTE_WEIGHT, 0.5 * OFF_ROUTE_WEIGHT]])
    scores = planner._looked_at([observation], state, entries, nobody, logits, lost)[0]
    assert (scores[1] - scores[0]).item() == pytest.approx(0.5 * OFF_ROUTE_WEIGHT, abs=1e-6)


def test_an_entry_that_comes_too_near_to_somebody_is_left_for_one_that_does_not(student):
    # A network that foresees nothing but progress goes far, whoever stands 15 m ahead.
    planner = StudentPlanner(student)
    observation = scene("straight_road").observation_at(40)
    state = state_array(observation.ego_now)[np.newaxis]
    entries = np.arange(64)[np.newaxis]
    driven = drive_vocabulary(planner._fitted, state, entries, stride=1)
    logits = {name: torch.zeros(1, 64) for name in (*SUB_SCORES, IMITATION)}
    logits["progress"] = torch.from_numpy(driven[:, :, -1, X]).float()
    front_m = PACIFICA.rear_axle_to_center_m + 0.5 * PACIFICA.length_m
    somebody = ExpectedOthers(
        now=np.array([[[front_m + 16.0, 0.0]]]),
        ahead=np.tile([front_m + 16.0, 0.0], (1, 1, 8, 1)),
        boxes=np.array([[[1.0, 0.0, 2.0, 2.0]]]),
        present=np.array([[True]]),
    )
    nobody = replace(somebody, present=np.array([[False]]))
    shares = somebody.closing_shares(np.array([0]), driven)[0]
    alone, wary = (
        int(planner._looked_at([observation], state, entries, others, logits, torch.zeros(())).argmax())
        for others in (nobody, somebody)
    )
    assert shares[alone] > 0.0
    assert shares[wary] == 0.0
    assert not nobody.closing_shares(np.array([0]), driven).any()


def test_nobody_around_and_five_hundred_agents_give_plans(student):
    planner = StudentPlanner(student)
    observation = scene("straight_road").observation_at(20)
    steps = observation.agents.num_steps
    poses = np.zeros((500, steps, 3))
    poses[..., :2] = observation.ego_now.rear_axle_pose[:2]
    poses[..., 0] += 10.0 + np.arange(500)[:, np.newaxis] * 0.1
    many = AgentTracks(
        track_ids=tuple(map(str, range(500))),
        kinds=np.zeros(500, dtype=np.int8),
        poses=poses,
        velocities_mps=np.zeros((500, steps, 2)),
        sizes=np.full((500, steps, 2), 2.0),
        valid=np.ones((500, steps), dtype=bool),
    )
    for agents in (AgentTracks.none(steps), many):
        seen = replace(observation, agents=agents)
        assert require_valid_plan(planner.plan(seen), seen).horizon_s == pytest.approx(4.0)


def test_a_scenario_without_a_route_is_refused_at_its_start(student):
    lost = Route(roadblock_ids=(), goal_pose=None, centerline=np.zeros((0, 2)))
    with pytest.raises(ValueError, match="route names no lane"):
        StudentPlanner(student).reset(scene("queue").map, lost)


def test_a_scenario_without_a_route_fails_alone_in_a_benchmark(folder, tmp_path):
    good = SCENES["queue"]()
    lost = replace(
        SCENES["cut_in"](), missions=tuple(replace(one, roadblock_ids=()) for one in SCENES["cut_in"]().missions)
    )
    write_world([good, lost], tmp_path / "world")
    settings = BenchmarkSettings(
        data=tmp_path / "world",
        output=tmp_path / "results",
        planners=(f"student:{folder}",),
        backend="serial",
        probes=False,
    )
    group = Report.read(run_benchmark(settings, load_planner)).groups[0]
    assert [result.status for result in group.results].count("succeeded") == 1
    assert len(group.failed) == 1
    assert "route names no lane" in group.failed[0].reason


def test_checkpoints_of_something_else_are_refused(student, tmp_path):
    with pytest.raises(FileNotFoundError, match="No student in"):
        Student.load(tmp_path / "nowhere")
    student.save(tmp_path)
    path = tmp_path / "student.json"
    described = json.loads(path.read_text())
    for change, match in [
        ({"format": "camber.student.1"}, r"has format camber\.student\.1, needed is camber\.student\.3"),
        ({"features": "features.0"}, r"has features features\.0, needed is"),
        ({"vocabulary": "f" * 16}, "was trained on vocabulary ffffffffffffffff"),
        ({"network": {**described["network"], "width": 32}}, "network of another configuration"),
    ]:
        path.write_text(json.dumps({**described, **change}))
        with pytest.raises(ValueError, match=match):
            Student.load(tmp_path)
    path.write_text(json.dumps(described))
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="No weights at"):
        Student.load(tmp_path)


def test_the_joined_score_prefers_what_is_allowed_and_gets_on():
    sure, never = 8.0, -8.0
    names = ("no_collision", "drivable_area", "progress", "time_to_collision")
    logits = {name: torch.tensor([[sure, sure, sure]]) for name in names}
    logits["no_collision"] = torch.tensor([[sure, sure, never]])
    logits["progress"] = torch.tensor([[never, sure, sure]])
    logits["imitation"] = torch.zeros(1, 3)
    score = joined_score(logits, ScoreWeights())
    assert score.argmax() == 1
    assert score[0, 2] < score[0, 0]


def test_comfort_counts_what_the_ego_has_just_done(student):
    planner = StudentPlanner(student)
    steady = scene("straight_road").observation_at(30)
    accelerations = steady.ego.accelerations_mps2.copy()
    accelerations[0, -8:-1, 0] = -6.0
    braked = replace(steady, ego=replace(steady.ego, accelerations_mps2=accelerations))
    (_, calm), (_, rough) = planner.scores([steady]), planner.scores([braked])
    # The network is shown the present only: what differs is what is computed, and no entry makes up for the braking.
    assert rough.max() < calm.max() - 0.05
    # Before the first step of a drive nothing was its own doing.
    (_, calm), (_, rough) = (planner.scores([replace(each, iteration=0)]) for each in (steady, braked))
    assert rough == pytest.approx(calm)


def test_whether_an_entry_stays_on_the_road_is_computed_from_the_map(student):
    # Who is 60 m beside the road has no entry on it; on the road, those that stay on it are the better ones.
    only = ScoreWeights(imitation=0.0, multiplied={"drivable_area": 1.0}, weighted={})
    planner = StudentPlanner(replace(student, weights=only))
    here = scene("straight_road").observation_at(30)
    pose = here.ego_now.rear_axle_pose + np.array([0.0, 60.0, 0.0])
    aside = with_ego(here, replace(here.ego_now, rear_axle_pose=pose))
    entries, (scores, lost) = planner.scores([here, aside])
    away = np.abs(student.vocabulary.poses[entries[0], -1, 1]) > 15.0
    assert away.any()
    assert scores.max() > -0.01
    assert scores[away].max() < -2.0
    assert lost.max() < -5.0
