import shutil
from dataclasses import replace
from pathlib import Path

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from simulation.benchmark.data_version import data_version


def test_a_copy_has_the_same_version_and_another_selection_has_not(world, tmp_path):
    entries = list_scenarios(DataRoot.find(world))
    copied = list_scenarios(DataRoot.find(shutil.copytree(world, tmp_path / "copy")))
    assert data_version(entries) == data_version(copied)
    assert data_version(entries) != data_version(entries[:2])
    assert data_version(entries) != data_version([replace(entries[0], scenario_type="other"), *entries[1:]])


def test_a_log_of_another_size_changes_the_version(world, tmp_path):
    entries = list_scenarios(DataRoot.find(shutil.copytree(world, tmp_path / "copy")))
    before = data_version(entries)
    with Path(entries[0].log_file).open("ab") as file:
        file.write(b"x")
    assert data_version(entries) != before
