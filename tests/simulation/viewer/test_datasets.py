import pytest

from driving.nuplan.data import DataRoot
from simulation.viewer.datasets import Dataset, dataset_of_run


@pytest.fixture(scope="module")
def token_and_log(world):
    from driving.nuplan.scenarios import list_scenarios

    entry = list_scenarios(DataRoot.find(world), None)[0]
    return entry.token, entry.log_name


def run_of(data):
    return {"settings": {"data": str(data)}}


def test_a_scenario_has_the_type_of_the_run_and_is_opened_once(world, token_and_log):
    dataset = Dataset(DataRoot.find(world))
    token, log_name = token_and_log
    scenario = dataset.scenario(token, "starting_left_turn", log_name)
    assert (scenario.scenario_id, scenario.scenario_type) == (token, "starting_left_turn")
    assert dataset.scenario(token, "starting_left_turn", log_name) is scenario
    assert dataset.scenario(token, "changing_lane", log_name).scenario_type == "changing_lane"


def test_an_unknown_log_is_named(world, token_and_log):
    with pytest.raises(FileNotFoundError, match="has no log 2000_nowhere"):
        Dataset(DataRoot.find(world)).scenario(token_and_log[0], "changing_lane", "2000_nowhere")


@pytest.mark.parametrize("stated", ["{world}", "/gone/{name}", "/gone/long/{name}"])
def test_the_data_set_is_found_at_its_path_or_beside_the_results(world, results, stated):
    path = stated.format(world=world, name=world.name)
    assert dataset_of_run(run_of(path), results, None, None).root.log_files == DataRoot.find(world).log_files


def test_a_relative_path_is_found_from_a_folder_above_the_results(world, results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = world.relative_to(world.parent.parent)
    assert dataset_of_run(run_of(relative), results, None, None).root.log_files


def test_named_data_takes_precedence(world, tmp_path):
    found = dataset_of_run(run_of("/gone"), tmp_path, world, None)
    assert found.root.log_files == DataRoot.find(world).log_files


@pytest.mark.parametrize(
    ("run", "sentence"), [({}, "does not name the data set"), (run_of("/gone/away"), "no longer at /gone/away")]
)
def test_missing_data_is_a_sentence(tmp_path, run, sentence):
    with pytest.raises(FileNotFoundError, match=sentence):
        dataset_of_run(run, tmp_path, None, None)
