import json
import subprocess
import sys

from simulation.benchmark import provenance as module
from simulation.benchmark.provenance import provenance


def test_a_run_names_its_command_commit_and_hardware(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/some/folder/benchmark.py", "--output", "a b"])
    found = provenance()
    assert found["command"] == "benchmark.py --output 'a b'"
    assert found["hardware"]["cores"] >= 1
    assert {"camber", "numba", "python"} <= set(found["software"])
    assert json.loads(json.dumps(found)) == found


def test_a_copy_without_git_says_so(monkeypatch):
    def fails(*_arguments, **_options):
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(module.subprocess, "run", fails)
    assert provenance()["commit"] == "unknown (not a git checkout)"
