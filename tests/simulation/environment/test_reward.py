import numpy as np
import pytest

from driving.synthetic.scenes import scene
from simulation.ego.dynamics import Commands
from simulation.environment.reward import COLLISION, OFF_ROAD, DriveMonitor, RewardWeights, StepTerms, drive_up_to_now
from simulation.metrics.nuplan.progress import route_progress
from simulation.metrics.score import metric_named
from simulation.rollout import Rollout


def test_weights_combine_the_terms():
    terms = StepTerms(progress=0.02, off_road=1.0, collision=0.5)
    assert terms.reward(RewardWeights()) == pytest.approx(0.02 - 1.0 - 0.5)
    assert terms.reward(RewardWeights(progress=10.0, off_road=0.0, collision=2.0)) == pytest.approx(0.2 - 1.0)


@pytest.mark.parametrize("name", ["cut_in", "roundabout", "t_junction", "construction"])
def test_progress_and_failures_are_those_of_the_metrics(name):
    """Random commands: at each instant the monitor agrees with metrics of the drive up to it."""
    generator = np.random.default_rng(3)
    rollout = Rollout(scene(name))
    monitor = DriveMonitor(rollout)
    terms = []
    for step in range(rollout.num_steps):
        rollout.drive(Commands(generator.uniform(-2.0, 3.0), generator.uniform(-0.4, 0.4)))
        terms.append(monitor.step())
        if step % 10 == 0 or step == rollout.num_steps - 1:
            drive = drive_up_to_now(rollout)
            assert monitor.progress == pytest.approx(route_progress(drive).ratios[0])
            assert monitor.is_off_road == (metric_named(OFF_ROAD)(drive)[0].score == 0.0)
            assert monitor.collision_score == metric_named(COLLISION)(drive)[0].score
    assert sum(one.off_road for one in terms) == float(monitor.is_off_road)
    assert sum(one.collision for one in terms) == 1.0 - monitor.collision_score
    assert monitor.scores_zero == (monitor.is_off_road or monitor.collision_score == 0.0)


def test_the_drive_up_to_now_holds_the_present():
    rollout = Rollout(scene("queue"))
    rollout.drive(Commands(0.0, 0.0))
    drive = drive_up_to_now(rollout)
    assert drive.num_steps == 2
    assert drive.motion.time_us[-1] == rollout.observation().time_us


def test_weights_are_finite_numbers():
    with pytest.raises(ValueError, match="`progress` must be finite, got nan"):
        RewardWeights(progress=float("nan"))
    with pytest.raises(TypeError, match="`score` must be a number, got None"):
        RewardWeights(score=None)
