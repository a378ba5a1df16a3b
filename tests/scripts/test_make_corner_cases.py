"""The command writes corner cases that come back as nuPlan data, the same bytes each time."""

import subprocess
import sys

import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from simulation.generation.corner_cases.generator import corner_kind_of


@pytest.fixture
def command(repository):
    def call(*arguments):
        script = repository / "scripts" / "make_corner_cases.py"
        return subprocess.run(
            [sys.executable, script, *arguments], capture_output=True, text=True, check=False, cwd=repository
        )

    return call


def test_what_is_written_comes_back(command, tmp_path):
    for name in ("one", "two"):
        done = command(
            "--kind", "cut_in", "--count", "2", "--speed", "8..12", "--seed", "3", "--output", tmp_path / name
        )
        assert done.returncode == 0, done.stderr
    logs = sorted((tmp_path / "one").rglob("corner-*.db"))
    assert len(logs) == 2
    for log in logs:
        assert log.read_bytes() == (tmp_path / "two" / log.relative_to(tmp_path / "one")).read_bytes()
    entries = list_scenarios(DataRoot.find(tmp_path / "one"))
    assert [corner_kind_of(entry.log_name) for entry in entries] == ["cut_in", "cut_in"]
    assert open_scenario(entries[0]).num_frames == 151


def test_an_invalid_speed_range_is_refused(command, tmp_path):
    done = command("--kind", "cut_in", "--speed", "fast", "--output", tmp_path)
    assert done.returncode == 1
    assert "A speed is a number or a range such as 8..14, got 'fast'." in done.stderr.replace("\n", " ")
