import json

import pytest
import torch
from small_perception import CONFIG, random_input, ring_rig, small_network

from perception.checkpoint import DESCRIPTION, SHIPPED, Checkpoint
from perception.grid import BevGrid
from perception.training import RECIPES
from planning.registry import load_planner


@pytest.fixture
def folder(tmp_path):
    Checkpoint(network=small_network(), metadata={"seed": 3}).save(tmp_path)
    return tmp_path


def test_a_loaded_network_predicts_the_same(folder):
    loaded, network = Checkpoint.load(folder, CONFIG.grid), small_network()
    assert loaded.metadata == {"seed": 3}
    assert loaded.network.config == CONFIG
    first, second = (one(random_input(), one.table(ring_rig())) for one in (network, loaded.network))
    assert torch.equal(first.centres, second.centres)


def test_another_grid_is_refused(folder):
    with pytest.raises(ValueError, match=r"has the grid x -8 to 8 m.*expected x -32 to 32 m"):
        Checkpoint.load(folder, BevGrid())


def test_another_format_is_refused(folder):
    described = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps({**described, "format": "camber.perception.0"}))
    with pytest.raises(ValueError, match=r"has format camber\.perception\.0, expected camber\.perception\.2"):
        Checkpoint.load(folder)


def test_weights_of_another_configuration_are_refused(folder):
    described = json.loads((folder / DESCRIPTION).read_text())
    described["network"]["bev_channels"] = 16
    (folder / DESCRIPTION).write_text(json.dumps(described))
    with pytest.raises(ValueError, match="belongs to a network of another configuration: size mismatch"):
        Checkpoint.load(folder)


def test_an_empty_folder_names_the_training(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Train one with scripts/train_perception\.py"):
        Checkpoint.load(tmp_path)


def test_the_shipped_network_is_small_and_drives_by_name():
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 10e6
    network = Checkpoint.load(SHIPPED).network
    assert network.config == RECIPES["tiny"]().network
    assert load_planner("perceived:constant_velocity").name == "perceived:constant_velocity"
