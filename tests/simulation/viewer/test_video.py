import io
from dataclasses import replace

import av
import pytest
from PIL import Image

from simulation.viewer.sources import open_sources
from simulation.viewer.video import GIF_SIZE_PX, SIZE_PX, Shot, encode, shot_of


@pytest.fixture(scope="module")
def source(results):
    return open_sources([results], None, None)[0]


def shortened(shot, steps):
    """The first steps only."""
    log = shot.log
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
    return [shortened(shot_of(source, row.key), 5) for row in source.rows() if row.scenario == scenario]


def test_an_mp4_has_a_frame_per_step(source):
    calls = []
    content = encode(pair(source), "mp4", lambda done, total: calls.append((done, total)))
    with av.open(io.BytesIO(content)) as video:
        frames = list(video.decode(video=0))
    assert len(frames) == 5
    assert (frames[0].width, frames[0].height) == SIZE_PX
    assert calls[-1] == (5, 5)


def test_a_gif_has_a_frame_per_step(source):
    image = Image.open(io.BytesIO(encode(pair(source)[:1], "gif")))
    assert image.size == GIF_SIZE_PX
    assert image.n_frames == 5
    assert image.info["duration"] == 100


def test_a_drive_without_a_map_is_drawn_on_blank_ground(source):
    shot = pair(source)[0]
    bare = Shot(log=shot.log, map=None, route=(), logged_path=shot.logged_path)
    assert encode([bare], "gif").startswith(b"GIF89a")


def test_other_kinds_and_selections_are_refused(source):
    shots = pair(source)
    other = next(row for row in source.rows() if row.scenario != shots[0].log.scenario_id)
    with pytest.raises(ValueError, match="mp4 or gif, not 'webm'"):
        encode(shots, "webm")
    with pytest.raises(ValueError, match="1 to 4 drives, got 0"):
        encode([], "mp4")
    with pytest.raises(ValueError, match="must be of one scenario"):
        encode([shots[0], shot_of(source, other.key)], "mp4")
