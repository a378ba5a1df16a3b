from pathlib import Path

import simulation.geometry.boxes as boxes
from simulation.geometry import compiling


def digest_of(path: Path) -> str:
    compiling._source.cache_clear()
    compiling._imported.cache_clear()
    return compiling.source_digest(path)


def kernels(root: Path, constant: str) -> Path:
    """A kernel that calls a kernel of another file, which imports a constant of a third."""
    folder = root / "simulation"
    folder.mkdir(exist_ok=True)
    (folder / "constants.py").write_text(f"STEP = {constant}\n")
    (folder / "inner.py").write_text("from simulation.constants import STEP\n@njit()\ndef inner(): return STEP\n")
    (folder / "outer.py").write_text("from simulation.inner import inner\n@njit()\ndef outer(): return inner()\n")
    (folder / "apart.py").write_text("@njit()\ndef apart(): return 0\n")
    return folder


def test_a_change_two_imports_away_changes_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "_ROOT", tmp_path)
    folder = kernels(tmp_path, "1")
    before, apart = digest_of(folder / "outer.py"), digest_of(folder / "apart.py")
    kernels(tmp_path, "2")
    assert digest_of(folder / "outer.py") != before
    assert digest_of(folder / "apart.py") == apart


def test_kernels_are_cached_under_the_digest_of_their_module():
    assert boxes.box_corners.py_func.__name__ == "box_corners"
    assert compiling.source_digest(Path(boxes.__file__)) == Path(boxes.box_corners.stats.cache_path).name
