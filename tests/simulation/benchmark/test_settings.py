import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from simulation.benchmark.settings import DEFAULT_BATCH, PROBES, BenchmarkSettings
from simulation.rollout import TRAFFIC


def settings(**changes):
    return BenchmarkSettings(**{"data": Path("data"), "output": Path("out"), "planners": ("idm",), **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"limit": 0}, "greater than or equal to 1"),
        ({"batch": 0}, "greater than or equal to 1"),
        ({"workers": 0}, "greater than or equal to 1"),
        ({"step_timeout_s": 0.0}, "greater than 0"),
        ({"planners": ()}, "at least 1 item"),
        ({"planners": ("idm", "idm")}, "Each may be named once"),
        ({"planners": ("bad\udcff",)}, "is no valid UTF-8 text"),
        ({"traffic": ("calm",)}, "No traffic named 'calm'"),
        ({"traffic": ("reactive:speed=2",)}, "Traffic reactive takes no options"),
        ({"traffic": ("learned:anger=2",)}, "No option of this traffic named 'anger'"),
        ({"traffic": ("learned:temperature=0",)}, "temperature must be above 0"),
        ({"device": "tpu"}, "Input should be 'auto'"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_wrong_settings_are_refused(changes, sentence):
    with pytest.raises(ValidationError, match=sentence):
        settings(**changes)


def test_traffic_has_the_names_of_the_rollout_and_may_have_options():
    assert settings(traffic=tuple(TRAFFIC)).traffic == tuple(TRAFFIC)
    assert settings(traffic=("mixed:vehicle=idm",)).traffic == ("mixed:vehicle=idm",)


def test_a_batch_is_chosen_by_planner():
    assert settings().batch_size(is_batched=True) == DEFAULT_BATCH
    assert settings(batch=4).batch_size(is_batched=True) == 4
    assert settings(batch=4).batch_size(is_batched=False) == 1


def test_probes_that_are_planners_run_once():
    assert settings().all_planners == ("idm", *PROBES)
    assert settings(planners=(PROBES[0],)).all_planners == (PROBES[0], *PROBES[1:])
    assert settings(probes=False).all_planners == ("idm",)


def test_settings_are_plain_values_for_a_file():
    values = settings(planner_arguments={"idm": ("a=1",)}).as_dict()
    assert json.loads(json.dumps(values)) == values
    assert (values["data"], values["planners"], values["planner_arguments"]) == ("data", ["idm"], {"idm": ["a=1"]})
