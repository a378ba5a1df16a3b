from pathlib import Path

import pytest

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A nuPlan data root of three hand-made scenes; the first has no agents."""
    folder = tmp_path_factory.mktemp("world")
    write_world([SCENES[name]() for name in ("straight_road", "queue", "cut_in")], folder)
    return folder
