import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from driving.checks import check_scenario
from driving.recording import Recording
from driving.scenario_types import CHALLENGE_SCENARIO_TYPES
from simulation.generation.town.generator import even_quotas, generate_town, quotas_of_towns
from simulation.generation.town.tagging import spaced, tag_frames


def fingerprint(recordings: list[Recording]) -> str:
    digest = hashlib.sha256()
    for one in recordings:
        for array in (one.ego.rear_axle_poses, one.agents.poses, one.traffic_lights.statuses, one.time_us):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(one.map.lanes.centerlines.values.tobytes())
        digest.update(repr((one.log_name, one.agents.track_ids, one.tags)).encode())
        digest.update(repr([mission.roadblock_ids for mission in one.missions]).encode())
    return digest.hexdigest()


def test_every_tagged_scenario_makes_sense(recordings, settings):
    scenarios = [scenario for recording in recordings for scenario in recording.scenarios()]
    assert len(scenarios) == settings.scenarios
    for scenario in scenarios:
        check_scenario(scenario)
        assert scenario.num_frames == 151
        assert scenario.first_frame == 22
        assert len(scenario.time_us) == 22 + 151 + 80


def test_a_seed_names_one_town(recordings, settings):
    assert fingerprint(generate_town(2, settings)) == fingerprint(recordings)
    assert fingerprint(generate_town(3, settings)) != fingerprint(recordings)


def test_routes_start_where_the_scenario_starts_and_lead_beyond_its_end(recordings):
    for recording in recordings:
        for scenario in recording.scenarios():
            town, ids = scenario.map, scenario.route.roadblock_ids
            assert len(ids) == len(set(ids)) >= 2
            start = scenario.ego.center_poses()[0, scenario.first_frame, :2]
            rows = [row for block in ids[:2] for row in town.lane_rows_of_roadblock(block)]
            assert set(rows) & set(town.lanes.areas.rows_containing(start).tolist())
            goal = scenario.route.goal_pose
            assert town.roadblocks.rows_containing(goal[:2]).size == 1


def test_agents_come_and_go_with_sight(recordings):
    for recording in recordings:
        ego = recording.ego.center_poses()[0, :, :2]
        apart = np.hypot(*(recording.agents.poses[..., :2] - ego).transpose(2, 0, 1))
        assert np.nanmax(apart) < 100.0
        assert recording.agents.valid.any(axis=1).all()
        assert recording.agents.valid.sum(axis=0).mean() > 5


def test_tags_are_the_types_of_the_challenge(observed):
    vehicle = int(np.flatnonzero(observed.drivers["is_ego_make"])[0])
    assert tuple(tag_frames(observed, vehicle)) == CHALLENGE_SCENARIO_TYPES


def test_events_are_spaced():
    assert spaced(np.array([3, 4, 5, 13, 14, 23]), 10).tolist() == [3, 13, 23]


def test_scenarios_are_dealt_out_evenly():
    assert sum(even_quotas(60).values()) == 60
    assert set(even_quotas(60).values()) == {4, 5}
    quotas = quotas_of_towns(120, 2)
    assert [sum(one.values()) for one in quotas] == [60, 60]
    assert all(count >= 4 for one in quotas for count in one.values())
    assert sum(quotas_of_towns(17, 3)[k]["changing_lane"] for k in range(3)) == 1


def test_scenario_types_without_occurrence_in_a_town_are_named(settings):
    with pytest.raises(ValueError, match="towns of seed 2 did not contain 500 scenarios"):
        generate_town(2, settings, {"starting_left_turn": 500})


def test_worlds_are_equal_in_sequence_and_in_parallel(repository, tmp_path):
    command = [
        sys.executable,
        str(repository / "scripts" / "make_worlds.py"),
        "--small",
        "--scenarios",
        "2",
        "--quiet",
    ]
    for name, processes, hash_seed in (("one", "1", "1"), ("two", "2", "2")):
        subprocess.run(
            [*command, "--output", str(tmp_path / name), "--processes", processes],
            check=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert sum(path.suffix == ".db" for path in files) == 2
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path
