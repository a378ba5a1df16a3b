"""What planners perceived, in logs."""

from dataclasses import replace

import numpy as np
import pytest
from perceived_drives import perceived_at

from driving.agents import AgentKind
from driving.perceived import Perceived, arrays_of_perceived
from driving.synthetic.scenes import scene
from planning.simple import SimplePlanner
from simulation.log import SimulationLog
from simulation.rollout import run_rollout


@pytest.fixture(scope="module")
def log():
    """Nothing at the first step, then a vehicle, at the third also a pedestrian; a new road every second step."""
    bare = run_rollout(replace(scene("queue"), num_frames=7), SimplePlanner())
    steps: list[Perceived | None] = [None]
    for step in range(1, bare.num_steps):
        x, y, heading = ego = bare.ego.rear_axle_poses[0, step - step % 2]
        poses = [(x + 10.0 + 0.1234567 * step, y, heading), (x, y + 5.0, 0.5)][: 2 if step == 2 else 1]
        kinds = (AgentKind.VEHICLE, AgentKind.PEDESTRIAN)[: len(poses)]
        ids = ("perceived-7", "perceived-12")[: len(poses)]
        steps.append(perceived_at(ego, poses, kinds, ids, drivable=10 * (step - step % 2)))
    return replace(bare, perceived=tuple(steps))


def test_perceived_boxes_load_to_the_millimetre(log):
    again = SimulationLog.from_bytes(log.to_bytes())
    assert again.perceived[0] is None
    for written, read in zip(log.perceived[1:], again.perceived[1:], strict=True):
        assert read.agents.track_ids == written.agents.track_ids
        assert read.agents.kinds.tolist() == written.agents.kinds.tolist()
        for name in ("poses", "velocities_mps", "sizes", "heights_m"):
            assert getattr(read.agents, name) == pytest.approx(getattr(written.agents, name), rel=0, abs=1e-3), name
        np.testing.assert_array_equal(read.road.probabilities, written.road.probabilities)
        np.testing.assert_array_equal(read.road.ego_pose, written.road.ego_pose)
        assert (read.road.x_min_m, read.road.y_min_m, read.road.cell_m) == (-4.0, -3.0, 1.0)
    assert again.to_bytes() == log.to_bytes()


def test_the_road_of_a_run_of_the_network_is_stored_once(log):
    arrays = arrays_of_perceived(log.perceived, log.ego)
    assert arrays["perceived.road_of_step"].tolist() == [-1, 0, 1, 1, 2, 2]
    assert arrays["perceived.roads"].shape == (3, 3, 8, 6)


def test_a_log_of_another_planner_has_no_arrays_for_perceptions(log):
    other = replace(log, perceived=())
    assert arrays_of_perceived((), log.ego) == {}
    assert SimulationLog.from_bytes(other.to_bytes()).perceived == ()


def test_perceptions_without_boxes_and_roads_load(log):
    nothing = replace(log.perceived[1], agents=log.perceived[1].agents.take(np.zeros(0, dtype=np.int64)), road=None)
    again = SimulationLog.from_bytes(replace(log, perceived=(nothing,) * log.num_steps).to_bytes())
    assert [(one.agents.num_agents, one.road) for one in again.perceived] == [(0, None)] * log.num_steps


def test_perceptions_of_some_steps_only_are_refused(log):
    with pytest.raises(ValueError, match="'perceived': 5"):
        replace(log, perceived=log.perceived[:5])
