import subprocess
import sys

import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios


def run(repository, *arguments):
    return subprocess.run(
        [sys.executable, "scripts/make_worlds.py", *map(str, arguments)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )


def test_small_towns_are_written_with_their_scenarios(repository, tmp_path):
    done = run(repository, "--output", tmp_path, "--towns", 2, "--scenarios", 4, "--small", "--processes", 1)
    assert done.returncode == 0, done.stderr
    assert "4 scenarios" in done.stdout
    entries = list_scenarios(DataRoot.find(tmp_path))
    assert len(entries) == 4
    assert len({entry.map_name for entry in entries}) == 2


@pytest.mark.parametrize("arguments", [("--towns", 0), ("--towns", 3, "--scenarios", 2)])
def test_fewer_scenarios_than_towns_are_refused(repository, tmp_path, arguments):
    done = run(repository, "--output", tmp_path, *arguments)
    assert done.returncode == 1
    assert "Need at least one town and one scenario per town" in done.stderr


def test_calibrated_towns_with_recorded_plans_are_written(repository, tmp_path):
    options = ("--calibrated", "--recorded-plans", "--small", "--towns", 1, "--scenarios", 2)
    done = run(repository, "--output", tmp_path, *options, "--processes", 1)
    assert done.returncode == 0, done.stderr
    assert len(list_scenarios(DataRoot.find(tmp_path))) == 2
