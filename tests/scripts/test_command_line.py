import importlib
import io
import logging

import pytest
from rich.table import Table


@pytest.fixture
def command_line(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    return importlib.import_module("command_line")


@pytest.mark.parametrize("count", [0, -2])
def test_a_count_below_one_is_refused_with_its_option(command_line, count):
    with pytest.raises(ValueError, match=rf"--worst must be at least 1, got {count}\."):
        command_line.require_count("--worst", count)


@pytest.mark.parametrize("count", [None, 1, 20])
def test_a_positive_count_and_none_pass(command_line, count):
    command_line.require_count("--limit", count)


ODD = "a\x1b[31m\x00\u202eb"
ESCAPED = r"a\x1b[31m\x00\u202eb"


@pytest.fixture
def printed(command_line, monkeypatch):
    """What the console printed so far."""
    text = io.StringIO()
    # `file` is a property: restoring it would bind the console to the output of this test.
    monkeypatch.setattr(command_line.console, "_file", text)
    return text.getvalue


def test_a_line_has_no_control_characters_and_no_second_line(command_line, printed):
    command_line.print_line(f"{ODD}\nError: forged")
    assert printed() == f"{ESCAPED}\\nError: forged\n"


def test_cells_and_titles_of_tables_have_no_control_characters(command_line, printed):
    table = Table(ODD, title=ODD)
    table.add_row(ODD)
    command_line.console.print(table)
    assert printed().count(ESCAPED) == 3
    assert "\x1b" not in printed()


def test_log_messages_and_tracebacks_have_no_control_characters(command_line, capsys):
    record = logging.LogRecord("name", logging.ERROR, "path", 1, "%s\nsecond line", (ODD,), None)
    assert command_line._Formatter("%(message)s").format(record) == f"{ESCAPED}\nsecond line"
    error = ValueError(ODD)
    command_line._print_traceback(ValueError, error, None)
    assert capsys.readouterr().err == f"ValueError: {ESCAPED}\n"


def test_an_error_of_a_command_is_one_line_without_control_characters(command_line, monkeypatch, capfd):
    def main(_arguments):
        raise ValueError(f"bad {ODD}\nError: forged")

    monkeypatch.setattr("sys.argv", ["command"])
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with pytest.raises(SystemExit):
        command_line.run(command_line.CommonArguments, main, None)
    assert f"Error: ValueError: bad {ESCAPED}\\nError: forged\n" in capfd.readouterr().err


def test_a_table_keeps_its_lines(command_line, printed):
    command_line.print_lines(f"| a |\n| {ODD} |")
    assert printed() == f"| a |\n| {ESCAPED} |\n"
