import json
import shutil

import pytest

from simulation.viewer.listing import listing
from simulation.viewer.sources import ScenariosSource, open_sources


def only(folder, **more):
    return open_sources([folder], more.get("data"), more.get("maps"))[0]


def notices(source):
    described = listing([source])["sources"][0]
    return described["error"], described["notices"]


def test_a_finished_run_has_no_notices(results):
    content = listing(open_sources([results], None, None))
    assert len(content["rows"]["key"]) == 6
    assert content["sources"][0]["notices"] == []
    assert "ego_is_comfortable" in content["rows"]["metrics"]


def test_an_empty_folder_is_reported(tmp_path):
    error, _ = notices(only(tmp_path))
    assert "holds no benchmark results: there is no run.json" in error


def test_an_unfinished_run_reports_its_number_of_drives(results, world, tmp_path):
    folder = tmp_path / "unfinished"
    shutil.copytree(results, folder)
    next(iter((folder / "rows").iterdir())).unlink()
    _, found = notices(only(folder))
    assert found == ["The run is unfinished: 5 of 6 drives are there. Continue it by --resume."]


def test_a_run_without_finished_scenarios_is_reported(results, tmp_path):
    (tmp_path / "rows").mkdir()
    shutil.copy(results / "run.json", tmp_path)
    error, _ = notices(only(tmp_path))
    assert "holds no finished scenario yet" in error


def test_moved_data_is_reported_and_found_with_data_option(results, world, tmp_path):
    folder = tmp_path / "moved" / "results"
    shutil.copytree(results, folder)
    run = json.loads((folder / "run.json").read_text())
    run["settings"]["data"] = "/somewhere/else/gone"
    (folder / "run.json").write_text(json.dumps(run))
    source = only(folder)
    assert "The data of this run is no longer at /somewhere/else/gone" in notices(source)[1][0]
    key = source.rows()[0].key
    assert source.log(key) is not None
    with pytest.raises(FileNotFoundError, match="Name its folder by --data"):
        source.scenario(key)
    moved = only(folder, data=world)
    assert notices(moved) == ("", [])
    assert moved.scenario(key).scenario_id == moved.row(key).scenario


def test_data_that_was_moved_with_the_results_is_found(results, world, tmp_path):
    shutil.copytree(results, tmp_path / "results")
    shutil.copytree(world, tmp_path / "world")
    run = json.loads((tmp_path / "results" / "run.json").read_text())
    run["settings"]["data"] = "/somewhere/else/world"
    (tmp_path / "results" / "run.json").write_text(json.dumps(run))
    assert notices(only(tmp_path / "results")) == ("", [])


def test_logged_scenarios_are_listed_and_opened(world):
    source = open_sources([], world, None)[0]
    assert isinstance(source, ScenariosSource)
    rows = source.rows()
    assert len(rows) == 3
    assert {row.status for row in rows} == {"logged"}
    assert source.log(rows[0].key) is None
    assert source.scenario(rows[0].key).scenario_type == rows[0].scenario_type


def test_folders_of_equal_names_get_distinct_names(results, tmp_path):
    other = tmp_path / results.name
    other.mkdir()
    assert [source.name for source in open_sources([results, other], None, None)] == ["results", "results-2"]


@pytest.mark.parametrize("key", ["../../secret", "simple.nonreactive.0000000000000000", ""])
def test_unknown_keys_are_refused(results, key):
    with pytest.raises(LookupError, match="has no drive"):
        only(results).log(key)


def test_no_folder_and_a_missing_folder_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Name a results folder"):
        open_sources([], None, None)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        open_sources([tmp_path / "absent"], None, None)


def test_a_data_root_with_logs_of_drives_needs_no_run_file(results, world, tmp_path):
    """As a search for failures writes it: drives that end at the contact, without scores."""
    folder = tmp_path / "failures"
    shutil.copytree(world, folder)
    (folder / "logs").mkdir()
    shutil.copy(sorted((results / "logs").iterdir())[0], folder / "logs")
    source = only(folder)
    assert notices(source) == ("", [])
    (row,) = source.rows()
    assert row.status == "unscored"
    assert source.scenario(row.key).scenario_id == row.scenario
    assert source.notes.folders == (folder / "notes",)
