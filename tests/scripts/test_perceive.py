"""Commands that use a stored perception network."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from small_perception import ring_rig, small_network

from driving.rig_files import write_rig
from perception.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    write_rig(ring_rig(), folder / "rig.json")
    Checkpoint(network=small_network()).save(folder / "network")
    return folder


@pytest.fixture
def commands(repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "scripts")
    import export_onnx
    import perceive

    torch.set_num_threads(1)
    return perceive, export_onnx


def photos(folder, names):
    folder.mkdir(parents=True)
    for seed, name in enumerate(names):
        noise = np.random.default_rng(seed).integers(0, 256, (32, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{name}.png")
    return folder


def arguments(command, made, images, output):
    return command.Arguments(
        images=images, rig=made / "rig.json", checkpoint=made / "network", output=output, min_score=0.0, quiet=True
    )


def test_photos_become_pictures_and_boxes_and_a_missing_camera_is_named(commands, made, tmp_path, capsys):
    images = photos(tmp_path / "photos", ["CAM_0", "CAM_90", "CAM_180"])
    commands[0].main(arguments(commands[0], made, images, tmp_path / "seen"))
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {
        "CAM_0.jpg",
        "CAM_90.jpg",
        "CAM_180.jpg",
        "from_above.png",
        "boxes.json",
    }
    assert isinstance(json.loads((tmp_path / "seen" / "boxes.json").read_text()), list)
    assert "Camera CAM_-90 is left out: it delivered no image." in " ".join(capsys.readouterr().err.split())


def test_each_folder_is_an_instant(commands, made, tmp_path):
    for name in ("one", "two"):
        photos(tmp_path / "photos" / name, ["CAM_0"])
    commands[0].main(arguments(commands[0], made, tmp_path / "photos", tmp_path / "seen"))
    assert (tmp_path / "seen" / "one" / "CAM_0.jpg").is_file()
    assert (tmp_path / "seen" / "two" / "from_above.png").is_file()


def test_a_folder_without_images_of_the_rig_is_a_sentence(commands, made, tmp_path):
    images = photos(tmp_path / "photos", ["elsewhere"])
    with pytest.raises(FileNotFoundError, match=r"Expected files such as CAM_0.jpg, or folders"):
        commands[0].main(arguments(commands[0], made, images, tmp_path / "seen"))


def test_a_network_is_exported_and_compared(commands, made, tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnx", reason="needs the extra onnx")
    command = commands[1]
    rig = str(made / "rig.json")
    command.main(command.Arguments(checkpoint=made / "network", output=tmp_path / "eyes.onnx", rig=rig, quiet=True))
    assert "largest difference to torch" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "eyes.onnx").stat().st_size > 10_000
