import logging
import sqlite3

import numpy as np
import pytest

from driving.nuplan.box_rows import as_keys, rows_of_frames
from driving.nuplan.logs import LogIndex

FRAMES = tuple(bytes([0] * 7 + [number]) for number in range(1, 5))


@pytest.fixture
def table(tmp_path):
    """Rows of frames 1, 1, 2, 1, 4 with the values 0 to 4, and the index of the log."""
    path = tmp_path / "log.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE lidar_box (token BLOB, lidar_pc_token BLOB, x FLOAT)")
        frames = [FRAMES[number - 1] for number in (1, 1, 2, 1, 4)]
        connection.executemany("INSERT INTO lidar_box VALUES (NULL, ?, ?)", zip(frames, range(5), strict=True))
    none = np.zeros(0, dtype=np.int64)
    status = path.stat()
    stamp = (status.st_size, status.st_mtime_ns)
    yield connection, LogIndex(path=path, stamp=stamp, time_us=none, row_ids=none, kinds={})
    connection.close()


@pytest.mark.parametrize("with_index", [True, False])
def test_each_frame_gets_its_rows_in_the_order_of_the_file(table, with_index):
    connection, index = table
    if with_index:
        connection.execute("CREATE INDEX by_frame ON lidar_box (lidar_pc_token)")
    found = rows_of_frames(connection, index, "lidar_box", "x", FRAMES)
    assert found == [[(0.0,), (1.0,), (3.0,)], [(2.0,)], [], [(4.0,)]]
    assert rows_of_frames(connection, index, "lidar_box", "x", (FRAMES[3], FRAMES[1])) == [[(4.0,)], [(2.0,)]]


def test_the_scan_ignores_rows_of_no_frame_with_a_warning(table, caplog):
    connection, index = table
    connection.execute("UPDATE lidar_box SET lidar_pc_token = NULL WHERE x = 1")
    connection.execute("UPDATE lidar_box SET lidar_pc_token = '' WHERE x = 4")
    connection.commit()
    with caplog.at_level(logging.WARNING):
        found = rows_of_frames(connection, index, "lidar_box", "x", FRAMES)
    assert found == [[(0.0,), (3.0,)], [(2.0,)], [], []]
    assert "table `lidar_box`: 2 rows belong to no frame and are ignored" in caplog.text


def test_tokens_are_ordered_as_numbers():
    assert as_keys(FRAMES).tolist() == [1, 2, 3, 4]
    assert as_keys([]).tolist() == []
