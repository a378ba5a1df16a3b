import pickle
import sqlite3
from dataclasses import replace

import pytest

from driving.nuplan.writer import write_scenarios
from driving.synthetic.scenes import SCENES, scene
from simulation.environment.scenario_pool import ScenarioPool, scenario_pool


def test_without_arguments_the_pool_holds_the_hand_made_scenes():
    pool = scenario_pool(None)
    assert pool.names == tuple(SCENES)
    assert pool.open("queue").scenario_id == scene("queue").scenario_id
    assert pool.open("queue") is pool.open("queue")


def test_opened_scenarios_are_named_by_their_id():
    scenario = scene("cut_in")
    pool = scenario_pool(None, [scenario])
    assert pool.names == (scenario.scenario_id,)
    assert pool.open(scenario.scenario_id) is scenario


def test_a_data_root_lists_its_scenarios(golden):
    pool = scenario_pool(golden / "world1")
    assert len(pool.names) == 8
    chosen = scenario_pool(golden / "world1", pool.names[2:4])
    assert chosen.names == pool.names[2:4]
    assert chosen.open(chosen.names[0]).scenario_id == chosen.names[0]


def test_wrong_selections_are_sentences(tmp_path):
    with pytest.raises(KeyError, match="Did you mean 'red_light'"):
        scenario_pool(None, ["red_lights"])
    with pytest.raises(ValueError, match="Give opened scenarios alone"):
        scenario_pool(None, ["queue", scene("queue")])
    with pytest.raises(ValueError, match="at least one scenario"):
        scenario_pool(None, [])
    with pytest.raises(FileNotFoundError, match="No data at"):
        scenario_pool(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("data", "scenarios", "sentence"),
    [
        (None, "queue", r"`scenarios` must be a list .* use \['queue'\]"),
        (None, 5, "`scenarios` must be a list of names or of Scenarios, or None, got 5"),
        (7, None, "`data` must be the path of a nuPlan data root, or None, got 7"),
    ],
)
def test_arguments_of_wrong_types_are_sentences(data, scenarios, sentence):
    with pytest.raises(TypeError, match=sentence):
        scenario_pool(data, scenarios)


def test_a_generator_and_a_pool_are_selections():
    pool = scenario_pool(None, (name for name in ("queue", "cut_in")))
    assert pool.names == ("queue", "cut_in")
    assert scenario_pool(None, pool) is pool
    with pytest.raises(ValueError, match="without data"):
        scenario_pool("worlds", pool)


def test_of_many_scenarios_only_the_nearest_is_named():
    pool = ScenarioPool({f"scenario_{number}": lambda: scene("queue") for number in range(40)})
    with pytest.raises(KeyError, match=r"Did you mean 'scenario_7'\? The environment has 40 scenarios"):
        pool.name_of("scenario-7")


def test_scenarios_that_their_log_cuts_off_are_left_out_with_a_warning(tmp_path, caplog):
    write_scenarios([scene("queue"), scene("cut_in")], tmp_path)
    assert len(scenario_pool(tmp_path).names) == 2
    log = sorted((tmp_path / "nuplan-v1.1" / "splits" / "mini").glob("*.db"))[0]
    with sqlite3.connect(log) as connection:
        connection.execute("DELETE FROM lidar_pc WHERE timestamp > (SELECT MAX(timestamp) - 12000000 FROM lidar_pc)")
    pool = scenario_pool(tmp_path)
    assert len(pool.names) == 1
    assert "1 of 2 scenarios are cut off by the end of their log and left out." in caplog.text
    pool.open(pool.names[0])


def test_opened_scenarios_with_one_id_are_refused():
    queue = scene("queue")
    assert scenario_pool(None, [queue, queue]).names == (queue.scenario_id,)
    with pytest.raises(ValueError, match="need ids of their own, got 2 with 1 ids"):
        scenario_pool(None, [queue, replace(queue)])


def test_a_pool_can_be_pickled():
    pool = scenario_pool(None, ["queue", "cut_in"])
    copied = pickle.loads(pickle.dumps(pool))
    assert copied.names == pool.names
    assert copied.open("cut_in").scenario_id == pool.open("cut_in").scenario_id
