import pytest

from simulation.files import write_atomically


def test_a_file_is_written_whole_without_leftovers(tmp_path):
    path = tmp_path / "new folder" / "a file.bin"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert [each.name for each in path.parent.iterdir()] == ["a file.bin"]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "a file.bin"
    write_atomically(path, b"old")
    with pytest.raises(TypeError, match="bytes-like"):
        write_atomically(path, "text")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a file.bin"]
