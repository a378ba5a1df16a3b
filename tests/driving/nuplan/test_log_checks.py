import logging
import sqlite3

import pytest

from driving.nuplan.log_checks import check_log_tables, is_number, is_token


def test_a_whole_log_gives_no_line(log_file, caplog):
    with caplog.at_level(logging.WARNING):
        check_log_tables(log_file)
    assert caplog.text == ""


def test_a_line_is_logged_once_a_process_and_file(log_file, change, caplog):
    change("UPDATE track SET category_token = NULL")
    for _ in range(3):
        check_log_tables(log_file)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{log_file}: table `track`: rows have no token or no category; their boxes are ignored"
        " (00000000004c4b40, 00000000004c4b41)."
    )


def test_a_changed_file_is_checked_again(log_file, change):
    check_log_tables(log_file)
    change("UPDATE scene SET name = '' WHERE rowid = 1")
    with pytest.raises(ValueError, match="table `scene`: rows have no name; the order of the names decides"):
        check_log_tables(log_file)


def test_many_rows_are_counted(log_file, change):
    change("UPDATE lidar_pc SET timestamp = NULL WHERE rowid <= 10")
    with pytest.raises(ValueError, match=r"\(00000000000f4240, 00000000000f4241, 00000000000f4242 and 7 more\)"):
        check_log_tables(log_file)


@pytest.mark.parametrize(
    "sql", ["DROP TABLE lidar_pc", "DROP TABLE scene", "ALTER TABLE log DROP COLUMN map_version"]
)
def test_a_missing_table_or_column_is_named(log_file, change, sql):
    change(sql)
    with pytest.raises(ValueError, match=r"not in nuPlan's format: no such (table|column)"):
        check_log_tables(log_file)


@pytest.mark.parametrize(
    ("value", "token", "number"),
    [
        ("NULL", 0, 0),
        ("''", 0, 0),
        ("x'0011223344556677'", 1, 0),
        ("x''", 0, 0),
        ("'00112233'", 0, 0),
        ("3", 0, 1),
        ("2.5", 0, 1),
        ("9e999", 0, 0),
    ],
)
def test_conditions_on_types(value, token, number):
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute(f"INSERT INTO t VALUES ({value})")
        found = connection.execute(f"SELECT {is_token('a')}, {is_number('a')} IS TRUE FROM t").fetchone()
    assert found == (token, number)


def test_a_log_without_boxes_is_refused(log_file, change):
    change("DROP TABLE lidar_box")
    with pytest.raises(ValueError, match=r"is not in nuPlan's format: no such table: lidar_box"):
        check_log_tables(log_file)


def test_a_log_without_tags_is_named(log_file, change, caplog):
    change("DROP TABLE scenario_tag")
    with caplog.at_level(logging.WARNING):
        check_log_tables(log_file)
    assert [line for line in caplog.messages if "no table `scenario_tag`: filters by scenario type" in line]
