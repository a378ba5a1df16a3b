import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from adversarial_cases import straight_scenario, with_car

from driving.agents import AgentKind
from driving.synthetic.scenes import scene
from planning.constant_velocity import ConstantVelocityPlanner
from planning.stand_still import StandStillPlanner
from simulation.ego.dynamics import VELOCITY_X, states_of
from simulation.rollout import Rollout, run_lockstep, run_rollout, traffic_mode
from simulation.traffic.learned.options import LearnedOptions, Policy
from simulation.traffic.learned.traffic import LearnedTraffic
from simulation.traffic.learned.vocabulary import ZERO


@pytest.fixture(scope="module")
def keeping(make_model, tmp_path_factory):
    """Options with a model that keeps the speed and makes pedestrians stand."""
    folder = tmp_path_factory.mktemp("keeping")
    make_model(favored=(ZERO, 0)).save(folder)
    return LearnedOptions(checkpoint=folder)


@pytest.fixture(scope="module")
def starting(make_model, tmp_path_factory):
    """Options with a model that always accelerates hard, and makes pedestrians walk."""
    folder = tmp_path_factory.mktemp("starting")
    make_model(favored=(-1, 1)).save(folder)
    return LearnedOptions(checkpoint=folder)


def run(scenario, options, steps=100, seed=0, ego=None):
    traffic = LearnedTraffic(scenario, options, seed=seed)
    states = states_of(scenario.ego)[0] if ego is None else ego
    for iteration in range(steps):
        traffic.step(iteration, states[min(scenario.first_frame + iteration, len(states) - 1)])
    return traffic


def test_the_first_frame_and_the_past_are_the_logs(junction, keeping):
    traffic = LearnedTraffic(junction, keeping)
    until = junction.first_frame + 1
    np.testing.assert_array_equal(traffic.tracks.poses[:, :until], junction.agents.poses[:, :until])
    np.testing.assert_array_equal(traffic.tracks.valid[:, :until], junction.agents.valid[:, :until])
    assert not traffic.tracks.valid[:, until:].any()


def test_frames_are_filled_one_by_one(junction, keeping):
    traffic = run(junction, keeping, steps=7)
    now = junction.first_frame + 7
    assert traffic.tracks.valid[:, now].any()
    assert not traffic.tracks.valid[:, now + 1 :].any()


def test_a_model_that_keeps_the_speed_drives_on(junction, keeping):
    traffic = run(junction, keeping, steps=10)
    first = junction.first_frame
    row = int(np.flatnonzero(traffic.tracks.valid[:, first])[0])
    driven = np.hypot(*(traffic.tracks.poses[row, first + 10, :2] - traffic.tracks.poses[row, first, :2]))
    assert driven == pytest.approx(np.hypot(*junction.agents.velocities_mps[row, first]), rel=0.15)


def test_poses_are_smooth_across_decisions(junction, model_folder):
    traffic = run(junction, LearnedOptions(checkpoint=model_folder), steps=60)
    first = junction.first_frame
    for row in np.flatnonzero(traffic.tracks.valid[:, first : first + 60].all(axis=1)).tolist():
        steps = np.diff(traffic.tracks.poses[row, first : first + 60, :2], axis=0)
        speeds = np.hypot(*steps.T) / 0.1
        assert np.abs(np.diff(speeds)).max() <= 0.8 + 0.15
        turns = np.diff(np.unwrap(traffic.tracks.poses[row, first : first + 60, 2]))
        assert np.abs(turns).max() < 0.3


def test_eager_agents_do_not_hit_a_standing_ego(starting):
    """The cars behind and beside an ego that stands still stop before it, whatever the network wants."""
    scenario = scene("cut_in")
    log = run_rollout(scenario, StandStillPlanner(), traffic=f"learned:checkpoint={starting.checkpoint}", seed=1)
    from simulation.metrics.score import score_simulation

    assert score_simulation(log, scenario).metrics["no_ego_at_fault_collisions"].score == 1.0


def test_agents_react_to_the_ego(queue, starting):
    """The front car of the queue drives off on a free road, and waits where the ego blocks it."""
    front = int(np.argmax(queue.agents.poses[:, queue.first_frame, 0]))
    free = run(queue, starting, steps=30).tracks.poses[front, queue.first_frame + 30, 0]
    blocking = states_of(queue.ego)[0].copy()
    blocking[:, :3] = queue.agents.poses[front, queue.first_frame] + [8.0, 0.0, 0.0]
    blocking[:, 3:5] = 0.0
    waited = run(queue, starting, steps=30, ego=blocking).tracks.poses[front, queue.first_frame + 30, 0]
    start = queue.agents.poses[front, queue.first_frame, 0]
    assert free - start > 8.0
    assert waited - start < 4.7


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(junction, model_folder):
    options = LearnedOptions(checkpoint=model_folder)
    first, again, other = (run(junction, options, steps=40, seed=seed).tracks.poses for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_batch_of_scenarios_equals_its_members(junction, queue, model_folder):
    traffic = f"learned:checkpoint={model_folder}"
    together = [Rollout(one, traffic=traffic, seed=4, planner_name="constant_velocity") for one in (junction, queue)]
    assert run_lockstep(together, ConstantVelocityPlanner()) == [None, None]
    for rollout, scenario in zip(together, (junction, queue), strict=True):
        alone = run_rollout(scenario, ConstantVelocityPlanner(), traffic=traffic, seed=4)
        np.testing.assert_array_equal(rollout.log().agents.poses, alone.agents.poses)


def test_a_log_names_traffic_and_seed(queue, model_folder):
    traffic = f"learned:checkpoint={model_folder},temperature=0.7"
    log = run_rollout(queue, StandStillPlanner(), traffic=traffic, seed=9)
    assert (log.traffic, log.seed) == (traffic, 9)
    again = run_rollout(queue, StandStillPlanner(), traffic=log.traffic, seed=log.seed)
    np.testing.assert_array_equal(log.agents.poses, again.agents.poses)


def test_pedestrians_move_freely(crossing, starting, keeping):
    walker = int(np.flatnonzero(crossing.agents.kinds == AgentKind.PEDESTRIAN)[0])
    first = crossing.first_frame
    if not crossing.agents.valid[walker, first]:
        first = first + 5 * -(-int(crossing.agents.valid[walker, first:].argmax()) // 5)
    for options, least, most in ((starting, 0.5, 9.0), (keeping, 0.0, 0.3)):
        poses = run(crossing, options, steps=first - crossing.first_frame + 20).tracks.poses[walker]
        moved = np.hypot(*(poses[first + 20, :2] - poses[first, :2]))
        assert least <= moved <= most


def test_policies_mix(crossing, starting):
    options = replace(starting, vehicle=Policy.IDM, pedestrian=Policy.LOG)
    traffic = run(crossing, options, steps=50)
    walker = int(np.flatnonzero(crossing.agents.kinds == AgentKind.PEDESTRIAN)[0])
    np.testing.assert_array_equal(traffic.tracks.poses[walker], crossing.agents.poses[walker])


def test_without_learned_agents_no_checkpoint_is_needed(queue, tmp_path):
    options = LearnedOptions(
        checkpoint=tmp_path / "none", vehicle=Policy.IDM, bicycle=Policy.LOG, pedestrian=Policy.LOG
    )
    traffic = run(queue, options, steps=20)
    assert traffic.tracks.valid[:, queue.first_frame + 20].any()
    with pytest.raises(FileNotFoundError, match="No learned traffic in"):
        LearnedTraffic(queue, replace(options, vehicle=Policy.LEARNED))


def test_agents_vanish_far_from_the_ego_and_never_return(queue, starting):
    traffic = run(queue, starting, steps=140)
    front = int(np.argmax(queue.agents.poses[:, queue.first_frame, 0]))
    valid = traffic.tracks.valid[front, queue.first_frame : queue.first_frame + 141]
    ends = np.flatnonzero(~valid)
    if len(ends):
        assert not valid[ends[0] :].any()
        last = traffic.tracks.poses[front, queue.first_frame + ends[0] - 1]
        ego = queue.ego.center_poses()[0, queue.first_frame + ends[0] - 1]
        # Beyond nuPlan's radius: the road is longer.
        assert last[0] - ego[0] > 90.0


def test_cars_on_a_car_park_and_static_objects_follow_the_log(starting):
    scenario = scene("construction")
    traffic = run(scenario, starting, steps=20)
    static = np.isin(scenario.agents.kinds, [3, 4, 5, 6])
    np.testing.assert_array_equal(traffic.tracks.poses[static], scenario.agents.poses[static])
    far = scene("queue")
    beside = replace(far, agents=replace(far.agents, poses=far.agents.poses + np.array([0.0, -60.0, 0.0])))
    traffic = run(beside, starting, steps=20)
    np.testing.assert_array_equal(traffic.tracks.poses, beside.agents.poses)


def test_the_registry_reads_options():
    mode, options = traffic_mode("learned:temperature=0.5")
    assert options == "temperature=0.5"
    assert mode.check_options is not None
    with pytest.raises(ValueError, match="takes no options"):
        traffic_mode("nonreactive:temperature=0.5")
    with pytest.raises(KeyError, match="No traffic named 'lerned'"):
        traffic_mode("lerned")


def test_learned_traffic_needs_no_torch(repository, model_folder):
    code = (
        "import sys; from driving.synthetic.scenes import scene; from simulation.rollout import Rollout\n"
        f"Rollout(scene('queue'), traffic='learned:checkpoint={model_folder}')\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("unseen_s", "is_hit"), [(0.0, False), (10.0, True)])
def test_agents_do_not_brake_for_an_ego_that_they_do_not_observe(starting, unseen_s, is_hit):
    scenario = with_car(straight_scenario(), -30.0, 0.0, 8.0)
    standing = states_of(scenario.ego)[0, scenario.first_frame].copy()
    standing[VELOCITY_X] = 0.0
    traffic = LearnedTraffic(scenario, starting, unseen_s=unseen_s)
    for iteration in range(60):
        traffic.step(iteration, standing)
    ahead = traffic.tracks.poses[0, scenario.first_frame + 60, 0] - standing[0]
    assert (ahead > 0.0) == is_hit
