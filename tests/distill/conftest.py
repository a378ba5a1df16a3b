"""Labelled states of a few hand-made scenes, created once per session."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

from distill.labels import LabelledStates, joined, label_states
from distill.motions import generated_motions
from distill.samples import Samples
from distill.states import StateSettings, scenario_states
from distill.teacher import RuleTeacher
from distill.vocabulary_building import build_vocabulary
from driving.synthetic.scenes import scene
from planning.neural.features import FeatureBuilder
from planning.neural.vocabulary import TrajectoryVocabulary


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def vocabulary() -> TrajectoryVocabulary:
    return build_vocabulary(generated_motions(400, seed=0), 48, iterations=3)


@pytest.fixture(scope="session")
def labelled(vocabulary) -> LabelledStates:
    teacher, builder = RuleTeacher(vocabulary), FeatureBuilder()
    settings = StateSettings(every_steps=50, shifted=1)
    parts = [
        label_states(scenario_states(scene(name), settings), teacher, builder)
        for name in ("straight_road", "red_light", "queue", "cut_in")
    ]
    return joined(parts)


@pytest.fixture(scope="session")
def samples(labelled, vocabulary) -> Samples:
    return Samples(labelled, vocabulary)
