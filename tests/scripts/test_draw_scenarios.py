import subprocess
import sys

import pytest

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world([SCENES[name]() for name in ("straight_road", "parked_car", "queue")], folder, fill_locations=False)
    return folder


def draw(repository, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, repository / "scripts" / "draw_scenarios.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_one_picture_for_each_type(repository, world, tmp_path):
    done = draw(repository, "--data", world, "--output", tmp_path / "new" / "folder", "--one-per-type")
    assert done.returncode == 0, done.stderr
    assert "2 pictures in" in done.stdout
    names = sorted(path.name.rsplit("_", 1)[0] for path in (tmp_path / "new" / "folder").iterdir())
    assert names == ["following_lane_without_lead", "stopping_with_lead"]


def test_no_data_is_one_sentence(repository, tmp_path):
    done = draw(repository, "--data", tmp_path / "nowhere", "--output", tmp_path / "pictures")
    assert done.returncode == 1
    assert "No data at" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "pictures").exists()
