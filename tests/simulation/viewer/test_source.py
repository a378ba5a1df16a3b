"""The interface of sources, and that both sources have it."""

import inspect

import pytest

from simulation.viewer.source import Source
from simulation.viewer.sources import ResultsSource, ScenariosSource

METHODS = [name for name, member in vars(Source).items() if inspect.isfunction(member) and not name.startswith("_")]


def test_the_interface_has_rows_and_their_logs_scenarios_and_maps():
    assert METHODS == ["rows", "facts", "row", "log", "scenario", "map"]


@pytest.mark.parametrize("kind", [ResultsSource, ScenariosSource])
@pytest.mark.parametrize("method", METHODS)
def test_sources_have_the_signatures_of_the_interface(kind, method):
    assert inspect.signature(getattr(kind, method)) == inspect.signature(getattr(Source, method))


@pytest.mark.parametrize("kind", [ResultsSource, ScenariosSource])
def test_sources_have_a_name(kind, tmp_path, world):
    source: Source = kind("towns", world)
    assert source.name == "towns"


def test_a_key_without_a_row_raises(world):
    source: Source = ScenariosSource("towns", world)
    with pytest.raises(LookupError, match="no-such-key"):
        source.row("no-such-key")
    key = source.rows()[0].key
    assert source.row(key).key == key
    assert source.log(key) is None
    assert source.map(key).name == source.scenario(key).map.name
