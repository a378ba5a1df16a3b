import shutil
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from recording_sources import write_archive, write_commonroad

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario


@pytest.fixture
def run(repository, tmp_path):
    """Run the command with the output folder `out`."""

    def command(*arguments):
        return subprocess.run(
            [sys.executable, "scripts/import_logs.py", *map(str, arguments), "--output", str(tmp_path / "out")],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def test_the_command_writes_nuplan_files(run, tmp_path):
    done = run(write_commonroad(tmp_path), "--format", "commonroad", "--ego", "8", "--verbose")
    assert done.returncode == 0, done.stderr
    assert "Wrote 1 logs" in done.stdout
    assert "car 8 of the recording, named by --ego" in done.stdout
    assert "hint: short: the scenario has 3.4 s" in done.stdout
    (entry,) = list_scenarios(DataRoot.find(tmp_path / "out"))
    scenario = open_scenario(entry, allow_short=True)
    assert scenario.num_frames == 35
    assert any("--allow-short" in text for text in scenario.metadata.values())


def test_a_limit_takes_the_first_recordings(run, tmp_path):
    source = write_commonroad(tmp_path)
    (tmp_path / "zz_broken.xml").write_text("<commonRoad")
    done = run(source.parent, "--format", "commonroad", "--limit", 1)
    assert done.returncode == 0
    assert "Wrote 1 logs" in done.stdout
    assert "Left out" not in done.stderr


def test_one_broken_recording_costs_one_recording(run, tmp_path):
    source = write_commonroad(tmp_path)
    (tmp_path / "broken.xml").write_text("<commonRoad")
    shutil.copy(source, tmp_path / "twice.xml")
    done = run(tmp_path, "--format", "commonroad")
    assert done.returncode == 0
    assert "Wrote 1 logs" in done.stdout
    assert "broken.xml is no complete XML file" in done.stderr
    assert "twice.xml: Its log name commonroad-ZAM_Mini-1_1_T-1 is that of" in done.stderr
    assert "Left out 2 of 3 recordings." in done.stderr


def test_an_ego_beside_its_route_costs_one_recording(run, tmp_path):
    archive = write_archive(tmp_path)
    with np.load(archive / "tracks" / "drive.npz") as arrays:
        tracks = dict(arrays)
    tracks["position"] = tracks["position"] + np.array([0.0, -3.5, 0.0])
    np.savez(archive / "tracks" / "beside.npz", **tracks)
    shutil.copy(archive / "maps" / "drive.json", archive / "maps" / "beside.json")
    done = run(archive, "--format", "track_archive")
    assert done.returncode == 0
    assert "beside.npz: Scenario" in done.stderr
    assert "The logged ego starts 1.5 m" in done.stderr
    assert [entry.log_name for entry in list_scenarios(DataRoot.find(tmp_path / "out"))] == ["drive-testville"]


def test_the_exit_code_is_1_when_nothing_was_imported(run, tmp_path):
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_text("")
    done = run(tmp_path, "--format", "commonroad")
    assert done.returncode == 1
    assert "Left out 2 of 2 recordings." in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_single_broken_recording_is_an_error(run, tmp_path):
    (tmp_path / "broken.xml").write_text("<commonRoad")
    done = run(tmp_path / "broken.xml", "--format", "commonroad")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ValueError: ")


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [((1, 2, 3, 4), "The map holds no lane for vehicles"), ((1, 3), "The logged ego starts ")],
    ids=["in the importer", "in the check"],
)
def test_a_refused_import_names_the_lanelets_that_cannot_be_built(run, tmp_path, broken, sentence):
    source = write_commonroad(tmp_path)
    tree = ElementTree.parse(source)
    for lanelet in tree.iterfind("lanelet"):
        if int(lanelet.get("id")) in broken:
            for point in lanelet.iter("point"):
                point.find("x").text = "0"
    tree.write(source)
    note = f"left out ({len(broken)}): lanes of the map that cannot be built: 1 (A boundary"
    alone = run(source, "--format", "commonroad")
    shutil.copy(source, tmp_path / "same.xml")
    folder = run(tmp_path, "--format", "commonroad")
    for done in (alone, folder):
        assert done.returncode == 1
        assert sentence in done.stderr
        assert note in done.stderr
    assert folder.stderr.count(note) == 2


def test_a_strict_import_refuses_changed_recordings(run, tmp_path):
    source = write_commonroad(tmp_path)
    source.write_text(source.read_text().replace("<type>truck</type>", "<type>ufo</type>"))
    done = run(source, "--format", "commonroad")
    assert done.returncode == 0
    assert "left out: obstacles that cannot be read: 8 (unknown type 'ufo'" in done.stdout
    done = run(source, "--format", "commonroad", "--strict")
    assert done.returncode == 1
    assert (
        "--strict refuses log commonroad-ZAM_Mini-1_1_T-1: left out: obstacles that cannot be read: 8" in done.stderr
    )
