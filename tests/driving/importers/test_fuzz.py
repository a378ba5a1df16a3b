"""Broken sources: each import gives a valid recording, or one error with a sentence."""

import copy
import json
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

from driving.checks import check_scenario
from driving.importers.notes import notes_of
from driving.importers.registry import IMPORTERS
from driving.nuplan.writable import check_log, check_map

SEEDS = range(12)

TEXTS = ("", "x", "nan", "inf", "-1", "0", "1e308", "1e-308", "ä/../💥", "None", " 3 ")
VALUES = (None, True, "x", "", -1, 0, 1e308, float("nan"), [], {}, [[]], [[0.0, 0.0]] * 3, "nan")
NUMBERS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308, 1e-300, 4e6)


def check_import(name, source):
    """Import a source and check the result, which may be an error with a sentence."""
    message = None
    try:
        recording = IMPORTERS[name].read(source)
        (scenario,) = recording.scenarios()
        check_scenario(scenario, recorded=True)
    except (ValueError, FileNotFoundError) as error:
        message = str(error)
    if message is None:
        check_log(recording)
        check_map(recording.map)
        assert all(note.count > 0 for note in notes_of(recording.metadata))
    else:
        assert len(message.split()) > 4


def mutated_json(document, rng, changes):
    """A copy with some nodes replaced, removed or repeated."""
    document = copy.deepcopy(document)
    for _ in range(changes):
        node, steps = document, rng.integers(1, 7)
        for _ in range(steps):
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = keys[rng.integers(len(keys))]
            if isinstance(node[key], dict | list) and rng.random() < 0.8:
                node = node[key]
                continue
            if rng.random() < 0.2:
                del node[key]
            elif isinstance(node, list) and rng.random() < 0.3:
                node.append(copy.deepcopy(node[key]))
            else:
                node[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
            break
    return document


def mutate_json_file(path, rng):
    path.write_text(json.dumps(mutated_json(json.loads(path.read_text()), rng, rng.integers(1, 6))))


def mutate_bytes(path, rng):
    """Cut the file off, or change some of its bytes."""
    text = bytearray(path.read_bytes())
    if rng.random() < 0.5:
        text = text[: rng.integers(len(text))]
    else:
        for index in rng.integers(len(text), size=rng.integers(1, 20)):
            text[index] = rng.integers(256)
    path.write_bytes(bytes(text))


def mutated_array(array, rng):
    """An array with other values, type or shape; None removes it."""
    array = array.copy()
    choice = rng.integers(8)
    if choice == 0:
        return None
    if choice == 1:
        return array.reshape(-1)[: rng.integers(array.size + 1)]
    if choice == 2:
        return array.astype(str)
    if choice == 3 and array.dtype.kind in "fb":
        return (array * 1e3).astype(np.int64)
    if array.dtype.kind == "f" and array.size:
        rows = rng.random(array.shape) < rng.choice([0.02, 0.3, 1.0])
        array[rows] = NUMBERS[rng.integers(len(NUMBERS))]
    elif array.dtype.kind == "b" and array.size:
        array = rng.random(array.shape) < rng.random()
    elif array.dtype.kind in "iu" and array.size:
        array = rng.permutation(array)
    elif array.dtype.kind == "U" and array.ndim and array.size:
        array = rng.choice(np.append(array, ["", "ä/.."]), size=array.shape)
    return array


@pytest.mark.parametrize("seed", SEEDS)
def test_commonroad_files_with_changed_elements(commonroad_file, seed):
    rng = np.random.default_rng(seed)
    root = ElementTree.fromstring(commonroad_file.read_text())
    for _ in range(rng.integers(1, 8)):
        parents = [element for element in root.iter() if len(element)]
        parent = parents[rng.integers(len(parents))]
        child = parent[rng.integers(len(parent))]
        choice = rng.integers(6)
        if choice == 0:
            parent.remove(child)
        elif choice == 1:
            parent.append(copy.deepcopy(child))
        elif choice == 2:
            child.text = TEXTS[rng.integers(len(TEXTS))]
        elif choice == 3 and child.attrib:
            child.set(next(iter(child.attrib)), TEXTS[rng.integers(len(TEXTS))])
        elif choice == 4:
            leaves = [element for element in child.iter() if not len(element)]
            leaves[rng.integers(len(leaves))].text = TEXTS[rng.integers(len(TEXTS))]
        else:
            child.tag = "other"
    commonroad_file.write_bytes(ElementTree.tostring(root))
    check_import("commonroad", commonroad_file)


@pytest.mark.parametrize("seed", SEEDS)
def test_archives_with_changed_arrays(archive, seed):
    rng = np.random.default_rng(seed)
    path = archive / "tracks" / "drive.npz"
    with np.load(path) as old:
        arrays = dict(old)
    for name in rng.choice(list(arrays), size=rng.integers(1, 4), replace=False):
        arrays[name] = mutated_array(arrays[name], rng)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    check_import("track_archive", path)


@pytest.mark.parametrize("seed", SEEDS)
def test_archives_with_changed_maps(archive, seed):
    rng = np.random.default_rng(seed)
    mutate_json_file(archive / "maps" / "drive.json", rng)
    if rng.random() < 0.3:
        mutate_json_file(archive / "maps" / "drivable_area_testville.geojson", rng)
    check_import("track_archive", archive / "tracks" / "drive.npz")


@pytest.mark.parametrize("seed", SEEDS)
def test_argoverse_logs_with_changed_columns(av2_log, seed):
    rng = np.random.default_rng(seed)
    for name in ("annotations.feather", "city_SE3_egovehicle.feather"):
        columns = pyarrow.feather.read_table(av2_log / name).to_pydict()
        arrays = {column: np.array(values) for column, values in columns.items()}
        for column in rng.choice(list(arrays), size=rng.integers(0, 3), replace=False):
            changed = mutated_array(arrays[column], rng)
            if changed is None or changed.shape == arrays[column].shape:
                arrays[column] = changed
        table = pa.table({column: array for column, array in arrays.items() if array is not None})
        pyarrow.feather.write_feather(table, av2_log / name)
    check_import("argoverse2", av2_log)


@pytest.mark.parametrize("seed", SEEDS)
def test_argoverse_logs_with_changed_maps(av2_log, seed):
    mutate_json_file(next((av2_log / "map").glob("*.json")), np.random.default_rng(seed))
    check_import("argoverse2", av2_log)


@pytest.mark.parametrize("seed", range(10))
def test_files_with_changed_bytes(commonroad_file, archive, av2_log, seed):
    rng = np.random.default_rng(seed)
    sources = {
        "commonroad": (commonroad_file, [commonroad_file]),
        "track_archive": (archive / "tracks" / "drive.npz", sorted(archive.rglob("*.*"))),
        "argoverse2": (av2_log, [path for path in sorted(av2_log.rglob("*.*")) if path.is_file()]),
    }
    for name, (source, files) in sources.items():
        mutate_bytes(files[rng.integers(len(files))], rng)
        check_import(name, source)


@pytest.mark.parametrize("name", ["drive.npz", "mini.xml", "annotations.feather"])
def test_an_empty_file_is_refused_by_name(commonroad_file, archive, av2_log, name):
    formats = {
        "drive.npz": ("track_archive", archive / "tracks" / name, archive / "tracks" / name),
        "mini.xml": ("commonroad", commonroad_file, commonroad_file),
        "annotations.feather": ("argoverse2", av2_log, av2_log / name),
    }
    format_name, source, path = formats[name]
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{name} is no complete \w+ file"):
        IMPORTERS[format_name].read(source)


def test_paths_with_odd_characters_are_read(commonroad_file, archive, av2_log, tmp_path):
    folder = tmp_path / "ä [1] {x} *?'\" 💥"
    folder.mkdir()
    (archive / "tracks" / "drive.npz").rename(archive / "tracks" / "drive [0].npz")
    (archive / "maps" / "drive.json").rename(archive / "maps" / "drive [0].json")
    sources = {"commonroad": commonroad_file, "track_archive": archive, "argoverse2": av2_log}
    for name, source in sources.items():
        moved = source.rename(folder / source.name)
        (found,) = IMPORTERS[name].find(moved)
        recording = IMPORTERS[name].read(found)
        check_log(recording)
        check_map(recording.map)
        assert recording.agents.num_agents == 2


def test_an_archive_without_agents_is_read(archive):
    path = archive / "tracks" / "drive.npz"
    with np.load(path) as old:
        arrays = dict(old)
    for name in ("track_id", "type", "position", "heading", "valid", "size_lwh"):
        arrays[name] = arrays[name][:1]
    np.savez(path, **arrays)
    recording = IMPORTERS["track_archive"].read(path)
    assert recording.agents.num_agents == 0
    check_scenario(recording.scenarios()[0], recorded=True)
