import json
import signal
import subprocess
import sys
import urllib.request

from PIL import Image


def test_view_prints_its_address_and_serves_until_interrupted(results, repository):
    command = [sys.executable, "scripts/view.py", str(results), "--port", "0"]
    with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address + "api/list", timeout=30) as answer:
            assert len(json.loads(answer.read())["rows"]["key"]) == 6
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in (0, 130, -signal.SIGINT)


def test_view_reports_a_missing_folder(repository, tmp_path):
    command = [sys.executable, "scripts/view.py", str(tmp_path / "absent")]
    found = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert found.returncode == 1
    assert "There is no folder" in found.stderr


def test_export_video_writes_a_gif(results, repository, tmp_path):
    scenario = sorted((results / "rows").iterdir())[0].stem.split(".")[-1]
    output = tmp_path / "drive.gif"
    words = ["--scenario", scenario, "--planner", "simple", "--output", str(output), "--quiet"]
    command = [sys.executable, "scripts/export_video.py", str(results), *words]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    assert Image.open(output).n_frames == 150
