import gzip
import json

import numpy as np
import pytest
from recording_sources import lane

from driving.importers.notes import ImportNotes
from driving.importers.track_archive_map import read_json, read_map

AWAY = np.full((1, 3), -1e3)
"""A pose that is on no lane."""


def read(folder, lanes, **document):
    """The map of a scene, and the notes."""
    (folder / "drive.json").write_text(json.dumps({"lanes": lanes, **document}))
    notes = ImportNotes()
    return read_map(folder, "drive", "town", AWAY, notes).graph, [str(note) for note in notes.notes]


def two_lanes(**changes):
    """A lane and its successor; changes are made to the second one."""
    first = lane("lane", (0, 50), 0.0, successors=["2"], width=4.0)
    return {"1": first, "2": {**lane("lane", (50, 100), 0.0, predecessors=["1"], width=4.0), **changes}}


def test_adjacent_lanes_of_one_direction_are_neighbors(tmp_path):
    lanes = {
        "right": lane("lane", (0, 50), 0.0, width=3.5),
        "left": lane("lane", (0, 50), 3.5, width=3.5),
        "far": lane("lane", (0, 50), 12.0, width=3.5),
        "opposite": lane("lane", (50, 0), -3.5, width=3.5),
    }
    graph, notes = read(tmp_path, lanes)
    assert notes == []
    sizes = np.unique(graph.lanes.roadblock_ids[: graph.lanes.num_lanes], return_counts=True)[1]
    # Without links, each lane is cut in half.
    assert sorted(sizes.tolist()) == [1, 1, 1, 1, 2, 2]
    assert graph.metadata["neighbors"] == "adjacent lanes of one direction"


def test_given_neighbors_replace_the_search(tmp_path):
    graph, _ = read(tmp_path, two_lanes(left_neighbor=None))
    assert graph.metadata["neighbors"] == "as given"


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"polygon": [[0, 0], [1, 1]]}, "lanes of the map that cannot be built: 2 ("),
        ({"polygon": [[50, 0], [100, 0], [75, 0]]}, "lanes of the map that cannot be built: 2 (The polygon of lane"),
        ({"centerline": [[60, 0], [60, 0]]}, "lanes of the map that cannot be built: 2 (A boundary of road piece"),
        ({"centerline": [60, 0]}, "lanes of the map that cannot be built: 2 (expected points of x and y"),
        ({"centerline": [[50, 0], [float("nan"), 0]]}, "lanes of the map that cannot be built: 2 (A boundary"),
        ({"kind": "bike_path"}, "lanes of the unknown kind 'bike_path': 2"),
    ],
)
def test_a_lane_that_cannot_be_built_is_left_out_with_a_note(tmp_path, changes, note):
    graph, notes = read(tmp_path, two_lanes(**changes))
    # The other lane is cut in half.
    assert graph.lanes.num_lanes == 2
    assert notes[0].startswith(f"left out: {note}")
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("limit", "limit_mps", "count"),
    [(8.5, 8.5, 0), ("30 mph", 13.4112, 0), (None, 50 / 3.6, 0), ("slow", 50 / 3.6, 1)],
)
def test_limits_are_numbers_or_texts_with_a_unit(tmp_path, limit, limit_mps, count):
    graph, notes = read(tmp_path, two_lanes(speed_limit_mps=limit))
    assert graph.lanes.speed_limit_mps[1] == pytest.approx(limit_mps)
    assert len(notes) == count


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"origin": [1.3]}, "drive.json: origin must be a latitude and a longitude"),
        ({"origin": "Singapore"}, "drive.json: origin must be a latitude and a longitude"),
        ({"origin": [95, 0]}, "latitude from -80 to 84"),
        ({"driving_side": "middle"}, "driving_side must be 'left' or 'right', got 'middle'"),
        ({"crosswalks": [1]}, "is no map of a track archive: AttributeError"),
    ],
)
def test_a_wrong_entry_of_the_map_is_named(tmp_path, document, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(tmp_path, two_lanes(), **document)


def test_crosswalks_without_area_are_left_out_with_a_note(tmp_path):
    areas = {"a": {"polygon": [[0, 0], [4, 0], [4, 4]]}, "b": {"polygon": [[0, 0], [0, 0], [0, 0]]}}
    graph, notes = read(tmp_path, two_lanes(), crosswalks=areas)
    assert len(graph.crosswalks) == 1
    assert notes == ["left out: crosswalks that cannot be built: b (no area)"]


def test_a_map_of_connectors_only_is_refused(tmp_path):
    with pytest.raises(ValueError, match="The map holds no lane for vehicles"):
        read(tmp_path, {"1": lane("lane_connector", (0, 50), 0.0)})
    with pytest.raises(ValueError, match="The map holds no lane for vehicles"):
        read(tmp_path, {})


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", b"", "is no complete json file"),
        ("a.json", b"[1, 2]", "must hold a json object, got list"),
        ("a.json", b"\xff\xfe", "is no complete json file"),
        ("a.json.gz", b"{}", "is no complete json file"),
        ("a.json.gz", gzip.compress(b'{"a": 1}', mtime=0)[:12], "is no complete json file"),
        ("a.json", b"[" * 100_000, "is no complete json file"),
    ],
)
def test_a_broken_json_file_is_refused(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        read_json(tmp_path / name)
