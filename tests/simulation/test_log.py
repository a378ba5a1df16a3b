import json
from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentTracks, TrafficLights
from driving.candidates import LOGGED_TIME_S, Candidates
from driving.ego import EgoMotion
from driving.trajectory import Trajectory
from simulation import log as log_module
from simulation.log import SimulationLog, read_header


def _log(num_steps: int = 6) -> SimulationLog:
    random = np.random.default_rng(1)
    valid = np.array([[True] * num_steps, [False, True] * (num_steps // 2)])
    poses = np.where(valid[..., None], 4e6 + random.normal(size=(2, num_steps, 3)), np.nan)
    zeros = np.zeros((2, num_steps, 2))
    return SimulationLog(
        scenario_id="00ff00ff00ff00ff",
        scenario_type="changing_lane",
        log_name="a log",
        map_name="a map",
        planner_name="a planner",
        traffic="reactive",
        seed=7,
        ego=EgoMotion.from_log(
            time_us=np.arange(num_steps, dtype=np.int64) * 100_000,
            rear_axle_poses=4e6 + random.normal(size=(num_steps, 3)),
            velocities_mps=random.normal(size=(num_steps, 2)),
            accelerations_mps2=random.normal(size=(num_steps, 2)),
        ),
        agents=AgentTracks(
            track_ids=("one", "zwö"),
            kinds=np.array([0, 1], dtype=np.int8),
            poses=poses,
            velocities_mps=np.where(valid[..., None], zeros, np.nan),
            sizes=np.where(valid[..., None], zeros + 2.0, np.nan),
            valid=valid,
            order=np.where(valid, [[1], [0]], -1).astype(np.int32),
        ),
        traffic_lights=TrafficLights.from_dense(np.array([5, 9]), np.zeros((2, num_steps), dtype=np.int8)),
        plans=tuple(
            Trajectory(time_s=np.arange(n) * 0.1, poses=random.normal(size=(n, 3))) for n in range(2, 2 + num_steps)
        ),
        planning_time_s=random.random(num_steps),
        stage_time_s={"control": 0.25},
        metadata={"commit": "abc"},
    )


def test_a_saved_log_loads_bit_for_bit(tmp_path):
    log = _log()
    log.save(tmp_path / "run.simlog")
    again = SimulationLog.load(tmp_path / "run.simlog")
    for name, array in log_module._arrays_of(log).items():
        other = log_module._arrays_of(again)[name]
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other, err_msg=name)
    for name in ("scenario_id", "planner_name", "traffic", "seed", "stage_time_s", "metadata"):
        assert getattr(log, name) == getattr(again, name)
    assert again.agents.track_ids == ("one", "zwö")
    assert [path.name for path in tmp_path.iterdir()] == ["run.simlog"]


def _with_candidates(log: SimulationLog) -> SimulationLog:
    """The log with 3 candidates at even steps and none at odd ones."""
    random = np.random.default_rng(2)
    ego = log.ego.rear_axle_poses[0]
    reported = [
        Candidates(
            time_s=LOGGED_TIME_S,
            poses=ego[step] + random.normal(size=(3, len(LOGGED_TIME_S), 3)),
            scores=random.random(3),
            chosen=1 if step else None,
        )
        if step % 2 == 0
        else None
        for step in range(log.num_steps)
    ]
    for one in reported[::2]:
        one.poses[..., 2] = random.normal(size=(3, len(LOGGED_TIME_S)))
    reported[0].poses[2, 5:] = np.nan
    return replace(log, candidates=tuple(reported))


def test_candidates_load_to_the_millimetre(tmp_path):
    log = _with_candidates(_log())
    log.save(tmp_path / "run.simlog")
    again = SimulationLog.load(tmp_path / "run.simlog")
    assert [one is None for one in again.candidates] == [False, True] * 3
    for written, read in zip(log.candidates[::2], again.candidates[::2], strict=True):
        assert read.poses == pytest.approx(written.poses, rel=0, abs=1e-3, nan_ok=True)
        assert read.scores == pytest.approx(written.scores, rel=1e-6)
        assert read.chosen == written.chosen
    np.testing.assert_array_equal(again.plans[3].poses, log.plans[3].poses)
    assert again.to_bytes() == SimulationLog.from_bytes(again.to_bytes()).to_bytes() == log.to_bytes()


def test_a_log_without_candidates_has_no_arrays_for_them():
    names = log_module._arrays_of(_log())
    assert not [name for name in names if name.startswith("candidates")]
    assert SimulationLog.from_bytes(_log().to_bytes()).candidates == ()


def test_candidates_of_some_steps_only_are_refused():
    with pytest.raises(ValueError, match="'candidates': 5"):
        replace(_log(), candidates=_with_candidates(_log()).candidates[:5])


def test_a_log_without_agents_and_lights_loads(tmp_path):
    log = replace(_log(), agents=AgentTracks.none(6), traffic_lights=TrafficLights.none(6))
    log.save(tmp_path / "run.simlog")
    assert SimulationLog.load(tmp_path / "run.simlog").agents.num_agents == 0


def test_the_header_is_read_without_the_arrays(tmp_path):
    _log().save(tmp_path / "run.simlog")
    header = read_header(tmp_path / "run.simlog")
    assert header["planner_name"] == "a planner"
    assert header["num_steps"] == 6


@pytest.mark.parametrize("keep", [0, 5, 40, 0.5, 0.99])
def test_a_truncated_file_is_reported_as_damaged(tmp_path, keep):
    path = tmp_path / "run.simlog"
    _log().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(ValueError, match=r"is damaged|is no simulation log"):
        SimulationLog.load(path)


@pytest.mark.parametrize("place", [0.3, 0.6, 0.8, 0.95])
def test_a_flipped_byte_is_reported_as_damaged(tmp_path, place):
    path = tmp_path / "run.simlog"
    log = _log()
    log.save(path)
    content = bytearray(path.read_bytes())
    body = log_module._read_header(bytes(content), path)[1]
    content[body + int((len(content) - body) * place)] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        SimulationLog.load(path)


def test_a_newer_format_is_refused(tmp_path):
    path = tmp_path / "run.simlog"
    text = json.dumps({"format_version": 99}).encode()
    path.write_bytes(log_module._HEAD.pack(log_module._MAGIC, len(text)) + text)
    with pytest.raises(ValueError, match="format version 99, this program reads up to 1: update"):
        SimulationLog.load(path)


def test_parts_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="as many steps of each part"):
        replace(_log(), planning_time_s=np.zeros(3))
