"""Fixtures: small hand-made sources of each importer format."""

from pathlib import Path

import pytest
from recording_sources import write_archive, write_av2_log, write_commonroad


@pytest.fixture
def av2_log(tmp_path) -> Path:
    return write_av2_log(tmp_path)


@pytest.fixture
def archive(tmp_path) -> Path:
    return write_archive(tmp_path)


@pytest.fixture
def commonroad_file(tmp_path) -> Path:
    return write_commonroad(tmp_path)
