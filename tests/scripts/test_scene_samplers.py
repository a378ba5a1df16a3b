import importlib

import numpy as np
import pytest

from driving.agents import AgentKind
from simulation.generation.corner_cases.generator import CornerCaseGenerator
from simulation.generation.learned.checkpoint import SHIPPED, Checkpoint
from simulation.generation.learned.data import scenario_scenes
from simulation.realism.snapshots import snapshot_at


@pytest.fixture
def samplers(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    return importlib.import_module("scene_samplers")


@pytest.fixture(scope="module")
def scenario():
    return CornerCaseGenerator().generate(5, "lane_change_dense")


def test_the_numbers_of_a_field_are_taken_for_the_whole_window(samplers, scenario):
    field = snapshot_at(scenario, 0).in_field()
    window = next(scenario_scenes(scenario)).window
    wanted = samplers.counts_like(field, window)
    vehicles = int((field.kinds[1:] == AgentKind.VEHICLE).sum())
    assert wanted.vehicles > vehicles > 0
    assert wanted.pedestrians == wanted.bicycles == 0


def test_scenes_with_the_numbers_of_training_scenes_are_filled_like_these(samplers, scenario):
    field = snapshot_at(scenario, 0).in_field()
    alone = field.take(np.zeros(1, dtype=np.int64))
    network = Checkpoint.load(SHIPPED)
    sizes = [
        sum(len(sampler(field, np.random.default_rng(seed)).kinds) for seed in range(4))
        for sampler in (
            samplers.control_of_checkpoint(network, has_training_counts=True)([training])
            for training in (alone, field)
        )
    ]
    # The ego alone, four times.
    assert sizes[0] == 4
    assert sizes[1] > 4
