import importlib
import json

import numpy as np
import pytest

from driving.geometry import local_from_global
from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from simulation.realism.snapshots import FIELD_M, snapshot_at


@pytest.fixture
def realism(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    return importlib.import_module("realism")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_world([SCENES["queue"](), SCENES["red_light"]()], folder)
    return folder


def test_tables_are_printed_and_both_files_written(realism, recordings, tmp_path, capsys):
    arguments = realism.Arguments(
        data=(recordings,), against=recordings, controls="paste", output=tmp_path, every=5.0, limit=1, quiet=True
    )
    realism.main(arguments)
    printed = capsys.readouterr().out
    for word in ("Scenes", "Motion", "Maps", "other recordings", "paste"):
        assert word in printed
    content = json.loads((tmp_path / "realism.json").read_text())
    assert len(content["folds"]) == 2
    kinds = [row["kind"] for row in content["scenes"] if row["fold"] == -1]
    assert kinds == [recordings.name, "other recordings", "paste"]
    assert "<h2>Scenes</h2>" in (tmp_path / "realism.html").read_text()


@pytest.mark.parametrize(
    ("controls", "error", "sentence"),
    [
        ("pasta", KeyError, r"pasta.*paste"),
    ],
)
def test_unknown_controls_are_refused_before_anything_is_read(realism, tmp_path, controls, error, sentence):
    with pytest.raises(error, match=sentence):
        realism.main(realism.Arguments(against=tmp_path / "absent", controls=controls, output=tmp_path))
    assert not list(tmp_path.iterdir())


def test_networks_of_scenes_fill_the_map_of_a_held_out_scene(realism):
    snapshot = snapshot_at(SCENES["queue"]().scenarios()[0], 0)
    drawn = realism._control("learned")([])(snapshot, np.random.default_rng(0))
    assert drawn.map is snapshot.map
    assert np.abs(local_from_global(drawn.poses[:, :2], drawn.poses[0])).max() <= FIELD_M / 2
    assert realism._control("untrained")


def test_roots_of_equal_names_keep_their_paths(realism, tmp_path):
    names = realism._names([tmp_path / "a" / "worlds", tmp_path / "b" / "worlds", tmp_path / "other"])
    assert names == [str(tmp_path / "a" / "worlds"), str(tmp_path / "b" / "worlds"), "other"]
