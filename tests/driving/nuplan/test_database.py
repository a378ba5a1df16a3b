import sqlite3

import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.database import reading
from driving.nuplan.scenarios import list_scenarios


def test_a_truncated_log_is_refused(data_root, log_file):
    whole = log_file.read_bytes()
    log_file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"is truncated: it has \d+ of \d+ bytes. Download or copy it again"):
        list_scenarios(DataRoot.find(data_root))


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>" * 20, b"SQLite format 3\0"])
def test_a_file_that_is_no_database_is_refused(data_root, log_file, content):
    log_file.write_bytes(content)
    with pytest.raises(ValueError, match="is no SQLite database, or truncated within its header"):
        list_scenarios(DataRoot.find(data_root))


def test_a_log_of_noise_is_refused(data_root, log_file):
    whole = log_file.read_bytes()
    log_file.write_bytes(whole[:100] + bytes(reversed(whole[100:])))
    with pytest.raises(ValueError, match="is damaged"):
        list_scenarios(DataRoot.find(data_root))


def test_a_locked_log_is_refused_with_the_cause(data_root, log_file, monkeypatch):
    monkeypatch.setattr("driving.nuplan.database.LOCK_TIMEOUT_S", 0.05)
    holder = sqlite3.connect(log_file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(OSError, match=r"is locked by another process .* Close the program"):
            list_scenarios(DataRoot.find(data_root))
    finally:
        holder.close()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No file .*gone\.db"), reading(tmp_path / "gone.db"):
        pass


def test_reading_refuses_to_write(log_file):
    with pytest.raises(OSError, match="cannot be read without side files"), reading(log_file) as connection:
        connection.execute("DELETE FROM log")
