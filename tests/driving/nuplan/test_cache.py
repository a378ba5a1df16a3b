import sys
from pathlib import Path

import pytest

from driving.nuplan.cache import cache_folder, replacing


def test_the_folder_can_be_set(monkeypatch):
    monkeypatch.setenv("CAMBER_CACHE", "/somewhere/else")
    assert cache_folder() == Path("/somewhere/else")


@pytest.mark.skipif(sys.platform != "linux", reason="the place differs by platform")
def test_the_default_folder_is_that_of_the_platform(monkeypatch):
    monkeypatch.delenv("CAMBER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/me/.cache")
    assert cache_folder() == Path("/home/me/.cache/camber")


def test_a_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "folder" / "result.npz"
    with replacing(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.suffix == ".npz"
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["result.npz"]


def test_an_error_leaves_only_the_old_file(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")

    def fail():
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result.txt"]


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("driving.nuplan.cache.tempfile.mkstemp", refuse)
    with pytest.raises(PermissionError, match=r"no permission for .* Choose another"), replacing(tmp_path / "x.txt"):
        pass
