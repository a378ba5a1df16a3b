"""Labelling of data sets: each scenario once, on the log or on-policy."""

import pytest

from distill.labelling import LabelJob, label_all
from distill.labels import LabelStore
from distill.states import LOGGED, ON_POLICY, SHIFTED, StateSettings
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world([SCENES["cut_in"]()], root)
    return list_scenarios(DataRoot.find(root))[0]


def test_a_scenario_is_labelled_once(tmp_path, entry, vocabulary):
    vocabulary.save(tmp_path / "vocabulary.npz")
    job = LabelJob(
        entry=entry,
        vocabulary=tmp_path / "vocabulary.npz",
        output=tmp_path / "labels",
        settings=StateSettings(every_steps=60, shifted=1),
    )
    counts = list(label_all([job]))
    states = LabelStore(tmp_path / "labels").read()
    assert counts == [len(states)]
    assert {LOGGED, SHIFTED} == set(states.kinds)
    assert list(label_all([job])) == [0]


def test_on_policy_states_are_labelled(tmp_path, entry, vocabulary):
    vocabulary.save(tmp_path / "vocabulary.npz")
    job = LabelJob(
        entry=entry,
        vocabulary=tmp_path / "vocabulary.npz",
        output=tmp_path / "labels",
        settings=StateSettings(every_steps=60),
        driven_by="idm",
    )
    assert list(label_all([job])) == [3]
    assert set(LabelStore(tmp_path / "labels").read().kinds) == {ON_POLICY}
