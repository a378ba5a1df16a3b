import json
import shutil

import pytest

from simulation.viewer.sources import ScenariosSource, listing, open_sources


def only(folder, **more):
    return open_sources([folder], more.get("data"), more.get("maps"))[0]


def notices(source):
    described = listing([source])["sources"][0]
    return described["error"], described["notices"]


def test_a_finished_run_lists_without_a_word(results):
    content = listing(open_sources([results], None, None))
    assert len(content["rows"]) == 6
    assert content["sources"][0]["notices"] == []
    assert "ego_is_comfortable" in content["metrics"]


def test_an_empty_folder_says_what_it_lacks(tmp_path):
    error, _ = notices(only(tmp_path))
    assert "holds no benchmark results: there is no run.json" in error


def test_an_unfinished_run_says_how_far_it_is(results, world, tmp_path):
    folder = tmp_path / "unfinished"
    shutil.copytree(results, folder)
    next(iter((folder / "rows").iterdir())).unlink()
    _, said = notices(only(folder))
    assert said == ["The run is unfinished: 5 of 6 drives are there. Go on with it by --resume."]


def test_a_run_that_just_began_says_so(results, tmp_path):
    (tmp_path / "rows").mkdir()
    shutil.copy(results / "run.json", tmp_path)
    error, _ = notices(only(tmp_path))
    assert "holds no finished scenario yet" in error


def test_data_that_moved_alone_is_missed_and_found_again_by_its_name(results, world, tmp_path):
    folder = tmp_path / "moved" / "results"
    shutil.copytree(results, folder)
    run = json.loads((folder / "run.json").read_text())
    run["settings"]["data"] = "/somewhere/else/gone"
    (folder / "run.json").write_text(json.dumps(run))
    source = only(folder)
    assert "The data of this run is not at /somewhere/else/gone any more" in notices(source)[1][0]
    key = source.rows()[0].key
    assert source.log(key) is not None
    with pytest.raises(FileNotFoundError, match="Name its folder by --data"):
        source.scenario(key)
    again = only(folder, data=world)
    assert notices(again) == ("", [])
    assert again.scenario(key).scenario_id == again.row(key).scenario


def test_data_that_moved_together_with_the_results_is_found(results, world, tmp_path):
    shutil.copytree(results, tmp_path / "results")
    shutil.copytree(world, tmp_path / "world")
    run = json.loads((tmp_path / "results" / "run.json").read_text())
    run["settings"]["data"] = "/somewhere/else/world"
    (tmp_path / "results" / "run.json").write_text(json.dumps(run))
    assert notices(only(tmp_path / "results")) == ("", [])


def test_scenarios_that_nobody_has_driven_are_listed_and_opened(world):
    source = open_sources([], world, None)[0]
    assert isinstance(source, ScenariosSource)
    rows = source.rows()
    assert len(rows) == 3
    assert {row.status for row in rows} == {"logged"}
    assert source.log(rows[0].key) is None
    assert source.scenario(rows[0].key).scenario_type == rows[0].scenario_type


def test_folders_of_the_same_name_get_different_names(results, tmp_path):
    other = tmp_path / results.name
    other.mkdir()
    assert [source.name for source in open_sources([results, other], None, None)] == ["results", "results-2"]


@pytest.mark.parametrize("key", ["../../secret", "simple.nonreactive.0000000000000000", ""])
def test_keys_that_no_row_names_are_refused(results, key):
    with pytest.raises(LookupError, match="has no drive"):
        only(results).log(key)


def test_nothing_and_a_missing_folder_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Name a results folder"):
        open_sources([], None, None)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        open_sources([tmp_path / "absent"], None, None)
