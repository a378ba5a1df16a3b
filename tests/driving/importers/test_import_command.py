import subprocess
import sys

import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario


@pytest.fixture
def run(repository, tmp_path):
    """Run the command; output goes to `out`."""

    def command(*arguments):
        return subprocess.run(
            [sys.executable, "scripts/import_logs.py", *map(str, arguments), "--output", str(tmp_path / "out")],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def test_the_command_writes_nuplan_files(run, commonroad_file, tmp_path):
    done = run(commonroad_file, "--format", "commonroad", "--ego", "8", "--verbose")
    assert done.returncode == 0, done.stderr
    assert "Wrote 1 logs" in done.stdout
    assert "car 8 of the recording, as asked for" in done.stdout
    (entry,) = list_scenarios(DataRoot.find(tmp_path / "out"))
    assert open_scenario(entry, allow_short=True).num_frames == 35


def test_a_broken_recording_stops_all_unless_it_may_be_skipped(run, commonroad_file, tmp_path):
    (commonroad_file.parent / "broken.xml").write_text("<commonRoad")
    done = run(commonroad_file.parent, "--format", "commonroad")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ValueError: ")
    assert "broken.xml is no complete XML file" in done.stderr
    assert not (tmp_path / "out").exists()

    done = run(commonroad_file.parent, "--format", "commonroad", "--skip-broken")
    assert done.returncode == 1
    assert "Wrote 1 logs" in done.stdout
    assert "Left out:" in done.stderr
