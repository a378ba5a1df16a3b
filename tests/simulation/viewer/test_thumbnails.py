import io
import shutil

import pytest
from PIL import Image

from simulation.viewer.sources import open_sources
from simulation.viewer.thumbnails import SIZE_PX, thumbnail


def image_of(source):
    return Image.open(io.BytesIO(thumbnail(source, source.rows()[0].key)))


def num_colors(image):
    return len(image.convert("RGB").getcolors(100_000))


def test_drives_and_logged_scenarios_have_thumbnails(results, world):
    for source in (open_sources([results], None, None)[0], open_sources([], world, None)[0]):
        image = image_of(source)
        assert image.size == SIZE_PX
        assert num_colors(image) > 10


def test_a_drive_without_its_data_set_is_drawn_without_a_map(results, tmp_path):
    shutil.copytree(results, tmp_path / "results")
    (tmp_path / "results" / "run.json").unlink()
    alone = image_of(open_sources([tmp_path / "results"], None, None)[0])
    assert num_colors(alone) < num_colors(image_of(open_sources([results], None, None)[0]))


def test_an_unknown_drive_is_refused(results):
    with pytest.raises(LookupError, match="has no drive 'nothing'"):
        thumbnail(open_sources([results], None, None)[0], "nothing")
