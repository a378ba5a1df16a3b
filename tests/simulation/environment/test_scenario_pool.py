import pytest

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
