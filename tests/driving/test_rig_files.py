import json

import numpy as np
import pytest

from driving.rig_files import read_rig, rig_named, write_rig
from driving.rigs import ARGOVERSE2_7, NUPLAN_8, NUSCENES_6

AHEAD = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]


def camera(**changes):
    """The entry of a camera that looks ahead; a change to None leaves the key out."""
    entry = {
        "name": "front",
        "size": [1920, 1080],
        "K": [[1000, 0, 960], [0, 1000, 540], [0, 0, 1]],
        "D": [0, 0, 0, 0, 0],
        "rotation": AHEAD,
        "translation": [1.5, 0, 1.6],
    }
    return {key: value for key, value in (entry | changes).items() if value is not None}


def read(folder, *cameras):
    path = folder / "rig.json"
    path.write_text(json.dumps({"cameras": cameras}))
    return read_rig(path)


@pytest.mark.parametrize("rig", [NUPLAN_8, NUSCENES_6, ARGOVERSE2_7], ids=["nuplan", "nuscenes", "argoverse2"])
def test_a_written_rig_is_read_unchanged(rig, tmp_path):
    write_rig(rig, tmp_path / "rig.json")
    again = read_rig(tmp_path / "rig.json")
    assert again.names == rig.names
    for name in ("intrinsics", "distortion", "ego_from_camera", "image_sizes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(rig, name))
    assert [path.name for path in tmp_path.iterdir()] == ["rig.json"]


def test_a_camera_that_looks_ahead_projects_points_ahead(tmp_path):
    pixels, depth = read(tmp_path, camera()).project(0, np.array([[11.5, 1.0, 1.6]]))
    np.testing.assert_allclose(pixels, [[860, 540]])
    assert depth[0] == 10.0


def test_four_coefficients_have_no_k3(tmp_path):
    rig = read(tmp_path, camera(D=[-0.3, 0.1, 0.01, 0.02]))
    np.testing.assert_array_equal(rig.distortion, [[-0.3, 0.1, 0.01, 0.02, 0.0]])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"K": None}, "camera front has no K; expected name, size, K, D, rotation, translation"),
        ({"size": None}, "camera front has no size"),
        ({"D": None}, "camera front has no D"),
        ({"K": [[1000, 0], [0, 1000]]}, "camera front: K must be 3 x 3 numbers, got 2 x 2"),
        ({"K": [[1000, 0, 960], [0, 1000], [0, 0, 1]]}, "K must be 3 x 3 numbers, got rows of unequal length"),
        ({"K": [[1000, 0, 960], [0, 1000, "c"], [0, 0, 1]]}, "camera front: K must be 3 x 3 numbers, got"),
        ({"K": [[0, 0, 960], [0, 1000, 540], [0, 0, 1]]}, "front: K must be .* with positive focal lengths"),
        ({"K": [[float("nan"), 0, 960], [0, 1000, 540], [0, 0, 1]]}, "front: K must be finite"),
        ({"D": [0.1] * 8}, "camera front: D must be 4 or 5 numbers, got 8"),
        ({"rotation": np.eye(3).ravel().tolist()}, "camera front: rotation must be 3 x 3 numbers, got 9"),
        ({"rotation": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}, "front: rotation is no rotation: .* differ by 3"),
        ({"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, "front: rotation mirrors: its determinant is -1"),
        ({"translation": 1.5}, "camera front: translation must be 3 numbers, got a single number"),
        ({"size": [1920, 1080.5]}, "front: size must be width and height in whole pixels, 1 to 65536, got"),
        ({"size": [1e30, 1080]}, "front: size must be .* 1 to 65536, got"),
        ({"size": [0, 1080]}, "front: size must be width and height in whole pixels, 1 to 65536, got"),
        ({"fov": 90}, r"camera front has the unknown keys \['fov'\]; expected name, size, K, D"),
        ({"R": AHEAD}, r"unknown keys \['R'\].*R and t of OpenCV map the ego to the camera frame"),
        ({"name": ""}, "camera 0 must have a name"),
    ],
)
def test_a_wrong_camera_is_named(changes, sentence, tmp_path):
    with pytest.raises(ValueError, match=rf"Rig .*rig.json: .*{sentence}"):
        read(tmp_path, camera(**changes))


def test_cameras_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"more than one camera of the names \['front'\]"):
        read(tmp_path, camera(), camera())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "rig.json is not JSON"),
        ("[]", "must be an object with a list of at least one camera"),
        ('{"cameras": []}', "at least one camera"),
        ('{"cameras": [3]}', "camera 0 must be an object, got 3"),
        ('{"cameras": [3], "version": 1}', r"unknown keys \['version'\]"),
    ],
)
def test_a_file_that_holds_no_rig_is_refused(text, sentence, tmp_path):
    (tmp_path / "rig.json").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_rig(tmp_path / "rig.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no rig file .*other\.json"):
        read_rig(tmp_path / "other.json")


def test_a_rig_is_found_by_its_name_or_its_file(tmp_path):
    assert rig_named("nuplan_8") is NUPLAN_8
    write_rig(NUSCENES_6, tmp_path / "mine.json")
    np.testing.assert_array_equal(rig_named(str(tmp_path / "mine.json")).intrinsics, NUSCENES_6.intrinsics)
    with pytest.raises(KeyError, match=r"No rig named 'nuplan_9'. Did you mean 'nuplan_8'.* ends with .json"):
        rig_named("nuplan_9")
