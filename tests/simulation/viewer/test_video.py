import io

import av
import pytest
from PIL import Image

from simulation.viewer.pictures import THUMBNAIL_PX, thumbnail
from simulation.viewer.sources import open_sources
from simulation.viewer.video import GIF_SIZE_PX, SIZE_PX, Shot, encode, shot_of


@pytest.fixture(scope="module")
def source(results):
    return open_sources([results], None, None)[0]


def cut(shot, steps):
    """The first steps only, to be quick."""
    log = shot.log
    from dataclasses import replace

    short = replace(
        log,
        ego=log.ego.steps(0, steps),
        agents=log.agents.steps(0, steps),
        traffic_lights=log.traffic_lights.steps(0, steps),
        plans=log.plans[:steps],
        planning_time_s=log.planning_time_s[:steps],
    )
    return Shot(log=short, map=shot.map, route=shot.route, logged_path=shot.logged_path)


def pair(source):
    scenario = source.rows()[0].scenario
    return [cut(shot_of(source, row.key), 5) for row in source.rows() if row.scenario == scenario]


def test_an_mp4_has_a_frame_per_step(source):
    told = []
    content = encode(pair(source), "mp4", lambda done, total: told.append((done, total)))
    with av.open(io.BytesIO(content)) as video:
        frames = list(video.decode(video=0))
    assert len(frames) == 5
    assert (frames[0].width, frames[0].height) == SIZE_PX
    assert told[-1] == (5, 5)


def test_a_gif_has_a_frame_per_step(source):
    image = Image.open(io.BytesIO(encode(pair(source)[:1], "gif")))
    assert image.size == GIF_SIZE_PX
    assert image.n_frames == 5
    assert image.info["duration"] == 100


def test_without_a_map_the_drive_is_filmed_on_blank_ground(source):
    shot = pair(source)[0]
    bare = Shot(log=shot.log, map=None, route=(), logged_path=shot.logged_path)
    assert encode([bare], "gif").startswith(b"GIF89a")


def test_what_cannot_be_filmed_is_refused(source):
    shots = pair(source)
    other = next(row for row in source.rows() if row.scenario != shots[0].log.scenario_id)
    with pytest.raises(ValueError, match="mp4 or gif, not 'webm'"):
        encode(shots, "webm")
    with pytest.raises(ValueError, match="1 to 4 drives, got 0"):
        encode([], "mp4")
    with pytest.raises(ValueError, match="must be of one scenario"):
        encode([shots[0], shot_of(source, other.key)], "mp4")


def test_thumbnails_are_small_pictures_also_of_scenarios_nobody_drove(source, world):
    plain = open_sources([], world, None)[0]
    for one in (source, plain):
        image = Image.open(io.BytesIO(thumbnail(one, one.rows()[0].key)))
        assert image.size == THUMBNAIL_PX
        assert len(image.getcolors(100_000)) > 10
