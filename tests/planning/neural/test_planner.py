"""The student plans from a checkpoint, alone and in batches, on empty and on crowded roads."""

import os
from dataclasses import replace

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch

from distill.contract import SUB_SCORES
from distill.motions import generated_motions
from distill.states import with_ego
from distill.vocabulary_building import build_vocabulary
from driving import PACIFICA, AgentTracks, BatchedPlanner, ExplainsPlans, Observation, Route, check_planner
from driving.nuplan.writer import write_world
from driving.planner import require_valid_plan
from driving.synthetic.scenes import SCENES, scene
from planning.neural import exact_terms
from planning.neural.decoder import IMITATION
from planning.neural.encoder import NetworkConfig
from planning.neural.exact_terms import PARTS, StudentSettings
from planning.neural.network import ScoreWeights, Student, StudentNetwork
from planning.neural.planner import StudentPlanner
from planning.neural.scoring import NUM_REFINED, NUM_REPORTED, ScoreTerms
from planning.neural.ttc_check import ForecastArrays, violation_shares
from planning.registry import load_planner
from simulation.benchmark.report import Report
from simulation.benchmark.run import run_benchmark
from simulation.benchmark.settings import BenchmarkSettings
from simulation.ego.box import ego_box
from simulation.ego.dynamics import X
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


def test_it_reports_the_best_candidates_of_each_observation(student):
    planner = StudentPlanner(student)
    assert isinstance(planner, ExplainsPlans)
    observations = [scene(name).observation_at(30) for name in ("queue", "red_light")]
    planner.plan_batch(observations)
    scored = planner.score_candidates(observations)
    for observation, reported, one in zip(observations, planner.candidates(), scored, strict=True):
        assert reported.scores == pytest.approx(np.sort(one.scores)[::-1][:NUM_REPORTED])
        assert reported.chosen == 0
        start = np.tile(observation.ego_now.rear_axle_pose, (NUM_REPORTED, 1))
        assert reported.poses[:, 0] == pytest.approx(start, abs=1e-6)
    planner.plan(observations[0])
    assert len(planner.candidates()) == 1
    planner.plan_batch([])
    assert planner.candidates() == []


def test_logs_in_lockstep_hold_the_candidates_of_their_own_scenario(student):
    scenarios = [replace(scene(name), num_frames=frames) for name, frames in (("queue", 4), ("red_light", 6))]
    rollouts = [Rollout(each) for each in scenarios]
    assert run_lockstep(rollouts, StudentPlanner(student)) == [None, None]
    for scenario, log in zip(scenarios, [rollout.log() for rollout in rollouts], strict=True):
        alone = run_rollout(scenario, StudentPlanner(student))
        assert len(log.candidates) == log.num_steps == scenario.num_frames - 1
        for one, other in zip(log.candidates, alone.candidates, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-3)
            assert one.poses[0] == pytest.approx(other.poses[0], abs=1e-2)


def neutral_terms(num_candidates: int = 64) -> ScoreTerms:
    return ScoreTerms(logits={name: torch.zeros(1, num_candidates) for name in (*SUB_SCORES, IMITATION)})


def refined_scores(planner: StudentPlanner, batch, candidates: np.ndarray, forecasts, terms: ScoreTerms):
    planner._refine_top_candidates(batch, candidates, forecasts, terms)
    return terms.combined(planner._student.weights)


def batch_of(planner: StudentPlanner, observation: Observation):
    """Arguments of `_refine_top_candidates` for all 64 entries, without agents."""
    no_agents = ForecastArrays(
        now=np.zeros((1, 1, 2)),
        ahead=np.zeros((1, 1, 8, 2)),
        boxes=np.ones((1, 1, 4)),
        mask=np.array([[False]]),
    )
    return planner._batch([observation]), np.arange(64)[np.newaxis], no_agents


def test_a_penalty_remains_when_a_candidate_is_refined(student):
    planner = StudentPlanner(student)
    batch, _, no_agents = batch_of(planner, scene("straight_road").observation_at(40))
    terms = neutral_terms(2)
    terms.off_route_penalty = torch.tensor([[0.1, 0.05]])
    scores = refined_scores(planner, batch, np.array([[7, 7]]), no_agents, terms)[0]
    assert (scores[1] - scores[0]).item() == pytest.approx(0.05, abs=1e-6)


def test_a_candidate_that_violates_the_time_to_collision_loses_to_one_that_does_not(student):
    # The heads prefer progress only, and an agent stands 16 m ahead.
    planner = StudentPlanner(student)
    observation = scene("straight_road").observation_at(40)
    batch, entries, no_agents = batch_of(planner, observation)
    tracked = drive_vocabulary(planner._fitted, batch.states, entries, stride=1)
    center = np.array([PACIFICA.rear_axle_to_center_m + 0.5 * PACIFICA.length_m + 16.0, 0.0])
    standing = ForecastArrays(
        now=center[np.newaxis, np.newaxis],
        ahead=np.tile(center, (1, 1, 8, 1)),
        boxes=np.array([[[1.0, 0.0, 2.0, 2.0]]]),
        mask=np.array([[True]]),
    )
    shares = violation_shares(tracked, standing, ego_box())[0]
    best = []
    for forecasts in (no_agents, standing):
        terms = neutral_terms()
        terms.logits["progress"] = torch.from_numpy(tracked[:, :, -1, X]).float()
        best.append(int(refined_scores(planner, batch, entries, forecasts, terms).argmax()))
    assert shares[best[0]] > 0.0
    assert shares[best[1]] == 0.0


def test_refinement_repeats_until_the_best_candidate_is_refined(student, monkeypatch):
    planner = StudentPlanner(student)
    batch, entries, no_agents = batch_of(planner, scene("straight_road").observation_at(40))
    terms = neutral_terms()
    # The heads prefer the first candidates, but the first 32 are uncomfortable.
    terms.logits[IMITATION] = torch.linspace(9.0, 0.0, 64)[np.newaxis].clone()
    refined = []

    def comfort(histories, tracked):
        refined.append(tracked.shape[1])
        return np.full(tracked.shape[:2], -6.0 if len(refined) == 1 else 6.0)

    monkeypatch.setattr("planning.neural.exact_terms.comfort", comfort)
    scores = refined_scores(planner, batch, entries, no_agents, terms)
    assert refined == [NUM_REFINED, NUM_REFINED]
    assert scores.argmax() == NUM_REFINED


@pytest.mark.parametrize("part", PARTS)
def test_each_part_can_be_turned_off_and_only_it_is(student, part, monkeypatch):
    called = []
    for name in ("drivable_area", "off_route", "comfort", "time_to_collision"):
        original = getattr(exact_terms, name)

        def spy(*arguments, name=name, original=original):
            called.append(name)
            return original(*arguments)

        monkeypatch.setattr(exact_terms, name, spy)
    planner = StudentPlanner(student, settings=StudentSettings.without((part,)))
    forward = planner._network.forward

    def spy_network(*arguments):
        called.append("network")
        return forward(*arguments)

    monkeypatch.setattr(planner._network, "forward", spy_network)
    observation = scene("queue").observation_at(30)
    require_valid_plan(planner.plan(observation), observation)
    assert set(called) == set(PARTS) - {part}


def test_without_the_network_the_farthest_candidate_leads(student):
    planner = StudentPlanner(student, settings=StudentSettings.without(("all", "network")))
    observation = scene("straight_road").observation_at(40)
    (scored,) = planner.score_candidates([observation])
    driven = drive_vocabulary(planner._fitted, planner._batch([observation]).states, scored.candidates[np.newaxis])
    distance_m = np.hypot(*driven[0, :, -1, :2].T)
    assert distance_m[np.argmax(scored.scores)] == pytest.approx(distance_m.max(), rel=1e-3)


def test_tensors_leave_the_device_for_the_kernel_and_as_logits_only(student, monkeypatch):
    planner = StudentPlanner(student)
    observations = [scene("queue").observation_at(step) for step in range(0, 100, 10)]
    shapes, original = [], torch.Tensor.cpu

    def cpu(tensor):
        shapes.append(tuple(tensor.shape))
        return original(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    planner.plan_batch(observations)
    num_heads, num_agents = len(SUB_SCORES) + 1, shapes[0][1]
    # On the CPU, ten states are two calls of the network.
    assert shapes == [(8, num_agents, 8, 2), (2, num_agents, 8, 2), (num_heads, 10, 64)]


def test_no_agent_and_five_hundred_agents_give_plans(student):
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


def test_candidates_that_leave_the_road_lose_even_if_all_do(student):
    # An ego 60 m beside the road has no candidate on it.
    only = ScoreWeights(imitation=0.0, multiplied={"drivable_area": 1.0}, weighted={})
    planner = StudentPlanner(replace(student, weights=only))
    here = scene("straight_road").observation_at(30)
    pose = here.ego_now.rear_axle_pose + np.array([0.0, 60.0, 0.0])
    aside = with_ego(here, replace(here.ego_now, rear_axle_pose=pose))
    on_road, off_road = planner.score_candidates([here, aside])
    leaves = np.abs(student.vocabulary.poses[on_road.candidates, -1, 1]) > 15.0
    assert leaves.any()
    assert on_road.scores.max() > -0.01
    assert on_road.scores[leaves].max() < -2.0
    assert off_road.scores.max() < -5.0
