import importlib

import pytest


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
