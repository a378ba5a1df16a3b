import json
import sys

import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from simulation.generation.text.facts import wrong_facts
from simulation.generation.text.grammar import parse
from simulation.generation.text.relative_agents import RelativeAgents
from simulation.rendering.appearance import appearance_in


@pytest.fixture(scope="module")
def scripts(repository):
    """The command and its helper."""
    sys.path.insert(0, str(repository / "scripts"))
    import generate_scenarios
    import text_conditions

    yield generate_scenarios, text_conditions
    sys.path.pop(0)


def test_a_sentence_is_written_and_shows_its_facts_when_it_is_read_back(scripts, tmp_path):
    command, _ = scripts
    sentence = "a truck 15 m ahead brakes, rain, dusk"
    for name in ("one", "two"):
        command.main(command.Arguments(output=tmp_path / name, text=(sentence,), quiet=True))
    (log,) = (tmp_path / "one").rglob("text-*.db")
    assert log.read_bytes() == (tmp_path / "two" / log.relative_to(tmp_path / "one")).read_bytes()
    (entry,) = list_scenarios(DataRoot.find(tmp_path / "one"))
    assert entry.scenario_type == "behind_long_vehicle"
    scenario = open_scenario(entry)
    assert wrong_facts(parse(sentence), RelativeAgents(scenario=scenario)) == []
    assert appearance_in(scenario.metadata).rain > 0.0


def test_learned_scenes_are_the_same_bytes_in_sequence_and_on_ray(scripts, tmp_path):
    command, _ = scripts
    for backend in ("serial", "ray"):
        wanted = command.Arguments(output=tmp_path / backend, count=2, seed=3, backend=backend, quiet=True)
        command.main(wanted)
    files = [path.relative_to(tmp_path / "serial") for path in (tmp_path / "serial").rglob("*") if path.is_file()]
    assert sum(path.suffix == ".db" for path in files) == 2
    for path in files:
        assert (tmp_path / "serial" / path).read_bytes() == (tmp_path / "ray" / path).read_bytes(), path


def test_conditions_come_from_json_too(scripts, tmp_path):
    _, helper = scripts
    path = tmp_path / "conditions.json"
    path.write_text(json.dumps([{"events": [{"kind": "bus", "relation": "ahead"}]}, {"ego": "merge"}]))
    assert helper.conditions_of(("night",), path) == [parse("night"), parse("a bus ahead"), parse("the ego merges")]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"condition": ("densty=high",)}, "Did you mean 'density'"),
        ({"rarity": "0.9..2"}, "rarity is an ascending range within 0..1"),
        ({"text": ("night",), "rarity": "0.9"}, "belong to learned scenes"),
        ({"text": ("a zeppelin",)}, "No word 'zeppelin'"),
        ({"text": ("night",), "count": 0}, "--count must be at least 1"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_nothing_is_written(scripts, tmp_path, values, match):
    command, _ = scripts
    with pytest.raises(ValueError, match=match):
        command.main(command.Arguments(output=tmp_path / "scenes", **values))
    assert not (tmp_path / "scenes").exists()


def test_nothing_is_made_without_an_output(scripts):
    command, _ = scripts
    with pytest.raises(ValueError, match="--output"):
        command.main(command.Arguments(text=("night",)))


def test_the_schema_is_printed(scripts, capsys):
    command, _ = scripts
    command.main(command.Arguments(schema=True))
    assert json.loads(capsys.readouterr().out)["title"] == "TextCondition"
